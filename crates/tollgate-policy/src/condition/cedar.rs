//! A condition as a Cedar expression. *Never* one that is false where the condition can't be told: it errs there.

use super::{Arg, Condition, Count, Quoted, Test, Text, Texts};
use crate::compile::quote;

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
            Self::Contains(texts, value) => {
                out.push_str(match texts {
                    Texts::Labels => "resource.labels",
                    Texts::Groups => "principal.groups",
                    Texts::Facts => "context.facts",
                    Texts::Findings => "context.findings",
                    Texts::Touched => "context.session.labels",
                });
                contains(out, value);
            }
            Self::Count(count, order, number) => count.cedar(out, |out| {
                out.extend([" ", order.as_str(), " ", number]);
            }),
            Self::Arg(arg) => arg.cedar(out),
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
            Self::Reason => (Some("context has reason"), "context.reason"),
            Self::Client => (Some("context has client"), "context.client"),
            Self::Weekday => (None, "context.time.weekday"),
            Self::Date => (None, "context.time.date"),
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

impl Count {
    /// Writes the comparison of this count that `compare` ends.
    fn cedar(&self, out: &mut String, compare: impl FnOnce(&mut String)) {
        out.push('(');
        match self {
            Self::Calls => out.push_str("context.session.calls"),
            Self::Counter(name) => {
                // A counter that has counted nothing is not there.
                let mut counter = String::from("context.session.counters");
                out.push_str(&counter);
                out.push_str(" has ");
                key(out, name);
                out.push_str(" && ");
                member(&mut counter, name);
                out.push_str(&counter);
            }
            Self::Hour => out.push_str("context.time.hour"),
            Self::Minute => out.push_str("context.time.minute"),
        }
        compare(out);
        out.push(')');
    }
}

impl Arg {
    fn cedar(&self, out: &mut String) {
        out.push('(');
        if let Test::Number(order, number) = &self.test {
            let comparison =
                super::Comparison { path: self.path.clone(), order: *order, number: number.clone() };
            let mut access = String::from("context.tests");
            member(&mut access, &comparison.name());
            out.push_str(&access);
            out.push(')');
            return;
        }
        let mut access = String::from("context.args");
        for (at, name) in self.path.iter().enumerate() {
            if at > 0 {
                out.push_str(" && ");
            }
            out.push_str(&access);
            out.push_str(" has ");
            key(out, name);
            member(&mut access, name);
        }
        match &self.test {
            Test::There | Test::Number(..) => {}
            Test::Truth(truth) => {
                out.push_str(if *truth { " && " } else { " && !" });
                out.push_str(&access);
            }
            // Cedar's `==` of two types is false; `like` is an error, as it must be.
            Test::Is(value) => {
                out.extend([" && ", &access, " like "]);
                quote::pattern(out, value.chars().map(Some));
            }
            Test::Like(value) => {
                out.extend([" && ", &access, " like "]);
                quote::pattern(out, value.pieces());
            }
            Test::Contains(value) => {
                out.extend([" && ", &access]);
                contains(out, value);
            }
        }
        out.push(')');
    }
}

fn member(out: &mut String, name: &str) {
    if is_plain(name) {
        out.extend([".", name]);
    } else {
        out.push('[');
        quote::text(out, name.chars());
        out.push(']');
    }
}

fn key(out: &mut String, name: &str) {
    if is_plain(name) {
        out.push_str(name);
    } else {
        quote::text(out, name.chars());
    }
}

/// Whether Cedar takes a name without quotes.
fn is_plain(name: &str) -> bool {
    const KEYWORDS: [&str; 10] =
        ["true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&name)
}

fn contains(out: &mut String, value: &Quoted) {
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
