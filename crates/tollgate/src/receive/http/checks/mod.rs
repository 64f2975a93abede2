//! What a request's head must look like before anybody is asked who sent it: `Host`, `Origin`, media types.

use std::net::{IpAddr, SocketAddr};

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use super::Settings;
use super::accept::Connection;
use super::body::Body;
use super::reply::{not_admitted, refuse};
use crate::call::{Credential, Endpoint, NotAdmitted, Peer};
use crate::secret::Secret;

#[cfg(test)]
mod tests;

type Refusal = Box<http::Response<Body>>;

/// The hosts and origins that are allowed.
#[derive(Debug)]
pub(super) struct Allowed {
    hosts: Vec<String>,
    origins: Vec<String>,
    public_host: Option<String>,
}

impl Allowed {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            hosts: settings.hosts.clone(),
            origins: settings.origins.clone(),
            public_host: settings.public_host.clone(),
        }
    }

    /// The request's host: exactly one, and one of ours (no DNS rebinding).
    pub(super) fn host<'a>(&self, head: &'a Parts, local: SocketAddr) -> Result<&'a str, Refusal> {
        let bad = |error: &str| refuse(StatusCode::BAD_REQUEST, error, "send exactly one `Host` header");
        if head.uri.authority().is_some() {
            return Err(Box::new(bad("the request target must be a path")));
        }
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Box::new(bad("missing or repeated `Host`")));
        };
        let host = host.to_str().map_err(|_| Box::new(bad("unreadable `Host`")))?;
        if self.allows_host(host, local) {
            return Ok(host);
        }
        Err(Box::new(refuse(
            StatusCode::FORBIDDEN,
            "this `Host` is not allowed",
            "add it to `allow.hosts`, or set `public_url`",
        )))
    }

    fn allows_host(&self, host: &str, local: SocketAddr) -> bool {
        let name = without_port(host);
        // An address can't be rebound, only a name can.
        is_loopback(name)
            || literal(name) == Some(local.ip().to_canonical())
            || self.public_host.iter().chain(&self.hosts).any(|allowed| {
                allowed.eq_ignore_ascii_case(host)
                    || (without_port(allowed).len() == allowed.len() && allowed.eq_ignore_ascii_case(name))
            })
    }

    /// The request's origin, if it has one: loopback or configured, else 403 (basic/transports, "Security").
    pub(super) fn origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(None) };
        let allowed = origins.next().is_none() && origin.to_str().is_ok_and(|text| self.allows_origin(text));
        if allowed {
            return Ok(Some(origin.clone()));
        }
        Err(Box::new(refuse(
            StatusCode::FORBIDDEN,
            "this `Origin` is not allowed",
            "add it to `allow.origins`",
        )))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let public = self.public_host.as_ref().is_some_and(|public| public.eq_ignore_ascii_case(host));
        match scheme {
            "https" => public || is_loopback(without_port(host)),
            "http" => is_loopback(without_port(host)),
            _ => false,
        }
    }
}

/// Which endpoint a path under `root` names.
pub(super) fn endpoint(root: &str, path: &str) -> Option<Endpoint> {
    let rest = path.strip_prefix(root)?;
    if rest.is_empty() {
        return Some(Endpoint::Whole);
    }
    let rest = rest.strip_prefix('/')?;
    let (kind, name) = rest.split_once('/')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    match kind {
        "view" => Some(Endpoint::View(name.into())),
        "server" => Some(Endpoint::Server(name.into())),
        _ => None,
    }
}

/// How the request reached us.
pub(super) fn peer(head: &Parts, host: &str, connection: &Connection) -> Peer {
    let forwarded = || {
        let named = |name: &HeaderName| name.as_str().starts_with("x-forwarded-");
        head.headers.contains_key(header::FORWARDED)
            || head.headers.contains_key(header::VIA)
            || head.headers.keys().any(named)
    };
    let local =
        connection.peer.ip().to_canonical().is_loopback() && is_loopback(without_port(host)) && !forwarded();
    Peer { address: Some(connection.peer), local }
}

/// What the request presents.
pub(super) fn credential(headers: &HeaderMap) -> Credential {
    let mut presented = headers.get_all(header::AUTHORIZATION).iter();
    let Some(first) = presented.next() else { return Credential::None };
    if presented.next().is_some() {
        return Credential::Unreadable;
    }
    let Some((scheme, token)) = first.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Credential::Unreadable;
    };
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Credential::Unreadable;
    }
    Credential::Bearer(Secret::new(token.to_owned()))
}

/// Media types of a POST: JSON as it is, in; JSON and event streams, out.
pub(super) fn media(headers: &HeaderMap) -> Result<(), Refusal> {
    json(headers)?;
    if accepts(headers, "application/json") && accepts(headers, "text/event-stream") {
        return Ok(());
    }
    Err(Box::new(refuse(
        StatusCode::NOT_ACCEPTABLE,
        "both JSON and event streams must be acceptable",
        "send `Accept: application/json, text/event-stream`",
    )))
}

/// The media type of a POST's body: JSON as it is.
pub(super) fn json(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Box::new(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed requests are refused",
            "send the body without `Content-Encoding`",
        )));
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    if !matches!((types.next(), types.next()), (Some(only), None) if is_json(only)) {
        return Err(Box::new(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON",
            "send `Content-Type: application/json`",
        )));
    }
    Ok(())
}

/// Whether an event stream may be opened: the client takes one, and the gateway stays.
pub(super) fn events(headers: &HeaderMap, draining: bool) -> Result<(), Refusal> {
    if !accepts(headers, "text/event-stream") {
        let hint = "send `Accept: text/event-stream`";
        return Err(Box::new(refuse(StatusCode::NOT_ACCEPTABLE, "this is an event stream", hint)));
    }
    if draining { Err(Box::new(not_admitted(&NotAdmitted::Draining))) } else { Ok(()) }
}

/// Whether `Accept` has `media` (or a range around it) with a weight other than 0. An absent `Accept` has nothing.
fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let top = media.split_once('/').map_or(media, |(top, _)| top);
    headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let matches = name.eq_ignore_ascii_case(media)
                || name == "*/*"
                || name.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(top));
            matches && !parts.any(is_zero_weight)
        })
    })
}

/// Whether `Accept` would rather have events than JSON: both by name, and events with more weight, or the same and first. (SDKs name JSON
/// first.)
pub(super) fn prefers_events(headers: &HeaderMap) -> bool {
    let (mut json, mut events) = (None, None);
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for (at, range) in values.flat_map(|value| value.split(',')).enumerate() {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let place = if name.eq_ignore_ascii_case("text/event-stream") {
            &mut events
        } else if name.eq_ignore_ascii_case("application/json") {
            &mut json
        } else {
            continue;
        };
        place.get_or_insert((parts.find_map(weight).unwrap_or(1.0), at));
    }
    match (events, json) {
        (Some((events, first)), Some((json, second))) => events > json || (events >= json && first < second),
        (Some(_) | None, _) => false,
    }
}

fn weight(parameter: &str) -> Option<f32> {
    parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?.parse().ok()
}

fn is_zero_weight(parameter: &str) -> bool {
    weight(parameter).is_some_and(|weight| weight <= 0.0)
}

fn is_json(value: &HeaderValue) -> bool {
    if value == "application/json" {
        return true;
    }
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        Some(_) | None => true,
    })
}

/// A host without its port; `[::1]` keeps its brackets.
fn without_port(host: &str) -> &str {
    let name_end = host.rfind(']').map_or(0, |at| at + 1);
    match host.rfind(':') {
        Some(at) if at >= name_end => host.get(..at).unwrap_or(host),
        Some(_) | None => host,
    }
}

fn literal(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || literal(name).is_some_and(|address| address.is_loopback())
}
