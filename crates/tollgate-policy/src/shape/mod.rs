//! A tool's `inputSchema` (JSON Schema), as far as rules need it: which arguments there are and of what type, and whether a call's
//! arguments are that. *Never* follows a reference out of the schema, and never refuses for a keyword it does not know: the server
//! checks those itself.

use std::cmp::Ordering::{self, Equal, Greater, Less};
use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::{Json, compare, is_whole};

mod read;
#[cfg(test)]
mod tests;
mod typed;

pub(crate) use typed::Look;

/// The arguments that a tool takes.
#[derive(Clone, Debug)]
pub struct Shape {
    root: Node,
    /// Distinguishes schemas in caches.
    pub(crate) id: u64,
}

/// What one value may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// Which JSON types.
    pub(crate) types: Types,
    /// `properties`; `None` where the schema names none.
    pub(crate) properties: Option<BTreeMap<String, Node>>,
    /// `additionalProperties: false`.
    closed: bool,
    /// `required`.
    pub(crate) required: Vec<String>,
    /// `items`.
    pub(crate) items: Option<Box<Node>>,
    /// `enum`, `const`.
    options: Option<Vec<Value>>,
    /// `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, as written.
    bounds: [Option<String>; 4],
    /// `anyOf`, `oneOf`: each list must have one that fits.
    pub(crate) choices: Vec<Vec<Node>>,
    /// `allOf`.
    pub(crate) all: Vec<Node>,
}

/// A set of JSON types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOL: Self = Self(2);
    pub(crate) const INTEGER: Self = Self(4);
    /// Also whole ones.
    pub(crate) const NUMBER: Self = Self(8);
    pub(crate) const TEXT: Self = Self(16);
    pub(crate) const LIST: Self = Self(32);
    pub(crate) const OBJECT: Self = Self(64);
    pub(crate) const ANY: Self = Self(127);
    const NONE: Self = Self(0);

    /// Whether all of `other` are in it.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// It without null.
    pub(crate) const fn present(self) -> Self {
        Self(self.0 & !Self::NULL.0)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// In words.
    pub(crate) fn words(self) -> String {
        let words: Vec<&str> = [
            (Self::TEXT, "a text"),
            (Self::NUMBER, "a number"),
            (Self::INTEGER, "a whole number"),
            (Self::BOOL, "true or false"),
            (Self::LIST, "a list"),
            (Self::OBJECT, "an object"),
            (Self::NULL, "null"),
        ]
        .into_iter()
        .filter(|(one, _)| self.has(*one) && !(*one == Self::INTEGER && self.has(Self::NUMBER)))
        .map(|(_, word)| word)
        .collect();
        words.join(" or ")
    }
}

impl Default for Types {
    fn default() -> Self {
        Self::ANY
    }
}

impl Shape {
    /// Reads an `inputSchema`. `None`: it is none, or too large; then every argument is possible.
    pub fn read(schema: &[u8]) -> Option<Self> {
        read::shape(schema)
    }

    /// Says what is wrong with these arguments, for the agent: `` `amount` must be a number, and is a text ``.
    pub(crate) fn misfit(&self, arguments: &Json<'_>) -> Option<String> {
        let wrong = self.root.misfit(arguments)?;
        let path: Vec<String> =
            wrong.path.iter().rev().map(|key| key.escape_debug().take(100).collect()).collect();
        let what = if path.is_empty() { "the arguments".to_owned() } else { format!("`{}`", path.join(".")) };
        Some(format!("{what} {}", wrong.what))
    }
}

/// A value that does not fit.
struct Wrong {
    /// Where, the innermost name first.
    path: Vec<String>,
    what: String,
}

impl Wrong {
    fn here(what: String) -> Self {
        Self { path: Vec::new(), what }
    }

    fn within(mut self, key: impl Into<String>) -> Self {
        self.path.push(key.into());
        self
    }
}

impl Node {
    fn misfit(&self, value: &Json<'_>) -> Option<Wrong> {
        if let Some(what) = self.misfit_itself(value) {
            return Some(Wrong::here(what));
        }
        if let Json::Object(members) = value {
            for name in &self.required {
                if !members.iter().any(|(key, _)| key == name) {
                    return Some(Wrong::here("is missing".into()).within(name));
                }
            }
            for (key, inner) in members {
                let node = self.properties.as_ref().and_then(|properties| properties.get(&**key));
                if node.is_none() && self.closed {
                    return Some(Wrong::here("is no argument of this tool".into()).within(&**key));
                }
                if let Some(wrong) = node.and_then(|node| node.misfit(inner)) {
                    return Some(wrong.within(&**key));
                }
            }
        }
        if let (Json::List(items), Some(node)) = (value, &self.items) {
            for (place, item) in items.iter().enumerate() {
                if let Some(wrong) = node.misfit(item) {
                    return Some(wrong.within(place.to_string()));
                }
            }
        }
        if let Some(wrong) = self.all.iter().find_map(|node| node.misfit(value)) {
            return Some(wrong);
        }
        self.choices.iter().find_map(|choices| {
            let mut wrong = None;
            for node in choices {
                wrong = Some(node.misfit(value)?);
            }
            wrong
        })
    }

    /// Without what is inside it.
    fn misfit_itself(&self, value: &Json<'_>) -> Option<String> {
        let fits = match value {
            Json::Null => self.types.has(Types::NULL),
            Json::Bool(_) => self.types.has(Types::BOOL),
            Json::Number(text) => {
                self.types.has(Types::NUMBER) || (self.types.has(Types::INTEGER) && is_whole(text))
            }
            Json::Text(_) => self.types.has(Types::TEXT),
            Json::List(_) => self.types.has(Types::LIST),
            Json::Object(_) => self.types.has(Types::OBJECT),
        };
        if !fits {
            return Some(format!("must be {}, and is {}", self.types.words(), value.kind()));
        }
        if let Some(options) = &self.options
            && !options.iter().any(|option| same(option, value))
        {
            let options: Vec<String> = options.iter().take(8).map(ToString::to_string).collect();
            return Some(format!("must be one of {}", options.join(", ")));
        }
        let Json::Number(text) = value else { return None };
        let out = |at: usize, wrong: &[Ordering]| {
            let bound = self.bounds.get(at)?.as_ref()?;
            compare(text, bound).filter(|order| wrong.contains(order)).map(|_| bound)
        };
        if let Some(bound) = out(0, &[Less]) {
            return Some(format!("must be at least {bound}"));
        }
        if let Some(bound) = out(1, &[Greater]) {
            return Some(format!("must be at most {bound}"));
        }
        if let Some(bound) = out(2, &[Less, Equal]) {
            return Some(format!("must be more than {bound}"));
        }
        out(3, &[Greater, Equal]).map(|bound| format!("must be less than {bound}"))
    }
}

fn same(option: &Value, value: &Json<'_>) -> bool {
    match (option, value) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(a), Json::Bool(b)) => a == b,
        (Value::Number(a), Json::Number(b)) => compare(&a.to_string(), b).is_some_and(Ordering::is_eq),
        (Value::String(a), Json::Text(b)) => a == b,
        (Value::Array(a), Json::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Json::Object(b)) => {
            a.len() == b.len() && b.iter().all(|(key, b)| a.get(&**key).is_some_and(|a| same(a, b)))
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            _,
        ) => false,
    }
}
