//! A schema without its `x-mcp-header` marks: for tools whose marks are invalid, which an HTTP client would have to leave out.

use bytes::Bytes;

use crate::object::{Object, elements};
use crate::rope::Rope;

/// The annotation's key.
const MARK: &str = "x-mcp-header";

/// How deep a schema is looked into; requests and lists are not deeper.
const DEPTH_MAX: usize = 64;

/// The schema's text without any mark; all else as it was. `None` if it has none, or is no object.
pub fn without_marks(schema: &Bytes) -> Option<Bytes> {
    memchr::memmem::find(schema, MARK.as_bytes())?;
    strip(schema, Kind::Schema, DEPTH_MAX).map(Rope::into_bytes)
}

/// What a value is.
#[derive(Clone, Copy)]
enum Kind {
    Schema,
    /// Schemas by name: a name is no annotation.
    Named,
}

fn strip(text: &Bytes, kind: Kind, depth: usize) -> Option<Rope> {
    let depth = depth.checked_sub(1)?;
    if text.first() == Some(&b'[') {
        let parts = elements(text).ok()?;
        let stripped: Vec<_> = parts.iter().map(|part| strip(part, Kind::Schema, depth)).collect();
        if stripped.iter().all(Option::is_none) {
            return None;
        }
        let mut out = Rope::from(Bytes::from_static(b"["));
        for (place, (part, stripped)) in parts.iter().zip(stripped).enumerate() {
            if place > 0 {
                out.push(Bytes::from_static(b","));
            }
            out.append(stripped.unwrap_or_else(|| part.clone().into()));
        }
        out.push(Bytes::from_static(b"]"));
        return Some(out);
    }
    let object = Object::scan(text.clone()).ok()?;
    let mut edit = object.edit();
    let mut changed = false;
    for member in object.members() {
        let key = object.key(member);
        let inner = match (kind, key.as_ref()) {
            (Kind::Schema, MARK) => {
                edit.remove(MARK);
                changed = true;
                continue;
            }
            // Values, not schemas.
            (Kind::Schema, "enum" | "const" | "default" | "examples") => continue,
            (
                Kind::Schema,
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
            ) => Kind::Named,
            (Kind::Schema | Kind::Named, _) => Kind::Schema,
        };
        if let Some(value) = strip(&object.value(member), inner, depth) {
            edit.set(key.clone().into_owned(), value);
            changed = true;
        }
    }
    changed.then(|| edit.finish())
}
