//! Answers as HTTP: status, headers, body.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use tollgate_mcp::error::RpcError;
use tollgate_mcp::message::{self, Id};
use tollgate_mcp::object;
use tollgate_mcp::rope::Rope;

use super::body::Body;
use super::events::{Events, Source};
use crate::call::NotAdmitted;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const ACCEL: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One JSON text.
pub(super) fn json(status: StatusCode, text: Rope) -> Response<Body> {
    let mut response = Response::new(Body::text(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// A page for a person.
pub(super) fn page(html: String) -> Response<Body> {
    let mut response = Response::new(Body::text(Bytes::from(html).into()));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A JSON-RPC error with the given status.
pub(super) fn error(status: StatusCode, id: Option<&Id>, error: &RpcError) -> Response<Body> {
    json(status, message::write_error(id, error))
}

/// A JSON-RPC error with its own status, as 2026-07-28 wants it.
pub(super) fn modern_error(id: Option<&Id>, error: &RpcError) -> Response<Body> {
    let status = StatusCode::from_u16(error.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    self::error(status, id, error)
}

/// A refusal outside of JSON-RPC: what is wrong, and what to do.
pub(super) fn refuse(status: StatusCode, error: &str, hint: &str) -> Response<Body> {
    let text = format!(r#"{{"error":{},"hint":{}}}"#, object::quote(error), object::quote(hint));
    json(status, Bytes::from(text).into())
}

/// 202 or 204: nothing to say.
pub(super) fn nothing(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An event stream.
pub(super) fn events(source: impl Source, keep_alive: Duration) -> Response<Body> {
    let mut response = Response::new(Body::events(Events::new(Box::new(source), keep_alive)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENTS);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(ACCEL, HeaderValue::from_static("no"));
    response
}

/// A stream of events that stands beside the calls.
pub(super) fn standing(source: impl Source, keep_alive: Duration) -> Response<Body> {
    let mut response = events(source, keep_alive);
    response.body_mut().stands();
    response
}

/// Why somebody was not let in.
pub(super) fn not_admitted(why: &NotAdmitted) -> Response<Body> {
    match why {
        NotAdmitted::Unauthenticated { presented } => {
            let (error, challenge) = if *presented {
                ("the credential is not valid", r#"Bearer error="invalid_token""#)
            } else {
                ("a credential is required", "Bearer")
            };
            let mut response = refuse(
                StatusCode::UNAUTHORIZED,
                error,
                "send `Authorization: Bearer …` with a key of this gateway",
            );
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            response
        }
        NotAdmitted::NoSuchEndpoint => no_such_path(),
        NotAdmitted::Draining => {
            let response =
                refuse(StatusCode::SERVICE_UNAVAILABLE, "the gateway is shutting down", "try again soon");
            retry_after(response)
        }
    }
}

/// 404 for a path, a view or a server: the same for all.
pub(super) fn no_such_path() -> Response<Body> {
    refuse(
        StatusCode::NOT_FOUND,
        "no such endpoint",
        "agents connect to `/mcp`, `/mcp/view/{view}` or `/mcp/server/{server}` (`/sse…` for HTTP+SSE of 2024-11-05)",
    )
}

/// Too many at once, for now.
pub(super) fn too_many(error: &str) -> Response<Body> {
    retry_after(refuse(StatusCode::TOO_MANY_REQUESTS, error, "wait for some of them to finish"))
}

/// The same answer, to be tried again.
pub(super) fn retry_after(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// 405 with what is allowed instead.
pub(super) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        "this HTTP method is not offered here",
        "send messages with POST; streams and ends of sessions need an `Mcp-Session-Id`",
    );
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// What a browser on an allowed origin must be told.
pub(super) fn cors(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, Retry-After"),
    );
}

/// The answer to a preflight. `wanted` is `Access-Control-Request-Headers`.
pub(super) fn preflight(wanted: Option<&HeaderValue>) -> Response<Body> {
    const KNOWN: [&str; 9] = [
        "accept",
        "authorization",
        "content-type",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-session-id",
        "traceparent",
    ];
    let mut allowed = KNOWN.join(", ");
    // A wildcard can't name the headers that mirror arguments.
    let wanted = wanted.and_then(|wanted| wanted.to_str().ok()).unwrap_or_default();
    for name in wanted.split(',').map(str::trim).filter(|name| is_param_header(name)).take(32) {
        allowed.push_str(", ");
        allowed.push_str(name);
    }
    let mut response = nothing(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers
        .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, DELETE, OPTIONS"));
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn is_param_header(name: &str) -> bool {
    name.get(..10).is_some_and(|prefix| prefix.eq_ignore_ascii_case("mcp-param-"))
}
