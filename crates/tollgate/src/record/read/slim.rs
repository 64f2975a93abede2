//! What the index keeps of a record, read by place: a tenth of what reading all of it costs.

use std::borrow::Cow;

use uuid::Uuid;

use crate::record::line::Kind;

/// A begin's or a close's share in the index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slim<'a> {
    pub(super) at: &'a str,
    /// The seq of a close's begin.
    pub(super) begin: Option<u64>,
    pub(super) interaction: Option<Cow<'a, str>>,
    pub(super) agent: Option<Cow<'a, str>>,
    pub(super) server: Option<Cow<'a, str>>,
    pub(super) tool: Option<Cow<'a, str>>,
    pub(super) outcome: Option<Cow<'a, str>>,
}

/// Reads a begin or a close of an entry, as our encoder writes them: in its order, so that a begin's arguments and all that follows
/// are not looked at. `None` for a note, and for a line of another make: it can still be found by reading.
pub(super) fn read(line: &[u8]) -> Option<(Kind, Uuid, Slim<'_>)> {
    let rest = line.strip_prefix(b"{\"kind\":\"")?;
    let (kind, rest) = if let Some(rest) = rest.strip_prefix(b"begin\",\"entry\":\"") {
        (Kind::Begin, rest)
    } else {
        (Kind::Close, rest.strip_prefix(b"close\",\"entry\":\"")?)
    };
    let (id, rest) = rest.split_at_checked(36)?;
    let id = Uuid::try_parse_ascii(id).ok()?;
    let mut rest = rest.strip_prefix(b"\"")?;
    let mut slim = Slim::default();
    while let Some(member) = rest.strip_prefix(b",\"") {
        let end = memchr::memchr(b'"', member)?;
        let (key, after) = member.split_at_checked(end)?;
        let (value, after) = value(after.strip_prefix(b"\":")?)?;
        rest = after;
        match (key, kind) {
            (b"at", _) => {
                slim.at = std::str::from_utf8(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()?;
            }
            (b"begin", _) => slim.begin = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
            (b"interaction", _) => slim.interaction = Some(text(value)?),
            (b"agent", _) => slim.agent = Some(text(value)?),
            (b"server", _) => slim.server = Some(text(value)?),
            (b"tool", _) => slim.tool = Some(text(value)?),
            (
                b"args" | b"args_digest" | b"args_truncated" | b"exposed" | b"reason" | b"bytes_in",
                Kind::Begin,
            ) => {
                return Some((kind, id, slim));
            }
            (b"outcome", _) => {
                slim.outcome = Some(text(value)?);
                return Some((kind, id, slim));
            }
            _ => {}
        }
    }
    (kind == Kind::Begin).then_some((kind, id, slim))
}

/// A JSON value's text, and what follows it.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = match text.first()? {
        b'"' => string(text, 1)?,
        b'{' | b'[' => {
            let (mut depth, mut at) = (1_u32, 1);
            while depth > 0 {
                at += 1 + text.get(at..)?.iter().position(|byte| b"\"{}[]".contains(byte))?;
                match text.get(at - 1)? {
                    b'"' => at = string(text, at)?,
                    b'{' | b'[' => depth += 1,
                    _ => depth -= 1,
                }
            }
            at
        }
        _ => memchr::memchr2(b',', b'}', text)?,
    };
    text.split_at_checked(end)
}

/// Where a string ends, its quote included, whose inside begins at a place.
fn string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    let plain = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', plain).is_some() {
        return serde_json::from_slice(value).ok().map(Cow::Owned);
    }
    std::str::from_utf8(plain).ok().map(Cow::Borrowed)
}
