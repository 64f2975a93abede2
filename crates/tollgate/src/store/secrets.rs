//! The vault's blobs: names in clear, values sealed by the vault.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, signed};

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The nonce.
    pub nonce: Vec<u8>,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

impl Store {
    /// Keeps or replaces a sealed value.
    pub fn put_secret(&self, name: &str, blob: &Blob, now_ms: u64) -> Result<(), StoreError> {
        self.change(|connection| {
            connection.execute(
                "INSERT INTO secrets VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE
                 SET nonce = excluded.nonce, ciphertext = excluded.ciphertext, updated_ms = excluded.updated_ms",
                params![name, blob.nonce, blob.ciphertext, signed(now_ms)],
            )
        })?;
        Ok(())
    }

    /// A sealed value.
    pub fn secret(&self, name: &str) -> Result<Option<Blob>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT nonce, ciphertext FROM secrets WHERE name = ?1")?
                .query_row([name], |row| Ok(Blob { nonce: row.get(0)?, ciphertext: row.get(1)? }))
                .optional()
        })
    }

    /// The names, sorted.
    pub fn secret_names(&self) -> Result<Vec<String>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT name FROM secrets ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// Removes one; `false` if there was none.
    pub fn remove_secret(&self, name: &str) -> Result<bool, StoreError> {
        let removed =
            self.change(|connection| connection.execute("DELETE FROM secrets WHERE name = ?1", [name]))?;
        Ok(removed > 0)
    }
}
