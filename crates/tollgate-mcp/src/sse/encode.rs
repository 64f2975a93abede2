//! Message → event.

use bytes::Bytes;
use memchr::memchr2;

use crate::rope::{Rope, Weaver};

/// Writes one message as an event: `event: message`, optional `id:`, `data:`. Line breaks inside the JSON text (white space between
/// tokens; strings can't hold any) are written as further `data:` lines. An empty message makes an event without `event:` (the priming
/// event of 2025-11-25). Line breaks and NUL in the id are left out.
pub fn encode(id: Option<&str>, message: Rope) -> Rope {
    let mut out = Weaver::around(&message);
    if !message.is_empty() {
        out.text("event: message\n");
    }
    if let Some(id) = id {
        out.text("id: ");
        for part in id.split(['\r', '\n', '\0']) {
            out.text(part);
        }
        out.text("\n");
    }
    out.text("data: ");
    let mut after_cr = false;
    for piece in message.into_pieces() {
        after_cr = lines(&mut out, piece, after_cr);
    }
    out.text("\n\n");
    out.finish()
}

/// Writes a piece, each line break in it as the start of another data line. Returns whether it ended with a CR.
fn lines(out: &mut Weaver, mut piece: Bytes, mut after_cr: bool) -> bool {
    while !piece.is_empty() {
        if std::mem::take(&mut after_cr) && piece.first() == Some(&b'\n') {
            piece = piece.slice(1..);
            continue;
        }
        let Some(end) = memchr2(b'\n', b'\r', &piece) else {
            out.bytes(piece);
            return false;
        };
        after_cr = piece.get(end) == Some(&b'\r');
        out.bytes(piece.split_to(end)).text("\ndata: ");
        piece = piece.slice(1..);
    }
    after_cr
}
