//! How the gateway introduces itself: `server/discover` and `initialize`.

use bytes::Bytes;

use crate::object::Object;
use crate::revision::Revision;
use crate::rope::{Rope, Weaver};

/// A `server/discover` result's own members: `supportedVersions`, `capabilities` (an object as advertised), `instructions`. The stamps
/// (`resultType`, cache hints, `serverInfo`) are put on by [`super::to_modern`].
pub fn discover_result(capabilities: &Object, instructions: Option<&str>, supported: &[Revision]) -> Object {
    let mut out = Weaver::new();
    out.text("{\"supportedVersions\":[");
    for (place, revision) in supported.iter().enumerate() {
        out.text(if place == 0 { "\"" } else { ",\"" }).text(revision.as_str()).text("\"");
    }
    out.text("],\"capabilities\":").bytes(capabilities.text().clone());
    if let Some(instructions) = instructions {
        out.text(",\"instructions\":").quoted(instructions);
    }
    out.text("}");
    Object::scan(out.finish().into_bytes()).unwrap_or_else(|_| Object::empty())
}

/// What an agent of 2025-11-25 is told where the Tasks extension is offered.
const TASKS: &str = r#"{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#;

/// Whether `server/discover`'s result offers the Tasks extension.
pub fn offers_tasks(discover: &Object) -> bool {
    let capabilities = discover.object("capabilities");
    let extensions = capabilities.and_then(|capabilities| capabilities.object("extensions"));
    extensions.is_some_and(|extensions| extensions.find(crate::capability::TASKS).is_some())
}

/// `initialize`'s result from `server/discover`'s: same capabilities (of `extensions` only the tasks, in 2025-11-25's own way),
/// `serverInfo`, `instructions`. `server_info` is a JSON object's text.
pub fn initialize_result(discover: &Object, revision: Revision, server_info: &Bytes) -> Rope {
    let mut out = Weaver::new();
    out.text("{\"protocolVersion\":\"").text(revision.as_str()).text("\",\"capabilities\":{");
    let capabilities = discover.object("capabilities").unwrap_or_else(Object::empty);
    let kept: &[&str] = match revision {
        Revision::V2024_11_05 => &["tools", "prompts", "resources", "logging", "experimental"],
        Revision::V2025_03_26 | Revision::V2025_06_18 | Revision::V2025_11_25 | Revision::V2026_07_28 => {
            &["tools", "prompts", "resources", "completions", "logging", "experimental"]
        }
    };
    let mut first = true;
    for key in kept {
        if let Some(value) = capabilities.get(key) {
            out.text(if std::mem::take(&mut first) { "" } else { "," }).quoted(key).text(":").bytes(value);
        }
    }
    if revision == Revision::V2025_11_25 && offers_tasks(discover) {
        out.text(if first { "" } else { "," }).quoted("tasks").text(":").text(TASKS);
    }
    out.text("},\"serverInfo\":").bytes(server_info.clone());
    if let Some(instructions) = discover.get("instructions") {
        out.text(",\"instructions\":").bytes(instructions);
    }
    out.text("}");
    out.finish()
}
