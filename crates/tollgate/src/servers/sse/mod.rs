//! Servers of HTTP+SSE (2024-11-05): one event stream in, a POST for each message out. Messages share the stream as they share a pipe,
//! so that all else is [`super::stdio`]'s.
//! *Never* posts anything to another origin than the configured one, whatever the server says.

use std::sync::Arc;

use http::{Method as Verb, Uri};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::sse;

use super::Failure;
use super::carrier::{TOLD, UNTAKEN};
use super::http::{Body, Flight, RESULT_MAX, Wire, is_stream};
use super::introduction;
use super::stdio::Link;

mod endpoint;

/// An open stream, and where its server takes messages.
#[derive(Debug)]
pub(super) struct Stream {
    flight: Flight,
    events: sse::Decoder,
    pub(super) posts: Posts,
}

/// Opens a stream, and waits for the event that says where messages go.
pub(super) async fn open(wire: &Arc<Wire>) -> Result<Stream, String> {
    let started = wire.start(Verb::GET, wire.get_head(), Body::empty()).await;
    let mut flight = started.map_err(|broken| broken.why)?;
    let parts = flight.head().await.map_err(|broken| broken.why)?;
    match parts.status.as_u16() {
        200 if is_stream(&parts.headers) => {}
        status @ (401 | 403) => return Err(introduction::refused_credential(status)),
        status @ 300..=399 => return Err(introduction::redirect(status)),
        status => return Err(format!("it answered a request for its event stream with HTTP {status}")),
    }
    let mut events = sse::Decoder::new(RESULT_MAX);
    loop {
        while let Some(event) = events.next().map_err(|why| why.to_string())? {
            if event.event.as_deref() == Some("endpoint") {
                let told = std::str::from_utf8(&event.data).map_err(|_| "its endpoint is not text")?;
                let endpoint = endpoint::resolve(wire.url(), told)?;
                return Ok(Stream { flight, events, posts: Posts { wire: Arc::clone(wire), endpoint } });
            }
        }
        match flight.chunk().await.map_err(|broken| broken.why)? {
            Some(chunk) => events.feed(chunk),
            None => return Err("its event stream ended before it named its endpoint".to_owned()),
        }
    }
}

impl Stream {
    /// Hands each message on until the stream ends: says why.
    pub(super) async fn read(mut self, link: &Arc<Link>) -> &'static str {
        loop {
            match self.events.next() {
                Ok(Some(event)) => {
                    let message = event.event.as_deref().is_none_or(|name| name == "message");
                    if message && !event.data.is_empty() {
                        link.take(&event.data);
                    }
                }
                Ok(None) => match self.flight.chunk().await {
                    Ok(Some(chunk)) => self.events.feed(chunk),
                    Ok(None) => return "its event stream ended",
                    Err(_) => return "its event stream broke",
                },
                Err(sse::TooLarge { limit }) => {
                    // Where the next event begins is not known any more.
                    link.overflow(limit);
                    return "it sent an event that is too large";
                }
            }
        }
    }
}

/// Sends messages to the endpoint of one stream.
#[derive(Clone, Debug)]
pub(super) struct Posts {
    wire: Arc<Wire>,
    endpoint: Uri,
}

impl Posts {
    /// Posts a request. Some servers answer the POST only when they have answered the request on the stream, so nobody waits for it;
    /// if it is refused, its call ends.
    pub(super) fn request(&self, link: &Arc<Link>, id: u64, request: Rope) {
        let (posts, link) = (self.clone(), Arc::clone(link));
        tokio::spawn(async move {
            let Err(failure) = posts.post(request).await else { return };
            if matches!(&failure, Refused::Gone(_)) {
                link.stop();
            }
            link.calls.fail(id, failure.into());
        });
    }

    /// Posts a message that has no answer.
    pub(super) async fn tell(&self, message: Rope) -> Result<(), String> {
        match tokio::time::timeout(TOLD, self.post(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refused)) => Err(Failure::from(refused).to_string()),
            Err(_elapsed) => Err(UNTAKEN.to_owned()),
        }
    }

    async fn post(&self, message: Rope) -> Result<(), Refused> {
        let broken = |broken| Refused::Failed(self.wire.broken(broken));
        let head = self.wire.post_head();
        let started = self.wire.start_at(&self.endpoint, Verb::POST, head, Body::new(message)).await;
        let mut flight = started.map_err(broken)?;
        let status = flight.head().await.map_err(broken)?.status.as_u16();
        let refused = |sent| self.wire.unavailable(format!("it answered a message with HTTP {status}"), sent);
        match status {
            200..=299 => {
                flight.finish();
                Ok(())
            }
            404 | 410 => Err(Refused::Gone(refused(false))),
            300..=499 => Err(Refused::Failed(refused(false))),
            _ => Err(Refused::Failed(refused(true))),
        }
    }
}

/// Why a message was not taken.
enum Refused {
    /// The session is over.
    Gone(Failure),
    Failed(Failure),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Gone(failure) | Refused::Failed(failure) => failure,
        }
    }
}
