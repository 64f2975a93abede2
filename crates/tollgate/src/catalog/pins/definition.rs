//! What of a tool's listing is pinned, in one spelling: the order of keys, white space and escapes don't count, everything else does.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tollgate_mcp::object::{Object, elements, quote, unquote};

/// The members that say what a tool is; a title is read by models and humans like a description.
const PINNED: [&str; 6] = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"];

/// The members of prompts, resources and templates that models read.
const DESCRIBED: [&str; 4] = ["name", "title", "description", "arguments"];

/// Deeper values are taken as they are written.
const DEPTH_MAX: usize = 64;

/// A tool's definition in its one spelling: a JSON object's text.
pub(in crate::catalog) fn canonical(tool: &Object) -> String {
    spelt(tool, &PINNED)
}

/// What a prompt, a resource or a template says of itself, likewise.
pub(in crate::catalog) fn described(item: &Object) -> String {
    spelt(item, &DESCRIBED)
}

fn spelt(tool: &Object, members: &[&str]) -> String {
    let mut out = String::from("{");
    for wanted in members {
        // A key that comes twice is kept twice: readers differ in which one counts.
        for member in tool.members().iter().filter(|member| tool.is_key(member, wanted)) {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&quote(wanted));
            out.push(':');
            write(&tool.value(member), 0, &mut out);
        }
    }
    out.push('}');
    out
}

/// Its SHA-256.
pub(in crate::catalog) fn digest(canonical: &str) -> [u8; 32] {
    Sha256::digest(canonical).into()
}

fn write(value: &Bytes, depth: usize, out: &mut String) {
    let raw = |out: &mut String| out.push_str(&String::from_utf8_lossy(value));
    match value.first() {
        Some(b'{') if depth < DEPTH_MAX => match Object::scan(value.clone()) {
            Ok(object) => {
                let mut members: Vec<_> =
                    object.members().iter().map(|m| (object.key(m).into_owned(), object.value(m))).collect();
                members.sort_by(|a, b| a.0.cmp(&b.0));
                out.push('{');
                for (place, (key, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    out.push_str(&quote(key));
                    out.push(':');
                    write(value, depth + 1, out);
                }
                out.push('}');
            }
            Err(_) => raw(out),
        },
        Some(b'[') if depth < DEPTH_MAX => match elements(value) {
            Ok(elements) => {
                out.push('[');
                for (place, element) in elements.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    write(element, depth + 1, out);
                }
                out.push(']');
            }
            Err(_) => raw(out),
        },
        Some(b'"') => match unquote(value) {
            Some(text) => out.push_str(&quote(&text)),
            None => raw(out),
        },
        _ => raw(out),
    }
}
