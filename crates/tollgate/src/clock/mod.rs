//! Time, handed in: the one home of `SystemTime::now` and `Instant::now`. *Never* read anywhere else.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Ends at this instant; never, if there is none.
pub async fn at(instant: Option<tokio::time::Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Reads the time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    shift: Option<std::sync::Arc<std::sync::atomic::AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { shift: None }
    }

    /// The machine's clock, shifted by [`Self::advance`]: for scenarios.
    pub fn adjustable() -> Self {
        Self { shift: Some(std::sync::Arc::default()) }
    }

    /// Moves an adjustable clock; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Some(shift) = &self.shift {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            shift.fetch_add(by, std::sync::atomic::Ordering::SeqCst);
        }
    }

    /// Milliseconds since the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    pub fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        match &self.shift {
            Some(shift) => now.saturating_add_signed(shift.load(std::sync::atomic::Ordering::SeqCst)),
            None => now,
        }
    }

    /// A monotonic instant, for latencies and deadlines.
    #[expect(clippy::disallowed_methods, reason = "the one home of the monotonic clock")]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }
}
