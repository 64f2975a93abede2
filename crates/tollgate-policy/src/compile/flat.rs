//! A shorthand rule's `when` without entities: `resource.name` becomes `context["resource.name"]`, which Cedar need not look up by type
//! and id, and no entity has to be made for it. *Never* used where a policy speaks of entities as such.

use cedar_policy::{Expression, Policy};
use serde_json::{Value, json};

use super::{Looked, Reads};

/// The last condition of a policy as an expression over the context alone, and what it reads. `None`: there is none, or it is not
/// one over attributes.
pub(super) fn last_condition(policy: &Policy) -> Option<(Expression, Reads)> {
    let mut json = policy.to_json().ok()?;
    let body = json.get_mut("conditions")?.as_array_mut()?.pop()?.get_mut("body")?.take();
    let reads = Looked::in_json(&body).reads;
    let all = json!({ "op": "All" });
    let bare = json!({
        "effect": "permit", "principal": all, "action": all, "resource": all,
        "conditions": [{ "kind": "when", "body": flat(body)? }],
    });
    let bare = Policy::from_json(None, bare).ok()?;
    Some((Expression::from(bare.as_ref().non_scope_constraints()?.clone()), reads))
}

/// The same with every `VAR.name` and `VAR has name` of an entity as one of the context; `None`: an entity stands there by itself.
fn flat(json: Value) -> Option<Value> {
    match json {
        Value::Object(members) => {
            if members.get("Var").is_some_and(|var| var != "context") {
                return None;
            }
            let flat = members.into_iter().map(|(key, value)| {
                let value = match key.as_str() {
                    "." | "has" => access(value)?,
                    _ => flat(value)?,
                };
                Some((key, value))
            });
            Some(Value::Object(flat.collect::<Option<_>>()?))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().map(flat).collect::<Option<_>>()?)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(json),
    }
}

/// The operands of an access: a variable and a name are looked at together.
fn access(mut operands: Value) -> Option<Value> {
    let entity = operands.pointer("/left/Var").and_then(Value::as_str).filter(|var| *var != "context");
    if let Some(entity) = entity
        && let Some(name) = operands.get("attr").and_then(Value::as_str)
    {
        return Some(json!({ "left": { "Var": "context" }, "attr": key(entity, name) }));
    }
    let left = operands.get_mut("left")?;
    *left = flat(left.take())?;
    Some(operands)
}

/// What an entity's attribute is called in the context. No part of that has a `.` in its name.
pub(crate) fn key(entity: &str, attribute: &str) -> String {
    [entity, ".", attribute].concat()
}
