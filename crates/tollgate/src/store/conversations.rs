//! Conversations over a restart and between processes, in `STATE/conversations.sqlite`: written often, worth nothing after a day, so a
//! file of its own that waits for no medium.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::{Durable, StoreError, make_private, migrate, open, signed, unsigned, watcher};
use crate::conversation::{Change, Saved, Tally};

/// Another process writes what was said at most so long ago.
const LATE_MS: u64 = 60_000;

/// The conversations' file. Clones share it.
#[derive(Clone, Debug)]
pub struct ConversationStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The file as it was when it was last looked into.
    stamp: Mutex<Option<Stamp>>,
    kept: Mutex<Kept>,
}

/// When the file was written, and how long it is.
type Stamp = (SystemTime, u64);

#[derive(Debug)]
struct Kept {
    connection: Connection,
    /// SQLite's count of other connections' changes that was read up to.
    version: i64,
    /// When the latest that was read was last spoken in.
    latest_ms: u64,
}

#[derive(Deserialize, Serialize)]
struct Told {
    labels: Vec<String>,
    counters: Vec<(String, i64)>,
    narrow: Vec<Vec<String>>,
    task: Option<String>,
}

impl ConversationStore {
    /// Opens or makes it.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let path = state.join("conversations.sqlite");
        make_private(state, &path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        let connection = open(&path, Durable::No, migrate::CONVERSATIONS)?;
        let kept = Kept { connection, version: 0, latest_ms: 0 };
        Ok(Self { inner: Arc::new(Inner { path, stamp: Mutex::default(), kept: Mutex::new(kept) }) })
    }

    /// All of them. One that cannot be read is an error: forgetting it would shed its labels.
    pub fn load(&self) -> Result<Vec<Saved>, StoreError> {
        self.with(|kept| {
            kept.version = watcher::version(&kept.connection)?;
            kept.since(0)
        })
    }

    /// Whether the file was written since it was last looked into. Asks the file system only.
    pub fn is_written(&self) -> bool {
        self.stamp() != *lock(&self.inner.stamp)
    }

    /// Keeps these, forgets those last spoken in before `forget_ms`, and gives back what is kept now of these and of all that other
    /// processes have changed. `idle_ms`: after so long in silence a window is another one.
    pub fn exchange(
        &self,
        changes: &[Change],
        idle_ms: u64,
        forget_ms: u64,
    ) -> Result<Vec<Saved>, StoreError> {
        let told = self.with(|kept| {
            let mut told = kept.others()?;
            if !changes.is_empty() {
                told.extend(kept.save(changes, idle_ms, forget_ms)?);
            }
            let stamp = self.stamp();
            // Only if nobody else wrote meanwhile: else the next look finds it.
            if watcher::version(&kept.connection)? == kept.version {
                *lock(&self.inner.stamp) = stamp;
            }
            Ok(told)
        })?;
        Ok(told)
    }

    fn stamp(&self) -> Option<Stamp> {
        let about = std::fs::metadata(&self.inner.path).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&mut lock(&self.inner.kept))
            .map_err(|source| StoreError::Sqlite { path: self.inner.path.clone(), source })
    }
}

impl Kept {
    /// What other processes changed since the last time.
    fn others(&mut self) -> rusqlite::Result<Vec<Saved>> {
        let version = watcher::version(&self.connection)?;
        if version == self.version {
            return Ok(Vec::new());
        }
        let rows = self.since(self.latest_ms.saturating_sub(LATE_MS))?;
        self.version = version;
        Ok(rows)
    }

    fn since(&mut self, from_ms: u64) -> rusqlite::Result<Vec<Saved>> {
        let rows = self
            .connection
            .prepare_cached("SELECT key, name, calls, told, last_ms FROM conversations WHERE last_ms >= ?1")?
            .query_map([signed(from_ms)], read)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        self.latest_ms = rows.iter().map(|row| row.last_ms).fold(self.latest_ms, u64::max);
        Ok(rows)
    }

    fn save(&mut self, changes: &[Change], idle_ms: u64, forget_ms: u64) -> rusqlite::Result<Vec<Saved>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut told = Vec::with_capacity(changes.len());
        {
            let mut get = transaction
                .prepare_cached("SELECT key, name, calls, told, last_ms FROM conversations WHERE key = ?1")?;
            let mut put = transaction
                .prepare_cached("INSERT OR REPLACE INTO conversations VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for change in changes {
                let kept = get.query_row([change.saved.key], read).optional()?;
                let saved = change.onto(kept, idle_ms);
                let text = Told {
                    labels: saved.labels.clone(),
                    counters: saved.tally.sums.clone(),
                    narrow: saved.narrow.clone(),
                    task: saved.task.clone(),
                };
                let text = serde_json::to_string(&text).unwrap_or_default();
                let (calls, last) = (signed(saved.tally.calls), signed(saved.last_ms));
                put.execute(params![saved.key, saved.name, calls, text, last])?;
                told.push(saved);
            }
        }
        transaction.execute("DELETE FROM conversations WHERE last_ms < ?1", [signed(forget_ms)])?;
        transaction.commit()?;
        Ok(told)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Saved> {
    let told: String = row.get(3)?;
    let told: Told = serde_json::from_str(&told).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(e))
    })?;
    Ok(Saved {
        key: row.get(0)?,
        name: row.get(1)?,
        labels: told.labels,
        tally: Tally { calls: unsigned(row.get(2)?), sums: told.counters },
        narrow: told.narrow,
        task: told.task,
        last_ms: unsigned(row.get(4)?),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
