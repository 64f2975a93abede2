//! How raw types are read from the tree: each reports its own problems and lets the others go on. *Never* stops at the first.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::node::{Key, Kind, Mark, Node};
use super::problem::Problem;
use super::similar::nearest;
use super::source::Source;
use super::{Piece, Reference, Template, duration, template};

/// What reading and checking find.
pub(super) struct Report<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
    pub(super) references: Vec<Reference>,
}

impl Report<'_> {
    /// Reports an error at `mark`.
    pub(super) fn error(&mut self, mark: &Mark, message: impl Into<String>, hint: Option<String>) {
        let problem = self.source.problem_at(&mark.path, mark.place, message);
        self.problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }

    /// Reports that something lacks at `mark`, unless what stands there has problems of its own.
    pub(super) fn lacking(&mut self, mark: &Mark, message: impl Into<String>, hint: Option<String>) {
        let inside = |problem: &Problem| {
            problem
                .path
                .strip_prefix(mark.path.as_ref())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if !self.problems.iter().any(inside) {
            self.error(mark, message, hint);
        }
    }

    /// Reports a warning at `mark`.
    pub(super) fn warning(&mut self, mark: &Mark, message: impl Into<String>, hint: &str) {
        let problem = self.source.problem_at(&mark.path, mark.place, message);
        self.problems.push(problem.hint(hint).warning());
    }

    fn expected(&mut self, node: &Node, what: &str, hint: Option<&str>) {
        let message = format!("expected {what}, found {}", node.kind.name());
        self.error(&node.mark, message, hint.map(str::to_owned));
    }

    /// A mapping's entries; nothing at all is an empty one.
    pub(super) fn entries<'n>(&mut self, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Null => Some(&[]),
            Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                self.expected(node, "a mapping", None);
                None
            }
        }
    }

    /// A key that the section does not have. `absent` are those of the contract that this version lacks, `foreign` those of
    /// other programs' files; both with what to do instead.
    pub(super) fn unknown_key(
        &mut self,
        key: &Key,
        words: &[&str],
        absent: &[(&str, &str)],
        foreign: &[(&str, &str)],
    ) {
        let text = key.text.as_str();
        let find = |list: &[(&str, &str)]| {
            list.iter().find(|(word, _)| *word == text).map(|(_, hint)| (*hint).to_owned())
        };
        if let Some(hint) = find(absent) {
            return self.error(&key.mark, format!("`{text}` is not available in this version"), Some(hint));
        }
        let hint = find(foreign)
            .or_else(|| Some(format!("did you mean `{}`", nearest(text, words.iter().copied())?)));
        let hint = hint.or_else(|| Some(format!("the keys here are {}", listed(words))));
        self.error(&key.mark, format!("unknown key `{}`", short(text)), hint);
    }

    /// A word that is not one of `words`.
    pub(super) fn unknown_word(&mut self, mark: &Mark, text: &str, words: &[&str], absent: &[(&str, &str)]) {
        if let Some((word, hint)) = absent.iter().find(|(word, _)| *word == text) {
            let message = format!("`{word}` is not available in this version");
            return self.error(mark, message, Some((*hint).to_owned()));
        }
        let hint = match nearest(text, words.iter().copied()) {
            Some(word) => format!("did you mean `{word}`"),
            None => format!("it is one of {}", listed(words)),
        };
        self.error(mark, format!("unknown value `{}`", short(text)), Some(hint));
    }
}

/// User input in a message, cut to what a line can hold.
pub(super) fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// What can be read from a node. `None` = a problem was reported.
pub(super) trait Read: Sized {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self>;
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) mark: Mark,
}

impl<T: Read> At<T> {
    /// Nothing after a key is as good as no key.
    pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match node.kind {
            Kind::Null => None,
            Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                Some(Self { value: T::read(node, report)?, mark: node.mark.clone() })
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

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

/// A mapping with fixed keys: the struct, its schema, and its reader, from one list.
macro_rules! section {
    (
        $(#[$meta:meta])* $name:ident {
            $( $(#[$about:meta])* $field:ident $(as $word:literal)?: $kind:ty, )*
        }
        $( absent { $($absent:literal => $instead:literal,)* } )?
        $( foreign { $($foreign:literal => $ours:literal,)* } )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(in crate::config) struct $name {
            $( $(#[$about])* $(#[schemars(rename = $word)])?
            pub(in crate::config) $field: Option<$crate::config::read::At<$kind>>, )*
        }

        impl $crate::config::read::Read for $name {
            fn read(
                node: &$crate::config::node::Node,
                report: &mut $crate::config::read::Report<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$( $crate::config::read::word!($field $($word)?), )*];
                const ABSENT: &[(&str, &str)] = &[$( $(($absent, $instead),)* )?];
                const FOREIGN: &[(&str, &str)] = &[$( $(($foreign, $ours),)* )?];
                let mut section = Self::default();
                for (key, value) in report.entries(node)? {
                    match key.text.as_str() {
                        $( $crate::config::read::word!($field $($word)?) => {
                            section.$field = $crate::config::read::At::read(value, report);
                        } )*
                        _ => report.unknown_key(key, WORDS, ABSENT, FOREIGN),
                    }
                }
                Some(section)
            }
        }
    };
}

/// A field's key in the file.
macro_rules! word {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $word:literal) => {
        $word
    };
}

/// A closed list of words: the enum, its schema, and its reader, from one list.
macro_rules! words {
    (
        $(#[$meta:meta])* $name:ident { $( $(#[$about:meta])* $variant:ident = $word:literal, )* }
        $( absent { $($absent:literal => $instead:literal,)* } )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
        pub(in crate::config) enum $name {
            $( $(#[$about])* #[schemars(rename = $word)] $variant, )*
        }

        impl $crate::config::read::Read for $name {
            fn read(
                node: &$crate::config::node::Node,
                report: &mut $crate::config::read::Report<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word,)*];
                const ABSENT: &[(&str, &str)] = &[$( $(($absent, $instead),)* )?];
                let text = <String as $crate::config::read::Read>::read(node, report)?;
                match text.as_str() {
                    $( $word => Some(Self::$variant), )*
                    other => {
                        report.unknown_word(&node.mark, other, WORDS, ABSENT);
                        None
                    }
                }
            }
        }
    };
}

pub(super) use {section, word, words};
