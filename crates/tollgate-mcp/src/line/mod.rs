//! Newline-delimited JSON, with a size limit (the stdio transport). *Never* holds more than the limit of an unfinished line.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

use crate::rope::{Rope, Weaver};

#[cfg(test)]
mod tests;

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
    /// The beginning of a line whose end has not come.
    line: BytesMut,
    /// The rest of the current line is thrown away.
    skipping: bool,
    ready: VecDeque<Result<Bytes, TooLong>>,
}

impl Decoder {
    /// A decoder that refuses lines over `limit` bytes (without the LF), holding no more than that beside the finished ones.
    pub fn new(limit: usize) -> Self {
        Self { limit, line: BytesMut::new(), skipping: false, ready: VecDeque::new() }
    }

    /// Takes a chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(end);
            self.add(head);
            self.end();
            rest = tail.get(1..).unwrap_or_default();
        }
        self.add(rest);
    }

    /// The next line; `Ok(None)` = feed more.
    #[expect(clippy::should_implement_trait, reason = "it is fallible and not an iterator")]
    pub fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        self.ready.pop_front().transpose()
    }

    fn add(&mut self, part: &[u8]) {
        if self.skipping || part.is_empty() {
            return;
        }
        if self.line.len() + part.len() > self.limit {
            self.ready.push_back(Err(TooLong { limit: self.limit }));
            self.line = BytesMut::new();
            self.skipping = true;
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end(&mut self) {
        self.skipping = false;
        let mut line = self.line.split();
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if !line.trim_ascii().is_empty() {
            self.ready.push_back(Ok(line.freeze()));
        }
    }
}

/// One message as a line: line breaks between tokens become spaces, LF at the end.
pub fn encode(message: Rope) -> Rope {
    let mut out = Weaver::around(&message);
    for piece in message.into_pieces() {
        if memchr2(b'\n', b'\r', &piece).is_none() {
            out.bytes(piece);
        } else {
            let mut flat = piece.to_vec();
            for byte in &mut flat {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
            out.bytes(flat.into());
        }
    }
    out.text("\n");
    out.finish()
}
