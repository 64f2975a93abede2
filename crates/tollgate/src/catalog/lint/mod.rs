//! What stands out in a tool's definition: instructions to the model, hidden characters, another server's tool, a lookalike name.
//! A finding is a flag with its evidence. *Never* a verdict: detection never allows, and only policy refuses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod hidden;
mod names;
mod phrases;
#[cfg(test)]
mod tests;

pub use hidden::visible;
pub(super) use names::{Name, Names, Words};

/// One thing that stands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `instruction`, `hidden`, `shadow` or `lookalike`.
    pub kind: String,
    /// Where in the definition.
    pub path: String,
    /// The words, with hidden characters made visible.
    pub evidence: String,
}

impl Finding {
    fn new(kind: &str, path: &str, evidence: &str) -> Self {
        let cut: String = evidence.chars().take(EVIDENCE_MAX).collect();
        Self { kind: kind.to_owned(), path: path.to_owned(), evidence: visible(&cut) }
    }
}

/// The most characters of evidence.
const EVIDENCE_MAX: usize = 160;

/// The most findings of one definition.
const FINDINGS_MAX: usize = 32;

/// Every key and string of a definition with its place: a model reads them all.
#[derive(Debug)]
pub(super) enum Texts<'a> {
    Read(Value),
    /// Not JSON to this reader: still text to a model.
    Raw(&'a str),
}

impl<'a> Texts<'a> {
    /// Of a JSON object's text.
    pub(super) fn of(definition: &'a str) -> Self {
        serde_json::from_str(definition).map_or(Self::Raw(definition), Self::Read)
    }

    fn each(&self, look: &mut dyn FnMut(&str, &str)) {
        match self {
            Self::Read(value) => walk("", value, look),
            Self::Raw(text) => look("definition", text),
        }
    }
}

/// What stands out in one definition, by itself.
pub(super) fn findings(definition: &Texts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    definition.each(&mut |path, text| {
        if found.len() >= FINDINGS_MAX {
            return;
        }
        if let Some(evidence) = hidden::find(text) {
            found.push(Finding::new("hidden", path, &evidence));
        }
        if let Some(evidence) = phrases::find(text) {
            found.push(Finding::new("instruction", path, &evidence));
        }
    });
    found
}

fn walk(path: &str, value: &Value, look: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => look(path, text),
        Value::Array(elements) => elements.iter().for_each(|element| walk(path, element, look)),
        Value::Object(members) => {
            for (key, value) in members {
                let shown = visible(key);
                let path = if path.is_empty() { shown } else { format!("{path}.{shown}") };
                look(&path, key);
                walk(&path, value, look);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
