//! One HTTP request, in the order of its checks: host, origin, path, who, media types, size, JSON, era.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tollgate_mcp::error::{HEADER_MISMATCH, INVALID_REQUEST, RpcError};
use tollgate_mcp::message::{self, Message, Notification};
use tollgate_mcp::method;
use tollgate_mcp::revision::{Era, Revision};

use super::accept::Connection;
use super::body::{self, Body, Unread};
use super::checks::{self, Allowed};
use super::legacy::{self, Detached, Store};
use super::sse::{self, Streams};
use super::{Settings, modern, reply};
use crate::call::{Caller, Cancel, Canceller, Endpoint, Handle};
use crate::clock::Clock;
use crate::receive::edge::Meta;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Gate<H> {
    pub(super) handle: Arc<H>,
    pub(super) settings: Settings,
    pub(super) draining: Canceller,
    /// The waiting side of `draining`.
    closing: Cancel,
    pub(super) sessions: Store,
    pub(super) streams: Streams,
    pub(super) detached: Detached,
    allowed: Allowed,
}

impl<H: Handle> Gate<H> {
    pub(super) fn new(handle: Arc<H>, settings: Settings, clock: Clock, draining: Canceller) -> Self {
        let allowed = Allowed::new(&settings);
        let sessions = Store::new(settings.sessions, clock);
        let streams = Streams::new(settings.sessions);
        let closing = draining.cancel();
        Self {
            handle,
            settings,
            draining,
            closing,
            sessions,
            streams,
            detached: Detached::default(),
            allowed,
        }
    }
}

/// A request of an admitted caller, without its body.
#[derive(Debug)]
pub(super) struct Door<'a> {
    pub(super) caller: Arc<Caller>,
    pub(super) endpoint: Endpoint,
    pub(super) headers: &'a HeaderMap,
    pub(super) connection: &'a Connection,
}

/// Answers one request.
pub(super) async fn answer<H: Handle>(
    gate: Arc<Gate<H>>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut response = match gate.allowed.host(&head, connection.local) {
        Err(refusal) => *refusal,
        Ok(host) => match gate.allowed.origin(&head.headers) {
            Err(refusal) => *refusal,
            Ok(origin) => {
                let mut response = inside(&gate, &connection, &head, host, origin.is_some(), body).await;
                if let Some(origin) = origin {
                    reply::cors(response.headers_mut(), origin);
                }
                response
            }
        },
    };
    if gate.closing.is_fired() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.body_mut().track(&connection.phase);
    let stands =
        response.body().is_standing() && head.version == http::Version::HTTP_11 && !gate.closing.is_fired();
    if stands {
        // hyper has no more to do with it.
        connection.hand_over(response);
        return std::future::pending().await;
    }
    response
}

async fn inside<H: Handle>(
    gate: &Arc<Gate<H>>,
    connection: &Connection,
    head: &Parts,
    host: &str,
    browser: bool,
    body: Incoming,
) -> Response<Body> {
    if let Some(question) = head.uri.path().strip_prefix("/approval/") {
        // Opened in a browser, which has no key: the id is what one must know.
        return match (&head.method, gate.handle.status_page(question)) {
            (&Method::GET, Some(page)) => reply::page(page),
            (&Method::GET, None) => reply::no_such_path(),
            _ => reply::method_not_allowed("GET"),
        };
    }
    let path = head.uri.path();
    let (endpoint, streamed) = match (checks::endpoint("/mcp", path), checks::endpoint("/sse", path)) {
        (Some(endpoint), _) => (endpoint, false),
        (None, Some(endpoint)) => (endpoint, true),
        (None, None) => return reply::no_such_path(),
    };
    if head.method == Method::OPTIONS && browser {
        return reply::preflight(head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS));
    }
    if ![Method::POST, Method::GET, Method::DELETE].contains(&head.method) {
        return reply::method_not_allowed("POST, GET, DELETE");
    }
    let peer = checks::peer(head, host, connection);
    let credential = checks::credential(&head.headers);
    let caller = match gate.handle.admit(&credential, &peer, &endpoint) {
        Ok(caller) => caller,
        Err(why) => return reply::not_admitted(&why),
    };
    let door = Door { caller, endpoint, headers: &head.headers, connection };
    if streamed {
        return Box::pin(sse::answer(gate, door, head, body)).await;
    }
    match head.method {
        Method::POST => post(gate, door, body).await,
        Method::GET => legacy::get(gate, &door),
        _ => legacy::delete(gate, &door),
    }
}

async fn post<H: Handle>(gate: &Arc<Gate<H>>, door: Door<'_>, body: Incoming) -> Response<Body> {
    if let Err(refusal) = checks::media(door.headers) {
        return *refusal;
    }
    let limits = &gate.settings.limits;
    let text = match body::read(body, limits.body_bytes, limits.body_read).await {
        Ok(text) => text,
        Err(unread) => return refuse_unread(gate, unread),
    };
    if message::is_batch(&text) {
        return batch(gate, door, &text).await;
    }
    match message::read(&text, limits.depth) {
        Ok(message) => dispatch(gate, door, message, text.len()).await,
        Err(broken) => {
            gate.handle.count("malformed");
            reply::error(StatusCode::BAD_REQUEST, broken.id.as_ref(), &broken.error)
        }
    }
}

pub(super) fn refuse_unread<H: Handle>(gate: &Gate<H>, unread: Unread) -> Response<Body> {
    match unread {
        Unread::TooLarge => {
            gate.handle.count("too_large");
            let hint = format!("send at most {} bytes", gate.settings.limits.body_bytes);
            reply::refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", &hint)
        }
        Unread::TooSlow => {
            gate.handle.count("too_slow");
            reply::refuse(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time",
                "send it without pauses",
            )
        }
        Unread::Broken => reply::refuse(StatusCode::BAD_REQUEST, "the body broke off", "send all of it"),
    }
}

/// Which era one message is of (per message, never per connection), and on with it.
async fn dispatch<H: Handle>(
    gate: &Arc<Gate<H>>,
    door: Door<'_>,
    message: Message,
    bytes: usize,
) -> Response<Body> {
    let version = version(door.headers);
    match message {
        Message::Request(request) => {
            let meta = Meta::of(&request.params);
            // A session and an explicit legacy version beat whatever stray `_meta` keys say.
            let explicit = matches!(version, Version::Legacy);
            if explicit && let Found::Session(session) = find(gate, &door) {
                return legacy::request(gate, &session, door, request, bytes).await;
            }
            let looks_modern = meta.is_modern()
                || matches!(version, Version::Modern)
                || request.method == method::Method::Discover.as_str();
            if looks_modern {
                return modern::request(gate, door, request, &meta, bytes).await;
            }
            if request.method == method::Method::Initialize.as_str() {
                return legacy::initialize(gate, door, &request, bytes).await;
            }
            match find(gate, &door) {
                Found::Session(_) if matches!(version, Version::Bad) => bad_version(),
                Found::Session(session) => legacy::request(gate, &session, door, request, bytes).await,
                Found::Dead => no_session(),
                Found::None if meta.names_version() => {
                    modern::request(gate, door, request, &meta, bytes).await
                }
                Found::None => {
                    gate.handle.count("no_session");
                    let error = if door.headers.contains_key("mcp-method") {
                        RpcError::new(HEADER_MISMATCH, "`MCP-Protocol-Version` is missing")
                    } else {
                        session_needed()
                    };
                    reply::error(StatusCode::BAD_REQUEST, Some(&request.id), &error)
                }
            }
        }
        Message::Notification(notification) => notified(gate, &door, &notification, version),
        Message::Response(response) => match find(gate, &door) {
            Found::Session(_) if matches!(version, Version::Bad) => bad_version(),
            Found::Session(session) => {
                session.core.answered(response);
                reply::nothing(StatusCode::ACCEPTED)
            }
            Found::Dead => no_session(),
            Found::None => {
                let error = RpcError::new(INVALID_REQUEST, "nothing was asked: responses need a session");
                reply::error(StatusCode::BAD_REQUEST, response.id.as_ref(), &error)
            }
        },
    }
}

fn notified<H: Handle>(
    gate: &Arc<Gate<H>>,
    door: &Door<'_>,
    notification: &Notification,
    version: Version,
) -> Response<Body> {
    let modern = matches!(version, Version::Modern) || Meta::of(&notification.params).is_modern();
    if modern {
        return reply::nothing(StatusCode::ACCEPTED);
    }
    match find(gate, door) {
        Found::Session(_) if matches!(version, Version::Bad) => bad_version(),
        Found::Session(session) => {
            session.core.notified(notification);
            reply::nothing(StatusCode::ACCEPTED)
        }
        Found::Dead => no_session(),
        Found::None => {
            // 2026-07-28 leaves a notification's headers open, but has neither of these.
            let legacy = matches!(version, Version::Legacy | Version::Bad)
                || ["notifications/initialized", "notifications/roots/list_changed"]
                    .contains(&notification.method.as_str());
            if legacy {
                reply::error(StatusCode::BAD_REQUEST, None, &session_needed())
            } else {
                reply::nothing(StatusCode::ACCEPTED)
            }
        }
    }
}

async fn batch<H: Handle>(gate: &Arc<Gate<H>>, door: Door<'_>, text: &Bytes) -> Response<Body> {
    match find(gate, &door) {
        Found::Session(session) if session.core.client.revision == Revision::V2025_03_26 => {
            legacy::batch(gate, &session, &door, text).await
        }
        Found::Dead => no_session(),
        Found::Session(_) | Found::None => {
            gate.handle.count("batch");
            let error = RpcError::new(INVALID_REQUEST, "batches are of 2025-03-26 sessions only");
            reply::error(StatusCode::BAD_REQUEST, None, &error)
        }
    }
}

/// What `MCP-Protocol-Version` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Absent,
    /// A revision with sessions.
    Legacy,
    /// 2026-07-28, or a date after it.
    Modern,
    Bad,
}

pub(super) fn version(headers: &HeaderMap) -> Version {
    let mut values = headers.get_all("mcp-protocol-version").iter();
    let Some(value) = values.next() else { return Version::Absent };
    let Some(text) = value.to_str().ok().filter(|_| values.next().is_none()) else { return Version::Bad };
    match Revision::parse(text.trim()).map(Revision::era) {
        Some(Era::Legacy) => Version::Legacy,
        Some(Era::Modern) => Version::Modern,
        None if is_date(text) && text > Revision::V2026_07_28.as_str() => Version::Modern,
        None => Version::Bad,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// What `Mcp-Session-Id` names.
#[derive(Debug)]
pub(super) enum Found {
    /// No such header.
    None,
    /// Unknown, ended, or somebody else's: the same for all.
    Dead,
    Session(Arc<legacy::Session>),
}

pub(super) fn find<H: Handle>(gate: &Gate<H>, door: &Door<'_>) -> Found {
    let mut ids = door.headers.get_all("mcp-session-id").iter();
    let (id, more) = (ids.next(), ids.next());
    let Some(id): Option<&HeaderValue> = id else { return Found::None };
    if more.is_some() {
        return Found::Dead;
    }
    gate.sessions.find(id.as_bytes(), &door.caller, &door.endpoint).map_or(Found::Dead, Found::Session)
}

/// 404: the client must initialize again.
pub(super) fn no_session() -> Response<Body> {
    reply::refuse(StatusCode::NOT_FOUND, "no such session", "send `initialize` again")
}

pub(super) fn bad_version() -> Response<Body> {
    reply::refuse(
        StatusCode::BAD_REQUEST,
        "unsupported `MCP-Protocol-Version`",
        "send the version that `initialize` answered",
    )
}

fn session_needed() -> RpcError {
    RpcError::new(
        INVALID_REQUEST,
        "send `initialize` and then its `Mcp-Session-Id`, or a request of 2026-07-28 with its `_meta`",
    )
}
