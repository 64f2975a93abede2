//! Agents' keys made by `tollgate keys create`. Only hashes are kept.

use std::sync::Arc;

use rusqlite::{Row, params};

use super::{Store, StoreError, signed, unsigned};

/// A key to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Its id, handed in.
    pub id: String,
    /// Whose.
    pub agent: String,
    /// The agent's tenant.
    pub tenant: Option<String>,
    /// The agent's groups.
    pub groups: Vec<String>,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// Now, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Until when, in milliseconds since the Unix epoch; `None` = for ever.
    pub expires_ms: Option<u64>,
}

/// A key that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id.
    pub id: Arc<str>,
    /// Whose.
    pub agent: Arc<str>,
    /// The agent's tenant.
    pub tenant: Option<Arc<str>>,
    /// The agent's groups.
    pub groups: Vec<Arc<str>>,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Until when.
    pub expires_ms: Option<u64>,
    /// Since when no more.
    pub revoked_ms: Option<u64>,
}

impl StoredKey {
    /// Whether it opens anything now.
    pub fn is_valid(&self, now_ms: u64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|expires| now_ms < expires)
    }
}

const COLUMNS: &str = "id, agent, tenant, groups, hash, created_ms, expires_ms, revoked_ms";

impl Store {
    /// Keeps a new key. An id or hash that is known already is an error.
    pub fn create_key(&self, key: &NewKey) -> Result<(), StoreError> {
        let groups = serde_json::to_string(&key.groups).unwrap_or_default();
        self.change(|connection| {
            connection.execute(
                "INSERT INTO keys (id, agent, tenant, groups, hash, created_ms, expires_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    key.id,
                    key.agent,
                    key.tenant,
                    groups,
                    key.hash,
                    signed(key.created_ms),
                    key.expires_ms.map(signed)
                ],
            )
        })?;
        Ok(())
    }

    /// All keys, revoked and expired ones too, oldest first. A gateway keeps them and reads again when [`Store::changes`] moves.
    pub fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.with(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM keys ORDER BY created_ms, id");
            connection.prepare_cached(&sql)?.query_map([], read)?.collect()
        })
    }

    /// Revokes a key; `false` if there is none with this id, or it was revoked before.
    pub fn revoke_key(&self, id: &str, now_ms: u64) -> Result<bool, StoreError> {
        let revoked = self.change(|connection| {
            connection.execute(
                "UPDATE keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL",
                params![id, signed(now_ms)],
            )
        })?;
        Ok(revoked > 0)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    let groups: String = row.get(3)?;
    // Groups that cannot be read must not widen or narrow a key in silence.
    let groups: Vec<Arc<str>> = serde_json::from_str::<Vec<String>>(&groups)
        .map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error))
        })?
        .into_iter()
        .map(Arc::from)
        .collect();
    Ok(StoredKey {
        id: row.get(0)?,
        agent: row.get(1)?,
        tenant: row.get(2)?,
        groups,
        hash: row.get(4)?,
        created_ms: row.get(5).map(unsigned)?,
        expires_ms: row.get::<_, Option<i64>>(6)?.map(unsigned),
        revoked_ms: row.get::<_, Option<i64>>(7)?.map(unsigned),
    })
}
