//! A line's frame: what chains it to the line before. Shared by the writer's hash, the recovery, the reader and the proof.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::secret::hex;

/// `,"hash":"` + 64 + `"}`: what the hash leaves out.
pub(super) const HASH_TAIL: usize = 75;

/// The longest line that a reader takes.
pub(super) const LINE_MAX: usize = 2 * 1024 * 1024;

/// `hash` before a chain's first record.
pub(super) const ZERO: [u8; 32] = [0; 32];

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An entry's begin.
    Begin,
    /// An entry's end, or a whole entry.
    Close,
    /// All else.
    Note,
}

/// A line's frame, read by place, not by parsing: our encoder writes these members first and last, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) entry: Option<Uuid>,
    /// A note's name.
    pub(super) note: Option<&'a str>,
    /// The seq of the begin that a close belongs to.
    pub(super) begin: Option<u64>,
    pub(super) chain: &'a str,
    pub(super) seq: u64,
    pub(super) prev: [u8; 32],
    pub(super) hash: [u8; 32],
}

/// Reads the frame of a line (without its line break); `None` if it is not one of ours.
pub(super) fn frame(line: &[u8]) -> Option<Frame<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.strip_prefix("{\"kind\":\"")?;
    let (kind, rest) = rest.split_once('"')?;
    let kind = match kind {
        "begin" => Kind::Begin,
        "close" => Kind::Close,
        "note" => Kind::Note,
        _ => return None,
    };
    let rest = rest.strip_prefix(",\"entry\":")?;
    let (entry, rest) = if let Some(rest) = rest.strip_prefix("null") {
        (None, rest)
    } else {
        let (id, rest) = rest.strip_prefix('"')?.split_once('"')?;
        (Some(Uuid::try_parse(id).ok()?), rest)
    };
    let (note, rest) = match rest.strip_prefix(",\"note\":\"") {
        Some(rest) => rest.split_once('"').map(|(note, rest)| (Some(note), rest))?,
        None => (None, rest),
    };
    let rest = rest.strip_prefix(",\"at\":\"")?.split_once('"')?.1;
    let begin = rest.strip_prefix(",\"begin\":").and_then(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        rest.get(..end)?.parse().ok()
    });
    let (rest, hash) = tail(line, ",\"hash\":\"", "\"}")?;
    let (rest, prev) = tail(rest, ",\"prev\":\"", "\"")?;
    let at = rest.rfind(|c: char| !c.is_ascii_digit())? + 1;
    let (rest, seq) = (rest.get(..at)?, rest.get(at..)?.parse().ok()?);
    let rest = rest.strip_suffix("\",\"seq\":")?;
    let (rest, chain) = (rest.get(..rest.len().checked_sub(36)?)?, rest.get(rest.len() - 36..)?);
    rest.ends_with(",\"chain\":\"").then_some(())?;
    Some(Frame { kind, entry, note, begin, chain, seq, prev, hash })
}

fn tail<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, [u8; 32])> {
    let text = text.strip_suffix(close)?;
    let cut = text.len().checked_sub(64)?;
    Some((text.get(..cut)?.strip_suffix(open)?, unhex(text.get(cut..)?)?))
}

/// 64 lower-case hex digits: the one way to write a hash, so that no other line reads as the same.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    lower.then(|| hex::decode_32(text)).flatten()
}

/// The hash of a line (without its line break).
pub(super) fn hash(line: &[u8]) -> Option<[u8; 32]> {
    Some(Sha256::digest(line.get(..line.len().checked_sub(HASH_TAIL)?)?).into())
}

/// Why `line` does not follow (`seq`, `prev`) in `chain`; its frame if it does.
pub(super) fn follow<'a>(
    line: &'a [u8],
    chain: &str,
    seq: u64,
    prev: &[u8; 32],
) -> Result<Frame<'a>, String> {
    let frame = frame(line).ok_or("not a record")?;
    if hash(line) != Some(frame.hash) {
        return Err("its hash does not match its bytes".into());
    }
    if frame.chain != chain {
        return Err(format!("it belongs to chain `{}`", frame.chain));
    }
    if frame.seq != seq + 1 {
        return Err(format!("seq {} follows {seq}", frame.seq));
    }
    if frame.prev != *prev {
        return Err("its `prev` is not the hash of the record before".into());
    }
    Ok(frame)
}

/// What a segment's head says is open.
pub(super) fn open_in(line: &[u8]) -> Option<std::collections::HashMap<Uuid, u64>> {
    #[derive(serde::Deserialize)]
    struct Head {
        open: std::collections::HashMap<String, u64>,
    }
    let head: Head = serde_json::from_slice(line).ok()?;
    head.open.into_iter().map(|(id, seq)| Uuid::try_parse(&id).ok().map(|id| (id, seq))).collect()
}
