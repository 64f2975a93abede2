//! Bytes in pieces: what leaves without being copied together. *Never* looks at what the bytes say.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

#[cfg(test)]
mod tests;

/// Pieces of bytes, in order.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    pieces: SmallVec<[Bytes; 4]>,
}

impl Rope {
    /// An empty rope.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a piece; empty ones are skipped.
    pub fn push(&mut self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }

    /// Appends all pieces of another rope.
    pub fn append(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// The pieces, given up.
    pub fn into_pieces(self) -> SmallVec<[Bytes; 4]> {
        self.pieces
    }

    /// One contiguous buffer: free for one piece, else one copy.
    pub fn into_bytes(self) -> Bytes {
        let mut pieces = self.pieces;
        if pieces.len() == 1
            && let Some(only) = pieces.pop()
        {
            return only;
        }
        let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        for piece in &pieces {
            all.extend_from_slice(piece);
        }
        all.freeze()
    }
}

impl From<Bytes> for Rope {
    fn from(bytes: Bytes) -> Self {
        let mut rope = Self::new();
        rope.push(bytes);
        rope
    }
}

impl From<&'static str> for Rope {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Rope {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

/// Pieces up to this many bytes are copied together: that costs less than a piece of their own, here and at the socket.
const SMALL: usize = 512;

/// Builds a rope: small texts are copied together, large ones are shared.
#[derive(Debug, Default)]
pub struct Weaver {
    rope: Rope,
    small: Vec<u8>,
}

impl Weaver {
    /// An empty weaver.
    pub fn new() -> Self {
        Self { rope: Rope::new(), small: Vec::with_capacity(SMALL / 2) }
    }

    /// An empty weaver with room for `room` bytes of small texts.
    pub fn with_room(room: usize) -> Self {
        Self { rope: Rope::new(), small: Vec::with_capacity(room) }
    }

    /// An empty weaver with room for `rope` as far as it will be copied, and a little around it.
    pub fn around(rope: &Rope) -> Self {
        let copied: usize = rope.pieces.iter().map(Bytes::len).filter(|len| *len <= SMALL).sum();
        Self::with_room(copied + 128)
    }

    /// Appends a copy of `text`.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.small.extend_from_slice(text.as_ref());
        self
    }

    /// Appends `text` as a JSON string, quotes included.
    pub fn quoted(&mut self, text: &str) -> &mut Self {
        // Writing into a `Vec` cannot fail.
        if serde_json::to_writer(&mut self.small, text).is_err() {
            self.small.extend_from_slice(b"\"\"");
        }
        self
    }

    /// Appends bytes: copied if small, else shared.
    pub fn bytes(&mut self, bytes: Bytes) -> &mut Self {
        if bytes.len() <= SMALL {
            self.small.extend_from_slice(&bytes);
        } else {
            self.flush();
            self.rope.push(bytes);
        }
        self
    }

    /// Appends a rope's pieces, each like [`Self::bytes`].
    pub fn rope(&mut self, rope: Rope) -> &mut Self {
        for piece in rope.into_pieces() {
            self.bytes(piece);
        }
        self
    }

    /// What was built.
    pub fn finish(mut self) -> Rope {
        self.flush();
        self.rope
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.rope.push(std::mem::take(&mut self.small));
        }
    }
}
