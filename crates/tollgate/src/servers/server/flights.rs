//! The calls in flight at one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Calls in flight, counted so that a retired server ends after the last of them.
#[derive(Debug, Default)]
pub(super) struct Flights {
    count: AtomicUsize,
    none: Notify,
}

/// One call in flight.
#[derive(Debug)]
pub(in crate::servers) struct Flight(Arc<Flights>);

impl Drop for Flight {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

impl Flights {
    pub(super) fn enter(self: &Arc<Self>) -> Flight {
        self.count.fetch_add(1, Ordering::AcqRel);
        Flight(Arc::clone(self))
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
