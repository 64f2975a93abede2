//! The background thread: flushes, cuts full segments, prepares the next, writes the counts of failures, and drops what is old.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::chain::{Class, Dirty, Unwritten};
use crate::config::Durability;
use crate::record::shared::Shared;
use crate::record::{encode, retain};

/// `commit`: flushed within a second, the flush's own time included.
const COMMIT_TICK: Duration = Duration::from_millis(500);
/// `batch`: written within 50 ms.
const BATCH_TICK: Duration = Duration::from_millis(25);
/// A segment takes a day's records at most, so that retention works to the day.
const SEGMENT_MS: u64 = 24 * 60 * 60 * 1000;
const HOUSEKEEPING: Duration = Duration::from_mins(10);

/// Runs until it is told to stop.
pub(in crate::record) fn run(shared: &Shared) {
    let mut flushed_at = shared.clock.instant();
    let mut swept_at = None;
    loop {
        let batch = shared.config.durability == Durability::Batch;
        let signals = shared.wait(if batch { BATCH_TICK } else { COMMIT_TICK });
        let now = shared.clock.instant();
        write(shared);
        let due = now.saturating_duration_since(flushed_at) >= COMMIT_TICK;
        if signals.flush || signals.stop || due {
            flush(shared);
            flushed_at = now;
        }
        if signals.stop {
            return;
        }
        if due {
            failures(shared, shared.clock.now_ms());
        }
        if swept_at.is_none_or(|at| now.saturating_duration_since(at) >= HOUSEKEEPING) {
            swept_at = Some(now);
            sweep(shared);
        }
    }
}

fn write(shared: &Shared) {
    let mut chain = shared.chain();
    let was_stuck = chain.is_stuck();
    match chain.write() {
        Ok(()) if was_stuck => tracing::warn!("the ledger can be written again"),
        Ok(()) => {}
        Err(error) if was_stuck => tracing::debug!(%error, "the ledger still cannot be written"),
        Err(error) => tracing::error!(%error, "the ledger cannot be written"),
    }
    if let Err(error) = chain.prepare() {
        tracing::warn!(%error, "no room for the ledger's next segment");
    }
}

/// One flush for all who wait.
pub(in crate::record) fn flush(shared: &Shared) {
    let (dirty, names, seq) = {
        let mut chain = shared.chain();
        if chain.is_stuck() {
            drop(chain);
            shared.flushed.send_modify(|flushed| flushed.failures += 1);
            return;
        }
        // With `batch` a record may have come since the write.
        let written = chain.write();
        let (dirty, names) = chain.take_dirty();
        let seq = chain.tip().0;
        drop(chain);
        if written.is_err() {
            failed(shared, dirty, None);
            return;
        }
        (dirty, names, seq)
    };
    for place in &dirty {
        if let Err(error) = medium(place) {
            failed(shared, dirty, Some(error));
            return;
        }
    }
    if names && let Err(error) = shared.disk.flush_names(&shared.dir) {
        failed(shared, dirty, Some(error));
        return;
    }
    if shared.flush_failed.swap(false, Ordering::Relaxed) {
        tracing::warn!("the ledger can be flushed again");
    }
    shared.flushed.send_modify(|flushed| flushed.seq = seq);
}

fn medium(place: &Dirty) -> std::io::Result<()> {
    if place.sealed {
        place.file.truncate(place.to)?;
    }
    place.file.flush()
}

fn failed(shared: &Shared, dirty: Vec<Dirty>, error: Option<std::io::Error>) {
    if let Some(error) = error {
        tracing::error!(%error, "the ledger cannot be flushed");
        shared.flush_failed.store(true, Ordering::Relaxed);
        // A failed flush may have marked the pages as clean: writing them again makes the next flush mean something.
        for place in &dirty {
            if let Err(error) = rewrite(place) {
                tracing::error!(%error, "the ledger cannot be written again");
            }
        }
    }
    shared.chain().unflushed(dirty);
    shared.flushed.send_modify(|flushed| flushed.failures += 1);
}

fn rewrite(place: &Dirty) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = place.from;
    while at < place.to {
        let step = usize::try_from(place.to - at).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..step).unwrap_or_default();
        place.file.read_at(part, at)?;
        place.file.write_at(part, at)?;
        at += u64::try_from(step).unwrap_or(u64::MAX);
    }
    Ok(())
}

/// Writes the counts of the minutes before `now_ms`.
pub(in crate::record) fn failures(shared: &Shared, now_ms: u64) {
    for (which, count) in shared.failures.take(now_ms) {
        let at_ms = shared.clock.now_ms();
        let id = shared.ids.id(at_ms);
        let peer = which.peer.map(|peer| peer.to_string());
        let written = shared.write(Class::Free, at_ms, |out| {
            encode::failures(out, id, which.minute_ms, peer.as_deref(), which.reason, count);
        });
        if let Err(Unwritten::Refused(error)) = written {
            tracing::warn!(%error, "counts of failed requests wait for the ledger");
            shared.failures.add(which, count);
        }
    }
}

fn sweep(shared: &Shared) {
    let now_ms = shared.clock.now_ms();
    if let Err(error) = shared.chain().rotate_older(now_ms.saturating_sub(SEGMENT_MS), now_ms) {
        tracing::warn!(%error, "no room for the ledger's next segment");
    }
    if let Err(error) = retain::drop_old(shared) {
        tracing::warn!(error = ?error, "old segments of the ledger were not dropped");
    }
}
