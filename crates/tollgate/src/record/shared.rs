//! What the path and the background thread share: the chain behind its one short lock, and the signals between them.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use super::encode::{self, Line};
use super::facts::{Close, Facts, Outcome, ParkEnd};
use super::failures::Failures;
use super::ids::Ids;
use super::ledger::{Tuning, Unavailable};
use super::recover;
use super::writer::chain::{Chain, Class, Unwritten};
use super::writer::disk::Disk;
use super::writer::{files, flush};
use crate::clock::Clock;
use crate::config::{self, Durability};

/// With `batch`, so much may wait before callers write themselves.
const BATCH_MAX: usize = 256 * 1024;

/// What the path and the background thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    pub(super) config: config::Ledger,
    pub(super) failures: Failures,
    pub(super) counts: Counts,
    pub(super) flushed: watch::Sender<Flushed>,
    pub(super) flush_failed: AtomicBool,
    pub(super) disk: Arc<dyn Disk>,
    chain: Mutex<Chain>,
    parks: Mutex<HashMap<Arc<str>, (Uuid, u64)>>,
    signals: Mutex<Signals>,
    wake: Condvar,
    /// Held as long as the chain lives.
    _alive: std::fs::File,
}

/// Closed entries by outcome: the metrics are these, so they can't disagree with the ledger.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; Outcome::ALL.len()]);

impl Counts {
    fn add(&self, outcome: Outcome) {
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// How far the medium has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flushed {
    pub(super) seq: u64,
    pub(super) failures: u64,
}

/// What the background thread is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    pub(super) flush: bool,
    pub(super) stop: bool,
}

impl Shared {
    pub(super) fn open(dir: &Path, config: config::Ledger, clock: Clock, tuning: Tuning) -> io::Result<Self> {
        let Tuning { disk, segment_bytes } = tuning;
        make_dir(dir)?;
        let ids = Ids::new().map_err(|error| io::Error::other(error.to_string()))?;
        let held = files::lock_directory(dir, true)?;
        let now_ms = clock.now_ms();
        let finished = recover::finish_dead(dir, &disk, segment_bytes, now_ms)?;
        let tips = recover::tips(dir)?;
        let id = ids.id(now_ms).to_string();
        let alive = files::try_lock(&files::lock(dir, &id), true)?
            .ok_or_else(|| io::Error::other("a new chain's lock is taken"))?;
        let chain = Chain::new(id, dir.to_owned(), Arc::clone(&disk), segment_bytes, now_ms)?;
        let shared = Self {
            dir: dir.to_owned(),
            clock,
            ids,
            config,
            failures: Failures::default(),
            counts: Counts::default(),
            flushed: watch::Sender::new(Flushed::default()),
            flush_failed: AtomicBool::new(false),
            disk,
            chain: Mutex::new(chain),
            parks: Mutex::default(),
            signals: Mutex::default(),
            wake: Condvar::new(),
            _alive: alive,
        };
        shared.opening(&tips, &finished).map_err(|error| error.source)?;
        drop(held);
        Ok(shared)
    }

    /// The chain's first records: where the other chains stand, and what was finished.
    fn opening(&self, tips: &[recover::Tip], finished: &[recover::Finished]) -> Result<(), Unavailable> {
        self.note("start", |line| {
            line.text("version", Some(env!("CARGO_PKG_VERSION")), 64);
            line.list("tips", tips, 64 * 1024, |line, tip| {
                line.object(|line| {
                    line.text("chain", Some(&tip.chain), 36);
                    line.number("seq", Some(tip.seq));
                    line.hex("hash", Some(tip.hash));
                });
            });
        })?;
        for chain in finished {
            self.note("recovered", |line| {
                line.text("of", Some(&chain.chain), 36);
                line.number("abandoned", Some(chain.abandoned));
                line.number("cut_bytes", Some(chain.cut_bytes));
            })?;
        }
        Ok(())
    }

    /// The chain's end.
    pub(super) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn parks(&self) -> MutexGuard<'_, HashMap<Arc<str>, (Uuid, u64)>> {
        self.parks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one record: encoded and hashed outside the lock; within it the trailer, the rest of the hash and the write.
    pub(super) fn write(
        &self,
        class: Class,
        now_ms: u64,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u64, Unwritten> {
        let ends = matches!(class, Class::End(_));
        if !ends && self.flush_failed.load(Ordering::Relaxed) {
            return Err(Unwritten::Refused(io::Error::other("the medium does not take what was written")));
        }
        let waits = self.config.durability == Durability::Batch;
        with_buffer(|head| {
            encode(head);
            let hasher = Sha256::new_with_prefix(&head);
            let mut chain = self.chain();
            let seq = chain.append(class, head, hasher, now_ms)?;
            if !waits || chain.waiting_bytes() > BATCH_MAX {
                chain.write().map_err(|error| Unwritten::Waiting(seq, error))?;
            }
            Ok(seq)
        })
    }

    /// Waits as `durability` says.
    pub(super) async fn settle(&self, seq: u64) -> Result<(), Unavailable> {
        match self.config.durability {
            Durability::Sync => self.flushed(seq).await,
            Durability::Commit | Durability::Batch => Ok(()),
        }
    }

    pub(super) async fn flushed(&self, seq: u64) -> Result<(), Unavailable> {
        let mut flushed = self.flushed.subscribe();
        let before = flushed.borrow_and_update().failures;
        self.signal(|signals| signals.flush = true);
        let seen = flushed.wait_for(|now| now.seq >= seq || now.failures > before).await;
        match seen {
            Ok(now) if now.seq >= seq => Ok(()),
            Ok(_) | Err(_) => Err(io::Error::other("the flush failed").into()),
        }
    }

    /// A note without an entry.
    pub(super) fn note(
        &self,
        name: &'static str,
        members: impl FnOnce(&mut Line<'_>),
    ) -> Result<(), Unavailable> {
        let now_ms = self.clock.now_ms();
        let note = |out: &mut Vec<u8>| members(&mut Line::start(out, "note", None, Some(name), now_ms));
        match self.write(Class::Free, now_ms, note) {
            Ok(_) => Ok(()),
            Err(Unwritten::Refused(error) | Unwritten::Waiting(_, error)) => Err(error.into()),
        }
    }

    /// The answer of a closed entry could not be given, since its record is not on the disk.
    pub(super) fn note_undelivered(&self, id: Uuid) {
        let now_ms = self.clock.now_ms();
        let note = |out: &mut Vec<u8>| {
            Line::start(out, "note", Some(id), Some("undelivered"), now_ms);
        };
        // `End`: it goes into the room of the close it speaks of, behind it, whatever the disk says now.
        if let Err(Unwritten::Refused(error)) = self.write(Class::End(id), now_ms, note) {
            tracing::error!(%error, %id, "an undelivered answer is not noted");
        }
    }

    pub(super) fn end_park(&self, id: Uuid, seq: u64, end: ParkEnd) -> Result<(), Unavailable> {
        let now_ms = self.clock.now_ms();
        let written = self.write(Class::End(id), now_ms, |out| match end {
            ParkEnd::Resumed => {
                let mut line = Line::start(out, "note", Some(id), Some("resumed"), now_ms);
                line.number("begin", Some(seq));
            }
            ParkEnd::Abandoned => encode::abandoned(out, id, seq, now_ms),
        });
        match written {
            Ok(_) => Ok(()),
            Err(Unwritten::Refused(error) | Unwritten::Waiting(_, error)) => Err(error.into()),
        }
    }

    /// Ends an entry, in the room of its begin if it has one.
    pub(super) fn end_entry(
        &self,
        facts: &Facts,
        begun: Option<(u64, encode::Told)>,
        close: &Close,
        latency_ms: u64,
    ) -> Result<u64, Unwritten> {
        let now_ms = self.clock.now_ms();
        let payloads = self.config.payloads;
        let class = begun.map_or(Class::Free, |_| Class::End(facts.id));
        self.counts.add(close.outcome);
        self.write(class, now_ms, |out| {
            encode::close(out, facts, payloads, begun, close, now_ms, latency_ms);
        })
    }

    /// Wakes the background thread.
    pub(super) fn signal(&self, set: impl FnOnce(&mut Signals)) {
        set(&mut self.signals.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    /// Waits for a signal, at most so long; takes it.
    pub(super) fn wait(&self, at_most: std::time::Duration) -> Signals {
        let signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |signals: &mut Signals| !signals.flush && !signals.stop;
        let (mut signals, _) =
            self.wake.wait_timeout_while(signals, at_most, idle).unwrap_or_else(PoisonError::into_inner);
        let taken = *signals;
        signals.flush = false;
        taken
    }

    pub(super) fn end(&self) -> Result<(), Unavailable> {
        flush::failures(self, u64::MAX);
        if self.chain().is_ended() {
            return Ok(());
        }
        let open: Vec<(Uuid, u64)> = self.chain().open().iter().map(|(id, seq)| (*id, *seq)).collect();
        for (id, seq) in open {
            self.end_park(id, seq, ParkEnd::Abandoned)?;
        }
        self.note("end", |_| {})?;
        let mut chain = self.chain();
        chain.finish()?;
        std::fs::remove_file(files::lock(&self.dir, &chain.id))?;
        Ok(())
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A buffer that this thread keeps.
fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local!(static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    // A thread that is ending has lost its buffer: it gets a new one.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    let result = work(&mut buffer);
    if buffer.capacity() <= 256 * 1024 {
        buffer.clear();
        BUFFER.try_with(|kept| kept.set(buffer)).unwrap_or_default();
    }
    result
}
