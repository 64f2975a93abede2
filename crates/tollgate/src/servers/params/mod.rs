//! The params as a server gets them: hop-owned `_meta` keys stripped and stamped anew, all else as it came.
//! *Never* changes an argument: what was decided is what is sent.

use bytes::Bytes;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote, unquote};
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::rope::Rope;

use crate::call::{Client, LogLevel};

#[cfg(test)]
mod tests;

/// The prefix of the protocol's own `_meta` keys.
const OWN: &str = "io.modelcontextprotocol/";

/// Our own introduction, where no agent's program stands behind a request.
pub(super) const SELF: &str =
    concat!(r#"{"name":"tollgate","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);

/// What is stamped onto one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp<'a> {
    /// The server's revision.
    pub(super) revision: Revision,
    /// Whose program it is for.
    pub(super) client: &'a Client,
    /// Whether the program's capabilities are declared (else none are).
    pub(super) declare: bool,
    /// Our progress token.
    pub(super) progress: Option<u64>,
    /// The wanted log level.
    pub(super) log_level: Option<LogLevel>,
}

/// The params' text for the server.
pub(super) fn outbound(method: Method, params: &Object, stamp: Stamp<'_>) -> Rope {
    let meta = params.object("_meta");
    let mut edit = params.edit();
    match stamp.revision.era() {
        Era::Modern => {
            edit.set("_meta", modern(meta.as_ref(), stamp));
        }
        Era::Legacy => match legacy(meta.as_ref(), stamp.progress) {
            Legacy::AsItWas => {}
            Legacy::Gone => {
                edit.remove("_meta");
            }
            Legacy::Changed(text) => {
                edit.set("_meta", text);
            }
        },
    }
    // `context` came with 2025-06-18.
    if method == Method::Complete && stamp.revision <= Revision::V2025_03_26 {
        edit.remove("context");
    }
    edit.finish()
}

fn modern(meta: Option<&Object>, stamp: Stamp<'_>) -> Bytes {
    let mut out = Members::new();
    out.put(r#""io.modelcontextprotocol/protocolVersion""#, quote(stamp.revision.as_str()).as_bytes());
    out.put(
        r#""io.modelcontextprotocol/clientInfo""#,
        stamp.client.info.as_deref().unwrap_or(SELF.as_bytes()),
    );
    let nothing = || Bytes::from_static(b"{}");
    let declared = stamp.declare.then(|| declared(&stamp.client.capabilities, stamp.revision));
    out.put(r#""io.modelcontextprotocol/clientCapabilities""#, &declared.unwrap_or_else(nothing));
    if let Some(level) = stamp.log_level {
        out.put(r#""io.modelcontextprotocol/logLevel""#, quote(level.as_str()).as_bytes());
    }
    if let Some(token) = stamp.progress {
        out.put(r#""progressToken""#, token.to_string().as_bytes());
    }
    out.keep(meta);
    out.finish()
}

enum Legacy {
    AsItWas,
    Gone,
    Changed(Bytes),
}

fn legacy(meta: Option<&Object>, progress: Option<u64>) -> Legacy {
    let owned = meta.is_some_and(|meta| keys(meta).any(|(key, _)| !kept(key)));
    if !owned && progress.is_none() {
        return Legacy::AsItWas;
    }
    let mut out = Members::new();
    if let Some(token) = progress {
        out.put(r#""progressToken""#, token.to_string().as_bytes());
    }
    out.keep(meta);
    if out.empty() { Legacy::Gone } else { Legacy::Changed(out.finish()) }
}

/// What is declared to a server of `revision`, without asking the translator for the common case.
pub(super) fn declared(capabilities: &Capabilities, revision: Revision) -> Bytes {
    if capabilities.interactive() || capabilities.tasks {
        return capabilities.declare(revision);
    }
    Bytes::from_static(b"{}")
}

/// The raw keys (with quotes) and values of an object.
fn keys(object: &Object) -> impl Iterator<Item = (&[u8], &[u8])> {
    let text = object.text();
    object
        .members()
        .iter()
        .filter_map(move |member| Some((text.get(member.key.clone())?, text.get(member.value.clone())?)))
}

fn kept(key: &[u8]) -> bool {
    unquote(key).is_some_and(|key| !key.starts_with(OWN) && key != "progressToken")
}

/// Writes one object.
struct Members(Vec<u8>);

impl Members {
    fn new() -> Self {
        let mut text = Vec::with_capacity(320);
        text.push(b'{');
        Self(text)
    }

    fn put(&mut self, key: &str, value: &[u8]) {
        self.raw(key.as_bytes(), value);
    }

    fn raw(&mut self, key: &[u8], value: &[u8]) {
        if !self.empty() {
            self.0.push(b',');
        }
        self.0.extend_from_slice(key);
        self.0.push(b':');
        self.0.extend_from_slice(value);
    }

    fn keep(&mut self, meta: Option<&Object>) {
        if let Some(meta) = meta {
            for (key, value) in keys(meta).filter(|(key, _)| kept(key)) {
                self.raw(key, value);
            }
        }
    }

    fn empty(&self) -> bool {
        self.0.len() == 1
    }

    fn finish(mut self) -> Bytes {
        self.0.push(b'}');
        Bytes::from(self.0)
    }
}
