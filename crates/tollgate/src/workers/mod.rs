//! The threads that agents' connections run on, each with a runtime of its own: a call, its connection to the agent and the one to the
//! server stay on one thread, and nothing has to be woken across threads. *Never* runs what is not about connections: listings, reloads
//! and supervision have the main runtime, so that they delay no call.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

#[cfg(test)]
mod tests;

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// Which worker this thread is, counted from 1; 0 = none.
pub fn here() -> usize {
    HERE.get()
}

/// How many workers a machine of `cores` gets: half of them. Agents and servers are mostly on the same machine, and one worker carries over
/// ten thousand calls a second; connections of one worker share its wake-ups.
pub fn automatic(cores: usize) -> usize {
    (cores / 2).clamp(1, 64)
}

/// Running workers. Dropping them ends all that runs on them.
#[derive(Debug)]
pub struct Workers {
    hands: Hands,
    /// Dropped, they end their threads.
    _running: Vec<oneshot::Sender<()>>,
}

impl Workers {
    /// Starts `count` threads.
    pub fn start(count: usize) -> io::Result<Self> {
        let (mut hands, mut running) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for number in 1..=count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (end, ended) = oneshot::channel::<()>();
            hands.push(Hand { runtime: runtime.handle().clone(), tasks: Arc::default() });
            running.push(end);
            thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                HERE.set(number);
                // The sender is never used, only dropped.
                drop(runtime.block_on(ended));
                runtime.shutdown_background();
            })?;
        }
        Ok(Self { hands: Hands(hands.into()), _running: running })
    }

    /// For whoever hands out work.
    pub fn hands(&self) -> Hands {
        self.hands.clone()
    }
}

/// Where work can go. By default nowhere but to the runtime at hand.
#[derive(Clone, Debug, Default)]
pub struct Hands(Arc<[Hand]>);

#[derive(Debug)]
struct Hand {
    runtime: Handle,
    tasks: Arc<AtomicUsize>,
}

/// A place on a worker, until it is dropped.
#[derive(Debug)]
pub struct Place {
    /// The worker's runtime.
    pub runtime: Handle,
    tasks: Arc<AtomicUsize>,
}

impl Hands {
    /// A place on the worker that has the least to do; `None` without workers.
    pub fn place(&self) -> Option<Place> {
        let hand = self.0.iter().min_by_key(|hand| hand.tasks.load(Ordering::Relaxed))?;
        hand.tasks.fetch_add(1, Ordering::Relaxed);
        Some(Place { runtime: hand.runtime.clone(), tasks: Arc::clone(&hand.tasks) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}
