//! `initialize`: the version, the client, and the result made from a canonical `server/discover`.

use std::sync::Arc;

use tollgate_mcp::error::{INVALID_PARAMS, RpcError};
use tollgate_mcp::message::Request;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate;

use super::{Core, Patience};
use crate::call::{Arrival, Caller, Cancel, Ending, Endpoint, Handle, Next, Reply as _};
use crate::receive::edge;

/// Reads `initialize` into a session's core.
pub(in crate::receive) fn core(
    request: &Request,
    endpoint: Endpoint,
    patience: Patience,
) -> Result<Arc<Core>, RpcError> {
    let bad = |what: &str| RpcError::new(INVALID_PARAMS, what);
    let version =
        request.params.string("protocolVersion").ok_or_else(|| bad("`protocolVersion` must be a string"))?;
    let declared =
        request.params.get("capabilities").ok_or_else(|| bad("`capabilities` must be an object"))?;
    // Copied, so that a session never keeps a whole body in memory.
    let copied = |text: bytes::Bytes| bytes::Bytes::copy_from_slice(&text);
    let info = request.params.get("clientInfo").map(copied);
    let client = edge::client(negotiate(&version), info, copied(declared))?;
    let identity = edge::identity().ok_or_else(|| {
        RpcError::new(tollgate_mcp::error::INTERNAL_ERROR, "no randomness to make a session with")
    })?;
    Ok(Core::new(client, endpoint, identity, patience))
}

/// The session's revision: what was asked for, or the newest one that has a handshake.
fn negotiate(version: &str) -> Revision {
    match Revision::parse(version) {
        Some(revision) if revision.era() == Era::Legacy => revision,
        Some(_) | None => Revision::LATEST_LEGACY,
    }
}

/// The result's text.
pub(in crate::receive) async fn result<H: Handle>(
    handle: &Arc<H>,
    core: &Core,
    caller: &Arc<Caller>,
    bytes_in: u64,
) -> Result<Rope, RpcError> {
    handle.count("initialize");
    let arrival = Arrival {
        caller: Arc::clone(caller),
        client: Arc::clone(&core.client),
        endpoint: core.endpoint.clone(),
        method: Method::Discover,
        params: Object::empty(),
        progress: None,
        log_level: None,
        session: Some(Arc::clone(&core.identity)),
        param_headers: None,
        bytes_in,
    };
    let mut outgoing = handle.handle(arrival, Cancel::never());
    loop {
        match outgoing.next().await {
            Next::Part(_) => {}
            Next::Last(reply) => {
                return match reply.into_ending() {
                    Ending::Answer(answer) => {
                        let revision = core.client.revision;
                        if revision == Revision::V2025_11_25 && translate::offers_tasks(&answer.object) {
                            core.offer_tasks();
                        }
                        Ok(translate::initialize_result(&answer.object, revision, &handle.server_info()))
                    }
                    Ending::Error(error) => Err(error),
                };
            }
        }
    }
}
