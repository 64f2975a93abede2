//! Scripted agents and fake servers of every era, a gateway under test, and the scenario runner that plays them against each other.
//!
//! Everything here speaks the protocol raw, over real loopback sockets and pipes: no SDK and none of the gateway's own wire code, so that a
//! mistake there cannot hide behind the same mistake here. *Never* connects to anything but loopback.

/// JSON that keeps what parsers like to lose: number text, member order, duplicate keys.
pub mod json;

/// The least HTTP and SSE that a peer needs.
pub mod wire;

/// Fake servers of both eras, over HTTP and stdio.
pub mod fake;

/// Scripted agents of every revision, over HTTP and stdio.
pub mod agent;

/// The real binary, started on free ports.
pub mod gateway;

/// Scenarios: one Markdown file, one promise, run as a test.
pub mod scenario;

/// Servers and agents that misbehave, alone and in crowds.
pub mod storm;

/// What every parser of foreign input must hold, as fuzz targets.
pub mod fuzz;

mod failure;
pub use failure::{Failure, Result};
