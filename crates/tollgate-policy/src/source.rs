//! What a configuration says: rules, Cedar files, the default. *Never* judged here: [`crate::Policy::compile`] does that.

use std::fmt;
use std::sync::Arc;

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

/// One Cedar file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// Its path as configured, for messages and for the ids of policies without `@id`.
    pub name: String,
    /// Its text.
    pub text: String,
}
