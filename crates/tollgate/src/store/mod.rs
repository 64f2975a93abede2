//! SQLite: keys, the vault's blobs, questions and grants, what is known of servers (`STATE/tollgate.sqlite`), and the ledger's index
//! (`STATE/index.sqlite`, which can be lost and made again). Calls block for about a millisecond: off the path, or on a blocking
//! thread. *Never* holds a secret in clear, and reads no clock: the time is handed in.

mod approvals;
mod conversations;
mod definitions;
mod index;
mod keys;
mod migrate;
mod pins;
mod secrets;
mod tasks;
mod used;
mod watcher;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::watch;

pub use approvals::{GrantRow, Put, QuestionRow, Room};
pub use conversations::ConversationStore;
pub use index::{Index, Position, Query, Row};
pub use keys::{NewKey, StoredKey};
pub use secrets::Blob;
pub use tasks::TaskStore;

/// The state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's word.
    #[error("the state in `{}` cannot be used: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file cannot be made.
    #[error("cannot open `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A newer version has migrated the file.
    #[error("the state in `{}` was written by a newer version of tollgate", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// The file's history is not ours.
    #[error("the state in `{}` has a migration `{name}` that differs from ours", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The migration.
        name: String,
    },
}

/// The state. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    connection: Mutex<Connection>,
    watcher: watcher::Watcher,
}

impl Store {
    /// Opens or makes `STATE/tollgate.sqlite` and brings it up to date.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let path = state.join("tollgate.sqlite");
        make_private(state, &path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        let connection = open(&path, Durable::Yes, migrate::STATE)?;
        let watcher = watcher::Watcher::start(&path)?;
        Ok(Self { inner: Arc::new(Inner { path, connection: Mutex::new(connection), watcher }) })
    }

    /// Counts changes, of this process (at once) and of others (within 200 ms): re-read what you keep when it moves.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.watcher.subscribe()
    }

    /// Works on the connection; SQLite's errors get the file's name.
    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&mut self.connection())
            .map_err(|source| StoreError::Sqlite { path: self.inner.path.clone(), source })
    }

    /// Like [`Self::with`], and tells those who watch.
    fn change<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let done = self.with(work)?;
        self.inner.watcher.changed();
        Ok(done)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.inner.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a database must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    Yes,
    /// It survives its process only. Without waiting for the medium a rollback journal is cheaper than a write-ahead log: what is
    /// appended is written once.
    No,
}

/// Opens a database: patient with other processes, migrated.
fn open(path: &Path, durable: Durable, migrations: &[migrate::Migration]) -> Result<Connection, StoreError> {
    let fail = |source| StoreError::Sqlite { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(fail)?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(fail)?;
    match durable {
        Durable::Yes => {
            connection.pragma_update(None, "journal_mode", "wal").map_err(fail)?;
            connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
        }
        Durable::No => connection.pragma_update(None, "synchronous", "OFF").map_err(fail)?,
    }
    migrate::run(&mut connection, path, migrations)?;
    Ok(connection)
}

/// The directory 0700, the file 0600: SQLite gives its other files the same mode.
fn make_private(dir: &Path, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// SQLite counts in signed numbers; a time or an offset never reaches the sign.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests;
