//! Whether a scalar may stand where another one stood. Knows the keywords that scalars meet; what it does not know counts against the
//! replacement. *Never* follows a reference out of the schema.

use std::cell::Cell;

use serde_json::Value;

/// The most subschemas looked at for one place.
const MOST: usize = 32;
/// The most subschemas judged for one value: a circle accepts nothing.
const STEPS: u32 = 256;

/// What applies at a place: all of these, of each at least one alternative.
#[derive(Clone, Debug)]
pub(super) struct Place<'s> {
    root: &'s Value,
    groups: Vec<Vec<&'s Value>>,
}

impl<'s> Place<'s> {
    pub(super) fn root(root: &'s Value) -> Self {
        Self { root, groups: vec![vec![root]] }
    }

    /// Where a member or an element stands.
    pub(super) fn down(&self, key: Option<&str>, index: usize) -> Self {
        let mut groups = Vec::new();
        for group in &self.groups {
            // An alternative that says nothing of it allows anything; which one holds is not known, so those that do speak count.
            let down: Vec<&'s Value> = group
                .iter()
                .flat_map(|schema| self.reach(schema))
                .filter_map(|schema| child(schema, key, index))
                .take(MOST)
                .collect();
            if !down.is_empty() {
                groups.push(down);
            }
        }
        Self { root: self.root, groups }
    }

    /// The schemas that apply to the same value, or could; each once.
    fn reach(&self, schema: &'s Value) -> Vec<&'s Value> {
        let mut reached = vec![schema];
        let mut place = 0;
        while let Some(next) = reached.get(place).copied() {
            place += 1;
            let lists =
                ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| next.get(key)?.as_array()).flatten();
            let single = ["then", "else"].into_iter().filter_map(|key| next.get(key));
            for inner in lists.chain(single).chain(self.target(next)) {
                if reached.len() < MOST && !reached.iter().any(|known| std::ptr::eq(*known, inner)) {
                    reached.push(inner);
                }
            }
        }
        reached
    }

    fn target(&self, schema: &Value) -> Option<&'s Value> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    /// Whether `value` may stand here.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        let steps = Cell::new(STEPS);
        self.groups.iter().all(|group| group.iter().any(|schema| self.accepted(schema, value, &steps)))
    }

    /// Whether the member `key` of what stands here may be absent.
    pub(super) fn optional(&self, key: &str) -> bool {
        let requires = |schema: &Value| {
            let required = schema.get("required").and_then(Value::as_array);
            required.is_some_and(|keys| keys.iter().any(|required| required.as_str() == Some(key)))
                || schema.get("minProperties").is_some()
                || schema.get("dependentRequired").is_some()
        };
        !self.groups.iter().flatten().flat_map(|schema| self.reach(schema)).any(requires)
    }

    /// Whether the schema names this member: then its key is no data.
    pub(super) fn names(&self, key: &str) -> bool {
        let names =
            |schema: &Value| schema.get("properties").is_some_and(|properties| properties.get(key).is_some());
        self.groups.iter().flatten().flat_map(|schema| self.reach(schema)).any(names)
    }

    /// Whether an element of what stands here may be absent.
    pub(super) fn shrinks(&self) -> bool {
        let holds = |schema: &Value| {
            ["minItems", "prefixItems", "contains"].iter().any(|key| schema.get(key).is_some())
        };
        !self.groups.iter().flatten().flat_map(|schema| self.reach(schema)).any(holds)
    }

    fn accepted(&self, schema: &'s Value, value: &Value, steps: &Cell<u32>) -> bool {
        let Some(map) = schema.as_object() else { return *schema == Value::Bool(true) };
        // References can go round in circles.
        let Some(left) = steps.get().checked_sub(1) else { return false };
        steps.set(left);
        map.iter().all(|(key, rule)| match key.as_str() {
            "type" => match rule.as_array() {
                Some(types) => types.iter().any(|name| is_type(name, value)),
                None => is_type(rule, value),
            },
            "enum" => rule.as_array().is_some_and(|values| values.iter().take(MOST).any(|one| one == value)),
            "const" => rule == value,
            "minLength" => {
                value.as_str().is_none_or(|text| rule.as_u64().is_some_and(|least| length(text) >= least))
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| rule.as_u64().is_some_and(|most| length(text) <= most))
            }
            // Compiling a server's pattern for each value would let it choose what a call costs.
            "pattern" => !value.is_string(),
            "format" => value.as_str().is_none_or(|text| is_format(rule, text)),
            "allOf" => {
                rule.as_array().is_some_and(|all| all.iter().all(|one| self.accepted(one, value, steps)))
            }
            "anyOf" | "oneOf" => {
                rule.as_array().is_some_and(|any| any.iter().any(|one| self.accepted(one, value, steps)))
            }
            "$ref" => self.target(schema).is_some_and(|target| self.accepted(target, value, steps)),
            "not" | "if" | "$dynamicRef" | "$recursiveRef" => false,
            _ => true,
        })
    }
}

fn child<'s>(schema: &'s Value, key: Option<&str>, index: usize) -> Option<&'s Value> {
    match key {
        Some(key) => schema
            .get("properties")
            .and_then(|properties| properties.get(key))
            .or_else(|| schema.get("additionalProperties").filter(|schema| schema.is_object())),
        None => schema
            .get("prefixItems")
            .and_then(|items| items.get(index))
            .or_else(|| schema.get("items").filter(|schema| schema.is_object())),
    }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

fn is_type(name: &Value, value: &Value) -> bool {
    matches!((name.as_str(), value), (Some("string"), Value::String(_)) | (Some("null"), Value::Null))
}

fn is_format(format: &Value, text: &str) -> bool {
    match format.as_str() {
        Some("email" | "idn-email") => text == super::walk::EMAIL,
        Some("uri" | "iri" | "uri-reference" | "iri-reference") => text == super::walk::URI,
        Some("password" | "textarea" | "markdown") => true,
        _ => false,
    }
}
