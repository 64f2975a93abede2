//! A server that may have become another one: one that spoke the other era when it was last asked. It is asked again at once, by its
//! supervisor alone, and what comes meanwhile waits for the verdict. *Never* over and over because a server likes to look so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long a doubt that came to nothing keeps the next one from being followed, at first; it doubles up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Whether a server is what it was found to be.
#[derive(Debug)]
pub(super) struct Doubt {
    /// It is being asked.
    raised: AtomicBool,
    changes: watch::Sender<bool>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    not_before: Option<Instant>,
    gap: Duration,
}

impl Doubt {
    pub(super) fn new() -> Self {
        Self { raised: AtomicBool::new(false), changes: watch::Sender::new(false), heard: Mutex::default() }
    }

    /// Raises it, unless the last one came to nothing just now. Whether it is raised.
    pub(super) fn raise(&self, now: Instant) -> bool {
        if self.heard().not_before.is_some_and(|until| now < until) {
            return false;
        }
        self.raised.store(true, Ordering::Release);
        self.changes.send_replace(true);
        true
    }

    /// It came to nothing.
    pub(super) fn unfounded(&self, now: Instant) {
        let mut heard = self.heard();
        // One that came to nothing long ago counts no more.
        let recent = heard.not_before.is_some_and(|until| now.saturating_duration_since(until) < LONGEST);
        heard.gap = if recent { heard.gap.saturating_mul(2).clamp(FIRST, LONGEST) } else { FIRST };
        heard.not_before = Some(now + heard.gap);
        drop(heard);
        self.raised.store(false, Ordering::Release);
        self.changes.send_replace(false);
    }

    /// Whether it is raised.
    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Waits until it is (`true`), or is no longer.
    pub(super) async fn is(&self, raised: bool) {
        // The sender is here.
        drop(self.changes.subscribe().wait_for(|now| *now == raised).await);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn doubts_that_come_to_nothing_are_followed_ever_more_rarely() {
        let (doubt, start) = (Doubt::new(), Clock::system().instant());
        let mut now = start;
        let mut followed = 0;
        // A server that looks so on every call, a hundred times a second for five minutes.
        for _ in 0..30_000 {
            if doubt.raise(now) {
                followed += 1;
                doubt.unfounded(now);
            }
            now += Duration::from_millis(10);
        }
        assert!((10..=20).contains(&followed), "{followed}");
        // Long quiet, it is believed at once again.
        now += Duration::from_mins(5);
        assert!(doubt.raise(now) && doubt.is_raised());
        doubt.unfounded(now);
        assert!(!doubt.is_raised() && !doubt.raise(now + Duration::from_millis(999)));
        assert!(doubt.raise(now + FIRST));
    }
}
