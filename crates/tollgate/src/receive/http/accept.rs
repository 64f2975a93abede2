//! Connections: accepted up to a cap, each on its own task, closed gracefully when draining.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::body::Body;
use super::io_guard::{Guarded, Phase};
use super::route::{self, Gate};
use super::standing;
use crate::call::Handle;
use crate::receive::edge::Memo;
use crate::workers::Hands;

/// How often sessions are looked through for those that nobody uses.
const SWEEP: Duration = Duration::from_secs(10);

/// How long a connection without a request in flight is kept when draining: what was sent before the agent could know is answered, and
/// says that the connection ends with it.
const LINGER: Duration = Duration::from_millis(500);

/// The most connections that are taken from the backlog when draining.
const BACKLOG: usize = 4096;

/// The pause after an `accept` that failed: most often for want of file descriptors.
const RETRY: Duration = Duration::from_millis(50);

/// One connection, as the requests on it see it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) phase: Arc<Phase>,
    pub(super) memo: Memo,
    /// The stream that it ends with.
    standing: Mutex<Option<Response<Body>>>,
}

impl Connection {
    /// Takes the connection from hyper for this stream.
    pub(super) fn hand_over(&self, response: Response<Body>) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
        self.phase.stand();
    }

    fn handed_over(&self) -> Option<Response<Body>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Accepts until draining, then waits for what is in flight.
pub(super) async fn run<H: Handle>(tcp: TcpListener, gate: Arc<Gate<H>>, hands: Hands) {
    let ending = Ending(Arc::clone(&gate));
    let room = Arc::new(Semaphore::new(gate.settings.limits.connections));
    let draining = gate.draining.cancel();
    let mut connections = JoinSet::new();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            biased;
            () = draining.fired() => break,
            Some(_) = connections.join_next() => {}
            _ = sweep.tick() => gate.sessions.sweep(),
            accepted = accept(&tcp, &room) => {
                let Some((stream, peer, permit)) = accepted else { continue };
                let gate = Arc::clone(&gate);
                let Some(place) = hands.place() else {
                    connections.spawn(async move {
                        serve(stream, peer, gate).await;
                        drop(permit);
                    });
                    continue;
                };
                // Its readiness must be told to the thread that it is served on.
                let Ok(stream) = stream.into_std() else { continue };
                let runtime = place.runtime.clone();
                let serving = async move {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        serve(stream, peer, gate).await;
                    }
                    drop((permit, place));
                };
                connections.spawn_on(serving, &runtime);
            }
        }
    }
    for (stream, peer) in backlog(tcp) {
        connections.spawn(serve(stream, peer, Arc::clone(&gate)));
    }
    gate.sessions.end_listening();
    gate.streams.end_listening();
    while connections.join_next().await.is_some() {}
    gate.detached.finished().await;
    drop(ending);
}

/// The end of all sessions, however accepting ends: what goes on without a connection is cancelled, and nothing new does.
struct Ending<H: Handle>(Arc<Gate<H>>);

impl<H: Handle> Drop for Ending<H> {
    fn drop(&mut self) {
        self.0.detached.close();
        self.0.sessions.end_all();
        self.0.streams.end_all();
    }
}

/// One connection, once there is room for it.
async fn accept(
    tcp: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    if let Ok((stream, peer)) = tcp.accept().await {
        return Some((stream, peer, permit));
    }
    tokio::time::sleep(RETRY).await;
    None
}

/// Closes the listener, but first takes what waits in it: to close it resets connections whose requests were already sent.
fn backlog(tcp: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    let Ok(tcp) = tcp.into_std() else { return waiting };
    while waiting.len() < BACKLOG {
        let accepted = tcp.accept().and_then(|(stream, peer)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, peer))
        });
        match accepted {
            Ok(accepted) => waiting.push(accepted),
            Err(why) if why.kind() == std::io::ErrorKind::ConnectionAborted => {}
            // There is nothing more, or no room for more.
            Err(_) => break,
        }
    }
    waiting
}

async fn serve<H: Handle>(stream: TcpStream, peer: SocketAddr, gate: Arc<Gate<H>>) {
    // Boxed, so that hyper and its buffers are gone while a stream stands.
    let Some((io, response)) = Box::pin(requests(stream, peer, &gate)).await else { return };
    let now_ms = gate.handle.now_ms();
    drop(gate);
    standing::write(io, response, now_ms).await;
}

/// Answers requests until the connection ends, or a stream is to stand on it: that, and where.
async fn requests<H: Handle>(
    stream: TcpStream,
    peer: SocketAddr,
    gate: &Arc<Gate<H>>,
) -> Option<(Guarded<TcpStream>, Response<Body>)> {
    // Without it every event of a stream waits for the peer's acknowledgement of the one before.
    let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) else { return None };
    let phase = Phase::new();
    let limits = &gate.settings.limits;
    let io = TokioIo::new(Guarded::new(stream, Arc::clone(&phase), limits));
    let memo = Memo::default();
    let connection = Arc::new(Connection { peer, local, phase, memo, standing: Mutex::default() });
    let mut builder = http1::Builder::new();
    // The guard's clock tells an idle connection from dripping headers; hyper's does not.
    builder.header_read_timeout(None).max_headers(limits.headers).max_header_size(limits.headers_bytes);
    let draining = gate.draining.cancel();
    let (own, answering) = (Arc::clone(&connection), Arc::clone(gate));
    let service = service_fn(move |request| {
        connection.phase.busy();
        let (gate, connection) = (Arc::clone(&answering), Arc::clone(&connection));
        // Boxed, so that its room is free again while a stream is written or nothing is asked.
        let answer = Box::pin(route::answer(gate, connection, request));
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let mut connection = builder.serve_connection(io, service);
    // A connection that ends badly has nobody left to tell.
    let mut stands = tokio::select! {
        biased;
        stands = driven(&mut connection, &own.phase) => Some(stands),
        () = draining.fired() => None,
    };
    if stands.is_none() {
        stands = tokio::time::timeout(LINGER, driven(&mut connection, &own.phase)).await.ok();
    }
    if stands.is_none() && !own.phase.owes_a_head() {
        Pin::new(&mut connection).graceful_shutdown();
        stands = Some(driven(&mut connection, &own.phase).await);
    }
    let response = own.handed_over().filter(|_| stands == Some(true))?;
    Some((connection.into_parts().io.into_inner(), response))
}

/// Runs a connection to its end (`false`), or until a stream is to stand on it.
async fn driven(connection: &mut (impl Future<Output = hyper::Result<()>> + Unpin), phase: &Phase) -> bool {
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(_ended) => Poll::Ready(false),
        Poll::Pending if phase.stands() => Poll::Ready(true),
        Poll::Pending => Poll::Pending,
    })
    .await
}
