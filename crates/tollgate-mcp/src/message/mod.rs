//! Requests, notifications and responses (JSON-RPC 2.0 as MCP narrows it). *Never* looks inside params and results.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::error::RpcError;
use crate::object::{self, Object};

mod read;
pub use read::{read, read_error_object, read_gathered, read_server};

mod write;
pub use write::{write_error, write_error_object, write_notification, write_request, write_result};

#[cfg(test)]
mod tests;

/// A JSON-RPC id: a string or an integer, kept as its JSON text. Equality is by meaning (`"a"` = `"\u0061"`).
#[derive(Clone, Debug)]
pub struct Id {
    text: Bytes,
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
            || (self.is_string() && other.is_string() && self.meaning() == other.meaning())
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_string().hash(state);
        self.meaning().hash(state);
    }
}

impl Id {
    /// An id from its JSON text; `None` unless a string or an integer (fractions, null and the rest are refused).
    pub fn parse(text: Bytes) -> Option<Self> {
        let valid = match text.first()? {
            b'"' => object::unquote(&text).is_some(),
            _ => is_integer(&text),
        };
        valid.then_some(Self { text })
    }

    /// An integer id.
    pub fn number(n: u64) -> Self {
        Self { text: Bytes::from(n.to_string()) }
    }

    /// The JSON text.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// A string id.
    pub fn string(text: &str) -> Self {
        Self { text: Bytes::from(object::quote(text)) }
    }

    /// The integer, if it is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        std::str::from_utf8(&self.text).ok()?.parse().ok()
    }

    fn is_string(&self) -> bool {
        self.text.first() == Some(&b'"')
    }

    /// What is compared: a string unescaped, a number as it is.
    fn meaning(&self) -> Cow<'_, str> {
        object::unquote(&self.text).unwrap_or_else(|| String::from_utf8_lossy(&self.text))
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

/// Whether the text's first non-blank byte opens an array (a batch).
pub fn is_batch(text: &[u8]) -> bool {
    text.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[')
}

/// JSON's integers: no fraction, no exponent, no leading zero.
fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
