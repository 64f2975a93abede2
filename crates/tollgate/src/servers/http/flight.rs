//! One request on one connection: its head, its body, and the connection back.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::body::Body;
use super::pool::{Conn, Pool};

/// How long an answered stream may take to end, so that its connection can be used again.
const ENDING: Duration = Duration::from_secs(1);

type Head = Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>> + Send>>;

/// The exchange broke.
#[derive(Debug)]
pub(in crate::servers) struct Broken {
    pub(in crate::servers) why: String,
    /// Whether any of the request may have reached the server.
    pub(in crate::servers) sent: bool,
}

impl Broken {
    pub(super) fn unsent(why: String) -> Self {
        Self { why, sent: false }
    }
}

/// One request on its way. Dropped before its end, it closes the connection.
pub(in crate::servers) struct Flight {
    pool: Arc<Pool>,
    conn: Option<Box<Conn>>,
    /// A request that no byte of was written, because its connection was already closed.
    again: Option<Request<Body>>,
    head: Option<Head>,
    body: Option<Incoming>,
}

impl std::fmt::Debug for Flight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flight")
    }
}

impl Flight {
    /// Sends `request` on `conn`.
    pub(super) fn start(pool: Arc<Pool>, mut conn: Box<Conn>, request: Request<Body>) -> Self {
        let head: Head = Box::pin(conn.sender.try_send_request(request));
        Self { pool, conn: Some(conn), again: None, head: Some(head), body: None }
    }

    /// The response's head. Cancel-safe. To be called once.
    pub(in crate::servers) async fn head(&mut self) -> Result<Parts, Broken> {
        loop {
            if self.again.is_some() {
                let mut conn = Box::pin(self.pool.fresh()).await.map_err(Broken::unsent)?;
                if let Some(request) = self.again.take() {
                    self.head = Some(Box::pin(conn.sender.try_send_request(request)));
                    self.conn = Some(conn);
                }
            }
            let Some(head) = &mut self.head else {
                return Err(Broken { why: "its answer was read already".to_owned(), sent: true });
            };
            match head.await {
                Ok(response) => {
                    self.head = None;
                    let (parts, body) = response.into_parts();
                    self.body = Some(body);
                    return Ok(parts);
                }
                Err(mut error) => {
                    self.head = None;
                    self.conn = None;
                    match error.take_message() {
                        Some(request) => self.again = Some(request),
                        None => return Err(Broken { why: describe(error.error()), sent: true }),
                    }
                }
            }
        }
    }

    /// How long the body says it is.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.as_ref().and_then(|body| body.size_hint().exact())
    }

    /// The next piece of the body; `None` at its clean end. Cancel-safe.
    pub(in crate::servers) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(None)) };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are nothing to us.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.body = None;
                    self.conn = None;
                    return Poll::Ready(Err(Broken { why: describe(&error), sent: true }));
                }
                Poll::Ready(None) => {
                    self.body = None;
                    if let Some(conn) = self.conn.take() {
                        self.pool.put(conn);
                    }
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    /// Nothing more is expected: gives the connection back if the body ends soon.
    pub(in crate::servers) fn finish(mut self) {
        // Mostly the end came with the last event.
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if let Poll::Ready(Ok(None) | Err(_)) = self.poll_chunk(&mut cx) {
            return;
        }
        tokio::spawn(async move {
            let end = async { while let Ok(Some(_)) = self.chunk().await {} };
            // If it goes on, dropping it closes the connection.
            drop(tokio::time::timeout(ENDING, end).await);
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.conn.take().is_some() {
            self.pool.gone();
        }
    }
}

/// hyper's error and its cause, which has the system's words. Neither holds anything that the server sent.
fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
