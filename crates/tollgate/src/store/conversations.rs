//! Conversations over a restart, in `STATE/conversations.sqlite`: written often, worth nothing after a day, so a file of its own that
//! waits for no medium.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::{Durable, StoreError, make_private, migrate, open, signed, unsigned};
use crate::conversation::Saved;

/// The conversations' file. Clones share it.
#[derive(Clone, Debug)]
pub struct ConversationStore {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
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
        Ok(Self { path: Arc::new(path), connection: Arc::new(Mutex::new(connection)) })
    }

    /// Keeps these, and forgets those last spoken in before `forget_ms`.
    pub fn save(&self, conversations: &[Saved], forget_ms: u64) -> Result<(), StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut put = transaction
                    .prepare_cached("INSERT OR REPLACE INTO conversations VALUES (?1, ?2, ?3, ?4, ?5)")?;
                for saved in conversations {
                    let told = Told {
                        labels: saved.labels.clone(),
                        counters: saved.counters.clone(),
                        narrow: saved.narrow.clone(),
                        task: saved.task.clone(),
                    };
                    let told = serde_json::to_string(&told).unwrap_or_default();
                    put.execute(params![
                        saved.key,
                        saved.name,
                        signed(saved.calls),
                        told,
                        signed(saved.last_ms)
                    ])?;
                }
            }
            transaction.execute("DELETE FROM conversations WHERE last_ms < ?1", [signed(forget_ms)])?;
            transaction.commit()
        })
    }

    /// All of them. One that cannot be read is an error: forgetting it would shed its labels.
    pub fn load(&self) -> Result<Vec<Saved>, StoreError> {
        self.with(|connection| {
            let mut all =
                connection.prepare_cached("SELECT key, name, calls, told, last_ms FROM conversations")?;
            let rows = all.query_map([], |row| {
                let told: String = row.get(3)?;
                let told: Told = serde_json::from_str(&told).map_err(|e| {
                    rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(e))
                })?;
                Ok(Saved {
                    key: row.get(0)?,
                    name: row.get(1)?,
                    calls: unsigned(row.get(2)?),
                    labels: told.labels,
                    counters: told.counters,
                    narrow: told.narrow,
                    task: told.task,
                    last_ms: unsigned(row.get(4)?),
                })
            })?;
            rows.collect()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(|source| StoreError::Sqlite { path: (*self.path).clone(), source })
    }
}
