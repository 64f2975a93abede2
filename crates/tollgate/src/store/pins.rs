//! Tools' definitions as they were accepted, and those that wait.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Row, TransactionBehavior, params};

use super::{Store, StoreError, signed, unsigned};
use crate::catalog::{Pin, Seen};
use crate::secret::hex;

impl Store {
    /// All pins; without `texts` the definitions' texts are empty.
    pub fn pins(&self, texts: bool) -> Result<Vec<Pin>, StoreError> {
        let columns = if texts { "text, new_text" } else { "'', ''" };
        let sql = format!(
            "SELECT server, tool, variant, digest, since_ms, by, new_digest, new_ms, {columns} FROM pins ORDER BY server, tool, variant"
        );
        self.with(|connection| connection.prepare_cached(&sql)?.query_map([], read)?.collect())
    }

    /// Keeps these, in one transaction: a fresh one only if there is none yet, a changed one in the other's place. An empty text
    /// stays what it was, and a new variant begins with the text of the one for all.
    pub fn keep_pins(&self, fresh: &[Pin], changed: &[Pin]) -> Result<(), StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO pins (server, tool, variant, digest, text, since_ms, by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT DO NOTHING",
                )?;
                for pin in fresh {
                    let seen = &pin.accepted;
                    insert.execute(params![
                        pin.server, pin.tool, pin.variant, seen.digest, seen.text, signed(seen.since_ms), pin.by
                    ])?;
                }
                let mut change = transaction.prepare_cached(
                    "INSERT INTO pins VALUES (?1, ?2, ?3, ?4,
                        coalesce(nullif(?5, ''), (SELECT text FROM pins WHERE server = ?1 AND tool = ?2 AND variant = 0), ''),
                        ?6, ?7, ?8, ?9, ?10)
                     ON CONFLICT DO UPDATE SET digest = excluded.digest, since_ms = excluded.since_ms, by = excluded.by,
                        text = iif(?5 = '', text, ?5), new_digest = excluded.new_digest, new_text = excluded.new_text,
                        new_ms = excluded.new_ms",
                )?;
                for pin in changed {
                    let (seen, waiting) = (&pin.accepted, pin.waiting.as_ref());
                    change.execute(params![
                        pin.server,
                        pin.tool,
                        pin.variant,
                        seen.digest,
                        seen.text,
                        signed(seen.since_ms),
                        pin.by,
                        waiting.map(|w| w.digest),
                        waiting.map(|w| &w.text),
                        waiting.map(|w| signed(w.since_ms)),
                    ])?;
                }
            }
            transaction.commit()
        })
    }

    /// Forgets a server's pins of all tools but `listed`; the tools forgotten, as `server/original`.
    pub fn forget_pins(&self, server: &str, listed: &HashSet<Arc<str>>) -> Result<Vec<String>, StoreError> {
        self.change(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known: Vec<String> = transaction
                .prepare_cached("SELECT DISTINCT tool FROM pins WHERE server = ?1 ORDER BY tool")?
                .query_map([server], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut forgotten = Vec::new();
            for tool in known.into_iter().filter(|tool| !listed.contains(tool.as_str())) {
                transaction
                    .prepare_cached("DELETE FROM pins WHERE server = ?1 AND tool = ?2")?
                    .execute([server, &tool])?;
                forgotten.push(format!("{server}/{tool}"));
            }
            transaction.commit()?;
            Ok(forgotten)
        })
    }

    /// Accepts what waits of a server (`tool`: of that tool only), if its digest begins so; the tools accepted, as `server/original`.
    pub fn accept_pins(
        &self,
        server: &str,
        tool: Option<&str>,
        digest: &str,
        by: &str,
        now_ms: u64,
    ) -> Result<Vec<String>, StoreError> {
        self.change(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let waiting: Vec<(String, u16, [u8; 32])> = transaction
                .prepare_cached(
                    "SELECT tool, variant, new_digest FROM pins WHERE server = ?1 AND coalesce(tool = ?2, 1) AND new_digest IS NOT NULL",
                )?
                .query_map(params![server, tool], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<_, _>>()?;
            let mut accepted = Vec::new();
            for (tool, variant, new) in waiting {
                if !hex::encode(&new).starts_with(digest) {
                    continue;
                }
                transaction.execute(
                    "UPDATE pins SET digest = new_digest, text = new_text, since_ms = ?4, by = ?5, new_digest = NULL,
                     new_text = NULL, new_ms = NULL WHERE server = ?1 AND tool = ?2 AND variant = ?3",
                    params![server, tool, variant, signed(now_ms), by],
                )?;
                accepted.push(format!("{server}/{tool}"));
            }
            transaction.commit()?;
            accepted.dedup();
            Ok(accepted)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Pin> {
    let waiting: Option<[u8; 32]> = row.get(6)?;
    let waiting = match waiting {
        Some(digest) => Some(Seen { digest, since_ms: unsigned(row.get(7)?), text: row.get(9)? }),
        None => None,
    };
    Ok(Pin {
        server: row.get::<_, Arc<str>>(0)?,
        tool: row.get::<_, Arc<str>>(1)?,
        variant: row.get(2)?,
        accepted: Seen { digest: row.get(3)?, since_ms: unsigned(row.get(4)?), text: row.get(8)? },
        by: row.get(5)?,
        waiting,
    })
}
