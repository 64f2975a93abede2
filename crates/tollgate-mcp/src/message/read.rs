//! Text → message.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::{Id, Message, NotAMessage, Notification, Outcome, Request, Response, is_batch};
use crate::error::{INVALID_REQUEST, PARSE_ERROR, RpcError};
use crate::gather::Glance;
use crate::object::{Object, Placed, unquote};
use crate::strict::{self, Fault};

/// Reads one message from a client: [`crate::strict::check`] first, then the shape (`jsonrpc` is "2.0", no array).
pub fn read(text: &Bytes, depth: usize) -> Result<Message, NotAMessage> {
    if let Err(fault) = strict::check(text, depth) {
        return Err(refused(text, &fault));
    }
    if is_batch(text) {
        return Err(NotAMessage::without_id(INVALID_REQUEST, "an array is not a message"));
    }
    match Object::scan_and(text.clone(), INNER, false) {
        Ok(scanned) => Envelope::new(scanned, false).message(),
        Err(_) => Err(NotAMessage::without_id(INVALID_REQUEST, "a message is a JSON object")),
    }
}

/// Reads one message from a server: UTF-8 and the envelope; params and results stay opaque. Duplicate envelope keys are refused.
/// `params: null` counts as absent.
pub fn read_server(text: &Bytes) -> Result<Message, NotAMessage> {
    read_gathered(text, Glance::of(text))
}

/// The same for a text that was looked at while it came: `seen` is what there is in it.
pub fn read_gathered(text: &Bytes, seen: Glance) -> Result<Message, NotAMessage> {
    if !seen.ascii
        && let Err(error) = simdutf8::compat::from_utf8(text)
    {
        let fault = Fault::Utf8 { at: error.valid_up_to() };
        return Err(NotAMessage::without_id(PARSE_ERROR, fault.to_string()));
    }
    let scanned = Object::scan_and(text.clone(), INNER, seen.is_plain())
        .map_err(|broken| NotAMessage::without_id(PARSE_ERROR, broken.to_string()))?;
    if scanned.0.has_duplicates() {
        return Err(NotAMessage::without_id(INVALID_REQUEST, "a duplicate key in the envelope"));
    }
    Envelope::new(scanned, true).message()
}

impl NotAMessage {
    fn without_id(code: i64, why: impl Into<String>) -> Self {
        Self { id: None, error: RpcError::new(code, why) }
    }
}

/// What a strict fault is answered with. Unless it is not even JSON, the id is echoed where there is exactly one.
fn refused(text: &Bytes, fault: &Fault) -> NotAMessage {
    match fault {
        Fault::Utf8 { .. } | Fault::Json { .. } => NotAMessage::without_id(PARSE_ERROR, fault.to_string()),
        Fault::Depth { .. } | Fault::Duplicate { .. } | Fault::Twin { .. } => {
            let id = Object::scan(text.clone())
                .ok()
                .filter(|envelope| !envelope.has_duplicates())
                .and_then(|envelope| envelope.get("id"))
                .and_then(Id::parse);
            NotAMessage { id, error: RpcError::new(INVALID_REQUEST, fault.to_string()) }
        }
    }
}

/// The members that are scanned together with the envelope.
const INNER: &[&str] = &["params", "result"];

struct Envelope {
    object: Object,
    inner: Option<Placed>,
    id: Option<Id>,
    lenient: bool,
}

impl Envelope {
    fn new((object, inner): (Object, Option<Placed>), lenient: bool) -> Self {
        Self { id: object.get("id").and_then(Id::parse), object, inner, lenient }
    }

    fn message(self) -> Result<Message, NotAMessage> {
        if self.object.string("jsonrpc").as_deref() != Some("2.0") {
            return Err(self.invalid("`jsonrpc` must be \"2.0\""));
        }
        match (self.object.slice("method"), self.object.find("result"), self.object.get("error")) {
            (Some(method), None, None) => {
                let Some(method) = unquote(method).map(Cow::into_owned) else {
                    return Err(self.invalid("`method` must be a string"));
                };
                self.call(method)
            }
            (None, Some(result), None) => self.result(&result),
            (None, None, Some(error)) => self.error(error),
            (None, None, None) => Err(self.invalid("neither a method nor a result nor an error")),
            (_, _, _) => Err(self.invalid("more than one of `method`, `result` and `error`")),
        }
    }

    fn call(mut self, method: String) -> Result<Message, NotAMessage> {
        let params = match self.object.find("params") {
            None => Object::empty(),
            Some(span) => match self.object_at(&span) {
                Some(params) => params,
                None if self.lenient && self.object.slice("params") == Some(b"null".as_slice()) => {
                    Object::empty()
                }
                None => return Err(self.invalid("`params` must be an object")),
            },
        };
        match self.id {
            Some(id) => Ok(Message::Request(Request { id, method, params })),
            None if self.object.find("id").is_some() => {
                Err(self.invalid("`id` must be a string or an integer"))
            }
            None => Ok(Message::Notification(Notification { method, params })),
        }
    }

    fn result(mut self, result: &Range<usize>) -> Result<Message, NotAMessage> {
        let Some(result) = self.object_at(result) else {
            return Err(self.invalid("`result` must be an object"));
        };
        match self.id {
            Some(id) => Ok(Message::Response(Response { id: Some(id), outcome: Outcome::Result(result) })),
            None => Err(self.invalid("a result's `id` must be a string or an integer")),
        }
    }

    fn error(self, error: Bytes) -> Result<Message, NotAMessage> {
        let Some(error) = Object::scan(error).ok().and_then(|error| read_error_object(&error)) else {
            return Err(self.invalid("`error` must be an object with an integer `code`"));
        };
        let stray = self.id.is_none() && self.object.slice("id").is_some_and(|id| id != b"null");
        if stray {
            return Err(self.invalid("`id` must be a string or an integer"));
        }
        Ok(Message::Response(Response { id: self.id, outcome: Outcome::Error(error) }))
    }

    fn object_at(&mut self, span: &Range<usize>) -> Option<Object> {
        self.inner.take().filter(|inner| inner.span == *span).map(|inner| inner.object)
    }

    fn invalid(self, why: &str) -> NotAMessage {
        NotAMessage { id: self.id, error: RpcError::new(INVALID_REQUEST, why) }
    }
}

/// Reads an error object; `None` = it has no code. A missing message is an empty one.
pub fn read_error_object(error: &Object) -> Option<RpcError> {
    let code = std::str::from_utf8(error.slice("code")?).ok()?.parse().ok()?;
    let message = error.string("message").unwrap_or_default().into_owned();
    Some(RpcError { code, message, data: error.get("data"), http: 200 })
}
