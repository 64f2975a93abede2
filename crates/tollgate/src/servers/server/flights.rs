//! The calls in flight at one server: counted, bounded, and how they end.
//! *Never* lets the calls that wait for one server grow without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::breaker::Breaker;

/// The most calls in flight at one server; further ones wait in line.
const AT_ONCE: usize = 512;

/// The longest line.
const LINE_MAX: usize = 1024;

/// The longest wait in it.
const LINE_WAIT: Duration = Duration::from_secs(5);

/// Calls in flight, counted so that a retired server ends after the last of them.
#[derive(Debug, Default)]
pub(super) struct Flights {
    count: AtomicUsize,
    none: Notify,
    waiting: AtomicUsize,
    freed: Notify,
    pub(super) breaker: Breaker,
}

/// One call in flight.
#[derive(Debug)]
pub(in crate::servers) struct Flight(Arc<Flights>);

impl Flight {
    /// The server answered.
    pub(in crate::servers) fn answered(&self) {
        self.0.breaker.answered();
    }

    /// It did not, within the call's time.
    pub(in crate::servers) fn missed(&self, now: Instant) {
        self.0.breaker.missed(now);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.notify_waiters();
        }
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.freed.notify_one();
        }
    }
}

/// One place in the line.
struct Waiting<'a>(&'a Flights);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        // A place that was freed for this one, which gave up in the same moment, is for the next.
        self.0.freed.notify_one();
    }
}

impl Flights {
    /// Enters a call; `None` = there was no place for it within the time that a call may wait.
    pub(super) async fn enter(self: &Arc<Self>) -> Option<Flight> {
        if let Some(flight) = self.try_enter() {
            return Some(flight);
        }
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= LINE_MAX {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        let _waiting = Waiting(self);
        let place = async {
            loop {
                let freed = self.freed.notified();
                if let Some(flight) = self.try_enter() {
                    return flight;
                }
                freed.await;
            }
        };
        tokio::time::timeout(LINE_WAIT, place).await.ok()
    }

    fn try_enter(self: &Arc<Self>) -> Option<Flight> {
        if self.count.fetch_add(1, Ordering::SeqCst) < AT_ONCE {
            return Some(Flight(Arc::clone(self)));
        }
        self.count.fetch_sub(1, Ordering::SeqCst);
        None
    }

    pub(super) async fn over(&self) {
        loop {
            let none = self.none.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_server_makes_calls_wait_in_line_and_a_full_line_refuses() {
        let flights = Arc::new(Flights::default());
        let mut flying = Vec::new();
        for _ in 0..AT_ONCE {
            flying.push(flights.enter().await.unwrap());
        }
        let line: Vec<_> = (0..LINE_MAX)
            .map(|_| {
                let flights = Arc::clone(&flights);
                tokio::spawn(async move { flights.enter().await })
            })
            .collect();
        while flights.waiting.load(Ordering::SeqCst) < LINE_MAX {
            tokio::task::yield_now().await;
        }
        assert!(flights.enter().await.is_none());
        drop(flying);
        // Each that ends makes room for one that waits.
        for waiting in line {
            assert!(waiting.await.unwrap().is_some());
        }
        flights.over().await;
        assert_eq!(flights.waiting.load(Ordering::SeqCst), 0);
    }
}
