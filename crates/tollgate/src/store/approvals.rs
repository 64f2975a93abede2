//! Questions that wait for an operator, the grants that answers make, and what was approved last. Texts are the caller's: this file
//! only says when they count.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::{Store, StoreError, signed, unsigned};

/// So long after its end a question or a grant is kept.
const KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// A question as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionRow {
    /// Its id.
    pub id: String,
    /// What it is about: an equal one is the same question.
    pub binding: [u8; 32],
    /// Whose call it is.
    pub principal: String,
    /// `pending` until it is answered.
    pub state: String,
    /// When it was asked (milliseconds since the Unix epoch).
    pub created_ms: u64,
    /// From when on it is nobody's to answer.
    pub expires_ms: u64,
    /// The rest, as JSON.
    pub body: String,
}

/// A grant as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// Its id.
    pub id: String,
    /// Since when (milliseconds since the Unix epoch).
    pub created_ms: u64,
    /// From when on it permits nothing.
    pub expires_ms: u64,
    /// When it was used last.
    pub used_ms: Option<u64>,
    /// Since when it permits nothing more.
    pub revoked_ms: Option<u64>,
    /// The rest, as JSON.
    pub body: String,
}

/// How many questions may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub all: usize,
    /// Of one principal.
    pub each: usize,
}

/// What became of a question that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It waits.
    Fresh,
    /// The same one is known: this is its id.
    Known(String),
    /// Too many wait.
    Full,
}

const QUESTION: &str = "id, binding, principal, state, created_ms, expires_ms, body";
const GRANT: &str = "id, created_ms, expires_ms, used_ms, revoked_ms, body";

impl Store {
    /// Keeps a question, unless the same one waits or was refused and its time is not over. On the medium when it returns.
    pub fn put_question(&self, row: &QuestionRow, room: Room, now_ms: u64) -> Result<Put, StoreError> {
        self.change(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let now = signed(now_ms);
            let known: Option<String> = transaction
                .prepare_cached(
                    "SELECT id FROM questions WHERE binding = ?1 AND expires_ms > ?2
                     AND state IN ('pending', 'denied') ORDER BY created_ms DESC LIMIT 1",
                )?
                .query_row(params![row.binding, now], |found| found.get(0))
                .optional()?;
            if let Some(known) = known {
                return Ok(Put::Known(known));
            }
            let waiting = |sql: &str, principal: &str| {
                let count = transaction.prepare_cached(sql)?.query_row(params![now, principal], |n| n.get(0));
                count.map(|count: i64| usize::try_from(count).unwrap_or(usize::MAX))
            };
            let pending = "SELECT count(*) FROM questions WHERE state = 'pending' AND expires_ms > ?1";
            let all = waiting(&format!("{pending} AND ?2 IS NOT NULL"), &row.principal)?;
            let each = waiting(&format!("{pending} AND principal = ?2"), &row.principal)?;
            if all >= room.all || each >= room.each {
                return Ok(Put::Full);
            }
            insert_question(&transaction, row)?;
            transaction.commit()?;
            Ok(Put::Fresh)
        })
    }

    /// One question.
    pub fn question(&self, id: &str) -> Result<Option<QuestionRow>, StoreError> {
        self.with(|connection| {
            let sql = format!("SELECT {QUESTION} FROM questions WHERE id = ?1");
            connection.prepare_cached(&sql)?.query_row([id], read_question).optional()
        })
    }

    /// The questions whose time was not over at `since_ms`, oldest first.
    pub fn questions(&self, since_ms: u64) -> Result<Vec<QuestionRow>, StoreError> {
        self.with(|connection| {
            let sql =
                format!("SELECT {QUESTION} FROM questions WHERE expires_ms > ?1 ORDER BY created_ms, id");
            connection.prepare_cached(&sql)?.query_map([signed(since_ms)], read_question)?.collect()
        })
    }

    /// Id and state of the questions whose time was not over at `since_ms`.
    pub fn question_states(&self, since_ms: u64) -> Result<Vec<(String, String)>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT id, state FROM questions WHERE expires_ms > ?1")?
                .query_map([signed(since_ms)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Answers a question in one transaction: `work` reads it as it stands, and what it returns replaces it, with a grant if it made
    /// one. `Ok(None)` = there is no such question. On the medium when it returns.
    pub fn answer_question<E>(
        &self,
        id: &str,
        work: impl FnOnce(QuestionRow) -> Result<(QuestionRow, Option<GrantRow>), E>,
    ) -> Result<Option<Result<QuestionRow, E>>, StoreError> {
        self.change(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let sql = format!("SELECT {QUESTION} FROM questions WHERE id = ?1");
            let Some(row) = transaction.prepare_cached(&sql)?.query_row([id], read_question).optional()?
            else {
                return Ok(None);
            };
            let (row, grant) = match work(row) {
                Ok(done) => done,
                Err(refused) => return Ok(Some(Err(refused))),
            };
            insert_question(&transaction, &row)?;
            if let Some(grant) = &grant {
                insert_grant(&transaction, grant)?;
            }
            transaction.commit()?;
            Ok(Some(Ok(row)))
        })
    }

    /// Keeps a grant. On the medium when it returns.
    pub fn put_grant(&self, row: &GrantRow) -> Result<(), StoreError> {
        self.change(|connection| insert_grant(connection, row))
    }

    /// Every grant that is kept, oldest first; used, expired and revoked ones too.
    pub fn grants(&self) -> Result<Vec<GrantRow>, StoreError> {
        self.with(|connection| {
            let sql = format!("SELECT {GRANT} FROM grants ORDER BY created_ms, id");
            connection.prepare_cached(&sql)?.query_map([], read_grant)?.collect()
        })
    }

    /// Uses a grant: `false` if it is used up, revoked or over. `once` = the first use is the only one; `idle_ms` = it ends when it
    /// is not used for so long. On the medium when it returns.
    pub fn use_grant(
        &self,
        id: &str,
        once: bool,
        idle_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let used = self.with(|connection| {
            connection
                .prepare_cached(
                    "UPDATE grants SET used_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL AND expires_ms > ?2
                     AND (?3 = 0 OR used_ms IS NULL)
                     AND (?4 IS NULL OR coalesce(used_ms, created_ms) + ?4 > ?2)",
                )?
                .execute(params![id, signed(now_ms), once, idle_ms.map(signed)])
        })?;
        Ok(used == 1)
    }

    /// Revokes a grant; `false` if there is none with this id, or it was revoked before.
    pub fn revoke_grant(&self, id: &str, now_ms: u64) -> Result<bool, StoreError> {
        let revoked = self.change(|connection| {
            connection.execute(
                "UPDATE grants SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL",
                params![id, signed(now_ms)],
            )
        })?;
        Ok(revoked == 1)
    }

    /// What was kept of this caller's last approved call of a tool.
    pub fn last_approved(&self, principal: &str, tool: &str) -> Result<Option<String>, StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT args FROM approved WHERE principal = ?1 AND tool = ?2")?
                .query_row([principal, tool], |row| row.get(0))
                .optional()
        })
    }

    /// Keeps what is to be known of a caller's last approved call of a tool.
    pub fn put_last_approved(
        &self,
        principal: &str,
        tool: &str,
        args: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.with(|connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO approved VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![principal, tool, args, signed(now_ms)])
        })?;
        Ok(())
    }

    /// Drops what ended a week ago, and what was approved last half a year ago.
    pub fn prune_approvals(&self, now_ms: u64) -> Result<(), StoreError> {
        let before = signed(now_ms.saturating_sub(KEPT_MS));
        let long_before = signed(now_ms.saturating_sub(26 * KEPT_MS));
        self.with(|connection| {
            connection.execute("DELETE FROM questions WHERE expires_ms < ?1", [before])?;
            connection.execute("DELETE FROM grants WHERE expires_ms < ?1 OR revoked_ms < ?1", [before])?;
            connection.execute("DELETE FROM approved WHERE at_ms < ?1", [long_before])
        })?;
        Ok(())
    }
}

fn insert_question(connection: &Connection, row: &QuestionRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO questions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            row.id,
            row.binding,
            row.principal,
            row.state,
            signed(row.created_ms),
            signed(row.expires_ms),
            row.body
        ])
        .map(drop)
}

fn insert_grant(connection: &Connection, row: &GrantRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO grants VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            row.id,
            signed(row.created_ms),
            signed(row.expires_ms),
            row.used_ms.map(signed),
            row.revoked_ms.map(signed),
            row.body
        ])
        .map(drop)
}

fn read_question(row: &Row<'_>) -> rusqlite::Result<QuestionRow> {
    Ok(QuestionRow {
        id: row.get(0)?,
        binding: row.get(1)?,
        principal: row.get(2)?,
        state: row.get(3)?,
        created_ms: row.get(4).map(unsigned)?,
        expires_ms: row.get(5).map(unsigned)?,
        body: row.get(6)?,
    })
}

fn read_grant(row: &Row<'_>) -> rusqlite::Result<GrantRow> {
    Ok(GrantRow {
        id: row.get(0)?,
        created_ms: row.get(1).map(unsigned)?,
        expires_ms: row.get(2).map(unsigned)?,
        used_ms: row.get::<_, Option<i64>>(3)?.map(unsigned),
        revoked_ms: row.get::<_, Option<i64>>(4)?.map(unsigned),
        body: row.get(5)?,
    })
}
