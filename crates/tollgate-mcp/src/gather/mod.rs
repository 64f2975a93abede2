//! A text that comes in chunks, put together and looked at while it is still in the processor's cache.
//! *Never* says that a text is harmless: only what is not in it.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

#[cfg(test)]
mod tests;

/// So much is copied, then looked at: it fits into the first cache twice.
const BLOCK: usize = 16 * 1024;

/// What there is in a text, told at memory speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// All of it is ASCII, and so UTF-8.
    pub ascii: bool,
    /// There is a `\u`: as JSON, it may hold any character.
    pub escaped: bool,
}

static UNICODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u"));

impl Glance {
    const NOTHING: Self = Self { ascii: true, escaped: false };

    /// Looks at the whole text.
    pub fn of(text: &[u8]) -> Self {
        Self::NOTHING.and(text)
    }

    /// As JSON, it stands for ASCII only.
    pub fn is_plain(self) -> bool {
        self.ascii && !self.escaped
    }

    fn and(self, more: &[u8]) -> Self {
        Self { ascii: self.ascii && more.is_ascii(), escaped: self.escaped || UNICODE.find(more).is_some() }
    }
}

/// A text that comes in chunks. A single chunk is not copied.
#[derive(Debug)]
pub struct Gather {
    first: Bytes,
    all: BytesMut,
    seen: Glance,
}

impl Default for Gather {
    fn default() -> Self {
        Self { first: Bytes::new(), all: BytesMut::new(), seen: Glance::NOTHING }
    }
}

impl Gather {
    /// Adds a chunk. `left` is how many bytes are still to come after it, as far as that is known: room for them is made at once.
    pub fn push(&mut self, chunk: Bytes, left: Option<u64>) {
        if self.is_empty() {
            self.first = chunk;
            return;
        }
        if self.all.is_empty() {
            let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(64 * 1024);
            self.all.reserve(self.first.len().saturating_add(chunk.len()).saturating_add(left));
            let first = std::mem::take(&mut self.first);
            self.append(&first);
        }
        self.append(&chunk);
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// Whether nothing has come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole text, and what there is in it.
    pub fn finish(self) -> (Bytes, Glance) {
        if self.all.is_empty() {
            let seen = Glance::of(&self.first);
            return (self.first, seen);
        }
        (self.all.freeze(), self.seen)
    }

    fn append(&mut self, chunk: &[u8]) {
        for block in chunk.chunks(BLOCK) {
            let parted = self.all.last() == Some(&b'\\') && block.first() == Some(&b'u');
            self.all.extend_from_slice(block);
            self.seen = self.seen.and(block);
            self.seen.escaped |= parted;
        }
    }
}
