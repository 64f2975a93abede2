//! How raw types are read from the tree: each reports its own problems and lets the others go on. *Never* stops at the first.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Reference;
use super::node::{Key, Kind, Mark, Node};
use super::problem::Problem;
use super::similar::nearest;
use super::source::Source;

/// What reading and checking find.
pub(super) struct Report<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
    pub(super) references: Vec<Reference>,
}

impl Report<'_> {
    /// Reports an error at `mark`.
    pub(super) fn error(&mut self, mark: &Mark, message: impl Into<String>, hint: Option<String>) {
        let problem = Problem::at(&mark.path, mark.place, message);
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
        let problem = Problem::at(&mark.path, mark.place, message);
        self.problems.push(problem.hint(hint).warning());
    }

    /// Reports another kind of value than `what`.
    pub(super) fn expected(&mut self, node: &Node, what: &str, hint: Option<&str>) {
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
