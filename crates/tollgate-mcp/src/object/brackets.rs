//! What is open.

use smallvec::SmallVec;

/// The kinds of the open brackets, a bit each: true is a brace.
#[derive(Default)]
pub(super) struct Brackets {
    depth: usize,
    word: u64,
    full: SmallVec<[u64; 4]>,
}

impl Brackets {
    pub(super) fn push(&mut self, brace: bool) {
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.full.push(self.word);
        }
        self.word = (self.word << 1) | u64::from(brace);
        self.depth += 1;
    }

    pub(super) fn pop(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let brace = self.word & 1 == 1;
        self.word >>= 1;
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.word = self.full.pop().unwrap_or_default();
        }
        Some(brace)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.depth == 0
    }
}
