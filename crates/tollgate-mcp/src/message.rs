//! Requests, notifications and responses.

use bytes::Bytes;

use crate::error::RpcError;
use crate::object::Object;
use crate::rope::Rope;

/// A JSON-RPC id: a string or an integer, kept as its JSON text. Equality is by meaning (`"a"` = `"\u0061"`).
#[derive(Clone, Debug)]
pub struct Id {
    text: Bytes,
}

impl Id {
    /// An id from its JSON text; `None` unless a string or an integer (fractions, null and the rest are refused).
    pub fn parse(text: Bytes) -> Option<Self> {
        let _ = text;
        todo!("Id::parse")
    }

    /// An integer id.
    pub fn number(n: u64) -> Self {
        Self { text: Bytes::from(n.to_string()) }
    }

    /// The JSON text.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The integer, if it is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        std::str::from_utf8(&self.text).ok()?.parse().ok()
    }
}

/// One message.
#[derive(Clone, Debug)]
pub enum Message {
    /// Has an id and a method.
    Request(Request),
    /// Has a method and no id.
    Notification(Notification),
    /// Has a result or an error.
    Response(Response),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id.
    pub id: Id,
    /// Its method, as sent.
    pub method: String,
    /// Its params; `{}` where absent.
    pub params: Object,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Its method, as sent.
    pub method: String,
    /// Its params; `{}` where absent.
    pub params: Object,
}

/// A response. `id` is `None` where it was null or missing (only errors may).
#[derive(Clone, Debug)]
pub struct Response {
    /// The id.
    pub id: Option<Id>,
    /// What came.
    pub outcome: Outcome,
}

/// A result or an error.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The result, an object.
    Result(Object),
    /// The error; `http` is 200.
    Error(RpcError),
}

/// Why a text is no message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error:?}")]
pub struct NotAMessage {
    /// The id, where it could be read.
    pub id: Option<Id>,
    /// What to answer: -32700 or -32600.
    pub error: RpcError,
}

/// Reads one message from a client: [`crate::strict::check`] first, then the shape (`jsonrpc` is "2.0", no array).
pub fn read(text: &Bytes, depth: usize) -> Result<Message, NotAMessage> {
    let _ = (text, depth);
    todo!("message::read")
}

/// Reads one message from a server: UTF-8 and the envelope; params and results stay opaque. Duplicate envelope keys are refused.
pub fn read_server(text: &Bytes) -> Result<Message, NotAMessage> {
    let _ = text;
    todo!("message::read_server")
}

/// Whether the text's first non-blank byte opens an array (a batch).
pub fn is_batch(text: &[u8]) -> bool {
    text.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[')
}

/// `{"jsonrpc":"2.0","id":…,"method":…,"params":…}`. `params` is omitted when empty.
pub fn write_request(id: &Id, method: &str, params: Rope) -> Rope {
    let _ = (id, method, params);
    todo!("write_request")
}

/// `{"jsonrpc":"2.0","method":…,"params":…}`. `params` is omitted when empty.
pub fn write_notification(method: &str, params: Rope) -> Rope {
    let _ = (method, params);
    todo!("write_notification")
}

/// `{"jsonrpc":"2.0","id":…,"result":…}`.
pub fn write_result(id: &Id, result: Rope) -> Rope {
    let _ = (id, result);
    todo!("write_result")
}

/// `{"jsonrpc":"2.0","id":…,"error":{…}}`; without an id the member is left out (2026-07-28) .
pub fn write_error(id: Option<&Id>, error: &RpcError) -> Rope {
    let _ = (id, error);
    todo!("write_error")
}
