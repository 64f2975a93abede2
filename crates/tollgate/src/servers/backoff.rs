//! Waiting times between attempts: doubling from 0.25 s to 30 s, each shortened by up to a half at random.

use std::time::Duration;

use crate::clock::Clock;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// One row of attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    clock: Clock,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, next: FIRST }
    }

    /// How long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(LONGEST);
        // Many servers may fail at once; they need not come back at once. The wall clock's low bits are chance enough for that.
        let chance = u32::try_from(self.clock.now_ms().wrapping_mul(0x9E37_79B9) % 1_000).unwrap_or(0);
        full.saturating_sub((full / 2 / 1_000).saturating_mul(chance))
    }

    /// The attempts were successful.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_the_longest_and_starts_anew() {
        let mut backoff = Backoff::new(Clock::system());
        let mut most = FIRST;
        for _ in 0..12 {
            let wait = backoff.next();
            assert!(wait <= most && wait >= most / 2, "{wait:?} of {most:?}");
            most = (most * 2).min(LONGEST);
        }
        assert_eq!(most, LONGEST);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
