//! The index of closed entries, fed off the path: it follows the segments like any reader, so it can lag but not lose, other
//! processes' chains come with it, and a lost index is made again from nothing. *Never* stands between a call and its answer.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::ledger::OpenError;
use super::read::{Closed, Cursor, Reader};
use super::writer::files;
use crate::clock::Clock;
use crate::store::{Index, StoreError};

/// Seldom, so that much goes into one transaction: whoever asks the index brings it up to date first.
const TICK: Duration = Duration::from_secs(2);
const FORGET_TICKS: u32 = 300;

/// The index cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The segments cannot be read.
    #[error("cannot read the ledger")]
    Read(#[from] std::io::Error),
    /// The index cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps the index up to date while it lives. Of several processes on one state directory one does the work.
#[derive(Debug)]
pub struct Indexer {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Indexer {
    /// Starts the thread. `retain` is `ledger.retain`: older entries are forgotten.
    pub fn start(state: &Path, index: Index, clock: Clock, retain: Duration) -> Result<Self, OpenError> {
        let (stop, stopped) = mpsc::channel();
        let state = state.to_owned();
        let dir = state.clone();
        let thread = std::thread::Builder::new()
            .name("ledger-index".into())
            .spawn(move || run(&state, &index, &clock, retain, &stopped))
            .map_err(|source| OpenError::new(dir, source))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's index thread panicked");
        }
    }
}

fn run(state: &Path, index: &Index, clock: &Clock, retain: Duration, stopped: &mpsc::Receiver<()>) {
    let lock: PathBuf = state.join("ledger").join("index.lock");
    let mut held = None;
    let mut follow = None;
    let mut ticks = 0_u32;
    yield_to_calls();
    loop {
        if held.is_none() {
            held = files::try_lock(&lock, true).unwrap_or_default();
        }
        if held.is_some()
            && let Err(error) = catch_up_with(state, index, &mut follow)
        {
            tracing::warn!(error = ?error, "the ledger's index lags behind");
            follow = None;
            if let IndexError::Store(error) = error
                && let Err(error) = index.remake_if_damaged(&error)
            {
                tracing::warn!(%error, "the ledger's index cannot be made again");
            }
        }
        if held.is_some() && ticks.is_multiple_of(FORGET_TICKS) {
            let retain = u64::try_from(retain.as_millis()).unwrap_or(u64::MAX);
            if let Err(error) = index.forget_before(clock.now_ms().saturating_sub(retain)) {
                tracing::warn!(%error, "the ledger's index keeps what is old");
            }
        }
        ticks = ticks.wrapping_add(1);
        match stopped.recv_timeout(TICK) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Brings the index up to date and says how many entries were new: what the thread does, for commands that run without it.
pub fn catch_up(state: &Path, index: &Index) -> Result<usize, IndexError> {
    catch_up_with(state, index, &mut None)
}

fn catch_up_with(state: &Path, index: &Index, kept: &mut Option<Closed>) -> Result<usize, IndexError> {
    let mut closed = match kept.take() {
        Some(closed) => closed,
        None => resume(state, index)?,
    };
    let mut before = closed.positions();
    let mut new = 0;
    loop {
        let (mut rows, more) = closed.poll()?;
        let positions = closed.positions();
        if positions != before {
            index.apply(&mut rows, &positions)?;
            new += rows.len();
        }
        // What came while we worked waits for the next time: else a busy gateway would never let us rest.
        if !more {
            break;
        }
        before = positions;
    }
    *kept = Some(closed);
    Ok(new)
}

fn resume(state: &Path, index: &Index) -> Result<Closed, IndexError> {
    let cursors = index.positions()?.into_iter();
    let cursors = cursors.map(|at| (at.chain, Cursor { segment: at.segment, offset: at.offset })).collect();
    Ok(Reader::new(state).closed(cursors))
}

/// Calls come first. Only where a priority can be a thread's own.
fn yield_to_calls() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "the ledger's index thread keeps its priority");
    }
}
