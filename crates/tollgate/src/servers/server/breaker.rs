//! The breaker: who did not answer several calls in a row is left alone for a while, then tried with one call.
//! *Never* opens for a server that answered in between, whatever it said.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many calls in a row without an answer open it.
const MISSES: u32 = 5;

/// How long it is open at first, doubled each time; and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// One server's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Calls in a row that were not answered in time.
    misses: AtomicU32,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    until: Option<Instant>,
    times: u32,
    /// One call was let through to see.
    trying: bool,
}

impl Breaker {
    /// Whether a call may go; `Err` = how long it may not. Once that is over, one call may: it decides.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        if self.misses.load(Ordering::Relaxed) < MISSES {
            return Ok(());
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = open.left(now) {
            return Err(left);
        }
        // If its agent gives up, its end tells nothing, and the next one may try.
        open.until = Some(now + LONGEST);
        open.trying = true;
        Ok(())
    }

    /// How long calls are refused, if they are.
    pub(super) fn refuses(&self, now: Instant) -> Option<Duration> {
        if self.misses.load(Ordering::Relaxed) < MISSES {
            return None;
        }
        self.open.lock().unwrap_or_else(PoisonError::into_inner).left(now)
    }

    pub(super) fn answered(&self) {
        if self.misses.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.misses.store(0, Ordering::Relaxed);
        *open = Open::default();
    }

    pub(super) fn missed(&self, now: Instant) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let misses = self.misses.load(Ordering::Relaxed).saturating_add(1);
        self.misses.store(misses, Ordering::Relaxed);
        // Of many calls that end together, the one that comes to the limit opens it.
        if misses == MISSES || open.trying {
            let wait = FIRST.saturating_mul(1 << open.times.min(5)).min(LONGEST);
            *open = Open { until: Some(now + wait), times: open.times.saturating_add(1), trying: false };
        }
    }
}

impl Open {
    fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn it_opens_after_misses_in_a_row_and_one_answer_closes_it() {
        let (breaker, start) = (Breaker::default(), Clock::system().instant());
        let at = |ms| start + Duration::from_millis(ms);
        for _ in 0..20 {
            breaker.missed(at(0));
            breaker.answered();
        }
        assert_eq!(breaker.admit(at(0)), Ok(()));
        for _ in 0..16 {
            breaker.missed(at(0));
        }
        assert_eq!(breaker.admit(at(999)), Err(Duration::from_millis(1)));
        assert_eq!(breaker.refuses(at(999)), Some(Duration::from_millis(1)));
        assert_eq!(breaker.refuses(at(1000)), None);
        // One may try, and only one; its miss opens it for twice as long.
        assert_eq!(breaker.admit(at(1000)), Ok(()));
        assert!(breaker.admit(at(1000)).is_err());
        breaker.missed(at(2000));
        assert_eq!(breaker.admit(at(3999)), Err(Duration::from_millis(1)));
        assert_eq!(breaker.admit(at(4000)), Ok(()));
        breaker.answered();
        assert_eq!(breaker.admit(at(4000)), Ok(()));
        assert_eq!(breaker.admit(at(4000)), Ok(()));
    }

    #[test]
    fn it_is_never_open_for_longer_than_the_longest() {
        let (breaker, mut now) = (Breaker::default(), Clock::system().instant());
        for _ in 0..50 {
            breaker.missed(now);
            if let Err(left) = breaker.admit(now) {
                assert!(left <= LONGEST);
                now += left;
                assert_eq!(breaker.admit(now), Ok(()));
            }
        }
    }
}
