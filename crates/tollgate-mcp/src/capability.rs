//! What a client declares: parsed, compared, translated between eras.

use bytes::Bytes;

use crate::object::Object;
use crate::revision::Revision;

/// A client's declared capabilities, in canonical (modern) shape, with what we act on read out.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// The declared object as sent (legacy: as sent in `initialize`).
    pub object: Object,
    /// Form elicitation: `{}` or `{form}` (2025-06-18 on).
    pub form: bool,
    /// Url elicitation.
    pub url: bool,
    /// Sampling.
    pub sampling: bool,
    /// Sampling with tools.
    pub sampling_tools: bool,
    /// Sampling with context.
    pub sampling_context: bool,
    /// Roots.
    pub roots: bool,
    /// Roots with `listChanged` (legacy clients only).
    pub roots_list_changed: bool,
    /// The Tasks extension `io.modelcontextprotocol/tasks` (2026-07-28).
    pub tasks: bool,
}

impl Capabilities {
    /// Nothing declared.
    pub fn none() -> Self {
        Self {
            object: Object::empty(),
            form: false,
            url: false,
            sampling: false,
            sampling_tools: false,
            sampling_context: false,
            roots: false,
            roots_list_changed: false,
            tasks: false,
        }
    }

    /// Reads what a client of `revision` declared.
    pub fn read(declared: Object, revision: Revision) -> Self {
        let _ = (declared, revision);
        todo!("Capabilities::read")
    }

    /// Whether a server may ask this client anything at all.
    pub fn interactive(&self) -> bool {
        self.form || self.url || self.sampling || self.roots
    }

    /// What to declare to a server of `server`'s revision on behalf of this client (`protocol.md` §3.5): a JSON object's text. Only what
    /// the gateway can carry there; unknown extensions are left out. Equal bytes mean equal declarations: it serves as the pool's fingerprint.
    pub fn declare(&self, server: Revision) -> Bytes {
        let _ = server;
        todo!("Capabilities::declare")
    }

    /// A key that does not depend on a server's revision: equal for clients that declare the same things to act on.
    pub fn fingerprint(&self) -> u16 {
        [
            self.form,
            self.url,
            self.sampling,
            self.sampling_tools,
            self.sampling_context,
            self.roots,
            self.roots_list_changed,
            self.tasks,
        ]
        .into_iter()
        .enumerate()
        .fold(0, |key, (bit, set)| key | (u16::from(set) << bit))
    }

    /// Whether the server's question `method` with `params` may be put to this client.
    pub fn allows(&self, method: &str, params: &Object) -> bool {
        let _ = (method, params);
        todo!("Capabilities::allows")
    }
}
