//! A call and its connection: answered on it in one piece, or on a stream beside it; and going on without it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{HeaderMap, Response, StatusCode};
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;

use super::outbox::{Place, Ticket};
use super::store::Session;
use crate::call::Handle;
use crate::receive::http::body::Body;
use crate::receive::http::events::Source;
use crate::receive::http::route::Gate;
use crate::receive::http::{checks, reply};
use crate::receive::legacy::Outlet;

/// Runs a call: in this future while nothing but its response is to be sent, else as a task of its own beside a stream.
pub(super) async fn run<H: Handle>(gate: &Arc<Gate<H>>, out: CallOut, call: Running) -> Response<Body> {
    let mut tethered = Tethered { call: Some(call), gate: Arc::clone(gate), out };
    let keep_alive = gate.settings.limits.keep_alive;
    // Not sooner, although a stream could be resumed: the Python SDK takes no event over 1 MiB, but JSON of any size.
    match tokio::time::timeout(keep_alive, std::future::poll_fn(|cx| tethered.poll_first(cx))).await {
        Ok(First::Response(Some(response))) => reply::json(StatusCode::OK, response),
        // Cancelled by its client, who ignores whatever comes.
        Ok(First::Response(None)) => reply::nothing(StatusCode::ACCEPTED),
        Ok(First::Message) | Err(_) => {
            let session = Arc::clone(&tethered.out.session);
            let ticket = tethered.out.ticket;
            session.outbox.open(ticket, session.clock.now_ms());
            let place = session.outbox.read(ticket.number);
            drop(tethered);
            reply::events(Reading { session, place }, keep_alive)
        }
    }
}

pub(super) type Running = Pin<Box<dyn Future<Output = Option<Rope>> + Send>>;

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

/// Where a call's messages go: its own stream, which exists once there is a message, or from the start.
#[derive(Clone, Debug)]
pub(super) struct CallOut {
    session: Arc<Session>,
    ticket: Ticket,
    opened: Arc<AtomicBool>,
}

impl CallOut {
    pub(super) fn new(session: &Arc<Session>, headers: &HeaderMap) -> Self {
        // Whoever names an older revision with a request may not know the newer one's streams, whatever the session agreed on.
        let named = headers.get("mcp-protocol-version").and_then(|version| version.to_str().ok());
        let named = named.and_then(|version| Revision::parse(version.trim()));
        let ticket = session.outbox.ticket(named.is_none_or(|named| named >= Revision::V2025_11_25));
        let opened = Arc::new(AtomicBool::new(checks::prefers_events(headers)));
        Self { session: Arc::clone(session), ticket, opened }
    }

    fn finish(&self, response: Option<Rope>) {
        self.session.touch();
        self.session.outbox.finish(self.ticket, response, self.session.clock.now_ms());
    }
}

impl Outlet for CallOut {
    async fn send(&self, message: Rope) {
        self.opened.store(true, Ordering::Relaxed);
        self.session.outbox.send(self.ticket, message, self.session.clock.now_ms()).await;
    }

    fn pause(&self, retry_ms: u64) {
        if self.ticket.primed {
            self.opened.store(true, Ordering::Relaxed);
            self.session.outbox.pause(self.ticket, retry_ms, self.session.clock.now_ms());
        }
    }
}

/// A stream of a session being read.
pub(super) struct Reading {
    pub(super) session: Arc<Session>,
    pub(super) place: Place,
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
