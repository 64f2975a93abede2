//! Source to statements: every rule and every included policy as one Cedar policy, with what is known of it without asking Cedar.
//! *Never* compiles half of a source: one problem and there is no policy, but all problems are told.

use std::collections::HashMap;
use std::sync::Arc;

use crate::glob::Glob;
use crate::problem::{Problem, Problems};
use crate::request::{Action, Caller, Kind};
use crate::room::{WEIGHT_MAX, with_room};
use crate::source::{Audience, Effect, Source, Who};

mod include;
pub(crate) mod quote;
mod reads;
mod schema;
mod shorthand;

pub(crate) use reads::{Attribute, Reads};
pub(crate) use schema::SCHEMA;

/// One Cedar policy and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// What verdicts call it.
    pub(crate) id: Arc<str>,
    /// The reason.
    pub(crate) because: Option<Arc<str>>,
    /// What it does.
    pub(crate) force: Force,
    /// The policy. Its Cedar id is its index among the statements, in decimal.
    pub(crate) policy: cedar_policy::Policy,
    /// What it can apply to.
    pub(crate) scope: Scope,
    /// Nothing is left to evaluate: it applies wherever its scope does.
    pub(crate) certain: bool,
    /// For an ask that also permits what it matches: the permit with the very same scope and conditions.
    pub(crate) permit: Option<u32>,
    /// It is such a permit: it follows from its ask and needs no evaluation of its own.
    pub(crate) implied: bool,
    /// Which attributes it reads.
    pub(crate) reads: Reads,
    /// How much stack it may take: [`crate::room`].
    pub(crate) weight: usize,
    /// For explanations.
    pub(crate) words: Words,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    /// Lets pass.
    Permit,
    /// Refuses.
    Forbid,
    /// Refuses until this audience approved.
    Ask(Audience),
}

/// Where a statement can apply. Never narrower than the policy's own text.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// These actions.
    pub(crate) actions: Set,
    /// These kinds of targets.
    pub(crate) kinds: Set,
    /// These `server/name`.
    pub(crate) target: Glob,
    /// These callers; `None` = all.
    pub(crate) callers: Option<Callers>,
}

/// A rule's `for:`, to match without Cedar.
#[derive(Clone, Debug)]
pub(crate) struct Callers {
    agents: Vec<Glob>,
    groups: Vec<String>,
    tenants: Vec<String>,
}

impl Callers {
    /// Those who are meant.
    pub(crate) fn of(who: &Who) -> Self {
        let agents = who.agents.iter().map(|agent| Glob::new(agent)).collect();
        Self { agents, groups: who.groups.clone(), tenants: who.tenants.clone() }
    }

    /// Whether `caller` is.
    pub(crate) fn mean(&self, caller: &Caller<'_>) -> bool {
        self.agents.iter().any(|agent| agent.matches(caller.agent))
            || self.groups.iter().any(|group| caller.groups.iter().any(|own| **own == **group))
            || self.tenants.iter().any(|tenant| caller.tenant == Some(tenant))
    }
}

/// A set of small numbers: of [`Action`]s or [`Kind`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Set(u16);

impl Set {
    /// These actions.
    pub(crate) fn of(actions: &[Action]) -> Self {
        Self(actions.iter().fold(0, |set, action| set | 1 << *action as u16))
    }

    /// Every one.
    pub(crate) const ALL: Self = Self(u16::MAX);

    /// Only this kind.
    pub(crate) const fn kind(kind: Kind) -> Self {
        Self(1 << kind as u16)
    }

    /// Whether this action is in it.
    pub(crate) const fn action(self, action: Action) -> bool {
        self.0 & (1 << action as u16) != 0
    }

    /// Whether this kind is in it.
    pub(crate) const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

/// A statement in its author's words.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    /// As written: a shorthand ask is two statements.
    pub(crate) effect: Effect,
    /// The included file.
    pub(crate) file: Option<Arc<str>>,
    /// The line, from 1; 0 = unknown.
    pub(crate) line: usize,
    /// `for:`, as a phrase.
    pub(crate) only_for: Option<String>,
    /// `when:`; for an included policy, that it may have one is all we know.
    pub(crate) when: Option<String>,
}

/// The outcome.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// In the order of the source: rules, included policies, the default.
    pub(crate) statements: Vec<Statement>,
    /// All of it as Cedar text.
    pub(crate) shown: String,
}

/// Compiles a source.
pub(crate) fn compile(source: &Source) -> Result<Compiled, Problems> {
    with_room(WEIGHT_MAX, || compiled(source))
}

fn compiled(source: &Source) -> Result<Compiled, Problems> {
    let mut draft = Draft::default();
    draft.take(crate::source::DEFAULT, None, 0);
    shorthand::open(source, &mut draft);
    for rule in &source.rules {
        shorthand::rule(rule, &mut draft);
    }
    for (at, file) in source.include.iter().enumerate() {
        include::file(at, file, &mut draft);
    }
    shorthand::default(source.default, &mut draft);
    schema::validate(source, &mut draft);
    if draft.problems.is_empty() {
        Ok(Compiled { statements: draft.statements, shown: draft.shown })
    } else {
        Err(Problems(draft.problems))
    }
}

/// A compilation under way.
#[derive(Debug, Default)]
struct Draft {
    statements: Vec<Statement>,
    /// For each statement of an included file: which file, as an index.
    files: HashMap<usize, usize>,
    problems: Vec<Problem>,
    shown: String,
    /// Each id, and where it was taken.
    ids: HashMap<String, (Option<String>, usize)>,
}

impl Draft {
    /// Takes an id, or says who has it.
    fn take(&mut self, id: &str, file: Option<&str>, line: usize) {
        let Some((other, at)) = self.ids.get(id) else {
            self.ids.insert(id.into(), (file.map(Into::into), line));
            return;
        };
        let hint = match (other, at) {
            (_, 0) => "`default` stands for the default: call the rule something else".to_owned(),
            (Some(other), at) => format!("{other}:{at} has it too"),
            (None, at) => format!("the rule in line {at} has it too"),
        };
        self.problems.push(Problem {
            rule: Some(id.into()),
            file: file.map(Into::into),
            line,
            message: format!("the id `{id}` is taken"),
            hint: Some(hint),
            ..Problem::default()
        });
    }

    /// The Cedar id of the next statement.
    fn next_id(&self) -> cedar_policy::PolicyId {
        cedar_policy::PolicyId::new(self.statements.len().to_string())
    }
}

#[cfg(test)]
mod tests;
