//! The index of the ledger's closed entries: where to find one, and the newest of an agent, server, tool or outcome.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use super::{StoreError, make_private, migrate, open, signed, unsigned};

/// Where a close record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The chain.
    pub chain: String,
    /// The segment's number.
    pub segment: u32,
    /// The line's first byte.
    pub offset: u64,
}

/// One closed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its interaction.
    pub interaction: Option<String>,
    /// Its agent.
    pub agent: Option<String>,
    /// Its server.
    pub server: Option<String>,
    /// `server/original`.
    pub tool: Option<String>,
    /// Its outcome.
    pub outcome: String,
    /// Where its close stands.
    pub position: Position,
}

/// What to look for; what is not set matches all.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The agent's name.
    pub agent: Option<String>,
    /// The server's alias.
    pub server: Option<String>,
    /// `server/original`.
    pub tool: Option<String>,
    /// The outcome's word.
    pub outcome: Option<String>,
    /// The interaction's id.
    pub interaction: Option<String>,
    /// Arrived at or after, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// The index. Clones share it.
#[derive(Clone, Debug)]
pub struct Index {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
}

const COLUMNS: &str = "id, at_ms, interaction, agent, server, tool, outcome, chain, segment, offset";

impl Index {
    /// Opens or makes `STATE/index.sqlite`. One that is damaged or foreign is thrown away: it is made again from the segments.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let path = state.join("index.sqlite");
        let connection = match Self::connect(state, &path) {
            Ok(connection) => connection,
            Err(error) if is_damaged(&error) => {
                tracing::warn!(%error, "the ledger's index is made again");
                Self::remove(&path)?;
                Self::connect(state, &path)?
            }
            Err(error) => return Err(error),
        };
        Ok(Self { path: Arc::new(path), connection: Arc::new(Mutex::new(connection)) })
    }

    fn connect(state: &Path, path: &Path) -> Result<Connection, StoreError> {
        make_private(state, path).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        // It can be made again, so it need not survive a power cut: write-ahead logging keeps it consistent.
        open(path, "NORMAL", migrate::INDEX)
    }

    fn remove(path: &Path) -> Result<(), StoreError> {
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            match std::fs::remove_file(&file) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::Io { path: file.into(), source }),
            }
        }
        Ok(())
    }

    /// Puts entries in and says how far each chain is read, in one transaction.
    pub fn apply(&self, rows: &[Row], positions: &[Position]) -> Result<(), StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?;
                for row in rows {
                    insert.execute(params![
                        row.id,
                        signed(row.at_ms),
                        row.interaction,
                        row.agent,
                        row.server,
                        row.tool,
                        row.outcome,
                        row.position.chain,
                        row.position.segment,
                        signed(row.position.offset)
                    ])?;
                }
                transaction.execute("DELETE FROM positions", [])?;
                let mut reach = transaction.prepare_cached("INSERT INTO positions VALUES (?1, ?2, ?3)")?;
                for at in positions {
                    reach.execute(params![at.chain, at.segment, signed(at.offset)])?;
                }
            }
            transaction.commit()
        })
    }

    /// How far each chain is read.
    pub fn positions(&self) -> Result<Vec<Position>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT chain, segment, offset FROM positions")?
                .query_map([], |row| {
                    Ok(Position {
                        chain: row.get(0)?,
                        segment: row.get(1)?,
                        offset: row.get(2).map(unsigned)?,
                    })
                })?
                .collect()
        })
    }

    /// The entry with this id.
    pub fn find(&self, id: &str) -> Result<Option<Row>, StoreError> {
        self.with(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM entries WHERE id = ?1");
            connection.prepare_cached(&sql)?.query_row([id], read).optional()
        })
    }

    /// The newest that match, newest first.
    pub fn newest(&self, query: &Query) -> Result<Vec<Row>, StoreError> {
        self.with(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM entries WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR server = ?2)
                 AND (?3 IS NULL OR tool = ?3) AND (?4 IS NULL OR outcome = ?4)
                 AND (?5 IS NULL OR interaction = ?5) AND at_ms >= ?6 ORDER BY at_ms DESC, id DESC LIMIT ?7"
            );
            connection
                .prepare_cached(&sql)?
                .query_map(
                    params![
                        query.agent,
                        query.server,
                        query.tool,
                        query.outcome,
                        query.interaction,
                        signed(query.since_ms.unwrap_or(0)),
                        query.limit
                    ],
                    read,
                )?
                .collect()
        })
    }

    /// Forgets what arrived before, as retention drops it.
    pub fn forget_before(&self, ms: u64) -> Result<usize, StoreError> {
        self.with(|connection| connection.execute("DELETE FROM entries WHERE at_ms < ?1", [signed(ms)]))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&mut self.connection())
            .map_err(|source| StoreError::Sqlite { path: self.path.as_path().to_owned(), source })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        at_ms: row.get(1).map(unsigned)?,
        interaction: row.get(2)?,
        agent: row.get(3)?,
        server: row.get(4)?,
        tool: row.get(5)?,
        outcome: row.get(6)?,
        position: Position { chain: row.get(7)?, segment: row.get(8)?, offset: row.get(9).map(unsigned)? },
    })
}

/// Whether nothing can be made of the file as it is; a locked or unreachable one is not damaged.
fn is_damaged(error: &StoreError) -> bool {
    use rusqlite::ErrorCode;
    match error {
        StoreError::Newer { .. } | StoreError::Foreign { .. } => true,
        StoreError::Io { .. } => false,
        StoreError::Sqlite { source, .. } => {
            matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }
    }
}
