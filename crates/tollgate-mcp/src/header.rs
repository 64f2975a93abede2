//! The header rules of 2026-07-28: the sentinel, `Mcp-Name`, `Mcp-Param-*` (basic/transports/streamable-http).

use std::borrow::Cow;

use crate::error::RpcError;
use crate::object::Object;

/// A header's value for `text`: plain where it is printable ASCII without edge white space and does not itself look like the sentinel,
/// else `=?base64?…?=`.
pub fn encode(text: &str) -> Cow<'_, str> {
    let _ = text;
    todo!("header::encode")
}

/// The text that a header's value stands for. OWS is trimmed; the sentinel is decoded strictly.
///
/// # Errors
/// Bad alphabet, padding, or UTF-8 inside the sentinel; a value that is not visible ASCII.
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    let _ = value;
    todo!("header::decode")
}

/// A header's value is not decodable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed header value")]
pub struct Malformed;

/// What `Mcp-Name` must say for this request: `params.name`, `params.uri` or `params.taskId`; `None` for methods without one.
pub fn name_of<'a>(method: &str, params: &'a Object) -> Option<Cow<'a, str>> {
    let _ = (method, params);
    todo!("header::name_of")
}

/// The standard headers as received; `None` where absent. A header sent twice must be given joined so that it mismatches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard<'a> {
    /// `MCP-Protocol-Version`.
    pub version: Option<&'a [u8]>,
    /// `Mcp-Method`.
    pub method: Option<&'a [u8]>,
    /// `Mcp-Name`.
    pub name: Option<&'a [u8]>,
}

/// Compares the standard headers with the body (`_meta` version, method, name): -32020 on any difference, also where missing.
pub fn validate(headers: Standard<'_>, method: &str, version: &str, params: &Object) -> Result<(), RpcError> {
    let _ = (headers, method, version, params);
    todo!("header::validate")
}

/// One `x-mcp-header` of a tool's schema: where the value is and which header mirrors it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamHeader {
    /// The `X` of `Mcp-Param-X`.
    pub name: String,
    /// Property names from the root of the arguments.
    pub path: Vec<String>,
    /// string, integer or boolean.
    pub kind: ParamKind,
}

/// What may be mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "JSON Schema's own words")]
pub enum ParamKind {
    String,
    Integer,
    Boolean,
}

/// Finds a tool's `x-mcp-header` marks in its `inputSchema`.
///
/// # Errors
/// The reason, if any mark is invalid (token grammar, uniqueness, type, place): an HTTP client must then leave the tool out.
pub fn param_headers(input_schema: &[u8]) -> Result<Vec<ParamHeader>, String> {
    let _ = input_schema;
    todo!("header::param_headers")
}

/// The headers that mirror these arguments: `(Mcp-Param-X, encoded value)` for each marked property that is present and not null.
pub fn mirror(marks: &[ParamHeader], arguments: &[u8]) -> Vec<(String, String)> {
    let _ = (marks, arguments);
    todo!("header::mirror")
}

/// Compares received `Mcp-Param-*` headers with the arguments; -32020 on any difference. Integers compare by value.
pub fn validate_params<'a>(
    marks: &[ParamHeader],
    arguments: &[u8],
    received: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<(), RpcError> {
    let _ = (marks, arguments, &received("x"));
    todo!("header::validate_params")
}
