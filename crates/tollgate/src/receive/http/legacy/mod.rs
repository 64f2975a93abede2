//! Sessions over streamable HTTP (2025-03-26 to 2025-11-25). A lost connection cancels nothing: the call goes on, and its stream can be
//! resumed.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Response, StatusCode};
use tollgate_mcp::message::{self, Message, Request};
use tollgate_mcp::method::Method;
use tollgate_mcp::rope::Rope;

use super::body::Body;
use super::route::{self, Door, Found, Gate, Version};
use super::{checks, reply};
use crate::call::{Caller, Handle};
use crate::receive::legacy::call::Call;
use crate::receive::legacy::{self, Outlet, listen};
use tether::{CallOut, Reading, run};

mod outbox;
mod store;
mod tether;

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
        Err(full) => return full.refuse("session"),
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
    door: Door<'_>,
    request: Request,
    bytes: usize,
) -> Response<Body> {
    let Some(flight) = session.core.flights.start(&request.id, gate.settings.sessions.in_flight) else {
        return reply::too_many("too many requests of this session are in flight");
    };
    start_if_subscribing(gate, session, &door.caller, &request);
    let out = CallOut::new(session, door.headers);
    let call = Call {
        handle: Arc::clone(&gate.handle),
        core: Arc::clone(&session.core),
        caller: door.caller,
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
    door: &Door<'_>,
    text: &Bytes,
) -> Response<Body> {
    let messages = match legacy::batch::read(text, gate.settings.limits.depth) {
        Ok(messages) => messages,
        Err(error) => return reply::error(StatusCode::BAD_REQUEST, None, &error),
    };
    let (out, caller) = (CallOut::new(session, door.headers), &door.caller);
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

/// GET: a session's stream, new or resumed.
pub(super) fn get<H: Handle>(gate: &Arc<Gate<H>>, door: &Door<'_>) -> Response<Body> {
    let session = match session_of(gate, door) {
        Ok(session) => session,
        Err(refusal) => return *refusal,
    };
    if let Err(refusal) = checks::events(door.headers, gate.draining.cancel().is_fired()) {
        return *refusal;
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
    reply::standing(Reading { session, place }, gate.settings.limits.keep_alive)
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
