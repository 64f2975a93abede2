//! Message → text.

use super::Id;
use crate::error::RpcError;
use crate::rope::{Rope, Weaver};

/// `{"jsonrpc":"2.0","id":…,"method":…,"params":…}`. `params` is omitted when empty (no bytes, or `{}`).
pub fn write_request(id: &Id, method: &str, params: Rope) -> Rope {
    let mut out = Weaver::around(&params);
    out.text("{\"jsonrpc\":\"2.0\",\"id\":").bytes(id.text().clone()).text(",\"method\":").quoted(method);
    with_params(out, params)
}

/// `{"jsonrpc":"2.0","method":…,"params":…}`. `params` is omitted when empty (no bytes, or `{}`).
pub fn write_notification(method: &str, params: Rope) -> Rope {
    let mut out = Weaver::around(&params);
    out.text("{\"jsonrpc\":\"2.0\",\"method\":").quoted(method);
    with_params(out, params)
}

/// `{"jsonrpc":"2.0","id":…,"result":…}`.
pub fn write_result(id: &Id, result: Rope) -> Rope {
    let mut out = Weaver::around(&result);
    out.text("{\"jsonrpc\":\"2.0\",\"id\":")
        .bytes(id.text().clone())
        .text(",\"result\":")
        .rope(result)
        .text("}");
    out.finish()
}

/// `{"jsonrpc":"2.0","id":…,"error":{…}}`; without an id the member is left out (2026-07-28).
pub fn write_error(id: Option<&Id>, error: &RpcError) -> Rope {
    let mut out = Weaver::new();
    out.text("{\"jsonrpc\":\"2.0\"");
    if let Some(id) = id {
        out.text(",\"id\":").bytes(id.text().clone());
    }
    out.text(",\"error\":");
    error_object(&mut out, error);
    out.text("}");
    out.finish()
}

/// The error alone: `{"code":…,"message":…,"data":…}`.
pub fn write_error_object(error: &RpcError) -> Rope {
    let mut out = Weaver::new();
    error_object(&mut out, error);
    out.finish()
}

fn error_object(out: &mut Weaver, error: &RpcError) {
    out.text("{\"code\":").text(error.code.to_string()).text(",\"message\":").quoted(&error.message);
    if let Some(data) = &error.data {
        out.text(",\"data\":").bytes(data.clone());
    }
    out.text("}");
}

fn with_params(mut out: Weaver, params: Rope) -> Rope {
    let empty = match params.pieces() {
        [] => true,
        [only] => only == "{}",
        _ => false,
    };
    if !empty {
        out.text(",\"params\":").rope(params);
    }
    out.text("}");
    out.finish()
}
