//! One request's answer over HTTP: a JSON body, or a stream of events with the answer last.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderValue;
use tollgate_mcp::message::{self, Id, Message, Outcome};
use tollgate_mcp::object::quote;
use tollgate_mcp::rope::Rope;

use super::{Ask, Poster, Session, Sessions, Side, Wire};
use crate::servers::Failure;
use crate::servers::carrier::Carried;
use crate::servers::registry::Registry;

mod line;

pub(in crate::servers) use line::is_stream;

use line::{Line, Seat, Stage};

/// One request at a server.
#[derive(Debug)]
pub(in crate::servers) struct Call {
    side: Option<Side>,
    line: Line,
}

impl Call {
    /// Connects and sends.
    pub(super) async fn modern(wire: Arc<Wire>, ask: Ask) -> Result<Box<Self>, Failure> {
        let mut call = Box::new(Self { side: None, line: Line::new(wire, ask, None) });
        call.line.start().await?;
        Ok(call)
    }

    /// The same in a session. In one that could ask something, the call is entered to be asked.
    pub(super) async fn legacy(
        sessions: Arc<Sessions>,
        session: Arc<Session>,
        ask: Ask,
        askable: bool,
    ) -> Result<Box<Self>, Failure> {
        let wire = Arc::clone(&sessions.wire);
        let seat = Seat { sessions, session, askable, revived: false };
        let mut call = Box::new(Self { side: None, line: Line::new(wire, ask, Some(seat)) });
        call.line.sit();
        call.line.start().await?;
        call.side = call.line.new_side.take();
        Ok(call)
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
                        Some(inbound) => match *inbound {
                            Ok(message) => return Ok(Carried::Message(message)),
                            // The session's own end does not end a request that runs on a connection of its own.
                            Err(_) => self.side = None,
                        },
                        None => self.side = None,
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

    /// The calls of its session.
    pub(in crate::servers) fn calls(&self) -> Option<&Registry> {
        self.line.seat.as_ref().map(|seat| &*seat.session.calls)
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

    /// The server may not be what it was taken for.
    pub(in crate::servers) fn doubt(&self, why: &str) {
        self.line.wire.doubt(why);
    }
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
