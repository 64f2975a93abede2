//! Retention: whole sealed segments go, oldest first; a note keeps the hash that the next one follows.

use std::io;

use super::ledger::Unavailable;
use super::line;
use super::read::{Backward, Record};
use super::shared::Shared;
use super::stamp;
use super::writer::{files, flush};

/// Drops what is older than `ledger.retain`: of this process's chain all but the segment in use, of finished chains everything.
/// Other living processes look after their own.
pub(super) fn drop_old(shared: &Shared) -> Result<u64, Unavailable> {
    let _held = files::lock_directory(&shared.dir, true)?;
    let retain = u64::try_from(shared.config.retain.as_millis()).unwrap_or(u64::MAX);
    let before_ms = shared.clock.now_ms().saturating_sub(retain);
    let (mine, current) = {
        let chain = shared.chain();
        (chain.id.clone(), chain.number())
    };
    let mut dropped = 0;
    for (chain, files) in files::list(&shared.dir)? {
        if files.unfinished && chain != mine {
            continue;
        }
        let mut last = None;
        let mut old = Vec::new();
        for (number, path) in &files.segments {
            if chain == mine && *number >= current {
                break;
            }
            match last_record(path)? {
                Some((at_ms, _, _)) if at_ms >= before_ms => break,
                Some((_, seq, hash)) => last = Some((seq, hash)),
                // Not ours to judge: `verify` names it.
                None => break,
            }
            old.push(path);
        }
        let Some((seq, hash)) = last else { continue };
        // The note comes first, and to the medium: without it the gap would be a finding.
        shared.note("dropped", |line| {
            line.text("of", Some(&chain), 36);
            line.number("through", Some(seq));
            line.hex("last", Some(hash));
        })?;
        flush::flush(shared);
        for path in old {
            std::fs::remove_file(path)?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

fn last_record(path: &std::path::Path) -> io::Result<Option<(u64, u64, [u8; 32])>> {
    let Some(last) = Backward::open(path)?.next_line()? else { return Ok(None) };
    let at = serde_json::from_slice(&last.text).ok().and_then(|record: Record| stamp::parse(&record.at));
    Ok(line::frame(&last.text).zip(at).map(|(frame, at_ms)| (at_ms, frame.seq, frame.hash)))
}
