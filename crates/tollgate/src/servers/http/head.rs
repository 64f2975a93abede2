//! Requests' headers, made anew for each request from what is really sent: nothing of an agent's is ever copied.

use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use tollgate_mcp::header::{ParamHeader, encode, mirror, name_of};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

pub(super) static VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) static METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(super) static NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(super) static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) static LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

static JSON: HeaderValue = HeaderValue::from_static("application/json");
static STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
static BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
static US: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));

/// What every POST has.
pub(super) fn post(authority: &HeaderValue) -> HeaderMap {
    let mut head = HeaderMap::with_capacity(12);
    head.insert(HOST, authority.clone());
    head.insert(USER_AGENT, US.clone());
    head.insert(ACCEPT, BOTH.clone());
    head.insert(CONTENT_TYPE, JSON.clone());
    head
}

/// What every GET of a stream has.
pub(super) fn get(authority: &HeaderValue) -> HeaderMap {
    let mut head = HeaderMap::with_capacity(8);
    head.insert(HOST, authority.clone());
    head.insert(USER_AGENT, US.clone());
    head.insert(ACCEPT, STREAM.clone());
    head
}

/// Adds what 2026-07-28 asks for, from the params as they are sent.
pub(super) fn modern(
    head: &mut HeaderMap,
    method: Method,
    params: &Object,
    marks: &[ParamHeader],
) -> Result<(), String> {
    head.insert(VERSION.clone(), HeaderValue::from_static(Revision::V2026_07_28.as_str()));
    head.insert(METHOD.clone(), HeaderValue::from_static(method.as_str()));
    if let Some(name) = name_of(method.as_str(), params) {
        head.insert(NAME.clone(), value(&encode(&name))?);
    }
    if !marks.is_empty()
        && let Some(arguments) = params.slice("arguments")
    {
        for (name, text) in mirror(marks, arguments) {
            let name = HeaderName::try_from(name).map_err(|why| why.to_string())?;
            head.insert(name, value(&text)?);
        }
    }
    Ok(())
}

/// Adds what legacy servers ask for once a session stands.
pub(super) fn legacy(head: &mut HeaderMap, revision: Revision, session: Option<&HeaderValue>) {
    if revision >= Revision::V2025_06_18 {
        head.insert(VERSION.clone(), HeaderValue::from_static(revision.as_str()));
    }
    if let Some(session) = session {
        head.insert(SESSION.clone(), session.clone());
    }
}

fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|why| why.to_string())
}
