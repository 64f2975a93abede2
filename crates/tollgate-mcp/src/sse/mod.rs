//! Server-sent events, written and read, with a size limit (WHATWG HTML, "Server-sent events"). *Never* looks into a message.

use bytes::Bytes;

mod decode;
pub use decode::Decoder;

mod encode;
pub use encode::encode;

#[cfg(test)]
mod tests;

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

/// A keep-alive comment.
pub const KEEP_ALIVE: &[u8] = b":\r\n\r\n";
