//! Sessions over streamable HTTP (2025-03-26 to 2025-11-25). A lost connection cancels nothing: the call goes on, and its stream can be
//! resumed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Response, StatusCode};
use tollgate_mcp::message::{self, Message, Request};
use tollgate_mcp::method::Method;
use tollgate_mcp::rope::Rope;

use super::body::Body;
use super::checks;
use super::events::Source;
use super::reply;
use super::route::{self, Door, Found, Gate, Version};
use crate::call::{Caller, Handle};
use crate::receive::legacy::call::Call;
use crate::receive::legacy::{self, Outlet, listen};
use outbox::Place;
use store::Full;

mod outbox;
mod store;

pub(super) use store::{Detached, Session, Store};

/// `initialize`: a new session.
pub(super) async fn initialize<H: Handle>(
    gate: &Arc<Gate<H>>,
    door: Door<'_>,
    request: &Request,
    bytes: usize,
) -> Response<Body> {
    let made = async {
        let core = legacy::initialize::core(request, door.endpoint, gate.settings.patience)?;
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let result = legacy::initialize::result(&gate.handle, &core, &door.caller, bytes).await?;
        Ok((core, result))
    };
    let (core, result) = match made.await {
        Ok(made) => made,
        Err(error) => return reply::error(StatusCode::OK, Some(&request.id), &error),
    };
    let id = match gate.sessions.make(core, &door.caller) {
        Ok(id) => id,
        Err(Full::Principal) => return reply::too_many("too many sessions of this agent are in use"),
        Err(Full::All | Full::NoId) => {
            let full =
                reply::refuse(StatusCode::SERVICE_UNAVAILABLE, "no room for a new session", "try again soon");
            return reply::retry_after(full);
        }
    };
    let mut response = reply::json(StatusCode::OK, message::write_result(&request.id, result));
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("mcp-session-id", id);
    }
    response
}

/// One request of a session.
pub(super) async fn request<H: Handle>(
    gate: &Arc<Gate<H>>,
    session: &Arc<Session>,
    caller: Arc<Caller>,
    request: Request,
    bytes: usize,
) -> Response<Body> {
    let Some(flight) = session.core.flights.start(&request.id, gate.settings.sessions.in_flight) else {
        return reply::too_many("too many requests of this session are in flight");
    };
    start_if_subscribing(gate, session, &caller, &request);
    let out = CallOut::new(session);
    let call = Call {
        handle: Arc::clone(&gate.handle),
        core: Arc::clone(&session.core),
        caller,
        out: out.clone(),
        request,
        flight,
        bytes_in: u64::try_from(bytes).unwrap_or(u64::MAX),
    };
    run(gate, out, Box::pin(call.run())).await
}

/// A batch of 2025-03-26: its requests one after the other, their responses in one array.
pub(super) async fn batch<H: Handle>(
    gate: &Arc<Gate<H>>,
    session: &Arc<Session>,
    caller: &Arc<Caller>,
    text: &Bytes,
) -> Response<Body> {
    let messages = match legacy::batch::read(text, gate.settings.limits.depth) {
        Ok(messages) => messages,
        Err(error) => return reply::error(StatusCode::BAD_REQUEST, None, &error),
    };
    let out = CallOut::new(session);
    let mut calls = Vec::new();
    for message in messages {
        match message {
            Message::Notification(notification) => {
                session.core.notified(&notification);
            }
            Message::Response(response) => session.core.answered(response),
            Message::Request(request) => {
                let Some(flight) = session.core.flights.start(&request.id, gate.settings.sessions.in_flight)
                else {
                    return reply::too_many("too many requests of this session are in flight");
                };
                start_if_subscribing(gate, session, caller, &request);
                calls.push(Call {
                    handle: Arc::clone(&gate.handle),
                    core: Arc::clone(&session.core),
                    caller: Arc::clone(caller),
                    out: out.clone(),
                    bytes_in: u64::try_from(text.len()).unwrap_or(u64::MAX),
                    request,
                    flight,
                });
            }
        }
    }
    if calls.is_empty() {
        return reply::nothing(StatusCode::ACCEPTED);
    }
    let all = async move {
        let mut responses = Vec::with_capacity(calls.len());
        for call in calls {
            responses.extend(call.run().await);
        }
        (!responses.is_empty()).then(|| legacy::batch::array(responses))
    };
    run(gate, out, Box::pin(all)).await
}

/// Runs a call: in this future while nothing but its response is to be sent, else as a task of its own beside a stream.
async fn run<H: Handle>(gate: &Arc<Gate<H>>, out: CallOut, call: Running) -> Response<Body> {
    let mut tethered = Tethered { call: Some(call), gate: Arc::clone(gate), out };
    let keep_alive = gate.settings.limits.keep_alive;
    match tokio::time::timeout(keep_alive, std::future::poll_fn(|cx| tethered.poll_first(cx))).await {
        Ok(First::Response(Some(response))) => reply::json(StatusCode::OK, response),
        // Cancelled by its client, who ignores whatever comes.
        Ok(First::Response(None)) => reply::nothing(StatusCode::ACCEPTED),
        Ok(First::Message) | Err(_) => {
            let session = Arc::clone(&tethered.out.session);
            let number = tethered.out.number;
            session.outbox.open(number, session.clock.now_ms());
            let place = session.outbox.read(number);
            drop(tethered);
            reply::events(Reading { session, place }, keep_alive)
        }
    }
}

type Running = Pin<Box<dyn Future<Output = Option<Rope>> + Send>>;

/// A call on its connection. Dropped before its response, it goes on as a task (basic/transports: a disconnect is not a cancellation).
struct Tethered<H: Handle> {
    call: Option<Running>,
    gate: Arc<Gate<H>>,
    out: CallOut,
}

enum First {
    Response(Option<Rope>),
    /// A message that is not the response: it waits on the call's stream.
    Message,
}

impl<H: Handle> Tethered<H> {
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<First> {
        let Some(call) = &mut self.call else { return Poll::Ready(First::Response(None)) };
        let polled = call.as_mut().poll(cx);
        let opened = self.out.opened.load(Ordering::Relaxed);
        match polled {
            Poll::Ready(response) => {
                self.call = None;
                if !opened {
                    return Poll::Ready(First::Response(response));
                }
                self.out.finish(response);
                Poll::Ready(First::Message)
            }
            Poll::Pending if opened => Poll::Ready(First::Message),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<H: Handle> Drop for Tethered<H> {
    fn drop(&mut self) {
        let (Some(call), Ok(runtime)) = (self.call.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let Some(hold) = self.gate.detached.hold() else { return };
        let out = self.out.clone();
        runtime.spawn(async move {
            let response = call.await;
            out.finish(response);
            drop(hold);
        });
    }
}

/// Where a call's messages go: its own stream, which exists once there is a message.
#[derive(Clone, Debug)]
struct CallOut {
    session: Arc<Session>,
    number: u64,
    opened: Arc<AtomicBool>,
}

impl CallOut {
    fn new(session: &Arc<Session>) -> Self {
        let number = session.outbox.number();
        Self { session: Arc::clone(session), number, opened: Arc::default() }
    }

    fn finish(&self, response: Option<Rope>) {
        self.session.touch();
        self.session.outbox.finish(self.number, response, self.session.clock.now_ms());
    }
}

impl Outlet for CallOut {
    async fn send(&self, message: Rope) {
        self.opened.store(true, Ordering::Relaxed);
        self.session.outbox.send(self.number, message, self.session.clock.now_ms()).await;
    }
}

/// Where a session's other messages go.
#[derive(Debug)]
struct SessionOut(std::sync::Weak<Session>);

impl Outlet for SessionOut {
    async fn send(&self, message: Rope) {
        if let Some(session) = self.0.upgrade() {
            session.outbox.tell(message).await;
        }
    }
}

/// A stream of a session being read.
struct Reading {
    session: Arc<Session>,
    place: Place,
}

impl Source for Reading {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Rope>> {
        self.session.outbox.poll(self.place, cx)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.session.touch();
        self.session.outbox.leave(self.place, self.session.clock.now_ms());
    }
}

/// GET: a session's stream, new or resumed.
pub(super) fn get<H: Handle>(gate: &Arc<Gate<H>>, door: &Door<'_>) -> Response<Body> {
    let session = match session_of(gate, door) {
        Ok(session) => session,
        Err(refusal) => return *refusal,
    };
    if !checks::accepts(door.headers, "text/event-stream") {
        return reply::refuse(
            StatusCode::NOT_ACCEPTABLE,
            "this is an event stream",
            "send `Accept: text/event-stream`",
        );
    }
    let outbox = &session.outbox;
    let place = match door.headers.get("last-event-id") {
        None => outbox.listen(session.clock.now_ms()),
        Some(last) => {
            let resumed = last.to_str().ok().and_then(|last| outbox.resume(last.trim()));
            let Some(place) = resumed else {
                return reply::refuse(
                    StatusCode::BAD_REQUEST,
                    "no stream can be resumed from this `Last-Event-ID`",
                    "open a new stream without it",
                );
            };
            Some(place)
        }
    };
    let Some(place) = place else { return route::no_session() };
    listen::lists(&session.core, true);
    start(gate, &session, &door.caller);
    reply::events(Reading { session, place }, gate.settings.limits.keep_alive)
}

/// Starts the session's listener, once.
fn start<H: Handle>(gate: &Gate<H>, session: &Arc<Session>, caller: &Arc<Caller>) {
    listen::start(&gate.handle, &session.core, caller, SessionOut(Arc::downgrade(session)));
}

fn start_if_subscribing<H: Handle>(
    gate: &Gate<H>,
    session: &Arc<Session>,
    caller: &Arc<Caller>,
    request: &Request,
) {
    if request.method == Method::Subscribe.as_str() {
        start(gate, session, caller);
    }
}

/// DELETE: the end of a session.
pub(super) fn delete<H: Handle>(gate: &Arc<Gate<H>>, door: &Door<'_>) -> Response<Body> {
    match session_of(gate, door) {
        Ok(session) => {
            gate.sessions.remove(&session);
            reply::nothing(StatusCode::NO_CONTENT)
        }
        Err(refusal) => *refusal,
    }
}

fn session_of<H: Handle>(gate: &Gate<H>, door: &Door<'_>) -> Result<Arc<Session>, Box<Response<Body>>> {
    let version = route::version(door.headers);
    match route::find(gate, door) {
        Found::Session(_) if version == Version::Bad => Err(Box::new(route::bad_version())),
        Found::Session(session) => Ok(session),
        Found::Dead => Err(Box::new(route::no_session())),
        Found::None if version == Version::Legacy => Err(Box::new(reply::refuse(
            StatusCode::BAD_REQUEST,
            "`Mcp-Session-Id` is missing",
            "send the one that `initialize` answered",
        ))),
        Found::None => Err(Box::new(reply::method_not_allowed("POST"))),
    }
}
