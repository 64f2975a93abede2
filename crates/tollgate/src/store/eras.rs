//! What is known of servers: which revision they spoke, what they listed. A restart begins with it.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, signed, unsigned};

/// What a server spoke when last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Era {
    /// The revision's name.
    pub revision: String,
    /// When, in milliseconds since the Unix epoch.
    pub seen_ms: u64,
}

impl Store {
    /// Remembers which revision a server at an origin (its URL's origin, or its command) spoke.
    pub fn put_era(&self, server: &str, origin: &str, revision: &str, now_ms: u64) -> Result<(), StoreError> {
        self.with(|connection| {
            connection.execute(
                "INSERT INTO eras VALUES (?1, ?2, ?3, ?4) ON CONFLICT (server, origin) DO UPDATE
                 SET revision = excluded.revision, seen_ms = excluded.seen_ms",
                params![server, origin, revision, signed(now_ms)],
            )
        })?;
        Ok(())
    }

    /// Which revision it spoke.
    pub fn era(&self, server: &str, origin: &str) -> Result<Option<Era>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT revision, seen_ms FROM eras WHERE server = ?1 AND origin = ?2")?
                .query_row([server, origin], |row| {
                    Ok(Era { revision: row.get(0)?, seen_ms: row.get(1).map(unsigned)? })
                })
                .optional()
        })
    }

    /// Remembers a list (`tools/list`, …) as JSON text.
    pub fn put_definitions(
        &self,
        server: &str,
        list: &str,
        text: &[u8],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.with(|connection| {
            connection.execute(
                "INSERT INTO definitions VALUES (?1, ?2, ?3, ?4) ON CONFLICT (server, list) DO UPDATE
                 SET text = excluded.text, seen_ms = excluded.seen_ms",
                params![server, list, text, signed(now_ms)],
            )
        })?;
        Ok(())
    }

    /// The last known list.
    pub fn definitions(&self, server: &str, list: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT text FROM definitions WHERE server = ?1 AND list = ?2")?
                .query_row([server, list], |row| row.get(0))
                .optional()
        })
    }
}
