//! What the gateway says of itself at an endpoint: the union of what its servers can, and their instructions.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::capability::TASKS;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;
use tollgate_mcp::translate::{Answer, CacheHint, ResultType, discover_result};
use tollgate_policy::hidden::clean_json;

use crate::call::{Arrival, Ending, Endpoint};
use crate::catalog::Snapshot;
use crate::record::{Close, Outcome, Reply, unrecorded};
use crate::servers::Introduction;

use super::{Gate, held};

/// The most of one server's instructions that is passed on, in bytes.
const INSTRUCTIONS: usize = 8 * 1024;

impl Gate {
    pub(super) async fn discover(&self, arrival: Arrival) -> Reply {
        let snapshot = self.catalog.base_snapshot().await;
        let object = match &arrival.endpoint {
            Endpoint::Server(alias) => one(&snapshot, alias),
            Endpoint::Whole | Endpoint::View(_) => merged(&snapshot),
        };
        let object = if self.decider.policy().asks_operators() { held::declared(object) } else { object };
        // What servers say of themselves goes straight to the model.
        let cleaned = clean_json(object.text(), self.config.load().hidden);
        let object = cleaned.and_then(|text| Object::scan(text.into()).ok()).unwrap_or(object);
        let cache = Some(CacheHint { ttl_ms: 60_000, public: false });
        let ending = Ending::Answer(Answer { object, kind: ResultType::Complete, cache });
        match unrecorded(arrival.method, ending) {
            Ok(reply) => reply,
            Err(error) => self.begin(&arrival).close(Close::of(Outcome::Ok), *error.ending).await,
        }
    }
}

/// One server's own endpoint says what the server says.
fn one(snapshot: &Snapshot, alias: &Arc<str>) -> Object {
    let found = snapshot.introductions().find(|(server, _)| *server == alias);
    let Some((_, introduction)) = found else {
        return discover_result(&merged_capabilities(), None, &SUPPORTED);
    };
    let mut edit = introduction.capabilities.edit();
    match tasks(introduction) {
        Some(extensions) => edit.set("extensions", extensions),
        None => edit.remove("extensions"),
    };
    // Those of 2025-11-25 are offered as the Tasks extension.
    edit.remove("tasks");
    let capabilities = edit.object().unwrap_or_else(|_| Object::empty());
    discover_result(&capabilities, introduction.instructions.as_deref(), &SUPPORTED)
}

const MERGED: &str = r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"completions":{},"logging":{}}"#;

fn merged(snapshot: &Snapshot) -> Object {
    let mut instructions = String::new();
    let mut extensions = None;
    for (alias, introduction) in snapshot.introductions() {
        extensions = extensions.or_else(|| tasks(introduction));
        if let Some(text) = &introduction.instructions {
            let cut = text
                .char_indices()
                .map(|(at, c)| at + c.len_utf8())
                .take_while(|at| *at <= INSTRUCTIONS)
                .last();
            let text = text.get(..cut.unwrap_or(0)).unwrap_or_default();
            write!(instructions, "## {alias}\n{text}\n\n").unwrap_or_default();
        }
    }
    let mut capabilities = merged_capabilities();
    if let Some(extensions) = extensions {
        let mut edit = capabilities.edit();
        edit.set("extensions", extensions);
        capabilities = edit.object().unwrap_or_else(|_| Object::empty());
    }
    discover_result(&capabilities, (!instructions.is_empty()).then(|| instructions.trim_end()), &SUPPORTED)
}

fn merged_capabilities() -> Object {
    Object::scan(Bytes::from_static(MERGED.as_bytes())).unwrap_or_else(|_| Object::empty())
}

/// Every revision is spoken; the legacy ones begin with `initialize`.
const SUPPORTED: [Revision; 5] = [
    Revision::V2026_07_28,
    Revision::V2025_11_25,
    Revision::V2025_06_18,
    Revision::V2025_03_26,
    Revision::V2024_11_05,
];

/// The `extensions` that we carry end to end, of those that a server declares, or has in its era's way. It has no settings.
fn tasks(introduction: &Introduction) -> Option<Bytes> {
    introduction.tasks().map(|_| Bytes::from(format!("{{\"{TASKS}\":{{}}}}")))
}
