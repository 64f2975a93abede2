//! MCP on paper: messages, header rules, SSE, names and URIs, era translations.
//!
//! Everything here is a pure function over bytes. *Never* does IO, reads a clock or spawns anything.

/// The five revisions and their two eras.
pub mod revision;

/// The methods of MCP, as a closed list.
pub mod method;

/// Error codes and the error object.
pub mod error;

/// Bytes in pieces: what leaves without being copied together.
pub mod rope;

/// A text that comes in chunks, put together and looked at on the way.
pub mod gather;

/// The strict reader of requests: refuses whatever two parsers could read differently.
pub mod strict;

/// The envelope scanner: finds the members of one JSON object and copies nothing.
pub mod object;

/// Requests, notifications and responses.
pub mod message;

/// What a client declares: parsed, compared, translated between eras.
pub mod capability;

/// The header rules of 2026-07-28: the sentinel, `Mcp-Name`, `Mcp-Param-*`.
pub mod header;

/// The reserved `_meta` keys.
pub mod meta;

/// Server-sent events, written and read, with a size limit.
pub mod sse;

/// Newline-delimited JSON, with a size limit.
pub mod line;

/// Exposed names.
pub mod name;

/// Exposed URIs.
pub mod uri;

/// Answers, errors and content between eras.
pub mod translate;
