//! Sees what other processes change: `PRAGMA data_version`, five times a second.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::StoreError;

const TICK: Duration = Duration::from_millis(200);

/// The thread and who listens to it.
#[derive(Debug)]
pub(super) struct Watcher {
    changes: watch::Sender<u64>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts it, with a connection of its own: SQLite tells a connection only of others' changes.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::Sqlite { path: path.to_owned(), source };
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fail)?;
        let mut seen = version(&connection).map_err(fail)?;
        let changes = watch::Sender::new(0);
        let (stop, stopped) = mpsc::channel();
        let sender = changes.clone();
        let work = move || {
            while stopped.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                match version(&connection) {
                    Ok(now) if now == seen => {}
                    Ok(now) => {
                        seen = now;
                        sender.send_modify(|count| *count += 1);
                    }
                    Err(error) => tracing::warn!(%error, "cannot watch the state for changes"),
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("store-watch".into())
            .spawn(work)
            .map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        Ok(Self { changes, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// This process changed something: no need to wait for the tick.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the state's watcher panicked");
        }
    }
}
