//! 1. Listens, reads, and translates the agents' eras: what an agent speaks becomes a canonical [`crate::call::Arrival`], and what
//! [`crate::call::Handle`] answers becomes what that agent understands.
//! *Never* decides, forwards or records, and names no later stage.

/// What both transports share: canonical requests out of what was sent.
mod edge;

/// What a legacy agent needs beyond one request, on any transport: its session, its questions, its subscriptions.
mod legacy;

/// Streamable HTTP: stateless requests (2026-07-28) and sessions (2025-03-26 to 2025-11-25).
pub mod http;

/// Newline-delimited JSON over a pipe, both eras on one.
pub mod stdio;

pub use legacy::Patience;

#[cfg(test)]
mod fake;
