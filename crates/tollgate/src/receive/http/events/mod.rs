//! An event stream being written: events one by one, each flushed before the next, a comment where nothing happens.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::time::{Instant, Sleep};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::sse;

use super::body;

#[cfg(test)]
mod tests;

/// Where a stream's events come from, encoded.
pub(super) trait Source: Send + 'static {
    /// The next event; `None` ends the stream.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Rope>>;
}

/// A stream.
pub(super) struct Events {
    source: Box<dyn Source>,
    chunks: smallvec::IntoIter<[Bytes; 4]>,
    /// An event was handed out and may not be flushed yet.
    unflushed: bool,
    every: Duration,
    quiet: Pin<Box<Sleep>>,
}

impl Events {
    pub(super) fn new(source: Box<dyn Source>, every: Duration) -> Self {
        Self {
            source,
            chunks: SmallVec::new().into_iter(),
            unflushed: false,
            every,
            quiet: Box::pin(tokio::time::sleep(every)),
        }
    }

    /// The next chunk to write.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(chunk) = self.chunks.next() {
            return Poll::Ready(Some(chunk));
        }
        if std::mem::take(&mut self.unflushed) {
            // The connection is flushed whenever the body has nothing ready. Some clients lose a notification that arrives in one chunk
            // with the answer.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.source.poll_event(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(event)) => {
                self.quiet.as_mut().reset(Instant::now() + self.every);
                self.unflushed = true;
                self.chunks = body::chunks(event).into_iter();
                Poll::Ready(self.chunks.next())
            }
            Poll::Pending => {
                if self.quiet.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.quiet.as_mut().reset(Instant::now() + self.every);
                self.unflushed = true;
                Poll::Ready(Some(Bytes::from_static(sse::KEEP_ALIVE)))
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
