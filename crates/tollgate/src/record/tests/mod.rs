//! The ledger's promises. Each test works on its own directory; a crash is a copy of the directory of a living ledger.

mod chains;
mod entries;
mod faults;
mod proofs;
mod reading;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tollgate_mcp::error::RpcError;
use tollgate_mcp::method::Method;

use super::ledger::Tuning;
use super::read::{Filter, Folded, Reader, Report};
use super::writer::disk::{Disk, RealDisk, SegmentFile};
use super::*;
use crate::call::Ending;
use crate::clock::Clock;
use crate::config::{self, Durability, Payloads};

const CALL: Subject = Subject::Request(Method::ToolsCall);
const LIST: Subject = Subject::Request(Method::ToolsList);
const SMALL: u64 = 256 * 1024;

fn config(durability: Durability) -> config::Ledger {
    config::Ledger { durability, payloads: Payloads::Redacted, retain: Duration::from_hours(24 * 90) }
}

fn open(state: &Path) -> Ledger {
    Ledger::open(state, config(Durability::Commit), Clock::system()).unwrap()
}

fn tuned(state: &Path, durability: Durability, disk: &Arc<Faulty>, clock: &Clock) -> Ledger {
    let disk: Arc<dyn Disk> = Arc::<Faulty>::clone(disk);
    let tuning = Tuning { disk, segment_bytes: SMALL };
    Ledger::open_with(state, config(durability), clock.clone(), tuning).unwrap()
}

fn small(state: &Path) -> Ledger {
    tuned(state, Durability::Commit, &Arc::default(), &Clock::system())
}

fn ending() -> Ending {
    Ending::Error(RpcError::new(-32000, "as it came"))
}

/// What the agent gets.
fn told(reply: Reply) -> String {
    match crate::call::Reply::into_ending(reply) {
        Ending::Error(error) => error.message,
        Ending::Answer(_) => "an answer".into(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "most facts are optional")]
fn text(value: &str) -> Option<Arc<str>> {
    Some(Arc::from(value))
}

/// An entry for `tool`, begun.
async fn begun(ledger: &Ledger, tool: &str) -> Entry {
    let mut entry = begin(ledger, CALL);
    entry.facts_mut().tool = text(tool);
    entry.facts_mut().args = Some(Bytes::from_static(b"{\"path\":\"/tmp/a\"}"));
    entry.commit().await.unwrap();
    entry
}

async fn call(ledger: &Ledger, tool: &str) {
    let reply = begun(ledger, tool).await.close(Close::of(Outcome::Ok), ending()).await;
    assert_eq!(told(reply), "as it came");
}

fn tail(state: &Path) -> Vec<Folded> {
    Reader::new(state).tail(10_000, &Filter::default()).unwrap()
}

fn verify(state: &Path) -> Report {
    Reader::new(state).verify(None).unwrap()
}

#[track_caller]
fn assert_whole(state: &Path) -> Report {
    let report = verify(state);
    assert!(report.is_whole(), "{report:#?}");
    report
}

fn outcomes(entries: &[Folded]) -> Vec<&str> {
    entries.iter().map(|entry| entry.fields.outcome.as_deref().unwrap()).collect()
}

/// The state directory as a crash at this moment would leave it: same files, locks let go.
fn crashed(state: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let to = copy.path().join("ledger");
    std::fs::create_dir(&to).unwrap();
    for file in std::fs::read_dir(state.join("ledger")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    copy
}

/// The segments of all chains, oldest first.
fn segments(state: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(state.join("ledger"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    found.sort();
    found
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).unwrap();
    let text = String::from_utf8(text).unwrap();
    text.trim_end_matches('\0').lines().map(str::to_owned).collect()
}

fn write_lines(path: &Path, lines: &[String]) {
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// A disk that fails when told.
#[derive(Debug, Default)]
struct Faulty {
    /// No room for new segments.
    full: AtomicBool,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    writes: AtomicBool,
    flushes: AtomicBool,
    flushed: AtomicUsize,
}

impl Disk for Faulty {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn SegmentFile>> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inner = RealDisk.create(path, bytes)?;
        Ok(Arc::new(FaultyFile { inner, faults: Arc::clone(&self.faults) }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let inner = RealDisk.open(path)?;
        Ok(Arc::new(FaultyFile { inner, faults: Arc::clone(&self.faults) }))
    }

    fn flush_names(&self, dir: &Path) -> io::Result<()> {
        RealDisk.flush_names(dir)
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn SegmentFile>,
    faults: Arc<Faults>,
}

impl SegmentFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.faults.writes.load(Ordering::SeqCst) {
            // Half of it arrives, as a disk does.
            self.inner.write_at(&bytes[..bytes.len() / 2], at)?;
            return Err(io::Error::other("the disk fails"));
        }
        self.inner.write_at(bytes, at)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.inner.read_at(bytes, at)
    }

    fn flush(&self) -> io::Result<()> {
        if self.faults.flushes.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk fails"));
        }
        self.faults.flushed.fetch_add(1, Ordering::SeqCst);
        // A slow medium, so that callers gather.
        std::thread::sleep(Duration::from_millis(5));
        self.inner.flush()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.inner.truncate(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}
