//! A JSON line as it grows, by hand: no text of a peer's can end it or add a member.

use std::sync::Arc;

use uuid::Uuid;

use super::{LIST_MAX, NAME_MAX, TEXT_MAX};
use crate::record::stamp::stamp;

/// A record's text as it grows: after `{` each member brings its own comma.
#[derive(Debug)]
pub(in crate::record) struct Line<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    /// `{"kind":…,"entry":…[,"note":…],"at":…`: in this order, which the scan at start relies on.
    pub(in crate::record) fn start(
        out: &'a mut Vec<u8>,
        kind: &'static str,
        entry: Option<Uuid>,
        note: Option<&'static str>,
        at_ms: u64,
    ) -> Self {
        out.push(b'{');
        let mut line = Line { out };
        line.text("kind", Some(kind), NAME_MAX);
        if let Some(id) = entry {
            line.id("entry", id);
        } else {
            line.key("entry");
            line.out.extend_from_slice(b"null");
        }
        line.text("note", note, NAME_MAX);
        line.time("at", at_ms);
        line
    }

    pub(super) fn key(&mut self, key: &'static str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A member, cut at `max` encoded bytes; nothing for `None`.
    pub(in crate::record) fn text(&mut self, key: &'static str, value: Option<&str>, max: usize) {
        if let Some(value) = value {
            self.key(key);
            string(self.out, value, max);
        }
    }

    /// A number; nothing for `None`.
    pub(in crate::record) fn number(&mut self, key: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.key(key);
            decimal(self.out, value);
        }
    }

    /// An id.
    pub(in crate::record) fn id(&mut self, key: &'static str, id: Uuid) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        self.out.push(b'"');
    }

    /// A time.
    pub(in crate::record) fn time(&mut self, key: &'static str, ms: u64) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(&stamp(ms));
        self.out.push(b'"');
    }

    /// A digest in hex; nothing for `None`.
    pub(in crate::record) fn hex(&mut self, key: &'static str, digest: Option<[u8; 32]>) {
        if let Some(digest) = digest {
            self.key(key);
            self.out.push(b'"');
            hex(self.out, &digest);
            self.out.push(b'"');
        }
    }

    /// An object of ids and the places of their begins.
    pub(in crate::record) fn places(&mut self, key: &'static str, places: impl Iterator<Item = (Uuid, u64)>) {
        self.key(key);
        self.out.push(b'{');
        for (n, (id, seq)) in places.enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            self.out.push(b'"');
            self.out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            self.out.extend_from_slice(b"\":");
            decimal(self.out, seq);
        }
        self.out.push(b'}');
    }

    /// A list whose items a caller writes. What goes beyond `max` bytes is left out: returned is how many items.
    pub(in crate::record) fn list<T>(
        &mut self,
        key: &'static str,
        items: &[T],
        max: usize,
        mut one: impl FnMut(&mut Line<'_>, &T),
    ) -> u64 {
        if items.is_empty() {
            return 0;
        }
        self.key(key);
        self.out.push(b'[');
        let start = self.out.len();
        let mut omitted = 0;
        for item in items {
            let before = self.out.len();
            if before > start {
                self.out.push(b',');
            }
            one(&mut Line { out: self.out }, item);
            if self.out.len() - start > max {
                self.out.truncate(before);
                omitted += 1;
            }
        }
        self.out.push(b']');
        omitted
    }

    /// An object within a list.
    pub(in crate::record) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        members(self);
        self.out.push(b'}');
    }

    /// A member object of texts: within it no key can clash with the record's own.
    pub(in crate::record) fn texts_of(&mut self, key: &'static str, members: &[(&'static str, &str)]) {
        self.key(key);
        self.object(|line| {
            for (key, value) in members {
                line.text(key, Some(value), TEXT_MAX);
            }
        });
    }

    pub(super) fn texts(&mut self, key: &'static str, all: &[Arc<str>], from: usize) -> u64 {
        let rest = all.get(from..).unwrap_or_default();
        self.list(key, rest, LIST_MAX, |line, text| string(line.out, text, NAME_MAX))
    }

    pub(super) fn cost(&mut self, usd: Option<f64>) {
        use std::io::Write;
        if let Some(usd) = usd.filter(|usd| usd.is_finite()) {
            self.key("cost_usd");
            // A nano-dollar is enough, and keeps the number short.
            let usd = (usd.clamp(-1e9, 1e9) * 1e9).round() / 1e9;
            // Writing to a `Vec` does not fail.
            write!(self.out, "{usd}").unwrap_or_default();
        }
    }
}

/// A JSON string of at most `max` bytes between its quotes; what is cut ends in `…`.
fn string(out: &mut Vec<u8>, text: &str, max: usize) {
    out.push(b'"');
    let start = out.len();
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f;
    if text.len() <= max && text.bytes().all(plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for c in text.chars() {
            let before = out.len();
            escape(out, c);
            if out.len() - start > max - '…'.len_utf8() {
                out.truncate(before);
                out.extend_from_slice("…".as_bytes());
                break;
            }
        }
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        // Control characters, and those that turn the reading direction: a log line must not play with its reader's terminal.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            let digits = b"0123456789abcdef";
            out.extend_from_slice(b"\\u");
            for shift in [12, 8, 4, 0] {
                let nibble = (u32::from(c) >> shift) & 15;
                out.push(usize::try_from(nibble).ok().and_then(|n| digits.get(n)).copied().unwrap_or(b'0'));
            }
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Decimal digits.
pub(in crate::record) fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
        used += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(20 - used));
}

/// Lower-case hex.
pub(in crate::record) fn hex(out: &mut Vec<u8>, bytes: &[u8; 32]) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out.extend_from_slice(&text);
}
