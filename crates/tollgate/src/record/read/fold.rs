//! Two records to one entry.

use std::io;
use std::path::Path;

use super::backward::Backward;
use super::model::{Folded, Place, Record};
use crate::record::line;
use crate::record::stamp;
use crate::record::writer::files;

/// The entry of a close, its begin sought before it where it has one. A begin that retention dropped is missing from the fold.
pub(super) fn close(dir: &Path, close: Record, place: Place) -> io::Result<Folded> {
    let begin = match close.begin {
        Some(seq) => find_begin(dir, &place, seq)?,
        None => None,
    };
    Ok(fold(begin, close, place))
}

/// The close's members win; its lists are appended to the begin's.
pub(super) fn fold(begin: Option<Record>, close: Record, place: Place) -> Folded {
    // An entry without a begin bears its arrival, so its close was `latency_ms` later.
    let stamped = stamp::parse(&close.at).unwrap_or(0);
    let closed_ms =
        if close.begin.is_some() { stamped } else { stamped.saturating_add(close.latency_ms.unwrap_or(0)) };
    let Some(begin) = begin else {
        let fields = Record { id: close.entry, entry: None, kind: None, note: None, begin: None, ..close };
        return Folded { fields, closed_ms, place };
    };
    let fields = Record {
        kind: None,
        entry: None,
        note: None,
        begin: None,
        id: close.entry,
        at: begin.at,
        verdict: close.verdict.or(begin.verdict),
        rules: joined(begin.rules, close.rules),
        shadow: joined(begin.shadow, close.shadow),
        approval: close.approval.or(begin.approval),
        redactions: joined(begin.redactions, close.redactions),
        findings: joined(begin.findings, close.findings),
        limits: joined(begin.limits, close.limits),
        omitted: close.omitted.map_or(begin.omitted, |more| Some(more + begin.omitted.unwrap_or(0))),
        cost_usd: close.cost_usd,
        bytes_out: close.bytes_out,
        tokens_est: close.tokens_est,
        latency_ms: close.latency_ms,
        server_ms: close.server_ms,
        outcome: close.outcome,
        error: close.error,
        server_revision: close.server_revision,
        chain: close.chain,
        seq: close.seq,
        prev: close.prev,
        hash: close.hash,
        ..begin
    };
    Folded { fields, closed_ms, place }
}

fn joined<T>(mut first: Vec<T>, mut then: Vec<T>) -> Vec<T> {
    first.append(&mut then);
    first
}

/// The record with this seq in the chain, at or before a place.
fn find_begin(dir: &Path, place: &Place, seq: u64) -> io::Result<Option<Record>> {
    let chains = files::list(dir)?;
    let Some(chain) = chains.get(&place.chain) else { return Ok(None) };
    for (number, path) in chain.segments.range(..=place.segment).rev() {
        if super::walk::line_at(path, 0)?
            .is_none_or(|first| line::frame(&first).is_none_or(|first| first.seq > seq))
        {
            continue;
        }
        let mut lines = if *number == place.segment {
            Backward::before(path, place.offset)?
        } else {
            Backward::open(path)?
        };
        while let Some(found) = lines.next_line()? {
            match line::frame(&found.text) {
                Some(frame) if frame.seq == seq => return Ok(Record::read(&found.text)),
                Some(frame) if frame.seq < seq => return Ok(None),
                Some(_) | None => {}
            }
        }
    }
    Ok(None)
}
