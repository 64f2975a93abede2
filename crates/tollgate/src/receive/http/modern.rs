//! Requests of 2026-07-28: stateless, one answer each, cancelled by a closed connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Response, StatusCode};
use tokio::time::Sleep;
use tollgate_mcp::header::Standard;
use tollgate_mcp::message::{self, Id, Request};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::sse;
use tollgate_mcp::translate;

use super::body::Body;
use super::events::Source;
use super::reply;
use super::route::{Door, Gate};
use crate::call::{Canceller, Ending, Handle, Next, Outgoing, Part, Reply};
use crate::receive::edge::{self, Around, Meta};

/// How long a listen walk may take to say goodbye when the gateway drains.
const GOODBYE: Duration = Duration::from_secs(2);

/// Answers one request. Dropping the returned future, or the answer's body, cancels it.
pub(super) async fn request<H: Handle>(
    gate: &Gate<H>,
    door: Door<'_>,
    request: Request,
    meta: &Meta,
    bytes: usize,
) -> Response<Body> {
    let listen = request.method == Method::Listen.as_str();
    let request = if listen { apart(request) } else { request };
    // Its progress token, too, is to be its own.
    let own = listen.then(|| Meta::of(&request.params));
    let meta = own.as_ref().unwrap_or(meta);
    let id = request.id.clone();
    let (version, method, name) = (
        joined(door.headers, "mcp-protocol-version"),
        joined(door.headers, "mcp-method"),
        joined(door.headers, "mcp-name"),
    );
    let param_headers = (request.method == Method::ToolsCall.as_str()).then(|| param_headers(door.headers));
    let around = Around {
        caller: door.caller,
        endpoint: door.endpoint,
        headers: Some(Standard { version: version.get(), method: method.get(), name: name.get() }),
        param_headers: Some(param_headers.unwrap_or_default()),
        bytes_in: u64::try_from(bytes).unwrap_or(u64::MAX),
    };
    let arrival = match edge::arrival(request, meta, around, &door.connection.memo) {
        Ok(arrival) => arrival,
        Err(error) => {
            gate.handle.count("refused");
            return reply::modern_error(Some(&id), &error);
        }
    };
    let canceller = Canceller::new();
    let outgoing = gate.handle.handle(arrival, canceller.cancel());
    let mut walking = Walking { outgoing, canceller, ended: false };
    let keep_alive = gate.settings.limits.keep_alive;
    let first = match tokio::time::timeout(keep_alive, walking.next()).await {
        Ok(Next::Last(last)) if !listen => return whole(gate, &id, last.into_ending()),
        Ok(Next::Last(last)) => match last.into_ending() {
            Ending::Error(error) => return reply::modern_error(Some(&id), &error),
            ending @ Ending::Answer(_) => {
                let text = last_message(&gate.handle.server_info(), &id, true, ending);
                return reply::json(StatusCode::OK, text);
            }
        },
        Ok(Next::Part(part)) => part_event(&id, listen, part),
        // Silent for long: a stream can be kept alive, a JSON answer can't.
        Err(_) => None,
    };
    let goodbye = listen.then(|| Goodbye::new(&gate.draining));
    let source = Stream { walking, id, listen, server_info: gate.handle.server_info(), first, goodbye };
    if listen { reply::standing(source, keep_alive) } else { reply::events(source, keep_alive) }
}

/// The same request in memory of its own: what stays for hours must not keep the connection's whole buffer.
fn apart(request: Request) -> Request {
    let copy = |text: &[u8]| Bytes::copy_from_slice(text);
    match (Id::parse(copy(request.id.text())), Object::scan(copy(request.params.text()))) {
        (Some(id), Ok(params)) => Request { id, params, method: request.method },
        (Some(_) | None, Ok(_) | Err(_)) => request,
    }
}

fn whole<H: Handle>(gate: &Gate<H>, id: &Id, ending: Ending) -> Response<Body> {
    match ending {
        Ending::Answer(answer) => {
            let result = translate::to_modern(&answer, &gate.handle.server_info());
            reply::json(StatusCode::OK, message::write_result(id, result))
        }
        Ending::Error(error) => reply::modern_error(Some(id), &error),
    }
}

/// A walk that is cancelled when it is dropped before its end.
struct Walking<R> {
    outgoing: Outgoing<R>,
    canceller: Canceller,
    ended: bool,
}

impl<R> Walking<R> {
    async fn next(&mut self) -> Next<R> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        let next = self.outgoing.poll_next(cx);
        self.ended = matches!(next, Poll::Ready(Next::Last(_)));
        next
    }
}

impl<R> Drop for Walking<R> {
    fn drop(&mut self) {
        if !self.ended {
            self.canceller.fire();
        }
    }
}

/// A walk as a stream's source, polled by the body itself.
struct Stream<R> {
    walking: Walking<R>,
    id: Id,
    listen: bool,
    server_info: Bytes,
    first: Option<Rope>,
    goodbye: Option<Goodbye>,
}

impl<R: Reply> Source for Stream<R> {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Rope>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        if self.walking.ended {
            return Poll::Ready(None);
        }
        loop {
            match self.walking.poll_next(cx) {
                Poll::Ready(Next::Part(part)) => {
                    if let Some(event) = part_event(&self.id, self.listen, part) {
                        return Poll::Ready(Some(event));
                    }
                }
                Poll::Ready(Next::Last(last)) => {
                    let text = last_message(&self.server_info, &self.id, self.listen, last.into_ending());
                    return Poll::Ready(Some(sse::encode(None, text)));
                }
                Poll::Pending => {
                    return match &mut self.goodbye {
                        Some(goodbye) => goodbye.poll_over(cx, &self.walking.canceller).map(|()| None),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// A listen stream's end when the gateway drains: the walk is cancelled, and what it ends with is still sent.
struct Goodbye {
    draining: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    over: Option<Pin<Box<Sleep>>>,
}

impl Goodbye {
    fn new(draining: &Canceller) -> Self {
        let draining = draining.cancel();
        Self { draining: Some(Box::pin(async move { draining.fired().await })), over: None }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>, canceller: &Canceller) -> Poll<()> {
        if let Some(draining) = &mut self.draining
            && draining.as_mut().poll(cx).is_ready()
        {
            self.draining = None;
            self.over = Some(Box::pin(tokio::time::sleep(GOODBYE)));
            canceller.fire();
        }
        match &mut self.over {
            Some(over) => over.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

fn part_event(id: &Id, listen: bool, part: Part) -> Option<Rope> {
    edge::modern_notification(id, listen, part).map(|message| sse::encode(None, message))
}

fn last_message(server_info: &Bytes, id: &Id, listen: bool, ending: Ending) -> Rope {
    match ending {
        Ending::Answer(answer) => {
            let result = translate::to_modern(&answer, server_info);
            let result = if listen { edge::stamp_subscription(result, id) } else { result };
            message::write_result(id, result)
        }
        Ending::Error(error) => message::write_error(Some(id), &error),
    }
}

/// A header's value as received; more than one joined, so that they match nothing.
enum Joined<'a> {
    Absent,
    One(&'a [u8]),
    More(Vec<u8>),
}

impl Joined<'_> {
    fn get(&self) -> Option<&[u8]> {
        match self {
            Self::Absent => None,
            Self::One(value) => Some(value),
            Self::More(values) => Some(values),
        }
    }
}

fn joined<'a>(headers: &'a HeaderMap, name: &str) -> Joined<'a> {
    let mut values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (None, _) => Joined::Absent,
        (Some(one), None) => Joined::One(one),
        (Some(_), Some(_)) => {
            let all: Vec<&[u8]> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
            Joined::More(all.join(b", ".as_slice()))
        }
    }
}

/// The `Mcp-Param-*` headers: names without the prefix, in lower case.
fn param_headers(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    let mut found = Vec::new();
    for name in headers.keys() {
        let Some(rest) = name.as_str().strip_prefix("mcp-param-") else { continue };
        let value = match joined(headers, name.as_str()) {
            Joined::Absent => continue,
            Joined::One(value) => Bytes::copy_from_slice(value),
            Joined::More(values) => Bytes::from(values),
        };
        found.push((rest.to_owned(), value));
    }
    found
}
