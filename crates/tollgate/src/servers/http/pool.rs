//! One server's connections: kept alive, the last used first, never more than a bound.
//! *Never* hands out one that its server has closed, as far as that is known.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::body::Body;
use super::dial::Target;
use crate::clock::Clock;
use crate::workers;

/// The most connections to one server: 256 calls, and a standing stream for each of 256 sessions.
const CONNECTIONS_MAX: usize = 512;

/// How long a connection may take to be ready again after an answer.
const SETTLE: Duration = Duration::from_millis(20);

/// The most bytes of response headers.
const HEADERS_MAX: usize = 32 * 1024;

/// The most bytes read at once. A chunk is copied out of its buffer as it comes, and the next one finds that buffer in the cache: measured
/// at 1 MB results, 64 KiB take 600 CPU-µs, hyper's own 400 KiB and as little as 32 KiB 660.
const CHUNK_MAX: usize = 64 * 1024;

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

/// One connection. Its bytes are moved by a task of its own: measured, that is no dearer than moving them from the call's task
/// (8.2 against 8.8 CPU-µs at one client), which would have to be kept from waking itself. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) sender: SendRequest<Body>,
    driver: AbortHandle,
    /// The worker whose thread its bytes move on.
    home: usize,
    unused_since: Instant,
    _counted: Counted,
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.driver.abort();
    }
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
    /// Whether a request can be sent: the server has not closed it, and the last exchange is wholly over.
    async fn is_ready(&mut self) -> bool {
        // It mostly is, or closed; else its task is about to finish the last exchange.
        self.sender.is_ready()
            || matches!(tokio::time::timeout(SETTLE, self.sender.ready()).await, Ok(Ok(())))
    }
}

impl Pool {
    pub(super) fn new(target: Target, clock: Clock) -> Self {
        Self { target, clock, idle: Mutex::default(), open: Arc::default(), returned: Notify::new() }
    }

    /// The one used last on this thread: another thread's would have to be woken for each of its bytes.
    fn pop(&self) -> Option<Box<Conn>> {
        let here = workers::here();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let place = idle.iter().rposition(|conn| conn.home == here)?;
        Some(idle.remove(place))
    }

    fn pop_any(&self) -> Option<Box<Conn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// A connection that a request can be sent on.
    pub(super) async fn get(&self) -> Result<Box<Conn>, String> {
        loop {
            let returned = self.returned.notified();
            let now = self.clock.instant();
            while let Some(mut conn) = self.pop() {
                let fresh = now.saturating_duration_since(conn.unused_since) < self.target.idle;
                if fresh && conn.is_ready().await {
                    return Ok(conn);
                }
            }
            match self.count() {
                // Boxed, like everything rare on a call's way: it would make every call's future larger.
                Some(counted) => return Box::pin(self.connect(counted)).await,
                None => match self.pop_any() {
                    Some(mut conn) => {
                        if conn.is_ready().await {
                            return Ok(conn);
                        }
                        // Dropped, it makes room for a new one.
                    }
                    None => returned.await,
                },
            }
        }
    }

    /// A connection that nothing was sent on yet.
    pub(super) async fn fresh(&self) -> Result<Box<Conn>, String> {
        match self.count() {
            Some(counted) => Box::pin(self.connect(counted)).await,
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
            .max_buf_size(CHUNK_MAX)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|why| why.to_string())?;
        // Its error, if any, also ends the response or its body, which say more.
        let driver = tokio::spawn(async move { drop(driver.await) }).abort_handle();
        let mut conn = Box::new(Conn {
            sender,
            driver,
            unused_since: self.clock.instant(),
            home: workers::here(),
            _counted: counted,
        });
        match conn.sender.ready().await {
            Ok(()) => Ok(conn),
            Err(_) => Err("the connection was closed at once".to_owned()),
        }
    }

    /// Takes a connection back whose exchange is over.
    pub(super) fn put(&self, mut conn: Box<Conn>) {
        if !conn.sender.is_closed() {
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
