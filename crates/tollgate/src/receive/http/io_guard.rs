//! A connection's bytes, with the three clocks that hyper has not: an idle connection, headers that drip, a reader that does not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::Limits;

const UNARMED: u8 = 0;
/// Between two requests.
const IDLE: u8 = 1;
/// Some of a request's head has come.
const HEAD: u8 = 2;
/// A request is being answered: its body has its own clock.
const BUSY: u8 = 3;
/// A stream is about to stand on it, and nothing else will be.
const STANDING: u8 = 4;

/// Where a connection is between two requests. Shared with the service and the answer's body.
#[derive(Debug)]
pub(super) struct Phase {
    now: AtomicU8,
    /// hyper flushes its buffers only when they are empty: since then nothing was written.
    flushed: AtomicBool,
}

impl Phase {
    pub(super) fn new() -> Arc<Self> {
        // A new connection owes its first request's head.
        Arc::new(Self { now: AtomicU8::new(HEAD), flushed: AtomicBool::new(true) })
    }

    /// A request was read.
    pub(super) fn busy(&self) {
        self.now.store(BUSY, Ordering::Relaxed);
    }

    /// The next answer is a stream that stands.
    pub(super) fn stand(&self) {
        self.now.store(STANDING, Ordering::Relaxed);
    }

    /// Whether a stream is to stand on it, and all that came before is written.
    pub(super) fn stands(&self) -> bool {
        self.now.load(Ordering::Relaxed) == STANDING && self.flushed.load(Ordering::Relaxed)
    }

    /// Whether a request's head is not all there yet.
    pub(super) fn owes_a_head(&self) -> bool {
        self.now.load(Ordering::Relaxed) == HEAD
    }

    /// Its answer is written.
    pub(super) fn idle(&self) {
        self.now.store(IDLE, Ordering::Relaxed);
    }
}

/// The guarded connection.
#[derive(Debug)]
pub(super) struct Guarded<T> {
    inner: T,
    phase: Arc<Phase>,
    header_read: Duration,
    idle: Duration,
    write_stall: Duration,
    reading: Timer,
    writing: Timer,
}

impl<T> Guarded<T> {
    pub(super) fn new(inner: T, phase: Arc<Phase>, limits: &Limits) -> Self {
        Self {
            inner,
            phase,
            header_read: limits.header_read,
            idle: limits.idle,
            write_stall: limits.write_stall,
            reading: Timer::default(),
            writing: Timer::default(),
        }
    }

    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.writing.poll(cx, BUSY, self.write_stall)
    }
}

/// Armed for one phase at a time. The clock behind it is only wound when it would ring too late: most requests come long before, and
/// winding it for each would cost more than ringing once too early.
#[derive(Debug, Default)]
struct Timer {
    armed: u8,
    due: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>, phase: u8, limit: Duration) -> Poll<io::Error> {
        if self.armed != phase {
            self.armed = phase;
            self.due = Some(Instant::now() + limit);
        }
        let Some(due) = self.due else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= due {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            sleep.as_mut().reset(due);
        }
        Poll::Pending
    }

    fn disarm(&mut self) {
        self.armed = UNARMED;
        self.due = None;
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(read) => {
                if buf.filled().len() > before && this.phase.now.load(Ordering::Relaxed) == IDLE {
                    this.phase.now.store(HEAD, Ordering::Relaxed);
                    this.reading.disarm();
                }
                Poll::Ready(read)
            }
            Poll::Pending => {
                let phase = this.phase.now.load(Ordering::Relaxed);
                let limit = match phase {
                    IDLE => this.idle,
                    HEAD => this.header_read,
                    _ => {
                        this.reading.disarm();
                        return Poll::Pending;
                    }
                };
                this.reading.poll(cx, phase, limit).map(Err)
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.phase.flushed.store(false, Ordering::Relaxed);
        if let Poll::Ready(written) = Pin::new(&mut this.inner).poll_write(cx, buf) {
            this.writing.disarm();
            return Poll::Ready(written);
        }
        this.stalled(cx).map(Err)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.phase.flushed.store(false, Ordering::Relaxed);
        if let Poll::Ready(written) = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs) {
            this.writing.disarm();
            return Poll::Ready(written);
        }
        this.stalled(cx).map(Err)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if flushed.is_ready() {
            self.phase.flushed.store(true, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
