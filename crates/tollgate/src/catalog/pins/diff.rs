//! Two definitions side by side, member by member, with nothing hidden.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::lint::visible;

/// One place in which two definitions differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where, as in `inputSchema.properties.path.description`.
    pub path: String,
    /// What stood there: text with hidden characters made visible, else JSON. `None`: nothing.
    pub before: Option<String>,
    /// What stands there now.
    pub after: Option<String>,
}

/// The most places that are told apart; what is beyond them is one place.
const CHANGES_MAX: usize = 500;

/// Where two definitions (JSON objects' texts) differ.
pub(in crate::catalog) fn changes(before: &str, after: &str) -> Vec<Change> {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let mut found = Vec::new();
    if let (Some(a), Some(b)) = (read(before), read(after)) {
        walk("", Some(&a), Some(&b), &mut found);
    }
    // What a JSON reader takes for the same and what it can't read still differ: a number's spelling, a key that comes twice.
    if found.is_empty() && before != after {
        found.push(Change {
            path: "definition".to_owned(),
            before: Some(visible(before)),
            after: Some(visible(after)),
        });
    }
    found
}

fn walk(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    if found.len() >= CHANGES_MAX {
        if found.len() == CHANGES_MAX {
            found.push(Change {
                path: "…".to_owned(), before: None, after: Some("more changes".to_owned())
            });
        }
        return;
    }
    if let (Some(Value::Object(a)), Some(Value::Object(b))) = (before, after) {
        let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let shown = visible(key);
            let path = if path.is_empty() { shown } else { format!("{path}.{shown}") };
            walk(&path, a.get(key), b.get(key), found);
        }
        return;
    }
    let text =
        |value: &Value| visible(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned).as_str());
    found.push(Change { path: path.to_owned(), before: before.map(text), after: after.map(text) });
}
