//! Content that an older revision doesn't have (`protocol.md` §3.8).

use bytes::Bytes;

use crate::method::{Kind, Method};
use crate::object::{Edit, Object, items, objects, quote};
use crate::revision::Revision;
use crate::rope::{Rope, Weaver};

/// Downgrades a result's content for a legacy agent.
pub(super) fn downgrade(result: &Object, method: Method, revision: Revision, edit: &mut Edit<'_>) {
    let key = match method.kind() {
        Kind::Tool => "content",
        Kind::Prompt => "messages",
        Kind::Discover
        | Kind::List(_)
        | Kind::Resource
        | Kind::Completion
        | Kind::Task
        | Kind::Listen
        | Kind::Edge => return,
    };
    let array = result.get(key);
    let mut changed = match (&array, method) {
        _ if !lacks_blocks(revision) => None,
        (Some(array), Method::ToolsCall) => map_objects(array, |item| block(item, revision)),
        (Some(array), _) => map_objects(array, |item| message(item, revision)),
        (None, _) => None,
    };
    if method == Method::ToolsCall && loses_structure(result, revision) {
        edit.remove("structuredContent");
        if let Some(json) = result.get("structuredContent") {
            let now = changed.clone().map(Rope::into_bytes).or(array);
            if let Some(with_text) = with_text(now.as_ref(), &json) {
                changed = Some(with_text);
            }
        }
    }
    if let Some(changed) = changed {
        edit.set(key, changed);
    }
}

/// A content block for `revision`, if it must change.
pub(super) fn block(block: &Object, revision: Revision) -> Option<Rope> {
    let (links, sounds) = match revision {
        Revision::V2024_11_05 => (false, false),
        Revision::V2025_03_26 => (false, true),
        Revision::V2025_06_18 | Revision::V2025_11_25 | Revision::V2026_07_28 => return None,
    };
    let text = match block.string("type")?.as_ref() {
        "resource_link" if !links => {
            let uri = block.string("uri")?;
            match block.string("name") {
                Some(name) if !name.is_empty() => format!("{name}: {uri}"),
                _ => uri.into_owned(),
            }
        }
        "audio" if !sounds => {
            let kind = block.string("mimeType").unwrap_or_default();
            format!("[audio left out: {revision} has no audio content; type `{kind}`]")
        }
        _ => return None,
    };
    Some(text_block(&text).into())
}

/// An array's text with `change` made to those of its elements that are objects; `None` if none changes, or it is no array.
pub(super) fn map_objects(array: &Bytes, change: impl Fn(&Object) -> Option<Rope>) -> Option<Rope> {
    let mut out: Option<Weaver> = None;
    let mut written = 0;
    for element in objects(array) {
        let (span, object) = element.ok()?;
        if let Some(changed) = object.as_ref().and_then(&change) {
            let out = out.get_or_insert_with(Weaver::new);
            out.bytes(array.slice(written..span.start)).rope(changed);
            written = span.end;
        }
    }
    out.map(|mut out| {
        out.bytes(array.slice(written..));
        out.finish()
    })
}

/// An array being written.
pub(super) struct Array {
    out: Weaver,
    any: bool,
}

impl Array {
    pub(super) fn new() -> Self {
        let mut out = Weaver::new();
        out.text("[");
        Self { out, any: false }
    }

    pub(super) fn push(&mut self, item: impl Into<Rope>) {
        if std::mem::replace(&mut self.any, true) {
            self.out.text(",");
        }
        self.out.rope(item.into());
    }

    pub(super) fn finish(mut self) -> Rope {
        self.out.text("]");
        self.out.finish()
    }
}

fn lacks_blocks(revision: Revision) -> bool {
    match revision {
        Revision::V2024_11_05 | Revision::V2025_03_26 => true,
        Revision::V2025_06_18 | Revision::V2025_11_25 | Revision::V2026_07_28 => false,
    }
}

/// A prompt's message; its content is one block.
fn message(message: &Object, revision: Revision) -> Option<Rope> {
    let changed = block(&message.object("content")?, revision)?;
    let mut edit = message.edit();
    edit.set("content", changed);
    Some(edit.finish())
}

/// Up to 2025-03-26 there is no structured content; up to 2025-11-25 it is an object.
fn loses_structure(result: &Object, revision: Revision) -> bool {
    let Some(content) = result.slice("structuredContent") else {
        return false;
    };
    match revision {
        Revision::V2024_11_05 | Revision::V2025_03_26 => true,
        Revision::V2025_06_18 | Revision::V2025_11_25 => content.first() != Some(&b'{'),
        Revision::V2026_07_28 => false,
    }
}

/// The content with `json` as a text block, if there is no text block yet.
fn with_text(content: Option<&Bytes>, json: &Bytes) -> Option<Rope> {
    let mut blocks = Array::new();
    for item in content.into_iter().flat_map(items).map_while(Result::ok) {
        let is_text =
            Object::scan(item.clone()).is_ok_and(|block| block.string("type").as_deref() == Some("text"));
        if is_text {
            return None;
        }
        blocks.push(item);
    }
    blocks.push(text_block(&String::from_utf8_lossy(json)));
    Some(blocks.finish())
}

fn text_block(text: &str) -> String {
    format!("{{\"type\":\"text\",\"text\":{}}}", quote(text))
}
