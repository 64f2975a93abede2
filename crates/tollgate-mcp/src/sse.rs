//! Server-sent events, written and read, with a size limit (WHATWG HTML, "Server-sent events").

use bytes::Bytes;

use crate::rope::Rope;

/// One event as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `event:`; `None` = message.
    pub event: Option<String>,
    /// `id:`.
    pub id: Option<String>,
    /// `retry:`, milliseconds.
    pub retry: Option<u64>,
    /// `data:`, lines joined by LF.
    pub data: Bytes,
}

/// An event is larger than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// Reads events from chunks as they arrive: CR, LF and CRLF, BOM, comments, any chunking.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
}

impl Decoder {
    /// A decoder that refuses events over `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Takes a chunk. Events become available to [`Self::next`].
    pub fn feed(&mut self, chunk: Bytes) {
        let _ = (chunk, self.limit);
        todo!("sse::Decoder::feed")
    }

    /// The next complete event; `Ok(None)` = feed more. Events with neither data nor id nor retry are skipped; an event whose
    /// data is a single whole line inside one chunk shares that chunk's buffer.
    #[expect(clippy::should_implement_trait, reason = "it is fallible and not an iterator")]
    pub fn next(&mut self) -> Result<Option<Event>, TooLarge> {
        todo!("sse::Decoder::next")
    }
}

/// Writes one message as an event: `event: message`, optional `id:`, `data:`. Line breaks inside the JSON text (white space between
/// tokens; strings can't hold any) are written as further `data:` lines.
pub fn encode(id: Option<&str>, message: Rope) -> Rope {
    let _ = (id, message);
    todo!("sse::encode")
}

/// A keep-alive comment.
pub const KEEP_ALIVE: &[u8] = b":\r\n\r\n";
