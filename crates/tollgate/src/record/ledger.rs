//! The ledger as the path holds it: opened once, cheap to clone.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::encode;
use super::facts::{Facts, Outcome, ParkEnd};
use super::shared::Shared;
use super::writer::chain::{Class, Unwritten};
use super::writer::disk::{Disk, RealDisk};
use super::writer::flush;
use crate::clock::Clock;
use crate::config;

/// A segment's size.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// The ledger cannot be written: nothing may pass.
#[derive(Debug, thiserror::Error)]
#[error("the ledger cannot be written")]
pub struct Unavailable {
    pub(super) source: io::Error,
}

impl From<io::Error> for Unavailable {
    fn from(source: io::Error) -> Self {
        Self { source }
    }
}

/// The ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the ledger in `{}`", dir.display())]
pub struct OpenError {
    dir: PathBuf,
    source: io::Error,
}

impl OpenError {
    pub(super) fn new(dir: PathBuf, source: io::Error) -> Self {
        Self { dir, source }
    }
}

/// The ledger of this process: one chain. Clones share it; dropping the last one ends the chain.
#[derive(Clone, Debug)]
pub struct Ledger {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What tests choose and the gateway does not.
#[derive(Debug)]
pub(super) struct Tuning {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) segment_bytes: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { disk: Arc::new(RealDisk), segment_bytes: SEGMENT_BYTES }
    }
}

impl Ledger {
    /// Opens `STATE/ledger`: finishes the chains of processes that died, then begins its own. Blocks (files); call it at start.
    pub fn open(state: &Path, config: config::Ledger, clock: Clock) -> Result<Self, OpenError> {
        Self::open_with(state, config, clock, Tuning::default())
    }

    pub(super) fn open_with(
        state: &Path,
        config: config::Ledger,
        clock: Clock,
        tuning: Tuning,
    ) -> Result<Self, OpenError> {
        let dir = state.join("ledger");
        let fail = |source| OpenError { dir: dir.clone(), source };
        let shared = Arc::new(Shared::open(&dir, config, clock, tuning).map_err(fail)?);
        let background = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || flush::run(&background))
            .map_err(fail)?;
        Ok(Self { owner: Arc::new(Owner { shared, thread: Mutex::new(Some(thread)) }) })
    }

    /// Whether records can be written, as far as the last attempts told.
    pub fn is_writable(&self) -> bool {
        let chain = self.owner.shared.chain();
        !chain.is_stuck() && !chain.is_ended() && !self.owner.shared.flush_failed.load(Ordering::Relaxed)
    }

    /// This process's chain, and the place and hash (hex) of its last record.
    pub fn head(&self) -> (String, u64, String) {
        let chain = self.owner.shared.chain();
        let (seq, hash) = chain.tip();
        let mut text = Vec::new();
        encode::hex(&mut text, &hash);
        (chain.id.clone(), seq, String::from_utf8(text).unwrap_or_default())
    }

    /// How many entries this process closed, by outcome.
    pub fn counts(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| (outcome, self.owner.shared.counts.of(outcome)))
    }

    /// How many entries and parks are open.
    pub fn open_entries(&self) -> usize {
        self.owner.shared.chain().open().len()
    }

    /// Where the segments are.
    pub fn dir(&self) -> &Path {
        &self.owner.shared.dir
    }

    /// A note of what an operator or the gateway did: `name` and flat texts (a reload with its digest, a key made, …).
    pub fn note(&self, name: &'static str, about: &[(&'static str, &str)]) -> Result<(), Unavailable> {
        self.owner.shared.note(name, |line| {
            line.texts_of("about", about);
        })
    }

    /// Counts a request that failed authentication or framing: one entry per (peer, reason, minute), written when it is over.
    pub fn count_failure(&self, peer: Option<IpAddr>, reason: &'static str) {
        let shared = &self.owner.shared;
        shared.failures.count(shared.clock.now_ms(), peer, reason);
    }

    /// Records that an interaction is parked: from now on it ends by [`Self::close_parked`], or by the next start.
    pub fn note_parked(&self, facts: &Facts) -> Result<(), Unavailable> {
        let shared = &self.owner.shared;
        let now_ms = shared.clock.now_ms();
        let (id, interaction) = (shared.ids.id(now_ms), facts.interaction());
        let mut facts = facts.clone();
        facts.interaction = Some(Arc::clone(&interaction));
        let written = shared.write(Class::Open(id), now_ms, |out| encode::parked(out, id, &facts, now_ms));
        let (seq, result) = match written {
            Ok(seq) => (seq, Ok(())),
            Err(Unwritten::Waiting(seq, error)) => (seq, Err(error.into())),
            Err(Unwritten::Refused(error)) => return Err(error.into()),
        };
        let before = shared.parks().insert(interaction, (id, seq));
        if let Some((id, seq)) = before {
            shared.end_park(id, seq, ParkEnd::Resumed)?;
        }
        result
    }

    /// Ends a park; `false` if none is known under this interaction.
    pub fn close_parked(&self, interaction: &str, end: ParkEnd) -> Result<bool, Unavailable> {
        let Some((id, seq)) = self.owner.shared.parks().remove(interaction) else { return Ok(false) };
        self.owner.shared.end_park(id, seq, end)?;
        Ok(true)
    }

    /// Waits until all that was written is on the medium (one `fdatasync`), whatever `durability` says.
    pub async fn flush(&self) -> Result<(), Unavailable> {
        let (seq, _) = self.owner.shared.chain().tip();
        self.owner.shared.flushed(seq).await
    }

    /// Closes what is still open as `abandoned`, ends the chain and gives up its lock. What comes later is refused. Blocks (files).
    pub fn close(&self) -> Result<(), Unavailable> {
        self.owner.close()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.owner.shared
    }
}

impl Owner {
    fn close(&self) -> Result<(), Unavailable> {
        self.shared.signal(|signals| signals.stop = true);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's background thread panicked");
        }
        self.shared.end()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the ledger was not ended; the next start will");
        }
    }
}
