//! A server that may have become another one: one that spoke the other era when it was last asked. It is asked again at once, by its
//! supervisor alone, and what comes meanwhile waits for the verdict. *Never* over and over because a server likes to look so: a sign that
//! came to nothing is followed ever more rarely. Another sign is followed at once all the same, so that a server which looks odd in one way
//! is not believed to be what it was when it says in another that it is not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long a sign that came to nothing keeps the next one like it from being followed, at first; it doubles up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How many signs are told apart; all others count as one.
const SIGNS_MAX: usize = 16;

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
    /// The signs for which it is being asked.
    followed: Vec<String>,
    /// Those that came to nothing.
    unfounded: HashMap<String, Pause>,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    gap: Duration,
}

impl Doubt {
    pub(super) fn new() -> Self {
        Self { raised: AtomicBool::new(false), changes: watch::Sender::new(false), heard: Mutex::default() }
    }

    /// Raises it, unless the last one of this sign came to nothing just now. Whether it is raised.
    pub(super) fn raise(&self, sign: &str, now: Instant) -> bool {
        let mut heard = self.heard();
        let known = heard.unfounded.contains_key(sign) || heard.unfounded.len() < SIGNS_MAX;
        let sign = if known { sign } else { "" };
        if heard.unfounded.get(sign).is_some_and(|pause| now < pause.until) {
            return false;
        }
        if !heard.followed.iter().any(|followed| followed == sign) {
            heard.followed.push(sign.to_owned());
        }
        drop(heard);
        self.raised.store(true, Ordering::Release);
        self.changes.send_replace(true);
        true
    }

    /// It came to nothing.
    pub(super) fn unfounded(&self, now: Instant) {
        let mut heard = self.heard();
        for sign in std::mem::take(&mut heard.followed) {
            // One that came to nothing long ago counts no more.
            let recent = heard
                .unfounded
                .get(&sign)
                .filter(|pause| now.saturating_duration_since(pause.until) < LONGEST);
            let gap = recent.map_or(FIRST, |pause| pause.gap.saturating_mul(2).clamp(FIRST, LONGEST));
            heard.unfounded.insert(sign, Pause { until: now + gap, gap });
        }
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
            if doubt.raise("400", now) {
                followed += 1;
                doubt.unfounded(now);
            }
            now += Duration::from_millis(10);
        }
        assert!((10..=20).contains(&followed), "{followed}");
        // Long quiet, it is believed at once again.
        now += Duration::from_mins(5);
        assert!(doubt.raise("400", now) && doubt.is_raised());
        doubt.unfounded(now);
        assert!(!doubt.is_raised() && !doubt.raise("400", now + Duration::from_millis(999)));
        assert!(doubt.raise("400", now + FIRST));
    }

    #[test]
    fn another_sign_is_followed_at_once_but_not_ever_new_ones() {
        let (doubt, now) = (Doubt::new(), Clock::system().instant());
        for sign in 0..100 {
            if doubt.raise(&sign.to_string(), now) {
                doubt.unfounded(now);
            }
        }
        let followed = (0..100).filter(|sign| doubt.raise(&sign.to_string(), now)).count();
        assert_eq!(followed, 0, "all are known, or count as one that is");
        let fresh = Doubt::new();
        assert!(fresh.raise("404", now));
        fresh.unfounded(now);
        assert!(!fresh.raise("404", now) && fresh.raise("-32022", now));
        // It is asked once for both.
        assert!(fresh.raise("400", now));
        fresh.unfounded(now);
        assert!(!fresh.raise("400", now) && !fresh.raise("-32022", now) && !fresh.is_raised());
    }
}
