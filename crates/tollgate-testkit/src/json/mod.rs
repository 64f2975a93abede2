//! JSON that keeps what parsers like to lose: the text of numbers, the order of members, duplicate keys.
//! *Never* rounds: `123456789012345678901234567890` stays what it is, so that a test can see whether the gateway changed it.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Result;

#[cfg(test)]
mod tests;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's text.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object's members, in order, duplicates included.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value.
    pub fn parse(text: &str) -> Result<Self> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Self::from_raw(raw)
    }

    /// Reads values that stand one after another.
    pub fn parse_many(text: &str) -> Result<Vec<Self>> {
        serde_json::Deserializer::from_str(text)
            .into_iter::<Box<RawValue>>()
            .map(|raw| Self::from_raw(&raw?))
            .collect()
    }

    fn from_raw(raw: &RawValue) -> Result<Self> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text)?;
                let read = |(key, raw): (String, Box<RawValue>)| Ok((key, Self::from_raw(&raw)?));
                Self::Object(members.into_iter().map(read).collect::<Result<_>>()?)
            }
            Some(b'[') => {
                let elements: Vec<Box<RawValue>> = serde_json::from_str(text)?;
                Self::Array(elements.iter().map(|raw| Self::from_raw(raw)).collect::<Result<_>>()?)
            }
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(text == "true"),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }

    /// An empty object.
    pub fn object() -> Self {
        Self::Object(Vec::new())
    }

    /// The (last) member under `key`.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The value down a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The string under `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::as_str)
    }

    /// The number, if it fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The elements; none for anything but an array.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::Array(elements) => elements,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => &[],
        }
    }

    /// The members; none for anything but an object.
    pub fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => &[],
        }
    }

    /// The same object with `key` set (replaced where it is, else last); anything but an object becomes one.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Self>) -> Self {
        self.set(key, value);
        self
    }

    /// Sets `key`; anything but an object becomes one.
    pub fn set(&mut self, key: &str, value: impl Into<Self>) {
        if !matches!(self, Self::Object(_)) {
            *self = Self::object();
        }
        if let Self::Object(members) = self {
            let value = value.into();
            match members.iter_mut().find(|(k, _)| k == key) {
                Some(member) => member.1 = value,
                None => members.push((key.to_owned(), value)),
            }
        }
    }

    /// The same object without `key`.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|(k, _)| k != key);
        }
        self
    }

    /// The keys that stand twice in one object, at any depth.
    pub fn duplicates(&self) -> Vec<String> {
        match self {
            Self::Object(members) => {
                let twice = members.iter().enumerate().filter(|(place, (key, _))| {
                    members.iter().take(*place).any(|(earlier, _)| earlier == key)
                });
                let here: Vec<String> = twice.map(|(_, (key, _))| key.clone()).collect();
                here.into_iter().chain(members.iter().flat_map(|(_, value)| value.duplicates())).collect()
            }
            Self::Array(elements) => elements.iter().flat_map(Self::duplicates).collect(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => Vec::new(),
        }
    }

    /// As a person writes it: on one line where it fits into `width` columns, else a member a line.
    pub fn pretty(&self, width: usize) -> String {
        let mut out = String::new();
        self.lay_out(&mut out, 0, width);
        out
    }

    fn lay_out(&self, out: &mut String, indent: usize, width: usize) {
        let flat = self.spaced();
        let breakable = match self {
            Self::Object(members) => !members.is_empty(),
            Self::Array(elements) => !elements.is_empty(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => false,
        };
        if !breakable || indent + flat.chars().count() <= width {
            out.push_str(&flat);
            return;
        }
        let (open, close) = if matches!(self, Self::Array(_)) { ('[', ']') } else { ('{', '}') };
        let pad = " ".repeat(indent + 2);
        out.push(open);
        let mut first = true;
        let mut item = |out: &mut String, key: Option<&str>, value: &Self| {
            out.push_str(if std::mem::take(&mut first) { "\n" } else { ",\n" });
            out.push_str(&pad);
            if let Some(key) = key {
                out.push_str(&quote(key));
                out.push_str(": ");
            }
            value.lay_out(out, indent + 2, width);
        };
        for element in self.elements() {
            item(out, None, element);
        }
        for (key, value) in self.members() {
            item(out, Some(key), value);
        }
        out.push('\n');
        out.push_str(&" ".repeat(indent));
        out.push(close);
    }

    fn spaced(&self) -> String {
        match self {
            Self::Array(elements) => {
                format!("[{}]", elements.iter().map(Self::spaced).collect::<Vec<_>>().join(", "))
            }
            Self::Object(members) if members.is_empty() => "{}".to_owned(),
            Self::Object(members) => {
                let member = |(key, value): &(String, Self)| format!("{}: {}", quote(key), value.spaced());
                format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => self.to_string(),
        }
    }
}

/// A string as JSON text.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The compact text.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) => f.write_str(text),
            Self::String(text) => f.write_str(&quote(text)),
            Self::Array(elements) => {
                f.write_char('[')?;
                for (place, element) in elements.iter().enumerate() {
                    if place > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{element}")?;
                }
                f.write_char(']')
            }
            Self::Object(members) => {
                f.write_char('{')?;
                for (place, (key, value)) in members.iter().enumerate() {
                    if place > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{}:{value}", quote(key))?;
                }
                f.write_char('}')
            }
        }
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(elements) => Self::Array(elements.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(members) => {
                Self::Object(members.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Self>> for Json {
    fn from(elements: Vec<Self>) -> Self {
        Self::Array(elements)
    }
}
