//! Bodies: a request's, read whole within its limits; an answer's, in the pieces that it came in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use smallvec::SmallVec;
use tollgate_mcp::rope::Rope;

use super::events::Events;
use super::io_guard::Phase;

/// Up to this size an answer's pieces are copied together: one buffer is cheaper to write than many.
pub(super) const JOINED_MAX: usize = 8 * 1024;

/// What is set aside for a body before any of it has come.
const RESERVED: usize = 64 * 1024;

/// Why a request's body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    TooSlow,
    Broken,
}

/// Reads a request's body. A body that came in one piece is not copied.
pub(super) async fn read(body: Incoming, max: usize, limit: Duration) -> Result<Bytes, Unread> {
    let most = u64::try_from(max).unwrap_or(u64::MAX);
    if body.size_hint().lower() > most {
        return Err(Unread::TooLarge);
    }
    tokio::time::timeout(limit, collect(body, max)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect(mut body: Incoming, max: usize) -> Result<Bytes, Unread> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(max).min(RESERVED);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        if first.len() + all.len() + chunk.len() > max {
            return Err(Unread::TooLarge);
        }
        if first.is_empty() && all.is_empty() {
            first = chunk;
            if body.is_end_stream() {
                return Ok(first);
            }
            continue;
        }
        if all.is_empty() {
            all.reserve(expected.max(first.len() + chunk.len()));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// An answer's body.
#[derive(Debug)]
pub(super) struct Body {
    kind: Kind,
    /// Told when the answer is written.
    phase: Option<Arc<Phase>>,
    /// A stream that is silent for most of its time.
    standing: bool,
}

#[derive(Debug)]
enum Kind {
    /// What is left to write of a text whose length is known.
    Pieces {
        pieces: smallvec::IntoIter<[Bytes; 4]>,
        left: u64,
    },
    Events(Box<Events>),
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::text(Rope::new())
    }

    /// A whole text.
    pub(super) fn text(text: Rope) -> Self {
        let left = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let pieces = if text.len() < JOINED_MAX && text.pieces().len() > 1 {
            Rope::from(text.into_bytes()).into_pieces()
        } else {
            text.into_pieces()
        };
        Self { kind: Kind::Pieces { pieces: pieces.into_iter(), left }, phase: None, standing: false }
    }

    /// An event stream.
    pub(super) fn events(events: Events) -> Self {
        Self { kind: Kind::Events(Box::new(events)), phase: None, standing: false }
    }

    /// Says that it stands for long, and is silent for most of that.
    pub(super) fn stands(&mut self) {
        self.standing = true;
    }

    pub(super) fn is_standing(&self) -> bool {
        self.standing
    }

    /// Tells the connection when this is written.
    pub(super) fn track(&mut self, phase: &Arc<Phase>) {
        self.phase = Some(Arc::clone(phase));
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(phase) = &self.phase {
            phase.idle();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.kind {
            Kind::Pieces { pieces, left } => Poll::Ready(pieces.next().map(|piece| {
                *left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                Ok(Frame::data(piece))
            })),
            Kind::Events(events) => {
                events.poll_chunk(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Pieces { left, .. } => *left == 0,
            Kind::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Pieces { left, .. } => SizeHint::with_exact(*left),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

/// The chunks that one event is written in: one for a small event, else its pieces.
pub(super) fn chunks(event: Rope) -> SmallVec<[Bytes; 4]> {
    if event.len() < JOINED_MAX { Rope::from(event.into_bytes()).into_pieces() } else { event.into_pieces() }
}
