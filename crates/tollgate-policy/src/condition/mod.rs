//! The shorthand's `when`: a small language over what is known of caller and tool, compiled to a Cedar expression. *Never* guesses:
//! what it doesn't know, or can't do yet, is a mistake with its column.
//!
//! ```text
//! or   := and ("||" and)*
//! and  := not ("&&" not)*
//! not  := "!" not | "(" or ")" | test
//! test := tool.FLAG | TEXT ("==" | "like") STRING | (tool.labels | groups).contains(STRING)
//! FLAG := destructive | read_only | idempotent | open_world | hinted
//! TEXT := tool.name | tool.server | agent | user | tenant
//! ```

use crate::compile::quote;

mod lex;
use lex::{Quoted, Token, Word};

mod parse;
pub(crate) use parse::parse;

/// A mistake in a condition's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The character, from 1.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// A parsed condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// A flag of the tool, by its Cedar attribute.
    Flag(&'static str),
    /// Some text is this.
    Is(Text, Quoted),
    /// Some text matches this; an unescaped `*` is any run of characters.
    Like(Text, Quoted),
    /// The tool has this label.
    Label(Quoted),
    /// The caller is in this group.
    Group(Quoted),
    /// Not.
    Not(Box<Self>),
    /// All of these, at least two.
    All(Vec<Self>),
    /// Any of these, at least two.
    Any(Vec<Self>),
}

/// A text that a condition can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// `tool.name`: the original name.
    Name,
    /// `tool.server`.
    Server,
    /// `agent`.
    Agent,
    /// `user`: absent makes the comparison false.
    User,
    /// `tenant`: likewise.
    Tenant,
}

impl Condition {
    /// Writes it as a Cedar expression that may stand anywhere.
    pub(crate) fn cedar(&self, out: &mut String) {
        match self {
            Self::Flag(attribute) => {
                out.push_str("resource.");
                out.push_str(attribute);
            }
            Self::Is(text, value) => text.cedar(out, |out| {
                out.push_str(" == ");
                quote::text(out, value.chars());
            }),
            Self::Like(text, value) => text.cedar(out, |out| {
                out.push_str(" like ");
                quote::pattern(out, value.pieces());
            }),
            Self::Label(label) => contains(out, "resource.labels", label),
            Self::Group(group) => contains(out, "principal.groups", group),
            Self::Not(inner) => {
                out.push_str("!(");
                inner.cedar(out);
                out.push(')');
            }
            Self::All(parts) => joined(out, parts, " && "),
            Self::Any(parts) => joined(out, parts, " || "),
        }
    }
}

impl Text {
    /// Writes the comparison of this text that `compare` ends.
    fn cedar(self, out: &mut String, compare: impl FnOnce(&mut String)) {
        let (optional, path) = match self {
            Self::Name => (None, "resource.name"),
            Self::Server => (None, "resource.server"),
            Self::Agent => (None, "principal.name"),
            Self::User => (Some("principal has user"), "principal.user"),
            Self::Tenant => (Some("principal has tenant"), "principal.tenant"),
        };
        out.push('(');
        if let Some(present) = optional {
            out.push_str(present);
            out.push_str(" && ");
        }
        out.push_str(path);
        compare(out);
        out.push(')');
    }
}

fn contains(out: &mut String, set: &str, value: &Quoted) {
    out.push_str(set);
    out.push_str(".contains(");
    quote::text(out, value.chars());
    out.push(')');
}

fn joined(out: &mut String, parts: &[Condition], between: &str) {
    out.push('(');
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        part.cedar(out);
    }
    out.push(')');
}

#[cfg(test)]
mod tests;
