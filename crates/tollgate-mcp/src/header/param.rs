//! `x-mcp-header` and `Mcp-Param-*`.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::sentinel::{decode, encode};
use super::standard::mismatch;
use crate::error::RpcError;
use crate::object::{scan, unquote};

const MARK: &str = "x-mcp-header";

/// The largest integer that every JSON reader keeps (2^53 − 1).
const SAFE: i64 = 9_007_199_254_740_991;

/// One `x-mcp-header` of a tool's schema: where the value is and which header mirrors it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamHeader {
    /// The `X` of `Mcp-Param-X`.
    pub name: String,
    /// Property names from the root of the arguments.
    pub path: Vec<String>,
    /// string, integer or boolean.
    pub kind: ParamKind,
}

/// What may be mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "JSON Schema's own words")]
pub enum ParamKind {
    String,
    Integer,
    Boolean,
}

/// Finds a tool's `x-mcp-header` marks in its `inputSchema`, ordered by path.
///
/// # Errors
/// The reason, if any mark is invalid (token grammar, uniqueness, type, place): an HTTP client must then leave the tool out.
pub fn param_headers(input_schema: &[u8]) -> Result<Vec<ParamHeader>, String> {
    let spelt = memchr::memmem::find(input_schema, MARK.as_bytes()).is_some();
    let escaped = memchr::memchr(b'\\', input_schema).is_some();
    if !spelt && !escaped {
        return Ok(Vec::new());
    }
    let schema: Value = match serde_json::from_slice(input_schema) {
        Ok(schema) => schema,
        Err(_) if !spelt => return Ok(Vec::new()),
        Err(error) => return Err(format!("the input schema cannot be read: {error}")),
    };
    let mut found = Marks::default();
    found.schema(&schema, Some(&mut Vec::new()))?;
    Ok(found.marks)
}

/// The headers that mirror these arguments: `(Mcp-Param-X, encoded value)` for each marked property that is present and not null.
/// `arguments` is a JSON object's text; empty counts as `{}`.
pub fn mirror(marks: &[ParamHeader], arguments: &[u8]) -> Vec<(String, String)> {
    marks
        .iter()
        .filter_map(|mark| {
            let value = value_at(arguments, &mark.path)?;
            let text = match (mark.kind, integer(&value)) {
                (ParamKind::Integer, Some(integer)) => Cow::Owned(integer.to_string()),
                _ => value,
            };
            Some((format!("Mcp-Param-{}", mark.name), encode(&text).into_owned()))
        })
        .collect()
}

/// Compares received `Mcp-Param-*` headers with the arguments; -32020 on any difference. Integers compare by value. `received` is asked
/// with the `X` of `Mcp-Param-X` as the schema spells it, and must look it up without regard to case.
pub fn validate_params<'a>(
    marks: &[ParamHeader],
    arguments: &[u8],
    received: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<(), RpcError> {
    for mark in marks {
        let name = &mark.name;
        match (received(name), value_at(arguments, &mark.path)) {
            (None, None) => {}
            (None, Some(_)) => return Err(mismatch(format!("`Mcp-Param-{name}` is missing"))),
            (Some(_), None) => {
                return Err(mismatch(format!("`Mcp-Param-{name}` is there, its argument is not")));
            }
            (Some(header), Some(value)) => {
                let header =
                    decode(header).map_err(|_| mismatch(format!("`Mcp-Param-{name}` is malformed")))?;
                let same = header == value
                    || (mark.kind == ParamKind::Integer
                        && integer(&header).is_some_and(|sent| Some(sent) == integer(&value)));
                if !same {
                    return Err(mismatch(format!("`Mcp-Param-{name}` differs from its argument")));
                }
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Marks {
    marks: Vec<ParamHeader>,
    names: HashSet<String>,
}

impl Marks {
    /// Walks one schema. `path` is where it is reached by `properties` alone: only there a mark may stand. Keywords whose values are data
    /// (`const`, `enum`, `default`, `examples`, unknown ones) are not walked.
    fn schema(&mut self, schema: &Value, mut path: Option<&mut Vec<String>>) -> Result<(), String> {
        let Value::Object(members) = schema else {
            return Ok(());
        };
        if let Some(mark) = members.get(MARK) {
            self.mark(mark, members, path.as_deref())?;
        }
        for (keyword, value) in members {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        match path.as_deref_mut() {
                            Some(path) => {
                                path.push(name.clone());
                                self.schema(property, Some(&mut *path))?;
                                path.pop();
                            }
                            None => self.schema(property, None)?,
                        }
                    }
                }
                (
                    "patternProperties" | "$defs" | "definitions" | "dependentSchemas" | "dependencies",
                    Value::Object(schemas),
                ) => {
                    for schema in schemas.values() {
                        self.schema(schema, None)?;
                    }
                }
                (
                    "items"
                    | "prefixItems"
                    | "additionalItems"
                    | "unevaluatedItems"
                    | "contains"
                    | "additionalProperties"
                    | "unevaluatedProperties"
                    | "propertyNames"
                    | "allOf"
                    | "anyOf"
                    | "oneOf"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contentSchema",
                    value,
                ) => {
                    let schemas = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    for schema in schemas {
                        self.schema(schema, None)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn mark(
        &mut self,
        mark: &Value,
        schema: &Map<String, Value>,
        path: Option<&Vec<String>>,
    ) -> Result<(), String> {
        let Value::String(name) = mark else {
            return Err(format!("`{MARK}` must be a string"));
        };
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("`{MARK}: {name}` is not a header name"));
        }
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return Err(format!("`{MARK}: {name}` stands where no property leads to"));
        };
        let kind = match schema.get("type").and_then(Value::as_str) {
            Some("string") => ParamKind::String,
            Some("integer") => ParamKind::Integer,
            Some("boolean") => ParamKind::Boolean,
            _ => return Err(format!("`{MARK}: {name}` is on neither a string nor an integer nor a boolean")),
        };
        if !self.names.insert(name.to_ascii_lowercase()) {
            return Err(format!("`{MARK}: {name}` is there twice"));
        }
        self.marks.push(ParamHeader { name: name.clone(), path: path.clone(), kind });
        Ok(())
    }
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The scalar at `path`: a string unescaped, anything else as it is written. `None` if absent, null or not a scalar.
fn value_at<'a>(arguments: &'a [u8], path: &[String]) -> Option<Cow<'a, str>> {
    let mut value = arguments;
    for key in path {
        let members = scan::members(value).ok()?;
        let member = members.iter().rev().find(|member| scan::is_key(value, member, key))?;
        value = value.get(member.value.clone())?;
    }
    match value.first()? {
        b'"' => unquote(value),
        b'{' | b'[' => None,
        _ if value == b"null" => None,
        _ => std::str::from_utf8(value).ok().map(Cow::Borrowed),
    }
}

/// The integer that a JSON number stands for, where it is one that every reader keeps: `42`, `42.0`, `4.2e1`.
fn integer(text: &str) -> Option<i64> {
    let safe = -SAFE..=SAFE;
    if let Ok(integer) = text.parse::<i64>() {
        let canonical = serde_json::from_str::<i64>(text).is_ok();
        return (canonical && safe.contains(&integer)).then_some(integer);
    }
    let number: f64 = serde_json::from_str(text).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "exact: below 2^53")]
    let bound = SAFE as f64;
    if number.fract() != 0.0 || number.abs() > bound {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked just now")]
    Some(number as i64)
}
