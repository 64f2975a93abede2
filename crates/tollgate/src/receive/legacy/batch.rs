//! Batches, which only 2025-03-26 has: each message is judged by itself, one after the other.

use bytes::Bytes;
use tollgate_mcp::error::{INVALID_REQUEST, RpcError};
use tollgate_mcp::message::{self, Message};
use tollgate_mcp::object;
use tollgate_mcp::rope::Rope;

/// How many messages one batch may hold.
const MESSAGES_MAX: usize = 100;

/// Reads a batch. A single broken message, or an `initialize`, refuses it whole.
pub(in crate::receive) fn read(text: &Bytes, depth: usize) -> Result<Vec<Message>, RpcError> {
    let broken = || RpcError::new(INVALID_REQUEST, "not a batch of messages");
    let elements = object::elements(text).map_err(|_| broken())?;
    if elements.is_empty() || elements.len() > MESSAGES_MAX {
        return Err(RpcError::new(INVALID_REQUEST, format!("a batch holds 1 to {MESSAGES_MAX} messages")));
    }
    let mut messages = Vec::with_capacity(elements.len());
    for element in &elements {
        let message = message::read(element, depth).map_err(|broken| broken.error)?;
        if let Message::Request(request) = &message
            && request.method == "initialize"
        {
            return Err(RpcError::new(INVALID_REQUEST, "`initialize` may not be part of a batch"));
        }
        messages.push(message);
    }
    Ok(messages)
}

/// The responses as one array.
pub(in crate::receive) fn array(responses: Vec<Rope>) -> Rope {
    let mut all = Rope::new();
    for (at, response) in responses.into_iter().enumerate() {
        all.push(Bytes::from_static(if at == 0 { b"[" } else { b"," }));
        all.append(response);
    }
    all.push(Bytes::from_static(b"]"));
    all
}
