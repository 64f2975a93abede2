//! Reading one request's answer, step by step; each step can be given up and taken again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method as Verb;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::response::Parts;
use tollgate_mcp::error::INVALID_REQUEST;
use tollgate_mcp::gather::{Gather, Glance};
use tollgate_mcp::message::{self, Message, Outcome, Response};
use tollgate_mcp::object::elements;
use tollgate_mcp::sse;

use super::super::body::Body;
use super::super::flight::{Broken, Flight};
use super::super::{Ask, RESULT_MAX, Session, Sessions, Side, Wire, head};
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
pub(super) enum Stage {
    /// Waiting for the head.
    Head,
    /// Reading a body that is one message; `status` is not 200 for an error's.
    Body { status: u16, text: Gather },
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

/// The legacy part of a [`Call`].
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) sessions: Arc<Sessions>,
    pub(super) session: Arc<Session>,
    pub(super) askable: bool,
    pub(super) revived: bool,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) wire: Arc<Wire>,
    pub(super) ask: Ask,
    pub(super) seat: Option<Seat>,
    pub(super) flight: Option<Flight>,
    pub(super) stage: Stage,
    pub(super) queue: VecDeque<Message>,
    read: usize,
    /// What it holds of an unfinished answer, as far as that counts.
    share: usize,
    last_event: Option<HeaderValue>,
    /// What the server said.
    retry: Option<Duration>,
    resumes: u32,
    /// The server ended its stream on purpose; not told yet.
    pub(super) paused: Option<Duration>,
    /// The `Mcp-Session-Id` that came with the head.
    pub(super) session_id: Option<HeaderValue>,
    /// A new session's side, for the call to take over.
    pub(super) new_side: Option<Side>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.wire.held.give_back(&mut self.share);
        if let Some(seat) = &self.seat {
            seat.session.calls.leave(self.ask.id);
        }
    }
}

impl Line {
    pub(super) fn new(wire: Arc<Wire>, ask: Ask, seat: Option<Seat>) -> Self {
        Self {
            wire,
            ask,
            seat,
            flight: None,
            stage: Stage::Head,
            queue: VecDeque::new(),
            read: 0,
            share: 0,
            last_event: None,
            retry: None,
            resumes: 0,
            paused: None,
            session_id: None,
            new_side: None,
        }
    }

    /// Takes a place in the session, where its questions come in.
    pub(super) fn sit(&mut self) {
        if let Some(seat) = &self.seat
            && seat.session.interactive()
        {
            let place = Place { askable: seat.askable, ..Place::default() };
            self.new_side = seat.session.calls.enter(self.ask.id, place).ok();
        }
    }

    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        let (head, body) = match &self.seat {
            // Kept: in a session that turns out to be dead nothing was taken, and it is sent again in a new one.
            Some(seat) => {
                let mut head = self.ask.head.clone();
                seat.session.stamp(&mut head);
                (head, self.ask.body.clone())
            }
            None => (std::mem::take(&mut self.ask.head), std::mem::take(&mut self.ask.body)),
        };
        let body = Body::new(body);
        let flight = self.wire.start(Verb::POST, head, body).await;
        self.flight = Some(flight.map_err(|broken| self.wire.broken(broken))?);
        self.stage = Stage::Head;
        Ok(())
    }

    /// Goes one step on. Cancel-safe: a step that was given up is taken again.
    pub(super) async fn step(&mut self) -> Result<(), Failure> {
        match &mut self.stage {
            Stage::Head => {
                let head = match &mut self.flight {
                    Some(flight) => flight.head().await,
                    None => return self.start().await,
                };
                let parts = head.map_err(|broken| self.wire.broken(broken))?;
                self.judge(&parts)
            }
            Stage::Body { status, text } => {
                let chunk = match &mut self.flight {
                    Some(flight) => flight.chunk().await,
                    None => Ok(None),
                };
                let Some(chunk) = chunk.map_err(|broken| self.wire.broken(broken))? else {
                    return self.read_body();
                };
                let limit = if *status == 200 { RESULT_MAX } else { ERROR_MAX };
                if text.len().saturating_add(chunk.len()) > limit {
                    return Err(too_large(&self.wire));
                }
                text.push(chunk, self.flight.as_ref().and_then(Flight::length));
                let held = text.len();
                self.hold(held)
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
                        let held = decoder.held();
                        self.hold(held)
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
                match Box::pin(self.wire.start(Verb::GET, head, Body::empty())).await {
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
            Stage::Revive => Box::pin(self.revive()).await,
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
                if status == 401 {
                    self.wire.refused_us(&why);
                }
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
        self.stage = Stage::Body { status, text: Gather::default() };
        Ok(())
    }

    /// All unfinished answers together have a limit, too.
    fn hold(&mut self, size: usize) -> Result<(), Failure> {
        if self.wire.held.grow(&mut self.share, size) {
            return Ok(());
        }
        Err(Failure::NoRoom { server: Arc::clone(&self.wire.alias) })
    }

    fn read_body(&mut self) -> Result<(), Failure> {
        self.flight = None;
        let (status, (text, seen)) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Body { status, text } => (status, text.finish()),
            Stage::Head
            | Stage::Events(_)
            | Stage::Resume(_)
            | Stage::Resumed
            | Stage::Revive
            | Stage::Over => {
                return Ok(());
            }
        };
        let read = self.take(&text, seen);
        let refused = self.queue.iter().any(|message| {
            matches!(message, Message::Response(response) if matches!(response.outcome, Outcome::Error(_)))
        });
        if status == 200 {
            let bad = || self.wire.unavailable("its answer is not a JSON-RPC message", true);
            return read.then_some(()).ok_or_else(bad);
        }
        self.wire.refuse();
        if refused {
            if let Some((code, read)) = self.queue.iter().find_map(|message| self.foreign(status, message)) {
                let what = if read { "" } else { " and no id" };
                self.wire.doubt(&format!(
                    "it answered HTTP {status} with error {code}{what}, as one of another era does"
                ));
            }
            return Ok(());
        }
        // Its words stay here: an error page may hold anything. What answers like this is not what we took it for.
        self.queue.clear();
        let why = format!("it answered HTTP {status}");
        if matches!(status, 400 | 404 | 405) {
            self.wire.doubt(&why);
        }
        Err(self.wire.unavailable(why, false))
    }

    /// The error's code, and whether the request was read, if a server of the other era refuses like this.
    fn foreign(&self, status: u16, message: &Message) -> Option<(i64, bool)> {
        let Message::Response(Response { id, outcome: Outcome::Error(error) }) = message else {
            return None;
        };
        let foreign = match (id, &self.seat) {
            // It did not even read the request: "not initialized", say, from a server that was stateless before.
            (None, _) => true,
            // In a session, errors come with HTTP 200.
            (Some(_), Some(_)) => status == 400,
            // Codes that 2026-07-28 has no use for.
            (Some(_), None) => status == 400 && matches!(error.code, INVALID_REQUEST | -32019..=-32000),
        };
        foreign.then_some((error.code, id.is_some()))
    }

    /// Takes one message, or a batch (2025-03-26); false if it is neither.
    fn take(&mut self, text: &Bytes, seen: Glance) -> bool {
        if !message::is_batch(text) {
            return self.take_one(text, seen);
        }
        let texts = elements(text).unwrap_or_default();
        let mut all = !texts.is_empty();
        for text in &texts {
            all &= self.take_one(text, seen);
        }
        all
    }

    fn take_one(&mut self, text: &Bytes, seen: Glance) -> bool {
        match message::read_gathered(text, seen) {
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
        if ours && !event.data.is_empty() && !self.take(&event.data, Glance::of(&event.data)) {
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

pub(in crate::servers) fn is_stream(headers: &HeaderMap) -> bool {
    media(headers).eq_ignore_ascii_case(b"text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    media(headers).eq_ignore_ascii_case(b"application/json")
}
