//! A server's error for an agent.

use crate::error::{
    HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, MISSING_CAPABILITY, RESOURCE_NOT_FOUND, RpcError,
    URL_ELICITATION_REQUIRED,
};
use crate::method::Method;
use crate::object::Object;
use crate::revision::{Era, Revision};

/// A server's error as an agent of `agent`'s revision gets it (`protocol.md` §3.3, errors): -32002 ↔ -32602, -32042 and reserved codes
/// never to modern agents. `data` is kept where the code is kept or has a counterpart. A -32021 for a legacy agent's tool call is better
/// told as [`super::tool_error`]; a -32042 for a modern agent as a question: here both become -32603.
pub fn error(error: RpcError, method: Method, server: Revision, agent: Revision) -> RpcError {
    let code = match agent.era() {
        Era::Legacy => for_legacy(&error, method, server, agent),
        Era::Modern => for_modern(error.code, server),
    };
    let translated = RpcError::new(code, error.message);
    match error.data {
        Some(data) if code != INTERNAL_ERROR || error.code == INTERNAL_ERROR => translated.with_data(data),
        _ => translated,
    }
}

fn for_legacy(error: &RpcError, method: Method, server: Revision, agent: Revision) -> i64 {
    match (error.code, server.era()) {
        (URL_ELICITATION_REQUIRED, Era::Legacy) if agent == Revision::V2025_11_25 => error.code,
        (URL_ELICITATION_REQUIRED, _) | (-32099..=HEADER_MISMATCH, Era::Modern) => INTERNAL_ERROR,
        // Invalid params means "not found" where the error names the resource.
        (INVALID_PARAMS, Era::Modern) if method == Method::ResourcesRead && names_uri(error) => {
            RESOURCE_NOT_FOUND
        }
        (code, _) => code,
    }
}

fn for_modern(code: i64, server: Revision) -> i64 {
    match (code, server.era()) {
        (RESOURCE_NOT_FOUND, _) => INVALID_PARAMS,
        (MISSING_CAPABILITY, Era::Modern) => code,
        // -32020 and -32022 are the gateway's own faults; the rest of the range is not to be used.
        (-32099..=-32000, _) => INTERNAL_ERROR,
        (code, _) => code,
    }
}

fn names_uri(error: &RpcError) -> bool {
    error
        .data
        .as_ref()
        .and_then(|data| Object::scan(data.clone()).ok())
        .is_some_and(|data| data.string("uri").is_some())
}
