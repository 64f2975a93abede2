//! Canonical requests out of what was sent: the required `_meta`, the client, the levels and tokens; and the reserved keys out of
//! what legacy agents send. *Never* does IO.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::error::{INVALID_PARAMS, METHOD_NOT_FOUND, RpcError, UNSUPPORTED_VERSION};
use tollgate_mcp::header::{self, Standard};
use tollgate_mcp::message::{self, Id, Request};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{self, Object};
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;

use crate::call::{Arrival, Caller, Client, Endpoint, LogLevel, Part};

#[cfg(test)]
mod tests;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// How many bytes of `clientInfo` and capabilities a connection remembers at most.
const MEMO_MAX: usize = 16 * 1024;

/// How many bytes of a client's label go on to the ledger.
const LABEL_MAX: usize = 128;

/// The `_meta` of one message's params.
#[derive(Debug)]
pub(super) struct Meta(Option<Object>);

impl Meta {
    pub(super) fn of(params: &Object) -> Self {
        Self(params.object("_meta"))
    }

    /// Both required keys of 2026-07-28 are there: nothing else sends them.
    pub(super) fn is_modern(&self) -> bool {
        self.names_version() && self.find(CAPABILITIES)
    }

    pub(super) fn names_version(&self) -> bool {
        self.find(VERSION)
    }

    /// The progress token, as JSON text.
    pub(super) fn progress(&self) -> Result<Option<Bytes>, RpcError> {
        let Some(text) = self.0.as_ref().and_then(|meta| meta.get("progressToken")) else { return Ok(None) };
        match Id::parse(text.clone()) {
            Some(_) => Ok(Some(text)),
            None => Err(RpcError::new(INVALID_PARAMS, "`progressToken` must be a string or an integer")),
        }
    }

    fn find(&self, key: &str) -> bool {
        self.0.as_ref().is_some_and(|meta| meta.find(key).is_some())
    }

    fn log_level(&self) -> Result<Option<LogLevel>, RpcError> {
        let Some(meta) = &self.0 else { return Ok(None) };
        if meta.find(LOG_LEVEL).is_none() {
            return Ok(None);
        }
        match meta.string(LOG_LEVEL).as_deref().and_then(LogLevel::parse) {
            Some(level) => Ok(Some(level)),
            None => Err(RpcError::new(INVALID_PARAMS, format!("unknown `{LOG_LEVEL}`"))),
        }
    }

    /// The version and the capabilities' text; -32602 with HTTP 400 where one is missing (basic/index, "_meta").
    fn required(&self) -> Result<(Cow<'_, str>, Bytes), RpcError> {
        let missing =
            |what: &str| RpcError::new(INVALID_PARAMS, format!("`_meta` lacks `{what}`")).with_http(400);
        let Some(meta) = &self.0 else {
            return Err(RpcError::new(INVALID_PARAMS, "`params._meta` is missing").with_http(400));
        };
        let version = meta.string(VERSION).ok_or_else(|| missing(VERSION))?;
        let declared = meta.get(CAPABILITIES).ok_or_else(|| missing(CAPABILITIES))?;
        Ok((version, declared))
    }
}

/// What a transport knows of a request beside its body.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) caller: Arc<Caller>,
    pub(super) endpoint: Endpoint,
    /// The headers to compare with the body; `None` on stdio.
    pub(super) headers: Option<Standard<'a>>,
    pub(super) param_headers: Option<Vec<(String, Bytes)>>,
    pub(super) bytes_in: u64,
}

/// Judges a modern request up to its params, in the order of the specification: required `_meta`, headers against body, version,
/// method, levels and tokens.
pub(super) fn arrival(
    request: Request,
    meta: &Meta,
    around: Around<'_>,
    memo: &Memo,
) -> Result<Arrival, RpcError> {
    let (version, declared) = meta.required()?;
    if let Some(headers) = around.headers {
        header::validate(headers, &request.method, &version, &request.params)?;
    }
    if Revision::parse(&version) != Some(Revision::V2026_07_28) {
        return Err(unsupported(&version));
    }
    let method = Method::parse(&request.method)
        .filter(|method| method.is_modern())
        .ok_or_else(|| unknown(&request.method))?;
    let log_level = meta.log_level()?;
    let progress = meta.progress()?;
    let info = meta.0.as_ref().and_then(|meta| meta.get(CLIENT_INFO));
    let client = memo.client(info.as_ref(), &declared)?;
    Ok(Arrival {
        caller: around.caller,
        client,
        endpoint: around.endpoint,
        method,
        params: request.params,
        progress,
        log_level,
        session: None,
        param_headers: around.param_headers,
        bytes_in: around.bytes_in,
    })
}

/// -32601, with the method as sent, cut.
pub(super) fn unknown(method: &str) -> RpcError {
    let shown: String = method.chars().take(64).collect();
    RpcError::new(METHOD_NOT_FOUND, format!("no such method: `{shown}`"))
}

/// -32022. Only modern revisions are named: one with a handshake can't be retried in `_meta`.
fn unsupported(requested: &str) -> RpcError {
    let shown: String = requested.chars().take(64).collect();
    let data = format!(
        r#"{{"supported":[{}],"requested":{}}}"#,
        object::quote(Revision::V2026_07_28.as_str()),
        object::quote(&shown)
    );
    RpcError::new(UNSUPPORTED_VERSION, "unsupported protocol version").with_data(data)
}

/// The client that the last request of a connection described: most describe the same one again, and comparing is cheaper than reading.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    info: Option<Bytes>,
    declared: Bytes,
    client: Arc<Client>,
}

impl Memo {
    fn client(&self, info: Option<&Bytes>, declared: &Bytes) -> Result<Arc<Client>, RpcError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && known.info.as_ref() == info
            && known.declared == declared
        {
            return Ok(Arc::clone(&known.client));
        }
        // Copied, so that a client's description never keeps a whole body in memory.
        let info = info.map(|info| Bytes::copy_from_slice(info));
        let declared = Bytes::copy_from_slice(declared);
        let client = Arc::new(client(Revision::V2026_07_28, info.clone(), declared.clone())?);
        if declared.len() + info.as_ref().map_or(0, Bytes::len) <= MEMO_MAX {
            *known = Some(Known { info, declared, client: Arc::clone(&client) });
        }
        Ok(client)
    }
}

/// A client from its `clientInfo` and its capabilities, both JSON text.
pub(super) fn client(revision: Revision, info: Option<Bytes>, declared: Bytes) -> Result<Client, RpcError> {
    let declared = Object::scan(declared).map_err(|_| {
        RpcError::new(INVALID_PARAMS, "the client's capabilities must be an object").with_http(400)
    })?;
    let label = info.clone().and_then(|info| Object::scan(info).ok()).and_then(|info| label(&info));
    Ok(Client { revision, info, label, capabilities: Capabilities::read(declared, revision) })
}

fn label(info: &Object) -> Option<Arc<str>> {
    let name = info.string("name")?;
    let mut label = match info.string("version") {
        Some(version) => format!("{name}/{version}"),
        None => name.into_owned(),
    };
    let mut end = LABEL_MAX.min(label.len());
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    label.truncate(end);
    Some(label.into())
}

/// A legacy request's params as 2026-07-28 has them: without the members and the reserved `_meta` keys that only a modern agent may
/// send, and without `task` of 2025-11-25 unless the call asks for one (`tasked`).
pub(super) fn canonical(params: Object, tasked: bool) -> Object {
    let reserved = [VERSION, CAPABILITIES, CLIENT_INFO, LOG_LEVEL, SUBSCRIPTION];
    let members: &[&'static str] = if tasked {
        &["inputResponses", "requestState"]
    } else {
        &["inputResponses", "requestState", "task"]
    };
    let meta = params.object("_meta").filter(|meta| reserved.iter().any(|key| meta.find(key).is_some()));
    if meta.is_none() && members.iter().all(|key| params.find(key).is_none()) {
        return params;
    }
    let mut edit = params.edit();
    if let Some(meta) = &meta {
        let mut inner = meta.edit();
        for key in reserved {
            inner.remove(key);
        }
        edit.set("_meta", inner.finish());
    }
    for key in members {
        edit.remove(*key);
    }
    let text = edit.finish().into_bytes();
    Object::scan(text).unwrap_or_else(|_| Object::empty())
}

/// The params (or result) of a message on a listen stream, with `_meta` naming the subscription: the listen request's id, in its JSON type.
pub(super) fn stamp_subscription(text: Rope, id: &Id) -> Rope {
    let object = Object::scan(text.into_bytes()).unwrap_or_else(|_| Object::empty());
    let meta = object.object("_meta").unwrap_or_else(Object::empty);
    let mut inner = meta.edit();
    inner.set(SUBSCRIPTION, Rope::from(id.text().clone()));
    let mut edit = object.edit();
    edit.set("_meta", inner.finish());
    edit.finish()
}

/// A part as a modern agent gets it; `None` = it gets none.
pub(super) fn modern_notification(id: &Id, listen: bool, part: Part) -> Option<Rope> {
    let method = part.kind.method()?;
    let params = if listen { stamp_subscription(part.params, id) } else { part.params };
    Some(message::write_notification(method, params))
}

/// The same text without the subscription's id: legacy agents know none.
pub(super) fn strip_subscription(text: Rope) -> Rope {
    if text.is_empty() {
        return text;
    }
    let text = text.into_bytes();
    let Ok(object) = Object::scan(text.clone()) else { return text.into() };
    let Some(meta) = object.object("_meta").filter(|meta| meta.find(SUBSCRIPTION).is_some()) else {
        return text.into();
    };
    let mut edit = object.edit();
    if meta.members().len() == 1 {
        edit.remove("_meta");
    } else {
        let mut inner = meta.edit();
        inner.remove(SUBSCRIPTION);
        edit.set("_meta", inner.finish());
    }
    edit.finish()
}

/// 128 random bits. `None` if the machine has none to give: then nothing unguessable can be made.
pub(super) fn random() -> Option<[u8; 16]> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).ok()?;
    Some(bits)
}

/// A random identity as text.
pub(super) fn identity() -> Option<Arc<str>> {
    random().map(|bits| Arc::from(format!("{:032x}", u128::from_be_bytes(bits))))
}
