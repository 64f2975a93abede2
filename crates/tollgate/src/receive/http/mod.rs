//! HTTP, straight on hyper: one listener for stateless requests (2026-07-28), sessions (2025-03-26 to 2025-11-25), and the event streams
//! of 2024-11-05.
//! *Never* believes a header about who somebody is, and never reads a body before its sender is known.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::call::{Canceller, Handle};
use crate::clock::Clock;
use crate::receive::Patience;
use crate::workers::Hands;

mod accept;
mod body;
mod checks;
mod events;
mod full;
mod io_guard;
mod legacy;
mod modern;
mod reply;
mod route;
mod sse;
mod standing;

#[cfg(test)]
mod tests;

/// What the listener needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Further `Host`s (`name` = any port, `name:port` = that one). Loopback names and the connection's own address are always allowed.
    pub hosts: Vec<String>,
    /// Further `Origin`s, exactly as browsers send them (`https://app.example`). Loopback origins are always allowed.
    pub origins: Vec<String>,
    /// The host (with port, if any) of `public_url`: allowed as `Host`, and as `Origin` over https.
    pub public_host: Option<String>,
    /// How much of everything.
    pub limits: Limits,
    /// How legacy agents are asked.
    pub patience: Patience,
    /// How legacy sessions are kept.
    pub sessions: Sessions,
}

impl Settings {
    /// Everything by default, listening at `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            hosts: Vec::new(),
            origins: Vec::new(),
            public_host: None,
            limits: Limits::default(),
            patience: Patience::default(),
            sessions: Sessions::default(),
        }
    }
}

/// Limits of the listener. What is over one is refused, never judged by its prefix.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; further ones wait in the backlog.
    pub connections: usize,
    /// Bytes of a request's line and headers.
    pub headers_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Levels of nesting in a request's JSON.
    pub depth: usize,
    /// How long a request's headers may take, from their first byte.
    pub header_read: Duration,
    /// How long a request's body may take.
    pub body_read: Duration,
    /// How long a peer may leave what we write unread.
    pub write_stall: Duration,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
    /// How often a quiet stream is kept alive, and how long a request may be silent before its answer becomes a stream.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            headers_bytes: 32 * 1024,
            headers: 100,
            body_bytes: 4 * 1024 * 1024,
            depth: 64,
            header_read: Duration::from_secs(10),
            body_read: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            idle: Duration::from_mins(5),
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// How legacy sessions are kept.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    /// Sessions at a time.
    pub max: usize,
    /// Sessions of one principal; its longest unused one gives way to a new one.
    pub max_per_principal: usize,
    /// How long a session may be unused.
    pub idle: Duration,
    /// Requests of one session at a time.
    pub in_flight: usize,
    /// Events that one session keeps for resumption.
    pub events: usize,
    /// Bytes of events that one session keeps for resumption.
    pub events_bytes: usize,
    /// Bytes of events that all sessions keep together.
    pub events_bytes_all: usize,
    /// How long a stream that nobody reads can be resumed.
    pub resumable: Duration,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            max: 10_000,
            max_per_principal: 1000,
            idle: Duration::from_hours(1),
            in_flight: 256,
            events: 1024,
            events_bytes: 4 * 1024 * 1024,
            events_bytes_all: 256 * 1024 * 1024,
            resumable: Duration::from_mins(5),
        }
    }
}

/// A bound listener that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    local: SocketAddr,
    settings: Settings,
}

impl Listener {
    /// Binds.
    pub async fn bind(settings: Settings) -> io::Result<Self> {
        let tcp = TcpListener::bind(settings.listen).await?;
        let local = tcp.local_addr()?;
        Ok(Self { tcp, local, settings })
    }

    /// Where it is bound (the port is known even where 0 was asked for).
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Accepts, until [`Server::drain`] or the returned [`Server`] is dropped.
    pub fn serve<H: Handle>(self, handle: Arc<H>, clock: Clock, hands: Hands) -> Server {
        let draining = Canceller::new();
        let local = self.local;
        let gate = Arc::new(route::Gate::new(handle, self.settings, clock, draining.clone()));
        let accepting = tokio::spawn(accept::run(self.tcp, gate, hands));
        Server { local, draining, accepting: Some(accepting) }
    }
}

/// A running listener. Dropping it ends every connection at once.
#[derive(Debug)]
pub struct Server {
    local: SocketAddr,
    draining: Canceller,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Stops accepting, closes what is idle, ends listening streams, and waits for the requests in flight, also for those whose agent has
    /// disconnected. `false` = some were still running after `grace` and were dropped.
    pub async fn drain(mut self, grace: Duration) -> bool {
        self.draining.fire();
        let Some(mut accepting) = self.accepting.take() else { return true };
        let drained = tokio::time::timeout(grace, &mut accepting).await.is_ok();
        accepting.abort();
        drained
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.draining.fire();
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}
