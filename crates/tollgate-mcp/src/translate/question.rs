//! What a server asks an agent, and what the agent answers.

use bytes::Bytes;

use super::content::{self, Array};
use super::meta;
use crate::meta::{PROGRESS_TOKEN, RELATED_TASK};
use crate::object::{Edit, Object, items};
use crate::revision::Revision;
use crate::rope::{Rope, Weaver};

const ELICIT: &str = "elicitation/create";
const SAMPLE: &str = "sampling/createMessage";

/// What belongs to the hop that the question came over, or to legacy tasks.
const NOT_OURS: &[&str] = &[
    PROGRESS_TOKEN,
    RELATED_TASK,
    crate::meta::SERVER_INFO,
    crate::meta::SUBSCRIPTION_ID,
    crate::meta::PROTOCOL_VERSION,
    crate::meta::CLIENT_CAPABILITIES,
    crate::meta::CLIENT_INFO,
    crate::meta::LOG_LEVEL,
];

/// A server's question (`elicitation/create`, `sampling/createMessage`, `roots/list`): its params as the canonical `inputRequests` entry
/// holds them (`to` 2026-07-28), or as an agent of a legacy revision gets them. `task`, and the `_meta` keys of the hop, go everywhere.
///
/// Elicitation: `elicitationId` goes for 2026-07-28; for 2025-06-18 `mode`, `$schema` and defaults go and titled enums become
/// `enumNames`. Sampling: `includeContext` goes (behind a gateway "this server" would be all servers); up to 2025-06-18 a message has one
/// content block, in 2024-11-05 no audio. Whether an agent of that revision can be asked at all, [`askable`] says.
pub fn question(method: &str, params: &Object, to: Revision) -> Rope {
    let mut edit = params.edit();
    edit.remove("task");
    meta::strip(params, NOT_OURS, &mut edit);
    match method {
        ELICIT => elicit(params, to, &mut edit),
        SAMPLE => sample(params, to, &mut edit),
        _ => {}
    }
    edit.finish()
}

/// Whether `revision` has the means to ask this: elicitation from 2025-06-18, its url mode and multiple choice from 2025-11-25, sampling
/// with tools from 2025-11-25. An unaskable form is answered with `decline`. Whether *this* agent declared it,
/// [`crate::capability::Capabilities::allows`] says.
pub fn askable(method: &str, params: &Object, revision: Revision) -> bool {
    match (method, revision) {
        (ELICIT, Revision::V2024_11_05 | Revision::V2025_03_26) => false,
        (ELICIT, Revision::V2025_06_18) => {
            params.find("mode").is_none_or(|_| params.string("mode").as_deref() == Some("form"))
                && !has_multiple_choice(params)
        }
        (SAMPLE, Revision::V2024_11_05 | Revision::V2025_03_26 | Revision::V2025_06_18) => {
            params.find("tools").is_none() && params.find("toolChoice").is_none()
        }
        (ELICIT | SAMPLE, Revision::V2025_11_25 | Revision::V2026_07_28) | ("roots/list", _) => true,
        _ => false,
    }
}

/// An agent's answer to a question, as a server of `server`'s revision gets it: without `resultType` and hop-owned `_meta` keys; up to
/// 2025-06-18 a sampled message has one content block, the first.
pub fn answer_to_server(method: &str, result: &Object, server: Revision) -> Rope {
    let mut edit = result.edit();
    edit.remove("resultType");
    meta::strip(result, meta::HOP_OWNED, &mut edit);
    if method == SAMPLE && has_one_block(server) {
        let first = result.get("content").and_then(|content| items(&content).next()?.ok());
        if let Some(first) = first {
            edit.set("content", first);
        }
    }
    edit.finish()
}

fn elicit(params: &Object, to: Revision, edit: &mut Edit<'_>) {
    match to {
        Revision::V2026_07_28 => {
            edit.remove("elicitationId");
        }
        Revision::V2025_11_25 => {}
        Revision::V2025_06_18 | Revision::V2025_03_26 | Revision::V2024_11_05 => {
            edit.remove("mode");
            if let Some(schema) = params.object("requestedSchema") {
                edit.set("requestedSchema", plain_schema(&schema));
            }
        }
    }
}

/// The schema of a form as 2025-06-18 has it.
fn plain_schema(schema: &Object) -> Rope {
    let mut edit = schema.edit();
    edit.remove("$schema");
    if let Some(properties) = schema.object("properties") {
        let mut out = Weaver::new();
        for (place, member) in properties.members().iter().enumerate() {
            out.text(if place == 0 { "{" } else { "," });
            out.bytes(properties.text().slice(member.key.clone())).text(":");
            let value = properties.value(member);
            match Object::scan(value.clone()) {
                Ok(property) => out.rope(plain_property(&property)),
                Err(_) => out.bytes(value),
            };
        }
        if !properties.members().is_empty() {
            out.text("}");
            edit.set("properties", out.finish());
        }
    }
    edit.finish()
}

fn plain_property(property: &Object) -> Rope {
    let mut edit = property.edit();
    if property.string("type").as_deref() != Some("boolean") {
        edit.remove("default");
    }
    if let Some((values, titles)) = property.get("oneOf").and_then(|choices| titled(&choices)) {
        edit.set("enum", values).set("enumNames", titles).remove("oneOf");
    }
    edit.finish()
}

/// `[{const, title}]` as two arrays.
fn titled(choices: &Bytes) -> Option<(Rope, Rope)> {
    let mut values = Array::new();
    let mut titles = Array::new();
    for choice in items(choices) {
        let choice = Object::scan(choice.ok()?).ok()?;
        let value = choice.get("const")?;
        titles.push(choice.get("title").unwrap_or_else(|| value.clone()));
        values.push(value);
    }
    Some((values.finish(), titles.finish()))
}

fn has_multiple_choice(params: &Object) -> bool {
    let properties = params.object("requestedSchema").and_then(|schema| schema.object("properties"));
    properties.is_some_and(|properties| {
        properties.members().iter().any(|member| {
            Object::scan(properties.value(member))
                .is_ok_and(|property| property.string("type").as_deref() == Some("array"))
        })
    })
}

fn sample(params: &Object, to: Revision, edit: &mut Edit<'_>) {
    if params.string("includeContext").as_deref() != Some("none") {
        edit.remove("includeContext");
    }
    if has_one_block(to)
        && let Some(messages) = params.get("messages").and_then(|messages| one_block_each(&messages, to))
    {
        edit.set("messages", messages);
    }
}

/// A message of several blocks becomes several messages of the same role. `None` if nothing changes.
fn one_block_each(messages: &Bytes, to: Revision) -> Option<Rope> {
    let mut all = Array::new();
    let mut changed = false;
    for message in items(messages) {
        let message = message.ok()?;
        let object = Object::scan(message.clone()).ok()?;
        let content = object.get("content")?;
        if content.starts_with(b"[") {
            changed = true;
            for block in items(&content) {
                let block = block.ok()?;
                all.push(with_content(&object, older(&block, to).unwrap_or_else(|| block.into())));
            }
        } else if let Some(older) = older(&content, to) {
            changed = true;
            all.push(with_content(&object, older));
        } else {
            all.push(message);
        }
    }
    changed.then(|| all.finish())
}

fn older(block: &Bytes, to: Revision) -> Option<Rope> {
    content::block(&Object::scan(block.clone()).ok()?, to)
}

fn with_content(message: &Object, content: Rope) -> Rope {
    let mut edit = message.edit();
    edit.set("content", content);
    edit.finish()
}

fn has_one_block(revision: Revision) -> bool {
    match revision {
        Revision::V2024_11_05 | Revision::V2025_03_26 | Revision::V2025_06_18 => true,
        Revision::V2025_11_25 | Revision::V2026_07_28 => false,
    }
}
