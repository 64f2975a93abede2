//! A request's body: bytes in pieces, whose length is known.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use smallvec::SmallVec;
use tollgate_mcp::rope::Rope;

/// Below this a copy is cheaper than another piece on its way out.
const JOIN_MAX: usize = 16 * 1024;

/// Pieces, last first.
#[derive(Debug)]
pub(in crate::servers) struct Body {
    pieces: SmallVec<[Bytes; 4]>,
    left: u64,
}

impl Body {
    pub(in crate::servers) fn empty() -> Self {
        Self { pieces: SmallVec::new(), left: 0 }
    }

    pub(in crate::servers) fn new(rope: Rope) -> Self {
        let len = rope.len();
        let mut pieces = match len {
            ..JOIN_MAX => Rope::from(rope.into_bytes()).into_pieces(),
            _ => rope.into_pieces(),
        };
        pieces.reverse();
        Self { pieces, left: len as u64 }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop().map(|piece| {
            self.left = self.left.saturating_sub(piece.len() as u64);
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
