//! The header rules of 2026-07-28: the sentinel, `Mcp-Name`, `Mcp-Param-*` (basic/transports/streamable-http). *Never* trusts a header:
//! it only says whether headers and body agree.

mod sentinel;
pub use sentinel::{decode, encode};

mod standard;
pub use standard::{Standard, name_of, validate};

mod param;
pub use param::{ParamHeader, ParamKind, mirror, param_headers, validate_params};

mod strip;
pub use strip::without_marks;

#[cfg(test)]
mod tests;

/// A header's value is not decodable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed header value")]
pub struct Malformed;
