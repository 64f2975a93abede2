//! Error codes and the error object.

use bytes::Bytes;

/// Invalid JSON.
pub const PARSE_ERROR: i64 = -32700;
/// Not a request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Bad params: also unknown tool, prompt, cursor; in 2026-07-28 also unknown resource.
pub const INVALID_PARAMS: i64 = -32602;
/// Internal error.
pub const INTERNAL_ERROR: i64 = -32603;
/// Legacy only: resource not found.
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// Legacy (2025-11-25) only: url elicitation required.
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// 2026-07-28: a header is missing, malformed, or differs from the body.
pub const HEADER_MISMATCH: i64 = -32020;
/// 2026-07-28: processing needs a client capability that was not declared.
pub const MISSING_CAPABILITY: i64 = -32021;
/// 2026-07-28: unsupported protocol version.
pub const UNSUPPORTED_VERSION: i64 = -32022;

/// A JSON-RPC error, with the HTTP status that 2026-07-28 gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// The code.
    pub code: i64,
    /// The text.
    pub message: String,
    /// `data`, as JSON text.
    pub data: Option<Bytes>,
    /// The HTTP status on a modern transport; legacy sessions answer 200.
    pub http: u16,
}

impl RpcError {
    /// An error without data. HTTP status by code: -32601 404; -32700, -32600, -3202x 400; else 200.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        let http = match code {
            METHOD_NOT_FOUND => 404,
            PARSE_ERROR | INVALID_REQUEST | HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION => 400,
            _ => 200,
        };
        Self { code, message: message.into(), data: None, http }
    }

    /// The same error with `data`, a JSON value's text.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Bytes>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// The same error with another HTTP status.
    #[must_use]
    pub fn with_http(mut self, status: u16) -> Self {
        self.http = status;
        self
    }
}
