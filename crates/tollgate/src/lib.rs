//! Tollgate: one hop between agents and MCP servers.
//!
//! The folder order is the path of a call, and the path is the import order: no stage names a later one.

/// Time, handed in.
pub mod clock;

/// What must not be printed.
pub mod secret;

/// One AEAD module for request state, cursors, session ids and task ids.
pub mod seal;

/// The configuration: raw, then checked.
pub mod config;

/// SQLite: keys, vault, used approvals, the ledger's index.
pub mod store;

/// Credentials at rest.
pub mod vault;

/// The nouns that every stage hands on.
pub mod call;

/// 1. Listens, reads, and translates the agents' eras.
pub mod receive;

/// The servers behind us: transports, eras, pools, supervision.
pub mod servers;

/// What the servers offer, merged into views.
pub mod catalog;

/// What a conversation has touched so far.
pub mod conversation;

/// 2. Says who calls.
pub mod authenticate;

/// 3. Finds the server and the original name.
pub mod resolve;

/// 4. Cleans arguments on the way in and results on the way out.
pub mod transform;

/// 5. Says yes, no, or ask.
pub mod decide;

/// 6. Gets a question answered.
pub mod approve;

/// 7. Carries the call to its server.
pub mod forward;

/// 8. Keeps the ledger.
pub mod record;

/// What is counted beside the ledger.
pub mod metrics;

/// The one place that knows all stages.
pub mod path;

/// What operators ask.
pub mod inspect;

/// Health, metrics and the admin API.
pub mod admin;

/// Starts all of it, reloads it, ends it.
pub mod gateway;

#[cfg(test)]
mod testing;
