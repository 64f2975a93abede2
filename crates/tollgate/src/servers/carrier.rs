//! What carries one request's messages: an HTTP exchange, or a place on a shared pipe.

use std::sync::Arc;
use std::time::Duration;

use tollgate_mcp::error::{HEADER_MISMATCH, RpcError, UNSUPPORTED_VERSION};
use tollgate_mcp::message::Message;
use tollgate_mcp::rope::Rope;

use super::Failure;
use super::http;
use super::registry::Registry;
use super::stdio;

/// How long a message without an answer may take to be taken.
pub(super) const TOLD: Duration = Duration::from_secs(10);

/// What [`TOLD`] having passed is called.
pub(super) const UNTAKEN: &str = "it did not take a message in time";

/// One request's messages, both ways.
#[derive(Debug)]
pub(super) enum Carrier {
    Http(Box<http::Call>),
    Pipe(stdio::Call),
}

/// What comes next on a request.
#[derive(Debug)]
pub(super) enum Carried {
    Message(Message),
    /// The server ended the stream for now, having said when to come back; it is resumed by itself.
    Paused(Duration),
}

impl Carrier {
    /// What comes next on the request. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Carried, Failure> {
        match self {
            Self::Http(call) => call.next().await,
            Self::Pipe(call) => call.message().await.map(Carried::Message),
        }
    }

    /// The next message that belongs to the request. Cancel-safe.
    pub(super) async fn message(&mut self) -> Result<Message, Failure> {
        match self {
            Self::Http(call) => call.message().await,
            Self::Pipe(call) => call.message().await,
        }
    }

    /// What is said of the earlier request `id` comes here too.
    pub(super) fn hears_for(&mut self, id: u64) {
        match self {
            // What comes on its stream comes anyway.
            Self::Http(_) => {}
            Self::Pipe(call) => call.hears_for(id),
        }
    }

    /// The calls that it is among, where the server can speak of one that is over.
    pub(super) fn calls(&self) -> Option<&Registry> {
        match self {
            Self::Http(call) => call.calls(),
            Self::Pipe(call) => Some(&call.link().calls),
        }
    }

    /// Whether nothing but this request's messages can arrive here.
    pub(super) fn carries_one(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Pipe(_) => false,
        }
    }

    /// By what a server's question is answered.
    pub(super) fn replier(&self) -> Replier {
        match self {
            Self::Http(call) => Replier::Http(call.poster()),
            Self::Pipe(call) => Replier::Pipe(Arc::clone(call.link())),
        }
    }

    /// Lets the next call in, where they take turns.
    pub(super) fn give_turn(&mut self) {
        match self {
            Self::Http(_) => {}
            Self::Pipe(call) => call.give_turn(),
        }
    }

    /// The answer is there: gives back what can be used again.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Http(call) => call.finish(),
            Self::Pipe(call) => call.finish(),
        }
    }

    /// Nobody waits any more: tells the server.
    pub(super) fn cancel(&mut self) {
        match self {
            Self::Http(call) => call.cancel(),
            Self::Pipe(call) => call.cancel(),
        }
    }

    /// An error that a server of the era we took it for does not send: the era is probed again.
    pub(super) fn contradicted(&self, error: &RpcError) {
        if [UNSUPPORTED_VERSION, HEADER_MISMATCH].contains(&error.code) {
            match self {
                Self::Http(call) => {
                    call.doubt(&format!(
                        "error {}: it no longer speaks the revision we agreed on",
                        error.code
                    ));
                }
                Self::Pipe(_) => {}
            }
        }
    }
}

/// Sends responses to a server's requests.
#[derive(Clone, Debug)]
pub(super) enum Replier {
    Http(http::Poster),
    Pipe(Arc<stdio::Link>),
}

impl Replier {
    /// Sends one; given up after [`TOLD`].
    pub(super) async fn send(&self, reply: Rope) -> Result<(), String> {
        match self {
            Self::Http(poster) => poster.send(reply).await,
            Self::Pipe(link) => match tokio::time::timeout(TOLD, link.write(reply)).await {
                Ok(written) => written,
                Err(_elapsed) => Err(UNTAKEN.to_owned()),
            },
        }
    }
}
