//! Newline-delimited JSON, with a size limit (the stdio transport).

use bytes::Bytes;

use crate::rope::Rope;

/// A line is longer than allowed. The decoder has skipped it and goes on with the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit in bytes.
    pub limit: usize,
}

/// Cuts chunks into lines. Blank lines are skipped, a CR before the LF is dropped, an unfinished last line is never given out.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
}

impl Decoder {
    /// A decoder that refuses lines over `limit` bytes, holding no more than that.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Takes a chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        let _ = (chunk, self.limit);
        todo!("line::Decoder::feed")
    }

    /// The next line; `Ok(None)` = feed more.
    #[expect(clippy::should_implement_trait, reason = "it is fallible and not an iterator")]
    pub fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        todo!("line::Decoder::next")
    }
}

/// One message as a line: line breaks between tokens become spaces, LF at the end.
pub fn encode(message: Rope) -> Rope {
    let _ = message;
    todo!("line::encode")
}
