//! The index of the ledger's closed entries: where to find one, and the newest of an agent, server, tool or outcome.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use uuid::Uuid;

use super::{Durable, StoreError, make_private, migrate, open, signed, unsigned};

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
    pub id: Uuid,
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
        let connection = match Self::connect(&path) {
            Err(error) if is_damaged(&error) => {
                tracing::info!(%error, "the ledger's index is made again");
                // Of two processes that start together one does it: the other's new file must not be thrown away.
                let fail = |source| StoreError::Io { path: state.to_owned(), source };
                let held = std::fs::File::open(state).map_err(fail)?;
                held.lock().map_err(fail)?;
                match Self::connect(&path) {
                    Err(error) if is_damaged(&error) => {
                        Self::remove(&path)?;
                        Self::connect(&path)?
                    }
                    made => made?,
                }
            }
            opened => opened?,
        };
        Ok(Self { path: Arc::new(path), connection: Arc::new(Mutex::new(connection)) })
    }

    /// Throws the index away if an error says that it is damaged, and begins an empty one: read the chains from their starts.
    pub fn remake_if_damaged(&self, error: &StoreError) -> Result<(), StoreError> {
        if is_damaged(error) {
            let mut connection = self.connection();
            Self::remove(&self.path)?;
            *connection = Self::connect(&self.path)?;
        }
        Ok(())
    }

    fn connect(path: &Path) -> Result<Connection, StoreError> {
        let state = path.parent().unwrap_or(Path::new("."));
        make_private(state, path).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        open(path, Durable::No, migrate::INDEX)
    }

    fn remove(path: &Path) -> Result<(), StoreError> {
        for suffix in ["", "-journal", "-wal", "-shm"] {
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

    /// Puts entries in and says how far each chain is read, in one transaction. Sorts the rows by id: that is how they lie.
    pub fn apply(&self, rows: &mut [Row], positions: &[Position]) -> Result<(), StoreError> {
        rows.sort_unstable_by_key(|row| row.id);
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?;
                let mut own = Uuid::encode_buffer();
                for row in rows {
                    let id: &str = row.id.hyphenated().encode_lower(&mut own);
                    let interaction = row.interaction.as_deref();
                    insert.execute(params![
                        row.id.as_bytes(),
                        signed(row.at_ms),
                        interaction.map(|interaction| if interaction == id { "" } else { interaction }),
                        row.agent,
                        row.server,
                        row.tool,
                        row.outcome,
                        Uuid::try_parse(&row.position.chain).unwrap_or_default().as_bytes(),
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
        let Ok(id) = Uuid::try_parse(id) else { return Ok(None) };
        self.with(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM entries WHERE id = ?1");
            connection.prepare_cached(&sql)?.query_row([id.as_bytes()], read).optional()
        })
    }

    /// The newest that match, newest first. Looks through all that arrived since, until it has enough.
    pub fn newest(&self, query: &Query) -> Result<Vec<Row>, StoreError> {
        let own = query.interaction.as_deref().and_then(|id| Uuid::try_parse(id).ok());
        let since_ms = query.since_ms.unwrap_or(0);
        self.with(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM entries WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR server = ?2)
                 AND (?3 IS NULL OR tool = ?3) AND (?4 IS NULL OR outcome = ?4)
                 AND (?5 IS NULL OR interaction = ?5 OR (interaction = '' AND id = ?6))
                 AND at_ms >= ?7 AND id >= ?8 ORDER BY id DESC LIMIT ?9"
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
                        own.as_ref().map(Uuid::as_bytes),
                        signed(since_ms),
                        // Nothing arrived after its id was made.
                        first_id(since_ms),
                        query.limit
                    ],
                    read,
                )?
                .collect()
        })
    }

    /// Forgets what arrived before, as retention drops it.
    pub fn forget_before(&self, ms: u64) -> Result<usize, StoreError> {
        self.with(|connection| connection.execute("DELETE FROM entries WHERE id < ?1", [first_id(ms)]))
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
    let id = Uuid::from_bytes(row.get(0)?);
    let interaction: Option<String> = row.get(2)?;
    Ok(Row {
        id,
        at_ms: row.get(1).map(unsigned)?,
        interaction: interaction.map(|other| if other.is_empty() { id.to_string() } else { other }),
        agent: row.get(3)?,
        server: row.get(4)?,
        tool: row.get(5)?,
        outcome: row.get(6)?,
        position: Position {
            chain: Uuid::from_bytes(row.get(7)?).to_string(),
            segment: row.get(8)?,
            offset: row.get(9).map(unsigned)?,
        },
    })
}

/// The lowest id that a moment can have: `UUIDv7` begins with 48 bits of milliseconds.
fn first_id(ms: u64) -> [u8; 16] {
    (u128::from(ms.min((1 << 48) - 1)) << 80).to_be_bytes()
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
