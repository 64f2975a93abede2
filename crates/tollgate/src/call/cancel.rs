//! Cancelling a walk: by a closed modern stream, `notifications/cancelled`, the deadline, or a forced shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Shared {
    fired: AtomicBool,
    notify: Notify,
}

/// Fires once; held by the edge.
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<Shared>);

/// Waits for it; held by the walk.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<Shared>);

impl Canceller {
    /// A new, unfired one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The waiting side.
    pub fn cancel(&self) -> Cancel {
        Cancel(Arc::clone(&self.0))
    }

    /// Fires.
    pub fn fire(&self) {
        self.0.fired.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }
}

impl Cancel {
    /// One that never fires.
    pub fn never() -> Self {
        Canceller::new().cancel()
    }

    /// Whether it has fired.
    pub fn is_fired(&self) -> bool {
        self.0.fired.load(Ordering::Acquire)
    }

    /// Waits until it fires.
    pub async fn fired(&self) {
        loop {
            let notified = self.0.notify.notified();
            if self.is_fired() {
                return;
            }
            notified.await;
        }
    }
}
