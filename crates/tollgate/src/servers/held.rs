//! How many bytes of unfinished answers are held, by all servers together. *Never* asked by an answer that is small.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes: sixteen of the largest answers, or 256 of a megabyte, at one time. Each server's 512 calls could else hold 8 GiB.
pub(super) const HELD_MAX: usize = 256 * 1024 * 1024;

/// Up to this size an answer is not counted, and from there on it is counted in steps of it.
const STEP: usize = 256 * 1024;

/// The count.
#[derive(Debug)]
pub(in crate::servers) struct Held {
    bytes: AtomicUsize,
    max: usize,
}

impl Held {
    pub(in crate::servers) fn new(max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), max }
    }

    /// Whether an answer whose share is `share` may hold `size` bytes; its share grows with it.
    pub(in crate::servers) fn grow(&self, share: &mut usize, size: usize) -> bool {
        if size <= STEP || size <= *share {
            return true;
        }
        let wanted = size.next_multiple_of(STEP);
        let more = wanted.saturating_sub(*share);
        let fits = |held: usize| held.checked_add(more).filter(|sum| *sum <= self.max);
        let grown = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            *share = wanted;
        }
        grown
    }

    /// Gives a share back.
    pub(in crate::servers) fn give_back(&self, share: &mut usize) {
        if *share > 0 {
            self.bytes.fetch_sub(std::mem::take(share), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_counted_and_given_back() {
        let held = Held::new(4 * STEP);
        let (mut small, mut one, mut two) = (0, 0, 0);
        assert!(held.grow(&mut small, STEP));
        assert_eq!(small, 0, "what is small costs nothing");
        assert!(held.grow(&mut one, STEP + 1) && held.grow(&mut one, 2 * STEP));
        assert_eq!(one, 2 * STEP);
        assert!(held.grow(&mut two, 2 * STEP));
        assert!(!held.grow(&mut two, 2 * STEP + 1) && two == 2 * STEP, "there is no more");
        assert!(held.grow(&mut small, STEP), "what is small always fits");
        held.give_back(&mut one);
        assert!(held.grow(&mut two, 4 * STEP) && one == 0);
        held.give_back(&mut two);
        assert_eq!(held.bytes.load(Ordering::Relaxed), 0);
    }
}
