//! One request's answer over HTTP: a JSON body, or a stream of events with the answer last.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::Method as Verb;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::response::Parts;
use tollgate_mcp::message::{self, Id, Message, Outcome};
use tollgate_mcp::object::{elements, quote};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::sse;

use super::body::Body;
use super::flight::{Broken, Flight};
use super::{Ask, Poster, RESULT_MAX, Session, Sessions, Side, Wire, head};
use crate::servers::carrier::Carried;
use crate::servers::registry::Place;
use crate::servers::{Failure, introduction};

/// The most bytes one stream may bring in all.
const STREAM_MAX: usize = 4 * RESULT_MAX;

/// An error's body is read no further than this: it only ever holds one JSON-RPC error.
const ERROR_MAX: usize = 64 * 1024;

/// How often a broken stream is taken up again without anything new on it.
const RESUMES_MAX: u32 = 5;

/// How long to wait before taking a stream up again, unless the server says otherwise; and the longest it can say.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
enum Stage {
    /// Waiting for the head.
    Head,
    /// Reading a body that is one message; `status` is not 200 for an error's.
    Body { status: u16, first: Bytes, rest: BytesMut },
    /// Reading events.
    Events(Box<sse::Decoder>),
    /// The stream broke; it can be taken up again then.
    Resume(Instant),
    /// Waiting for the head of the taken-up stream.
    Resumed,
    /// The session is dead, and so the request was not taken: to be sent in a new one.
    Revive,
    /// The answer was given out.
    Over,
}

/// One request at a server.
#[derive(Debug)]
pub(in crate::servers) struct Call {
    side: Option<Side>,
    line: Line,
}

/// The legacy part of a [`Call`].
#[derive(Debug)]
struct Seat {
    sessions: Arc<Sessions>,
    session: Arc<Session>,
    askable: bool,
    revived: bool,
}

#[derive(Debug)]
struct Line {
    wire: Arc<Wire>,
    ask: Ask,
    seat: Option<Seat>,
    flight: Option<Flight>,
    stage: Stage,
    queue: VecDeque<Message>,
    read: usize,
    last_event: Option<HeaderValue>,
    /// What the server said.
    retry: Option<Duration>,
    resumes: u32,
    /// The server ended its stream on purpose; not told yet.
    paused: Option<Duration>,
    /// The `Mcp-Session-Id` that came with the head.
    session_id: Option<HeaderValue>,
    /// A new session's side, for the call to take over.
    new_side: Option<Side>,
}

impl Call {
    /// Connects; the request is written when the call is first polled.
    pub(super) async fn modern(wire: Arc<Wire>, ask: Ask) -> Result<Self, Failure> {
        let mut line = Line::new(wire, ask, None);
        line.start().await?;
        Ok(Self { side: None, line })
    }

    /// The same in a session. In one that could ask something, the call is entered to be asked.
    pub(super) async fn legacy(
        sessions: Arc<Sessions>,
        session: Arc<Session>,
        ask: Ask,
        askable: bool,
    ) -> Result<Self, Failure> {
        let wire = Arc::clone(&sessions.wire);
        let seat = Seat { sessions, session, askable, revived: false };
        let mut line = Line::new(wire, ask, Some(seat));
        line.sit();
        line.start().await?;
        Ok(Self { side: line.new_side.take(), line })
    }

    /// The next message. Cancel-safe.
    pub(in crate::servers) async fn message(&mut self) -> Result<Message, Failure> {
        loop {
            if let Carried::Message(message) = self.next().await? {
                return Ok(message);
            }
        }
    }

    /// What comes next. Cancel-safe.
    pub(in crate::servers) async fn next(&mut self) -> Result<Carried, Failure> {
        loop {
            if let Some(message) = self.line.queue.pop_front() {
                return Ok(Carried::Message(message));
            }
            if let Some(retry) = self.line.paused.take() {
                return Ok(Carried::Paused(retry));
            }
            if let Some(side) = self.line.new_side.take() {
                self.side = Some(side);
            }
            match &mut self.side {
                None => self.line.step().await?,
                Some(side) => tokio::select! {
                    biased;
                    asked = side.recv() => match asked {
                        Some(Ok(message)) => return Ok(Carried::Message(message)),
                        // The session's own end does not end a request that runs on a connection of its own.
                        Some(Err(_)) | None => self.side = None,
                    },
                    stepped = self.line.step() => stepped?,
                },
            }
        }
    }

    /// The session id that the answer came with.
    pub(super) fn session_id(&self) -> Option<&HeaderValue> {
        self.line.session_id.as_ref()
    }

    /// By what a server's question on this call is answered.
    pub(in crate::servers) fn poster(&self) -> Poster {
        Poster::new(&self.line.wire, self.line.seat.as_ref().map(|seat| &seat.session))
    }

    /// The answer is there: the connection is given back if its stream ends.
    pub(in crate::servers) fn finish(&mut self) {
        self.line.stage = Stage::Over;
        if let Some(flight) = self.line.flight.take() {
            flight.finish();
        }
    }

    /// Closes the stream; tells a legacy server, to which a closed stream says nothing.
    pub(in crate::servers) fn cancel(&mut self) {
        self.line.flight = None;
        if matches!(self.line.stage, Stage::Over) || self.line.seat.is_none() {
            return;
        }
        self.line.stage = Stage::Over;
        let poster = self.poster();
        let params = format!(r#"{{"requestId":{},"reason":{}}}"#, self.line.ask.id, quote("cancelled"));
        let note = message::write_notification("notifications/cancelled", Rope::from(Bytes::from(params)));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(poster.send(note).await) });
        }
    }

    /// The server is not what it was taken for.
    pub(in crate::servers) fn lose(&self, why: &str) {
        self.line.wire.lose(why);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(seat) = &self.seat {
            seat.session.calls.leave(self.ask.id);
        }
    }
}

impl Line {
    fn new(wire: Arc<Wire>, ask: Ask, seat: Option<Seat>) -> Self {
        Self {
            wire,
            ask,
            seat,
            flight: None,
            stage: Stage::Head,
            queue: VecDeque::new(),
            read: 0,
            last_event: None,
            retry: None,
            resumes: 0,
            paused: None,
            session_id: None,
            new_side: None,
        }
    }

    /// Takes a place in the session, where its questions come in.
    fn sit(&mut self) {
        if let Some(seat) = &self.seat
            && seat.session.interactive()
        {
            let place = Place { askable: seat.askable, ..Place::default() };
            self.new_side = seat.session.calls.enter(self.ask.id, place).ok();
        }
    }

    async fn start(&mut self) -> Result<(), Failure> {
        let mut head = self.ask.head.clone();
        if let Some(seat) = &self.seat {
            seat.session.stamp(&mut head);
        }
        let body = Body::new(self.ask.body.clone());
        let flight = self.wire.start(Verb::POST, head, body).await;
        self.flight = Some(flight.map_err(|broken| self.wire.broken(broken))?);
        self.stage = Stage::Head;
        Ok(())
    }

    /// Goes one step on. Cancel-safe: a step that was given up is taken again.
    async fn step(&mut self) -> Result<(), Failure> {
        match &mut self.stage {
            Stage::Head => {
                let head = match &mut self.flight {
                    Some(flight) => flight.head().await,
                    None => return self.start().await,
                };
                let parts = head.map_err(|broken| self.wire.broken(broken))?;
                self.judge(&parts)
            }
            Stage::Body { first, rest, .. } => {
                let chunk = match &mut self.flight {
                    Some(flight) => flight.chunk().await,
                    None => Ok(None),
                };
                match chunk.map_err(|broken| self.wire.broken(broken))? {
                    Some(chunk) if first.is_empty() => *first = chunk,
                    Some(chunk) => {
                        if rest.is_empty() {
                            rest.extend_from_slice(first);
                        }
                        rest.extend_from_slice(&chunk);
                    }
                    None => return self.read_body(),
                }
                self.within()
            }
            Stage::Events(decoder) => {
                if let Some(event) = decoder.next().map_err(|_| too_large(&self.wire))? {
                    self.event(event);
                    return Ok(());
                }
                let chunk = match &mut self.flight {
                    Some(flight) => flight.chunk().await,
                    None => Ok(None),
                };
                match chunk {
                    Ok(Some(chunk)) => {
                        self.read = self.read.saturating_add(chunk.len());
                        if self.read > STREAM_MAX {
                            return Err(too_large(&self.wire));
                        }
                        decoder.feed(chunk);
                        Ok(())
                    }
                    Ok(None) => {
                        self.ended("the stream ended without an answer")?;
                        // A proxy's timeout ends a stream too: only who said when to come back meant it.
                        self.paused = self.retry;
                        Ok(())
                    }
                    Err(Broken { why, sent: _ }) => self.ended(&why),
                }
            }
            Stage::Resume(at) => {
                tokio::time::sleep_until((*at).into()).await;
                let head = self.resumption();
                match self.wire.start(Verb::GET, head, Body::empty()).await {
                    Ok(flight) => {
                        self.flight = Some(flight);
                        self.stage = Stage::Resumed;
                        Ok(())
                    }
                    Err(Broken { why, sent: _ }) => self.ended(&why),
                }
            }
            Stage::Resumed => {
                let head = match &mut self.flight {
                    Some(flight) => flight.head().await,
                    None => return self.ended("the stream ended without an answer"),
                };
                match head {
                    Ok(parts) if parts.status.as_u16() == 200 && is_stream(&parts.headers) => {
                        self.stage = Stage::Events(Box::new(sse::Decoder::new(RESULT_MAX)));
                        Ok(())
                    }
                    Ok(parts) => {
                        self.resumes = RESUMES_MAX;
                        self.ended(&format!(
                            "the stream could not be taken up again (HTTP {})",
                            parts.status.as_u16()
                        ))
                    }
                    Err(Broken { why, sent: _ }) => self.ended(&why),
                }
            }
            Stage::Revive => self.revive().await,
            Stage::Over => Err(self.wire.unavailable("the stream ended without an answer", true)),
        }
    }

    /// Reads the head of the answer.
    fn judge(&mut self, parts: &Parts) -> Result<(), Failure> {
        let status = parts.status.as_u16();
        self.session_id = parts.headers.get(&head::SESSION).cloned();
        match status {
            200 if is_stream(&parts.headers) => {
                self.stage = Stage::Events(Box::new(sse::Decoder::new(RESULT_MAX)));
                Ok(())
            }
            200 if is_json(&parts.headers) => self.expect_body(status, RESULT_MAX),
            200..=299 => {
                Err(self.wire.unavailable(format!("it answered HTTP {status} without JSON or events"), true))
            }
            300..=399 => Err(self.wire.unavailable(introduction::redirect(status), false)),
            401 | 403 => {
                let why = introduction::refused_credential(status);
                // The credential may have changed in the vault: it is resolved and probed anew.
                self.wire.lose(&why);
                Err(self.wire.unavailable(why, false))
            }
            404 if self.seat.as_ref().is_some_and(|seat| seat.session.id.is_some() && !seat.revived) => {
                self.flight = None;
                self.stage = Stage::Revive;
                Ok(())
            }
            408 | 429 => Err(self.wire.unavailable(format!("it answered HTTP {status}"), false)),
            400..=499 => self.expect_body(status, ERROR_MAX),
            _ => Err(self.wire.unavailable(format!("it answered HTTP {status}"), true)),
        }
    }

    fn expect_body(&mut self, status: u16, limit: usize) -> Result<(), Failure> {
        let length = self.flight.as_ref().and_then(Flight::length);
        if length.is_some_and(|length| length > limit as u64) {
            return Err(too_large(&self.wire));
        }
        self.stage = Stage::Body { status, first: Bytes::new(), rest: BytesMut::new() };
        Ok(())
    }

    fn within(&self) -> Result<(), Failure> {
        if let Stage::Body { status, first, rest } = &self.stage {
            let limit = if *status == 200 { RESULT_MAX } else { ERROR_MAX };
            if first.len().max(rest.len()) > limit {
                return Err(too_large(&self.wire));
            }
        }
        Ok(())
    }

    fn read_body(&mut self) -> Result<(), Failure> {
        self.flight = None;
        let (status, text) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Body { status, first, rest } if rest.is_empty() => (status, first),
            Stage::Body { status, rest, .. } => (status, rest.freeze()),
            Stage::Head
            | Stage::Events(_)
            | Stage::Resume(_)
            | Stage::Resumed
            | Stage::Revive
            | Stage::Over => {
                return Ok(());
            }
        };
        let read = self.take(&text);
        let refused = self.queue.iter().any(|message| {
            matches!(message, Message::Response(response) if matches!(response.outcome, Outcome::Error(_)))
        });
        if status == 200 {
            let bad = || self.wire.unavailable("its answer is not a JSON-RPC message", true);
            return read.then_some(()).ok_or_else(bad);
        }
        if refused {
            return Ok(());
        }
        // Its words stay here: an error page may hold anything. What answers like this is not what we took it for.
        self.queue.clear();
        let why = format!("it answered HTTP {status}");
        self.wire.lose(&why);
        Err(self.wire.unavailable(why, false))
    }

    /// Takes one message, or a batch (2025-03-26); false if it is neither.
    fn take(&mut self, text: &Bytes) -> bool {
        if !message::is_batch(text) {
            return self.take_one(text);
        }
        let texts = elements(text).unwrap_or_default();
        let mut all = !texts.is_empty();
        for text in &texts {
            all &= self.take_one(text);
        }
        all
    }

    fn take_one(&mut self, text: &Bytes) -> bool {
        match message::read_server(text) {
            Ok(message) => {
                self.queue.push_back(message);
                true
            }
            Err(_) => false,
        }
    }

    fn event(&mut self, event: sse::Event) {
        if let Some(retry) = event.retry {
            self.retry = Some(Duration::from_millis(retry).min(RETRY_MAX));
        }
        if let Some(id) = event.id {
            self.last_event = HeaderValue::try_from(id).ok();
            self.resumes = 0;
        }
        // An event without data only primes the stream for being taken up again.
        let ours = event.event.as_deref().is_none_or(|name| name == "message");
        if ours && !event.data.is_empty() && !self.take(&event.data) {
            tracing::warn!(server = %self.wire.alias, "an event that is not a JSON-RPC message is ignored");
        }
    }

    /// The stream is gone: takes it up again where the server can (only legacy ones give their events ids).
    fn ended(&mut self, why: &str) -> Result<(), Failure> {
        self.flight = None;
        if self.seat.is_none() || self.last_event.is_none() || self.resumes >= RESUMES_MAX {
            return Err(self.wire.unavailable(why, true));
        }
        self.resumes += 1;
        self.stage = Stage::Resume(self.wire.clock.instant() + self.retry.unwrap_or(RETRY));
        Ok(())
    }

    fn resumption(&self) -> HeaderMap {
        let mut head = self.wire.get_head();
        if let Some(seat) = &self.seat {
            seat.session.stamp(&mut head);
        }
        if let Some(last) = &self.last_event {
            head.insert(head::LAST_EVENT.clone(), last.clone());
        }
        head
    }

    /// A 404 in a session says that the session is dead and the request was not taken.
    async fn revive(&mut self) -> Result<(), Failure> {
        let Some(seat) = &mut self.seat else {
            return Err(self.wire.unavailable("its session ended", false));
        };
        let session = seat.sessions.renew(&seat.session).await?;
        seat.session.calls.leave(self.ask.id);
        seat.session = session;
        seat.revived = true;
        self.sit();
        self.stage = Stage::Head;
        self.flight = None;
        self.start().await
    }
}

fn too_large(wire: &Wire) -> Failure {
    Failure::TooLarge { server: Arc::clone(&wire.alias), limit: RESULT_MAX }
}

fn media(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    media(headers).eq_ignore_ascii_case(b"text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    media(headers).eq_ignore_ascii_case(b"application/json")
}

/// The answer to `id` among what a call brings; all else on it is passed by.
pub(super) async fn outcome(call: &mut Call, id: u64) -> Result<Outcome, Failure> {
    loop {
        if let Message::Response(response) = call.message().await? {
            let ours = response.id.as_ref().map(Id::as_u64).is_none_or(|got| got == Some(id));
            if ours {
                call.finish();
                return Ok(response.outcome);
            }
        }
    }
}
