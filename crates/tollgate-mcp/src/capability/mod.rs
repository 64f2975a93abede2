//! What a client declares: parsed, compared, translated between eras. *Never* declares what the gateway cannot carry.

use bytes::Bytes;

use crate::object::Object;
use crate::revision::Revision;

#[cfg(test)]
mod tests;

/// The Tasks extension's key.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A client's declared capabilities, in canonical (modern) shape, with what we act on read out.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one declaration of the protocol")]
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
    /// The Tasks extension `io.modelcontextprotocol/tasks` (2026-07-28); of a 2025-11-25 client, that this request asks for a task.
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

    /// Reads what a client of `revision` declared. What that revision does not have counts as not declared.
    pub fn read(declared: Object, revision: Revision) -> Self {
        let (elicits, modes, modern) = match revision {
            Revision::V2024_11_05 | Revision::V2025_03_26 => (false, false, false),
            Revision::V2025_06_18 => (true, false, false),
            Revision::V2025_11_25 => (true, true, false),
            Revision::V2026_07_28 => (true, true, true),
        };
        let elicitation = declared.object("elicitation").filter(|_| elicits);
        let url = modes && elicitation.as_ref().is_some_and(|it| it.object("url").is_some());
        // `{}` means form; beside `url`, form must be named.
        let form = elicitation.is_some_and(|it| !url || it.object("form").is_some());
        let sampling = declared.object("sampling");
        let samples = |what: &str| modes && sampling.as_ref().is_some_and(|it| it.object(what).is_some());
        let roots = declared.object("roots");
        Self {
            form,
            url,
            sampling: sampling.is_some(),
            sampling_tools: samples("tools"),
            sampling_context: samples("context"),
            roots: roots.is_some(),
            roots_list_changed: !modern
                && roots.is_some_and(|it| it.slice("listChanged") == Some(b"true".as_slice())),
            tasks: modern && tasks_value(&declared).is_some(),
            object: declared,
        }
    }

    /// The same of a 2025-11-25 client whose request asks for a task, or is about one.
    #[must_use]
    pub fn with_tasks(&self) -> Self {
        Self { tasks: true, ..self.clone() }
    }

    /// Whether a server may ask this client anything at all.
    pub fn interactive(&self) -> bool {
        self.form || self.url || self.sampling || self.roots
    }

    /// What to declare to a server of `server`'s revision on behalf of this client (`protocol.md` §3.5): a JSON object's text. Only what
    /// the gateway can carry there; unknown extensions are left out. Equal bytes mean equal declarations: it serves as the pool's fingerprint.
    pub fn declare(&self, server: Revision) -> Bytes {
        let (elicitation, sampling) = match server {
            Revision::V2024_11_05 | Revision::V2025_03_26 => (None, self.sampling.then_some("{}")),
            Revision::V2025_06_18 => (self.form.then_some("{}"), self.sampling.then_some("{}")),
            Revision::V2025_11_25 | Revision::V2026_07_28 => (self.elicitation(), self.sampling()),
        };
        let modern = server == Revision::V2026_07_28;
        let roots = match (self.roots, self.roots_list_changed && !modern) {
            (true, true) => Some("{\"listChanged\":true}"),
            (true, false) => Some("{}"),
            (false, _) => None,
        };
        let settings = || tasks_value(&self.object).unwrap_or_else(|| Bytes::from_static(b"{}"));
        let tasks = (self.tasks && modern).then(settings);
        let mut text = String::new();
        for (key, value) in [("elicitation", elicitation), ("sampling", sampling), ("roots", roots)] {
            if let Some(value) = value {
                text.push_str(if text.is_empty() { "{\"" } else { ",\"" });
                text.push_str(key);
                text.push_str("\":");
                text.push_str(value);
            }
        }
        if let Some(tasks) = tasks.as_ref().and_then(|tasks| std::str::from_utf8(tasks).ok()) {
            text.push_str(if text.is_empty() { "{" } else { "," });
            text.push_str("\"extensions\":{\"");
            text.push_str(TASKS);
            text.push_str("\":");
            text.push_str(tasks);
            text.push('}');
        }
        if text.is_empty() {
            return Bytes::from_static(b"{}");
        }
        text.push('}');
        text.into()
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
        match method {
            "elicitation/create" => match (params.find("mode").is_some(), params.string("mode").as_deref()) {
                (false, _) | (true, Some("form")) => self.form,
                (true, Some("url")) => self.url,
                (true, _) => false,
            },
            "sampling/createMessage" => {
                let with_tools = params.find("tools").is_some() || params.find("toolChoice").is_some();
                self.sampling && (self.sampling_tools || !with_tools)
            }
            "roots/list" => self.roots,
            _ => false,
        }
    }

    fn elicitation(&self) -> Option<&'static str> {
        match (self.form, self.url) {
            (true, true) => Some("{\"form\":{},\"url\":{}}"),
            // The short form is what every server reads alike.
            (true, false) => Some("{}"),
            (false, true) => Some("{\"url\":{}}"),
            (false, false) => None,
        }
    }

    fn sampling(&self) -> Option<&'static str> {
        match (self.sampling, self.sampling_tools, self.sampling_context) {
            (false, _, _) => None,
            (true, false, false) => Some("{}"),
            (true, true, false) => Some("{\"tools\":{}}"),
            (true, false, true) => Some("{\"context\":{}}"),
            (true, true, true) => Some("{\"tools\":{},\"context\":{}}"),
        }
    }
}

/// The value that the Tasks extension was declared with, an object's text.
fn tasks_value(declared: &Object) -> Option<Bytes> {
    let tasks = declared.object("extensions")?.object(TASKS)?;
    Some(tasks.text().clone())
}
