//! Single use: what was used once is never used again.

use rusqlite::{TransactionBehavior, params};

use super::{Store, StoreError, signed};

/// So long after its expiry a nonce is kept: a clock that is set back must not revive it.
const GRACE_MS: u64 = 48 * 60 * 60 * 1000;

impl Store {
    /// Uses a nonce: `true` for the first caller of all processes, `false` for every other. On the medium when it returns.
    /// `expires_ms`: from when on its bearer is refused anyway (milliseconds since the Unix epoch).
    pub fn use_once(&self, nonce: &[u8], expires_ms: u64, now_ms: u64) -> Result<bool, StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction
                .prepare_cached("DELETE FROM used WHERE expires_ms < ?1")?
                .execute([signed(now_ms.saturating_sub(GRACE_MS))])?;
            let first = transaction
                .prepare_cached("INSERT OR IGNORE INTO used VALUES (?1, ?2)")?
                .execute(params![nonce, signed(expires_ms)])?;
            transaction.commit()?;
            Ok(first == 1)
        })
    }
}
