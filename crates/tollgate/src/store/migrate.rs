//! Embedded migrations: a list that only grows, each remembered with its checksum.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::StoreError;

/// One step.
#[derive(Debug)]
pub(super) struct Migration {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

/// The state's.
pub(super) const STATE: &[Migration] = &[
    Migration {
        name: "keys, secrets, used, definitions",
    sql: "
        CREATE TABLE keys (
            id TEXT PRIMARY KEY, agent TEXT NOT NULL, tenant TEXT, groups TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
            created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER
        ) STRICT;
        CREATE TABLE secrets (
            name TEXT PRIMARY KEY, nonce BLOB NOT NULL, ciphertext BLOB NOT NULL, updated_ms INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE used (nonce BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE definitions (
            server TEXT NOT NULL, list TEXT NOT NULL, text BLOB NOT NULL, seen_ms INTEGER NOT NULL,
            PRIMARY KEY (server, list)
        ) STRICT;
    ",
    },
    Migration {
        name: "questions, grants, approved",
        sql: "
        CREATE TABLE questions (
            id TEXT PRIMARY KEY, binding BLOB NOT NULL, principal TEXT NOT NULL, state TEXT NOT NULL,
            created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, body TEXT NOT NULL
        ) STRICT;
        CREATE INDEX questions_by_binding ON questions (binding);
        CREATE TABLE grants (
            id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, used_ms INTEGER,
            revoked_ms INTEGER, body TEXT NOT NULL
        ) STRICT;
        CREATE TABLE approved (
            principal TEXT NOT NULL, tool TEXT NOT NULL, args TEXT NOT NULL, at_ms INTEGER NOT NULL,
            PRIMARY KEY (principal, tool)
        ) STRICT, WITHOUT ROWID;
    ",
    },
    Migration {
    name: "pins",
    sql: "
        CREATE TABLE pins (
            server TEXT NOT NULL, tool TEXT NOT NULL, variant INTEGER NOT NULL,
            digest BLOB NOT NULL, text TEXT NOT NULL, since_ms INTEGER NOT NULL, by TEXT NOT NULL,
            new_digest BLOB, new_text TEXT, new_ms INTEGER,
            PRIMARY KEY (server, tool, variant)
        ) STRICT;
    ",
    },
];

/// The tasks'. Worth nothing after a week.
pub(super) const TASKS: &[Migration] = &[Migration {
    name: "tasks",
    sql: "
        CREATE TABLE tasks (
            id INTEGER PRIMARY KEY AUTOINCREMENT, principal TEXT NOT NULL, handle TEXT NOT NULL, expires_ms INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX tasks_by_principal ON tasks (principal, id);
    ",
}];

/// The conversations'. Never migrated either: they are worth nothing after a day.
pub(super) const CONVERSATIONS: &[Migration] = &[Migration {
    name: "conversations",
    sql: "
        CREATE TABLE conversations (
            key BLOB PRIMARY KEY, name TEXT NOT NULL, calls INTEGER NOT NULL, told TEXT NOT NULL, last_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    ",
}];

/// The index's. It is never migrated: a file of another make is thrown away, so this may be changed at will.
///
/// Written often and asked seldom: one tree, in the order of the ids, which is the order of arrival. Ids and chains are UUIDs'
/// bytes; an interaction that is the entry's own id is `''`.
pub(super) const INDEX: &[Migration] = &[Migration {
    name: "entries by id, positions",
    sql: "
        CREATE TABLE entries (
            id BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, interaction TEXT, agent TEXT, server TEXT, tool TEXT,
            outcome TEXT NOT NULL, chain BLOB NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE positions (
            chain TEXT PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    ",
}];

/// Applies what is missing, in one transaction: of two processes that start together one does it.
pub(super) fn run(
    connection: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let fail = |source| StoreError::Sqlite { path: path.to_owned(), source };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations
             (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL) STRICT",
        )
        .map_err(fail)?;
    for (version, migration) in (1_i64..).zip(migrations) {
        let checksum: [u8; 32] = Sha256::digest(migration.sql).into();
        let applied: Option<Vec<u8>> = transaction
            .query_row("SELECT checksum FROM migrations WHERE version = ?1", [version], |row| row.get(0))
            .optional()
            .map_err(fail)?;
        match applied {
            Some(applied) if applied == checksum => {}
            Some(_) => {
                let name = migration.name.to_owned();
                return Err(StoreError::Foreign { path: path.to_owned(), name });
            }
            None => {
                transaction.execute_batch(migration.sql).map_err(fail)?;
                transaction
                    .execute(
                        "INSERT INTO migrations VALUES (?1, ?2, ?3)",
                        params![version, migration.name, checksum],
                    )
                    .map_err(fail)?;
            }
        }
    }
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    let newest: Option<i64> =
        transaction.query_row("SELECT max(version) FROM migrations", [], |row| row.get(0)).map_err(fail)?;
    if newest.is_some_and(|newest| newest > known) {
        return Err(StoreError::Newer { path: path.to_owned() });
    }
    transaction.commit().map_err(fail)
}
