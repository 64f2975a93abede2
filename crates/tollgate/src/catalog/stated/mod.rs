//! The stated reason's place in a tool's schema: a property of ours that agents fill in and servers never see. *Never* part of what
//! a definition is pinned by, and never in the way of a property that the server has under that name.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::object::{Object, elements, quote};

use crate::config::{Config, Stated};

use super::item::Item;

/// The property's name.
pub const REASON: &str = "tollgate_reason";

/// As agents read it.
const PROPERTY: &str = r#"{"type":"string","description":"one sentence: why this call is needed"}"#;
/// Schemas that are applied to the same value, one beside the other. Deeper and more of them are left as they are: then the property
/// is told of, and a strict client may still refuse it.
const DEPTH: usize = 16;
const SCHEMAS: usize = 256;
/// Where a schema keeps others that `$ref` names.
const SHELVES: [&str; 2] = ["$defs", "definitions"];

/// Lets the tools that the configuration names ask for a reason. Once for a snapshot.
pub(super) fn ask(tools: &mut [Arc<Item>], config: &Config) {
    if config.reason.is_empty() {
        return;
    }
    for tool in tools {
        if let Some(asking) = tool.asking(config) {
            *tool = Arc::new(asking);
        }
    }
}

/// Whether a tool has a property of that name itself.
pub fn has_own(item: &Item) -> bool {
    let schema = item.schema("inputSchema").and_then(|schema| Object::scan(schema).ok());
    schema.is_some_and(|schema| Opening::of(&schema).1)
}

/// A tool's schema with the property; `None` = it is no schema of an object, or has one of that name.
pub(super) fn with_reason(schema: Option<Bytes>, stated: Stated) -> Option<Bytes> {
    let schema = match schema {
        Some(schema) => Object::scan(schema).ok()?,
        None => Object::scan(Bytes::from_static(br#"{"type":"object"}"#)).ok()?,
    };
    let (opened, own) = Opening::of(&schema);
    let opened = Object::scan(opened).ok().filter(|_| !own)?;
    let mut edit = opened.edit();
    edit.set("properties", with_property(&opened, PROPERTY)?);
    if stated == Stated::Required {
        let mut required = match opened.get("required") {
            Some(names) => elements(&names).ok()?,
            None => Vec::new(),
        };
        required.push(Bytes::from(quote(REASON)));
        edit.set("required", listed(&required));
    }
    Some(edit.finish().into_bytes())
}

/// A schema's `properties` with the one more; `None` = they are no object, or have it.
fn with_property(schema: &Object, property: &'static str) -> Option<Bytes> {
    let properties = match schema.find("properties") {
        Some(_) => schema.object("properties")?,
        None => Object::empty(),
    };
    if properties.find(REASON).is_some() {
        return None;
    }
    let mut edit = properties.edit();
    edit.set(REASON, Bytes::from_static(property.as_bytes()));
    Some(edit.finish().into_bytes())
}

/// Opens what would refuse one more property, wherever it is applied to the arguments themselves.
#[derive(Debug)]
struct Opening {
    /// How many more schemas are looked into.
    left: usize,
    /// What `$ref` applies to the arguments: the shelf and the name on it.
    shelved: Vec<(&'static str, String)>,
    /// One of them has the property.
    own: bool,
}

impl Opening {
    /// The whole schema, opened, and whether it has the property itself.
    fn of(root: &Object) -> (Bytes, bool) {
        let mut opening = Self { left: SCHEMAS, shelved: Vec::new(), own: false };
        let text = opening.schema(root, DEPTH);
        let kept = SHELVES.map(|shelf| root.object(shelf));
        let mut opened: Vec<(&'static str, String, Bytes)> = Vec::new();
        let mut at = 0;
        // Opening one may name further ones.
        while let Some((shelf, name)) = opening.shelved.get(at).cloned() {
            at += 1;
            let place = SHELVES.iter().position(|other| *other == shelf).and_then(|n| kept.get(n));
            if let Some(schema) = place.and_then(|kept| kept.as_ref()?.object(&name)) {
                let text = opening.closed(&schema, DEPTH);
                opened.push((shelf, name, text));
            }
        }
        let Some(whole) = Object::scan(text.clone()).ok().filter(|_| !opened.is_empty()) else {
            return (text, opening.own);
        };
        let mut edit = whole.edit();
        for (shelf, kept) in SHELVES.into_iter().zip(&kept) {
            let Some(kept) = kept else { continue };
            let mut inner = kept.edit();
            for (_, name, text) in opened.iter().filter(|(on, ..)| *on == shelf) {
                inner.set(name.clone(), text.clone());
            }
            edit.set(shelf, inner.finish());
        }
        (edit.finish().into_bytes(), opening.own)
    }

    /// A schema that is applied to the arguments beside others: as `schema`, and its own properties know ours where it allows no others.
    fn closed(&mut self, schema: &Object, depth: usize) -> Bytes {
        let text = self.schema(schema, depth);
        let closes = ["additionalProperties", "unevaluatedProperties"]
            .iter()
            .any(|key| schema.slice(key).is_some_and(|value| value != b"true" && value != b"{}"));
        let Some(opened) = Some(&text).filter(|_| closes).and_then(|text| Object::scan(text.clone()).ok())
        else {
            return text;
        };
        let Some(properties) = with_property(&opened, "{}") else { return text };
        let mut edit = opened.edit();
        edit.set("properties", properties);
        edit.finish().into_bytes()
    }

    /// A schema whose rules on names and numbers of properties leave room, and those that it applies to the same value.
    fn schema(&mut self, schema: &Object, depth: usize) -> Bytes {
        if depth == 0 || self.left == 0 {
            return schema.text().clone();
        }
        self.left -= 1;
        self.own |= schema.object("properties").is_some_and(|properties| properties.find(REASON).is_some());
        let mut edit = schema.edit();
        if let Some(names) = schema.get("propertyNames") {
            edit.set("propertyNames", either(&names, &format!("{{\"const\":{}}}", quote(REASON))));
        }
        if let Some(most) = schema.slice("maxProperties").and_then(|most| std::str::from_utf8(most).ok())
            && let Ok(most) = most.parse::<u64>()
        {
            edit.set("maxProperties", Bytes::from(most.saturating_add(1).to_string()));
        }
        if let Some(patterns) = schema.object("patternProperties") {
            let mut inner = patterns.edit();
            for member in patterns.members() {
                let pattern = patterns.key(member).into_owned();
                if may_match(&pattern) {
                    inner.set(pattern, either(&patterns.value(member), r#"{"type":"string"}"#));
                }
            }
            edit.set("patternProperties", inner.finish());
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            let Some(parts) = schema.get(key).and_then(|parts| elements(&parts).ok()) else { continue };
            let parts: Vec<Bytes> = parts.into_iter().map(|part| self.beside(part, depth)).collect();
            edit.set(key, listed(&parts));
        }
        for key in ["if", "then", "else"] {
            if let Some(part) = schema.get(key) {
                edit.set(key, self.beside(part, depth));
            }
        }
        if let Some(parts) = schema.object("dependentSchemas") {
            let mut inner = parts.edit();
            for member in parts.members() {
                inner.set(parts.key(member).into_owned(), self.beside(parts.value(member), depth));
            }
            edit.set("dependentSchemas", inner.finish());
        }
        if let Some(reference) = schema.string("$ref") {
            self.shelve(&reference);
        }
        edit.finish().into_bytes()
    }

    fn beside(&mut self, part: Bytes, depth: usize) -> Bytes {
        match Object::scan(part.clone()) {
            Ok(schema) => self.closed(&schema, depth - 1),
            // `true` and `false` are schemas too.
            Err(_) => part,
        }
    }

    /// Notes that a kept schema is applied to the arguments.
    fn shelve(&mut self, reference: &str) {
        for shelf in SHELVES {
            let name = reference.strip_prefix("#/").and_then(|r| r.strip_prefix(shelf)?.strip_prefix('/'));
            let Some(name) = name else { continue };
            let name = name.replace("~1", "/").replace("~0", "~");
            let known = self.shelved.iter().any(|(on, other)| *on == shelf && *other == name);
            if !known && self.shelved.len() < SCHEMAS {
                self.shelved.push((shelf, name));
            }
        }
    }
}

/// Whether a pattern could be one of our property's name. A yes costs nothing but a schema that says a little less.
fn may_match(pattern: &str) -> bool {
    let first = pattern.strip_prefix('^').and_then(|rest| rest.chars().next());
    let other =
        first.is_some_and(|first| (first.is_alphanumeric() || first == '_') && !REASON.starts_with(first));
    !other || pattern.contains(['|', '?', '*', '{'])
}

fn either(one: &Bytes, other: &str) -> Bytes {
    listed_in("{\"anyOf\":[", &[one.clone(), Bytes::from(other.to_owned())], "]}")
}

fn listed(parts: &[Bytes]) -> Bytes {
    listed_in("[", parts, "]")
}

fn listed_in(before: &str, parts: &[Bytes], after: &str) -> Bytes {
    let mut text = before.as_bytes().to_vec();
    text.extend_from_slice(&parts.join(&b","[..]));
    text.extend_from_slice(after.as_bytes());
    Bytes::from(text)
}

#[cfg(test)]
mod tests;
