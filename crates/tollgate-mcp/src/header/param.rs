//! `x-mcp-header` and `Mcp-Param-*`.

use crate::error::RpcError;

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
