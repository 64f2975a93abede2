//! One server's connections: kept alive, the last used first, never more than a bound.
//! A connection has no task of its own: whoever uses it drives it, so that a call wakes one task only.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;

use super::body::Body;
use super::dial::{Io, Target};
use crate::clock::Clock;

/// The most connections to one server.
const CONNECTIONS_MAX: usize = 256;

/// The most bytes of response headers.
const HEADERS_MAX: usize = 32 * 1024;

/// One server's connections.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) target: Target,
    clock: Clock,
    #[expect(clippy::vec_box, reason = "a connection is large, and moves at each use")]
    idle: Mutex<Vec<Box<Conn>>>,
    open: Arc<AtomicUsize>,
    returned: Notify,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) sender: SendRequest<Body>,
    driver: Option<Connection<TokioIo<Io>, Body>>,
    unused_since: Instant,
    _counted: Counted,
}

/// Counts one open connection.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Conn {
    /// Moves bytes, as far as it goes now.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            // Its error, if any, also ends the response or its body, which say more.
            self.driver = None;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.driver.is_none()
    }

    /// Whether a request can be sent: the peer has not closed it, and the last exchange is wholly over.
    fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        !self.is_over() && matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())))
    }
}

impl Pool {
    pub(super) fn new(target: Target, clock: Clock) -> Self {
        Self { target, clock, idle: Mutex::default(), open: Arc::default(), returned: Notify::new() }
    }

    fn pop(&self) -> Option<Box<Conn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// A connection that a request can be sent on.
    pub(super) async fn get(&self) -> Result<Box<Conn>, String> {
        loop {
            let returned = self.returned.notified();
            let now = self.clock.instant();
            while let Some(mut conn) = self.pop() {
                let fresh = now.saturating_duration_since(conn.unused_since) < self.target.idle;
                if fresh && poll_fn(|cx| Poll::Ready(conn.is_ready(cx))).await {
                    return Ok(conn);
                }
            }
            match self.count() {
                Some(counted) => return self.connect(counted).await,
                None => returned.await,
            }
        }
    }

    /// A connection that nothing was sent on yet.
    pub(super) async fn fresh(&self) -> Result<Box<Conn>, String> {
        match self.count() {
            Some(counted) => self.connect(counted).await,
            None => Err("all connections are in use".to_owned()),
        }
    }

    fn count(&self) -> Option<Counted> {
        let counted = Counted(Arc::clone(&self.open));
        (self.open.fetch_add(1, Ordering::AcqRel) < CONNECTIONS_MAX).then_some(counted)
    }

    async fn connect(&self, counted: Counted) -> Result<Box<Conn>, String> {
        let io = self.target.dial().await?;
        let (sender, driver) = Builder::new()
            .max_header_size(HEADERS_MAX)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|why| why.to_string())?;
        let mut conn = Box::new(Conn {
            sender,
            driver: Some(driver),
            unused_since: self.clock.instant(),
            _counted: counted,
        });
        let ready = poll_fn(|cx| Poll::Ready(conn.is_ready(cx))).await;
        ready.then_some(conn).ok_or_else(|| "the connection was closed at once".to_owned())
    }

    /// Takes a connection back whose exchange is over.
    pub(super) fn put(&self, mut conn: Box<Conn>) {
        if !conn.is_over() {
            conn.unused_since = self.clock.instant();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
        self.returned.notify_one();
    }

    /// Wakes one that waits for a connection: one was closed.
    pub(super) fn gone(&self) {
        self.returned.notify_one();
    }

    /// Closes what has been unused for long.
    pub(super) fn reap(&self) {
        let now = self.clock.instant();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|conn| now.saturating_duration_since(conn.unused_since) < self.target.idle);
    }

    /// Closes all that are unused.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
