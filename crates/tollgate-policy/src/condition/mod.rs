//! The shorthand's `when`: a small language over what is known of caller, tool and call, compiled to a Cedar expression.
//! *Never* guesses: what it doesn't know, or can't do yet, is a mistake with its column.
//!
//! ```text
//! or    := and ("||" and)*
//! and   := not ("&&" not)*
//! not   := "!" not | "(" or ")" | test
//! test  := tool.FLAG | TEXT ("==" | "like") STRING | SET.contains(STRING) | COUNT ORDER NUMBER | ARG
//! FLAG  := destructive | read_only | idempotent | open_world | hinted | pinned
//! TEXT  := tool.name | tool.server | agent | user | tenant | reason | client | time.weekday | time.date
//! SET   := tool.labels | groups | facts | findings | session.labels
//! COUNT := session.calls | session.counters.NAME | time.hour | time.minute
//! ARG   := args.PATH | args.PATH "==" ("true" | "false") | args.PATH ("==" | "like") STRING | args.PATH ORDER NUMBER
//!        | args.PATH.contains(STRING) | args has PATH
//! ORDER := "==" | "<" | "<=" | ">" | ">="
//! PATH  := NAME ("." NAME | "[" STRING "]")*
//! ```

use crate::compile::quote;

mod lex;
pub(crate) use lex::Order;
use lex::{Quoted, Token, Word};

mod parse;
pub(crate) use parse::parse;

mod cedar;
#[cfg(test)]
mod tests;

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
    /// A set of texts has this one.
    Contains(Texts, Quoted),
    /// A count is so large.
    Count(Count, Order, String),
    /// Something of an argument.
    Arg(Arg),
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
    /// `reason`: likewise.
    Reason,
    /// `client`: likewise.
    Client,
    /// `time.weekday`: `mon` to `sun`, in UTC.
    Weekday,
    /// `time.date`: `2026-12-31`, in UTC.
    Date,
}

/// A set of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// `tool.labels`.
    Labels,
    /// `groups`.
    Groups,
    /// `facts`.
    Facts,
    /// `findings`.
    Findings,
    /// `session.labels`.
    Touched,
}

/// A count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// `session.calls`.
    Calls,
    /// `session.counters.NAME`.
    Counter(String),
    /// `time.hour`, in UTC.
    Hour,
    /// `time.minute`.
    Minute,
}

/// A test of an argument. Absent (also: null) makes it false; another type is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arg {
    /// Its names, outermost first; at least one.
    pub(crate) path: Vec<String>,
    /// Where it stands: the character, from 1.
    pub(crate) column: usize,
    /// What must hold of it.
    pub(crate) test: Test,
}

/// What must hold of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// It is there.
    There,
    /// It is this truth.
    Truth(bool),
    /// It is this text.
    Is(Quoted),
    /// It matches this.
    Like(Quoted),
    /// It is a list with this text in it.
    Contains(Quoted),
    /// It is a number of this size.
    Number(Order, String),
}

/// A comparison of an argument with a number. Cedar has no fractions, so it is made beforehand, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Comparison {
    /// The argument.
    pub(crate) path: Vec<String>,
    /// How.
    pub(crate) order: Order,
    /// With what.
    pub(crate) number: String,
}

impl Comparison {
    /// How it is called: `args.amount > 1000`.
    pub(crate) fn name(&self) -> String {
        format!("{} {} {}", written(&self.path), self.order.as_str(), self.number)
    }
}

/// `args.a.b`, as a rule has it.
pub(crate) fn written(path: &[String]) -> String {
    let mut text = String::from("args");
    for name in path {
        let plain = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain {
            text.push('.');
            text.push_str(name);
        } else {
            text.push('[');
            quote::text(&mut text, name.chars());
            text.push(']');
        }
    }
    text
}

impl Condition {
    /// Every test of an argument in it.
    pub(crate) fn args(&self) -> Vec<&Arg> {
        match self {
            Self::Arg(arg) => vec![arg],
            Self::Not(inner) => inner.args(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::args).collect(),
            Self::Flag(_) | Self::Is(..) | Self::Like(..) | Self::Contains(..) | Self::Count(..) => {
                Vec::new()
            }
        }
    }

    /// Every comparison of an argument with a number in it.
    pub(crate) fn comparisons(&self) -> Vec<Comparison> {
        let number = |arg: &Arg| match &arg.test {
            Test::Number(order, number) => {
                Some(Comparison { path: arg.path.clone(), order: *order, number: number.clone() })
            }
            Test::There | Test::Truth(_) | Test::Is(_) | Test::Like(_) | Test::Contains(_) => None,
        };
        self.args().into_iter().filter_map(number).collect()
    }

    /// The facts it names.
    pub(crate) fn facts(&self) -> Vec<String> {
        match self {
            Self::Contains(Texts::Facts, name) => vec![name.chars().collect()],
            Self::Not(inner) => inner.facts(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::facts).collect(),
            Self::Flag(_)
            | Self::Is(..)
            | Self::Like(..)
            | Self::Contains(..)
            | Self::Count(..)
            | Self::Arg(_) => Vec::new(),
        }
    }
}
