//! What is known of servers: what they listed. A restart begins with it.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, signed};

impl Store {
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
