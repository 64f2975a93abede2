//! `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` against the body.

use std::borrow::Cow;

use super::sentinel::{decode, trim};
use crate::error::{HEADER_MISMATCH, RpcError};
use crate::object::Object;

/// What `Mcp-Name` must say for this request: `params.name`, `params.uri` or `params.taskId`; `None` for methods without one.
pub fn name_of<'a>(method: &str, params: &'a Object) -> Option<Cow<'a, str>> {
    params.string(name_key(method)?)
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
/// `Mcp-Name` is ignored on methods that have none.
pub fn validate(headers: Standard<'_>, method: &str, version: &str, params: &Object) -> Result<(), RpcError> {
    same("MCP-Protocol-Version", headers.version, version)?;
    same("Mcp-Method", headers.method, method)?;
    let Some(key) = name_key(method) else {
        return Ok(());
    };
    let named = params.string(key);
    match (headers.name, named) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(mismatch("`Mcp-Name` is missing")),
        (Some(_), None) => Err(mismatch(format!("`Mcp-Name` is there, `params.{key}` is not"))),
        (Some(header), Some(named)) => match decode(header) {
            Err(_) => Err(mismatch("`Mcp-Name` is malformed")),
            Ok(header) if header == named => Ok(()),
            Ok(_) => Err(mismatch(format!("`Mcp-Name` differs from `params.{key}`"))),
        },
    }
}

pub(super) fn mismatch(why: impl Into<String>) -> RpcError {
    RpcError::new(HEADER_MISMATCH, why)
}

fn same(name: &str, header: Option<&[u8]>, body: &str) -> Result<(), RpcError> {
    match header.map(trim) {
        Some(value) if value == body.as_bytes() => Ok(()),
        Some(_) => Err(mismatch(format!("`{name}` differs from the body"))),
        None => Err(mismatch(format!("`{name}` is missing"))),
    }
}

fn name_key(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}
