//! What unit tests of several stages need: a configuration, a snapshot, a caller, an arrival. *Never* in a build that runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

use crate::call::{Arrival, Caller, Client, Endpoint};
use crate::catalog::{Offer, Snapshot};
use crate::config::{self, Config};
use crate::servers::Listing;

pub(crate) fn config(text: &str) -> Config {
    config::load(Path::new("/tmp/tollgate.yaml"), text).unwrap()
}

/// Two servers, `files` and `mail`, that are never started.
pub(crate) fn two_servers() -> Config {
    config(
        "servers:\n  files: { url: 'http://127.0.0.1:9/mcp' }\n  mail: { url: 'http://127.0.0.1:9/mcp' }\n",
    )
}

pub(crate) fn object(text: &str) -> Object {
    Object::scan(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

pub(crate) fn caller(agent: &str) -> Arc<Caller> {
    Arc::new(Caller {
        agent: Arc::from(agent),
        user: None,
        tenant: None,
        groups: Vec::new(),
        principal: Arc::from(agent),
        own_conversations: false,
    })
}

pub(crate) fn client(capabilities: &str) -> Arc<Client> {
    Arc::new(Client {
        revision: Revision::LATEST,
        info: None,
        label: None,
        capabilities: Capabilities::read(object(capabilities), Revision::LATEST),
    })
}

pub(crate) fn arrival(method: Method, endpoint: Endpoint, params: &str) -> Arrival {
    Arrival {
        caller: caller("alice"),
        client: client("{\"elicitation\":{}}"),
        endpoint,
        method,
        params: object(params),
        progress: None,
        log_level: None,
        session: None,
        param_headers: None,
        bytes_in: 0,
    }
}

/// A snapshot in which each server lists these items.
pub(crate) fn snapshot(config: &Config, lists: &[(&str, Listing, &[&str])]) -> Arc<Snapshot> {
    let parts = config
        .servers
        .values()
        .map(|server| {
            let mut offer = Offer::new(Arc::clone(server));
            for (alias, listing, items) in lists {
                if **alias == *server.alias {
                    let texts: Vec<Bytes> =
                        items.iter().map(|i| Bytes::copy_from_slice(i.as_bytes())).collect();
                    offer.put(*listing, &texts, None, config, now());
                }
            }
            (Arc::new(offer), true)
        })
        .collect();
    Arc::new(crate::catalog::merged(parts, config))
}

fn now() -> Instant {
    crate::clock::Clock::system().instant()
}
