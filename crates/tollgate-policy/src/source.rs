//! What a configuration says: rules, Cedar files, the default. *Never* judged here: [`crate::Policy::compile`] does that.

use std::fmt;
use std::sync::Arc;

use crate::request::Action;

/// The id of what `default` decides, in verdicts, in the ledger and in the compiled text. No rule may take it.
pub(crate) const DEFAULT: &str = "default";

/// A policy as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// For calls no rule speaks of.
    pub default: Effect,
    /// The shorthand rules, in file order.
    pub rules: Vec<Rule>,
    /// Cedar files.
    pub include: Vec<Include>,
    /// Named tests over arguments.
    pub facts: Vec<Fact>,
}

impl Source {
    /// The policy of a configuration without one: a call to a destructive tool asks the agent's human; everything else is allowed
    /// (contract.md, "A config without `policy`").
    pub fn starter() -> Self {
        Self {
            default: Effect::Allow,
            rules: vec![Rule {
                when: Some("tool.destructive".into()),
                because: Some("what it does may not be undone".into()),
                ..Rule::new("destructive", Effect::Ask, "*/*")
            }],
            include: Vec::new(),
            facts: Vec::new(),
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Lets a call pass.
    Allow,
    /// Lets it pass once somebody said yes.
    Ask,
    /// Refuses it.
    Deny,
}

impl Effect {
    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// One shorthand rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id: given, or `rule-N` by place. Unique within a source.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// A glob over `server/original`: `*` is any run of characters (also empty, also `/`), everything else is literal.
    pub target: String,
    /// For whom; `None` = everyone.
    pub only_for: Option<Who>,
    /// The condition; `None` = always.
    pub when: Option<String>,
    /// The reason, as refused agents and approvers read it.
    pub because: Option<String>,
    /// Who is asked; `None` = the agent's human. Only for [`Effect::Ask`].
    pub of: Option<Audience>,
    /// How many of them have to approve; 0 and 1 = one. More than one only of operators.
    pub count: u8,
    /// Which actions it covers; `None` = `call`, `read`, `get` and `complete`.
    pub on: Option<Vec<Action>>,
    /// Decided and told, not enforced.
    pub shadow: bool,
    /// Its line in the configuration, from 1, for messages; 0 = not from a file.
    pub line: usize,
}

impl Rule {
    /// A rule for everyone, always, without a reason or a place.
    pub fn new(id: impl Into<String>, effect: Effect, target: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            effect,
            target: target.into(),
            only_for: None,
            when: None,
            because: None,
            of: None,
            count: 1,
            on: None,
            shadow: false,
            line: 0,
        }
    }
}

/// `for:`. A caller is meant if any of its entries names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// These agents (globs).
    pub agents: Vec<String>,
    /// The members of these groups.
    pub groups: Vec<String>,
    /// These tenants.
    pub tenants: Vec<String>,
}

/// Who answers a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The human at the agent's client.
    Agent,
    /// Any operator.
    Operators,
    /// The operators of a group.
    Group(Arc<str>),
}

impl Audience {
    /// Reads `agent`, `operators` or `group:NAME`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "agent" => Some(Self::Agent),
            "operators" => Some(Self::Operators),
            _ => match text.strip_prefix("group:") {
                None | Some("") => None,
                Some(name) => Some(Self::Group(name.into())),
            },
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Operators => f.write_str("operators"),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

/// An audience and how many of it have to approve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
    /// Who is asked.
    pub audience: Audience,
    /// How many different people of it, at least 1.
    pub count: u8,
}

/// A named test over the arguments of some tools. All tests that it has must hold; a path that leads to nothing fails every one but
/// `count_max`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// Its name, as rules use it: `facts.contains("name")`.
    pub name: String,
    /// Which tools, a glob over `server/original`. For others it is false.
    pub of: String,
    /// JSONPaths (RFC 9535, without filters) to the values: those of all of them together.
    pub paths: Vec<String>,
    /// Some value matches this regular expression.
    pub any: Option<String>,
    /// Some value does not match this one.
    pub any_not: Option<String>,
    /// Every value matches this one, and there is one.
    pub all: Option<String>,
    /// Some value is a number, at least this …
    pub min: Option<String>,
    /// … and at most that: decimal numbers.
    pub max: Option<String>,
    /// There are at least so many values …
    pub count_min: Option<usize>,
    /// … and at most that many.
    pub count_max: Option<usize>,
    /// `true`: every value stands in the user's own words. `false`: some value does not.
    pub in_task: Option<bool>,
    /// Its line in the configuration, from 1; 0 = not from a file.
    pub line: usize,
}

impl Fact {
    /// A fact that tests nothing yet.
    pub fn new(name: impl Into<String>, of: impl Into<String>, path: impl Into<String>) -> Self {
        Self { name: name.into(), of: of.into(), paths: vec![path.into()], ..Self::default() }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {}, path {}", self.of, self.paths.join(" or "))?;
        for (key, text) in [
            ("any", &self.any),
            ("any_not", &self.any_not),
            ("all", &self.all),
            ("min", &self.min),
            ("max", &self.max),
        ] {
            if let Some(text) = text {
                write!(f, ", {key} {text}")?;
            }
        }
        for (key, size) in [("count at least", self.count_min), ("count at most", self.count_max)] {
            if let Some(size) = size {
                write!(f, ", {key} {size}")?;
            }
        }
        match self.in_task {
            Some(wanted) => write!(f, ", in_task {wanted}"),
            None => Ok(()),
        }
    }
}

/// One Cedar file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// Its path as configured, for messages and for the ids of policies without `@id`.
    pub name: String,
    /// Its text.
    pub text: String,
}
