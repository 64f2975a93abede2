//! What a server says outside of any call: a legacy session's standing stream (GET).
//! *Never* gives up on a server that offers one, and never tries in haste.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Method as Verb;
use http::header::HeaderValue;
use tokio::sync::oneshot;
use tollgate_mcp::error::{INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError};
use tollgate_mcp::message::{self, Message, Request};
use tollgate_mcp::object::elements;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::sse;

use super::body::Body;
use super::call::is_stream;
use super::session::Session;
use super::{Poster, RESULT_MAX, Wire, head};
use crate::servers::Notice;
use crate::servers::backoff::Backoff;
use crate::servers::registry::Attached;

/// How long a question waits for a call that it can be attached to.
pub(in crate::servers) const HOLD: Duration = Duration::from_secs(10);

/// A stream that lived for so long was a stream; shorter ones are a server's way of polling.
const LIVED: Duration = Duration::from_secs(5);

/// How one attempt at a stream ended.
enum End {
    /// Not offered.
    Never,
    /// The session is dead.
    Dead,
    /// There was no stream; it can be tried again.
    Lost,
    /// There was one, and it is over; it can be tried again.
    Over,
}

/// Keeps a session's standing stream open, if the server offers one. `tried` hears when the first attempt was answered.
pub(super) async fn standing(wire: Arc<Wire>, session: Weak<Session>, tried: oneshot::Sender<()>) {
    let mut backoff = Backoff::new(wire.clock.clone());
    let mut place = Place { tried: Some(tried), ..Place::default() };
    loop {
        let since = wire.clock.instant();
        let end = once(&wire, &session, &mut place).await;
        place.tried = None;
        let lived = wire.clock.instant().saturating_duration_since(since) > LIVED;
        place.missed |= match end {
            End::Never => return,
            End::Dead => {
                if let Some(session) = session.upgrade() {
                    session.kill();
                }
                return;
            }
            End::Lost => true,
            End::Over => lived,
        };
        if lived {
            backoff.reset();
        }
        tokio::time::sleep(backoff.next().max(place.retry)).await;
    }
}

/// Where the stream is to be taken up again.
#[derive(Default)]
struct Place {
    last: Option<HeaderValue>,
    retry: Duration,
    /// There was a stream before.
    offered: bool,
    /// There was none for a while, in which something may have changed.
    missed: bool,
    /// Until the first attempt is answered.
    tried: Option<oneshot::Sender<()>>,
}

async fn once(wire: &Arc<Wire>, session: &Weak<Session>, place: &mut Place) -> End {
    let mut head = wire.get_head();
    match session.upgrade() {
        Some(session) => session.stamp(&mut head),
        None => return End::Never,
    }
    let resumes = place.last.is_some();
    if let Some(last) = &place.last {
        head.insert(head::LAST_EVENT.clone(), last.clone());
    }
    let Ok(mut flight) = wire.start(Verb::GET, head, Body::empty()).await else { return End::Lost };
    let Ok(parts) = flight.head().await else { return End::Lost };
    // Dropping it tells.
    place.tried = None;
    match parts.status.as_u16() {
        200 if is_stream(&parts.headers) => {}
        // To a session that never had a stream, it says that none is offered.
        404 if place.offered && session.upgrade().is_some_and(|session| session.id.is_some()) => {
            return End::Dead;
        }
        408 | 429 | 500.. => return End::Lost,
        // The old stream may still stand in the way (409), or the event that was named is not known any more (400).
        _ if place.offered => {
            place.last = None;
            return End::Lost;
        }
        _ => return End::Never,
    }
    place.offered = true;
    if std::mem::take(&mut place.missed) && !resumes {
        // What changed in between was not told.
        wire.bulletin.tell(Notice::Ready);
    }
    let mut decoder = sse::Decoder::new(RESULT_MAX);
    loop {
        match decoder.next() {
            Ok(Some(event)) => {
                if let Some(retry) = event.retry {
                    place.retry = Duration::from_millis(retry).min(Duration::from_secs(30));
                }
                if let Some(id) = event.id {
                    place.last = HeaderValue::try_from(id).ok();
                }
                let Some(session) = session.upgrade() else { return End::Never };
                take(wire, &session, &event.data);
            }
            Ok(None) => match flight.chunk().await {
                Ok(Some(chunk)) => decoder.feed(chunk),
                Ok(None) | Err(_) => return End::Over,
            },
            Err(sse::TooLarge { limit }) => {
                tracing::warn!(server = %wire.alias, limit, "an event on the standing stream is too large");
                return End::Over;
            }
        }
    }
}

fn take(wire: &Arc<Wire>, session: &Arc<Session>, data: &bytes::Bytes) {
    let texts = if message::is_batch(data) { elements(data).unwrap_or_default() } else { vec![data.clone()] };
    for text in texts.iter().filter(|text| !text.is_empty()) {
        match message::read_server(text) {
            Ok(Message::Notification(notification)) => match notification.method.as_str() {
                "notifications/cancelled" => session.calls.withdraw(&notification),
                "notifications/progress" => wire.bulletin.progress(&session.calls, notification),
                _ => {
                    wire.bulletin.take(&notification);
                }
            },
            Ok(Message::Request(request)) => asked(wire, session, request),
            // Answers never come here but on a resumed stream, which is the call's own.
            Ok(Message::Response(_)) => {}
            Err(_) => {
                tracing::warn!(server = %wire.alias, "an event that is not a JSON-RPC message is ignored");
            }
        }
    }
}

/// A request that names no call: attached to the only one it can be for, or refused.
fn asked(wire: &Arc<Wire>, session: &Arc<Session>, request: Request) {
    if request.method == "ping" {
        let pong = message::write_result(&request.id, Rope::from(bytes::Bytes::from_static(b"{}")));
        reply(wire, session, pong);
        return;
    }
    if !session.capabilities().allows(&request.method, &request.params) {
        refuse(wire, session, &request, METHOD_NOT_FOUND, "not declared by the client");
        return;
    }
    match session.calls.ask(request.clone()) {
        Attached::Delivered => {}
        Attached::Held => {
            let (wire, session) = (Arc::clone(wire), Arc::downgrade(session));
            tokio::spawn(async move {
                tokio::time::sleep(HOLD).await;
                if let Some(session) = session.upgrade()
                    && session.calls.expire(&request)
                {
                    refuse(&wire, &session, &request, INTERNAL_ERROR, "no request in flight can carry this");
                }
            });
        }
        Attached::Refused => {
            refuse(wire, session, &request, INTERNAL_ERROR, "no request in flight can carry this");
        }
    }
}

fn refuse(wire: &Arc<Wire>, session: &Arc<Session>, request: &Request, code: i64, why: &str) {
    reply(wire, session, message::write_error(Some(&request.id), &RpcError::new(code, why)));
}

/// Sends a reply that nobody waits for, unless too many of them wait to be taken.
fn reply(wire: &Arc<Wire>, session: &Arc<Session>, reply: Rope) {
    let Some(room) = session.calls.room() else {
        tracing::debug!(server = %wire.alias, "a reply is dropped: it does not take those before");
        return;
    };
    let poster = Poster::new(wire, Some(session));
    tokio::spawn(async move {
        drop(poster.send(reply).await);
        drop(room);
    });
}
