//! The handles of tasks, so that their principal can be told which it has, in `STATE/tasks.sqlite`: worth nothing after a week, and nobody
//! watches it, so a file of its own that waits for no medium.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Durable, StoreError, make_private, migrate, open, signed};

/// The tasks' file. Clones share it. It is opened when there is a first task.
#[derive(Clone, Debug)]
pub struct TaskStore {
    state: Arc<PathBuf>,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl TaskStore {
    /// The one in a state directory.
    pub fn new(state: &Path) -> Self {
        Self { state: Arc::new(state.to_owned()), connection: Arc::default() }
    }

    /// Keeps a handle until `expires_ms` (milliseconds since the Unix epoch); beyond `each` of one principal the oldest is forgotten.
    pub fn put(
        &self,
        principal: &str,
        handle: &str,
        expires_ms: u64,
        now_ms: u64,
        each: usize,
    ) -> Result<(), StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction
                .prepare_cached("DELETE FROM tasks WHERE principal = ?1 AND expires_ms <= ?2")?
                .execute(params![principal, signed(now_ms)])?;
            transaction
                .prepare_cached("INSERT INTO tasks (principal, handle, expires_ms) VALUES (?1, ?2, ?3)")?
                .execute(params![principal, handle, signed(expires_ms)])?;
            transaction
                .prepare_cached(
                    "DELETE FROM tasks WHERE principal = ?1 AND id <=
                     (SELECT id FROM tasks WHERE principal = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute(params![principal, i64::try_from(each).unwrap_or(i64::MAX)])?;
            transaction.commit()
        })
    }

    /// A principal's handles with their numbers, oldest first: at most `max` of those numbered above `after`.
    pub fn of(
        &self,
        principal: &str,
        after: i64,
        now_ms: u64,
        max: usize,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        self.with(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, handle FROM tasks WHERE principal = ?1 AND id > ?2 AND expires_ms > ?3
                 ORDER BY id LIMIT ?4",
            )?;
            let max = i64::try_from(max).unwrap_or(i64::MAX);
            let rows = select.query_map(params![principal, after, signed(now_ms), max], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let path = self.state.join("tasks.sqlite");
        let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = if let Some(connection) = &mut *kept {
            connection
        } else {
            make_private(&self.state, &path)
                .map_err(|source| StoreError::Io { path: path.clone(), source })?;
            kept.insert(open(&path, Durable::No, migrate::TASKS)?)
        };
        work(connection).map_err(|source| StoreError::Sqlite { path, source })
    }
}
