//! HTTP+SSE of 2024-11-05: one event stream out, and a POST for each message in. The session is the stream: it ends with its connection,
//! and nothing can be resumed. *Never* takes a message for somebody else's stream, and never answers one but on its stream.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method as Verb, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tollgate_mcp::error::{INVALID_REQUEST, RpcError};
use tollgate_mcp::message::{self, Message, Notification, Request};
use tollgate_mcp::method::Method;
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::sse;

use super::body::{self, Body};
use super::events::Source;
use super::route::{self, Door, Gate};
use super::{checks, reply};
use crate::call::{Caller, Handle, NotAdmitted};
use crate::receive::edge;
use crate::receive::legacy::call::Call;
use crate::receive::legacy::{self, Core, Outlet, listen};

mod store;

use store::Session;
pub(super) use store::Streams;

/// How many messages may wait for a slow reader before their makers are slowed down.
const WAITING_MAX: usize = 64;

/// GET opens a stream, POST with its session takes a message.
pub(super) async fn answer<H: Handle>(
    gate: &Arc<Gate<H>>,
    door: Door<'_>,
    head: &Parts,
    body: Incoming,
) -> Response<Body> {
    if head.method == Verb::GET {
        return open(gate, &door, head.uri.path());
    }
    match (head.method == Verb::POST, head.uri.query()) {
        (true, Some(query)) => post(gate, door, query, body).await,
        // What makes a client that tried the newer transport first open the stream.
        (_, _) => reply::method_not_allowed("GET"),
    }
}

/// Opens a session: its first event says where its messages go.
fn open<H: Handle>(gate: &Arc<Gate<H>>, door: &Door<'_>, path: &str) -> Response<Body> {
    if let Err(refusal) = checks::events(door.headers, gate.draining.cancel().is_fired()) {
        return *refusal;
    }
    let (sender, messages) = mpsc::channel(WAITING_MAX);
    let session = match gate.streams.open(&door.caller, &door.endpoint, sender) {
        Ok(session) => session,
        Err(full) => return full.refuse("stream"),
    };
    gate.handle.count("sse");
    let first = format!("event: endpoint\ndata: {path}?session={}\n\n", session.id());
    let reading = Reading { first: Some(Bytes::from(first).into()), messages, session };
    reply::standing(reading, gate.settings.limits.keep_alive)
}

/// A stream being read: while it is, its session lives.
struct Reading {
    first: Option<Rope>,
    messages: mpsc::Receiver<Rope>,
    session: Arc<Session>,
}

impl Source for Reading {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Rope>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.messages.poll_recv(cx),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.session.desert();
    }
}

/// Where messages go: the session's stream. What comes after its end is dropped.
#[derive(Clone, Debug)]
struct Line(mpsc::Sender<Rope>);

impl Outlet for Line {
    async fn send(&self, message: Rope) {
        // Whoever has gone can't be told.
        drop(self.0.send(sse::encode(None, message)).await);
    }
}

/// Where a session's messages go that belong to no request: it must not keep the stream open.
#[derive(Debug)]
struct SessionOut(std::sync::Weak<Session>);

impl Outlet for SessionOut {
    async fn send(&self, message: Rope) {
        if let Some(line) = self.0.upgrade().and_then(|session| session.line()) {
            Line(line).send(message).await;
        }
    }
}

/// Takes one message of a session. It is answered on the stream.
async fn post<H: Handle>(gate: &Arc<Gate<H>>, door: Door<'_>, query: &str, body: Incoming) -> Response<Body> {
    let id = query.split('&').find_map(|pair| pair.strip_prefix("session="));
    let found = id.and_then(|id| gate.streams.find(id, &door.caller, &door.endpoint));
    let Some((session, line)) = found.and_then(|session| session.line().map(|line| (session, line))) else {
        return reply::refuse(StatusCode::NOT_FOUND, "no such session", "open the event stream again");
    };
    if let Err(refusal) = checks::json(door.headers) {
        return *refusal;
    }
    let limits = &gate.settings.limits;
    let text = match body::read(body, limits.body_bytes, limits.body_read).await {
        Ok(text) => text,
        Err(unread) => return route::refuse_unread(gate, unread),
    };
    let visit = Visit { gate: Arc::clone(gate), session, line: Line(line), caller: door.caller };
    if message::is_batch(&text) {
        return visit.batch(&text);
    }
    match message::read(&text, limits.depth) {
        Ok(Message::Request(request)) => visit.request(request, text.len()),
        Ok(Message::Notification(notification)) => {
            visit.notified(&notification);
            reply::nothing(StatusCode::ACCEPTED)
        }
        Ok(Message::Response(response)) => {
            if let Some(core) = visit.session.core.get() {
                core.answered(response);
            }
            reply::nothing(StatusCode::ACCEPTED)
        }
        Err(broken) => {
            gate.handle.count("malformed");
            reply::error(StatusCode::BAD_REQUEST, broken.id.as_ref(), &broken.error)
        }
    }
}

/// One POST of a session.
struct Visit<H: Handle> {
    gate: Arc<Gate<H>>,
    session: Arc<Session>,
    line: Line,
    caller: Arc<Caller>,
}

impl<H: Handle> Visit<H> {
    fn request(self, request: Request, bytes: usize) -> Response<Body> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if request.method == Method::Initialize.as_str() {
            return self.go(|visit| async move { Some(visit.initialize(request, bytes).await) });
        }
        let Some(core) = self.session.core.get().map(Arc::clone) else {
            return self.go(|visit| async move { Some(visit.unknown(&request)) });
        };
        match self.call(&core, request, bytes) {
            Some(call) => self.go(|_| call.run()),
            None => reply::too_many("too many requests of this session are in flight"),
        }
    }

    /// Answers in a task of its own: a disconnect is not a cancellation, and draining waits for it.
    fn go<F>(self, work: impl FnOnce(Self) -> F) -> Response<Body>
    where
        F: Future<Output = Option<Rope>> + Send + 'static,
    {
        let Some(hold) = self.gate.detached.hold() else {
            return reply::not_admitted(&NotAdmitted::Draining);
        };
        let (line, session) = (self.line.clone(), Arc::clone(&self.session));
        let working = work(self);
        tokio::spawn(async move {
            if let Some(response) = working.await {
                line.send(response).await;
            }
            drop((session, hold));
        });
        reply::nothing(StatusCode::ACCEPTED)
    }

    async fn initialize(self, request: Request, bytes: u64) -> Rope {
        let made = async {
            let again = || RpcError::new(INVALID_REQUEST, "this session is initialized already");
            if self.session.core.get().is_some() {
                return Err(again());
            }
            let endpoint = self.session.endpoint.clone();
            let core = legacy::initialize::core(&request, endpoint, self.gate.settings.patience)?;
            let result = legacy::initialize::result(&self.gate.handle, &core, &self.caller, bytes).await?;
            self.session.core.set(core).map_err(|_| again())?;
            Ok(result)
        };
        match made.await {
            Ok(result) => message::write_result(&request.id, result),
            Err(error) => message::write_error(Some(&request.id), &error),
        }
    }

    /// A request before `initialize`: only `ping` is answered.
    fn unknown(self, request: &Request) -> Rope {
        if request.method == Method::Ping.as_str() {
            self.gate.handle.count("ping");
            return message::write_result(&request.id, Bytes::from_static(b"{}").into());
        }
        let error = if request.method == Method::Discover.as_str() {
            // What makes a client of both eras go on with `initialize`.
            edge::unknown(&request.method)
        } else {
            RpcError::new(INVALID_REQUEST, "send `initialize` first")
        };
        message::write_error(Some(&request.id), &error)
    }

    /// `None` = too many are in flight.
    fn call(&self, core: &Arc<Core>, request: Request, bytes_in: u64) -> Option<Call<H, Line>> {
        let flight = core.flights.start(&request.id, self.gate.settings.sessions.in_flight)?;
        if request.method == Method::Subscribe.as_str() {
            self.listen(core);
        }
        Some(Call {
            handle: Arc::clone(&self.gate.handle),
            core: Arc::clone(core),
            caller: Arc::clone(&self.caller),
            out: self.line.clone(),
            request,
            flight,
            bytes_in,
        })
    }

    fn listen(&self, core: &Arc<Core>) {
        listen::start(&self.gate.handle, core, &self.caller, SessionOut(Arc::downgrade(&self.session)));
    }

    fn notified(&self, notification: &Notification) {
        if let Some(core) = self.session.core.get()
            && core.notified(notification)
        {
            listen::lists(core, true);
            self.listen(core);
        }
    }

    /// A batch, which only a session of 2025-03-26 may send.
    fn batch(self, text: &Bytes) -> Response<Body> {
        let core = self.session.core.get().filter(|core| core.client.revision == Revision::V2025_03_26);
        let Some(core) = core.map(Arc::clone) else {
            self.gate.handle.count("batch");
            let error = RpcError::new(INVALID_REQUEST, "batches are of 2025-03-26 sessions only");
            return reply::error(StatusCode::BAD_REQUEST, None, &error);
        };
        let messages = match legacy::batch::read(text, self.gate.settings.limits.depth) {
            Ok(messages) => messages,
            Err(error) => return reply::error(StatusCode::BAD_REQUEST, None, &error),
        };
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let mut calls = Vec::new();
        for message in messages {
            match message {
                Message::Notification(notification) => self.notified(&notification),
                Message::Response(response) => core.answered(response),
                Message::Request(request) => match self.call(&core, request, bytes) {
                    Some(call) => calls.push(call),
                    None => return reply::too_many("too many requests of this session are in flight"),
                },
            }
        }
        self.go(|_| async move {
            let mut responses = Vec::with_capacity(calls.len());
            for call in calls {
                responses.extend(call.run().await);
            }
            (!responses.is_empty()).then(|| legacy::batch::array(responses))
        })
    }
}
