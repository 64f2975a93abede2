use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::node::{Kind, Node};
use super::read::{At, Read, Report, short};
use super::{Piece, Reference, Template, duration, template};

impl Read for String {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Bool(..) | Kind::Number(_) => {
                report.expected(node, "text", Some("put it in quotes"));
                None
            }
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                report.expected(node, "text", None);
                None
            }
        }
    }
}

impl Read for bool {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Bool(value, _) => Some(*value),
            Kind::Null | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                report.expected(node, "`true` or `false`", None);
                None
            }
        }
    }
}

impl Read for usize {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Number(text) => {
                let number = text.parse().ok();
                if number.is_none() {
                    report.error(&node.mark, format!("`{}` is not a whole number", short(text)), None);
                }
                number
            }
            Kind::Null | Kind::Bool(..) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                report.expected(node, "a whole number", None);
                None
            }
        }
    }
}

/// A decimal number, as written.
#[derive(Clone, Debug)]
pub(super) struct Number(pub(super) String);

impl Read for Number {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Number(text) => Some(Self(text.clone())),
            Kind::Null | Kind::Bool(..) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                report.expected(node, "a number", None);
                None
            }
        }
    }
}

impl JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Number")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl Read for Template {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let text = match &node.kind {
            // `PORT: 8080` means the text.
            Kind::Text(text) | Kind::Number(text) | Kind::Bool(_, text) => text,
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                report.expected(node, "text", None);
                return None;
            }
        };
        match template::parse(text) {
            Ok(template) => {
                for piece in &template.0 {
                    if !matches!(piece, Piece::Text(_)) {
                        let path = node.mark.path.as_ref().to_owned();
                        report.references.push(Reference { piece: piece.clone(), path });
                    }
                }
                Some(template)
            }
            Err(bad) => {
                report.error(&node.mark, bad.message, Some(bad.hint));
                None
            }
        }
    }
}

impl JsonSchema for Template {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Template")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A duration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Duration);

impl Read for Time {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let hint = || Some("write a number and a unit, as in `500ms`, `30s`, `10m`, `12h`, `90d`".to_owned());
        match &node.kind {
            Kind::Text(text) | Kind::Number(text) => {
                let time = duration::parse(text).map(Self);
                if time.is_none() {
                    report.error(&node.mark, format!("`{}` is not a duration", short(text)), hint());
                }
                time
            }
            Kind::Null | Kind::Bool(..) | Kind::List(_) | Kind::Map(_) => {
                report.expected(node, "a duration", hint().as_deref());
                None
            }
        }
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Duration")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$" })
    }
}

impl<T: Read> Read for Vec<At<T>> {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            report.expected(node, "a list", Some("write it as `[…]`"));
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            if let Some(value) = T::read(item, report) {
                list.push(At { value, mark: item.mark.clone() });
            }
        }
        Some(list)
    }
}

/// One text or a list of them.
#[derive(Clone, Debug)]
pub(super) struct OneOrMany(pub(super) Vec<At<String>>);

impl Read for OneOrMany {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.kind {
            Kind::List(_) => Vec::read(node, report).map(Self),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                let value = String::read(node, report)?;
                Some(Self(vec![At { value, mark: node.mark.clone() }]))
            }
        }
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("OneOrMany")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ] })
    }
}

/// A mapping whose keys the user chooses.
#[derive(Clone, Debug)]
pub(super) struct Named<T>(pub(super) Vec<(At<String>, At<T>)>);

impl<T: Read> Read for Named<T> {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let entries = report.entries(node)?;
        let mut named = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if let Some(read) = T::read(value, report) {
                let name = At { value: key.text.clone(), mark: key.mark.clone() };
                named.push((name, At { value: read, mark: value.mark.clone() }));
            }
        }
        Some(Self(named))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("NamesOf{}", T::schema_name()))
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}
