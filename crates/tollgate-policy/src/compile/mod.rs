//! Source to statements: every rule and every included policy as one Cedar policy, with what is known of it without asking Cedar.
//! *Never* compiles half of a source: one problem and there is no policy, but all problems are told.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::Expression;

use crate::condition::{Arg, Comparison};
use crate::facts::Matcher;
use crate::glob::Glob;
use crate::problem::{Problem, Problems, meant};
use crate::request::{Action, Caller, Kind};
use crate::room::{WEIGHT_MAX, with_room};
use crate::source::{Demand, Effect, Fact, Source, Who};

mod flat;
mod include;
pub(crate) mod quote;
mod reads;
mod schema;
mod shorthand;

pub(crate) use flat::key;
pub(crate) use include::place;
pub(crate) use reads::{Attribute, Looked, Part, Reads};
pub(crate) use schema::{SCHEMA, findings};

/// One Cedar policy and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// What verdicts call it.
    pub(crate) id: Arc<str>,
    /// The reason.
    pub(crate) because: Option<Arc<str>>,
    /// What it does.
    pub(crate) force: Force,
    /// The policy, which is what was validated and is shown. Its Cedar id is its index among the statements, in decimal.
    pub(crate) policy: cedar_policy::Policy,
    /// What it can apply to.
    pub(crate) scope: Scope,
    /// What is left to evaluate where its scope applies; `None`: nothing, it applies. Of an included file over entities; of the
    /// shorthand over the context alone, where their attributes stand under [`key`].
    pub(crate) open: Option<Expression>,
    /// For an ask that also permits what it matches: the permit with the very same scope and conditions.
    pub(crate) permit: Option<u32>,
    /// It is such a permit: it follows from its ask and needs no evaluation of its own.
    pub(crate) implied: bool,
    /// Decided and told, not enforced.
    pub(crate) shadow: bool,
    /// Which attributes and parts of the context are read where it is evaluated.
    pub(crate) reads: Reads,
    /// Which arguments, facts and comparisons.
    pub(crate) uses: Arc<Uses>,
    /// How much stack it may take: [`crate::room`].
    pub(crate) weight: usize,
    /// For explanations.
    pub(crate) words: Words,
}

/// What of a call a statement reads, by name.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// For a shorthand rule: its tests of arguments.
    pub(crate) tested: Vec<Arg>,
    /// The arguments it reads, by their first name; `None`: any.
    pub(crate) args: Option<Vec<String>>,
    /// The facts, as indices.
    pub(crate) facts: Vec<u32>,
    /// The comparisons with numbers, as indices.
    pub(crate) tests: Vec<u32>,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    /// Lets pass.
    Permit,
    /// Refuses.
    Forbid,
    /// Refuses until this was met.
    Ask(Demand),
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
    /// By index.
    pub(crate) facts: Vec<Matcher>,
    /// By index.
    pub(crate) tests: Vec<Comparison>,
}

/// Compiles a source.
pub(crate) fn compile(source: &Source) -> Result<Compiled, Problems> {
    with_room(WEIGHT_MAX, || compiled(source))
}

fn compiled(source: &Source) -> Result<Compiled, Problems> {
    let mut draft = Draft::default();
    draft.take(crate::source::DEFAULT, None, 0);
    shorthand::open(source, &mut draft);
    for fact in &source.facts {
        draft.fact(fact);
    }
    for rule in &source.rules {
        shorthand::rule(rule, &mut draft);
    }
    for (at, file) in source.include.iter().enumerate() {
        include::file(at, file, &mut draft);
    }
    shorthand::default(source.default, &mut draft);
    schema::validate(source, &mut draft);
    if draft.problems.is_empty() {
        Ok(Compiled {
            statements: draft.statements,
            shown: draft.shown,
            facts: draft.facts,
            tests: draft.tests,
        })
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
    facts: Vec<Matcher>,
    /// The names of all facts, also of those that can't be compiled.
    fact_names: Vec<String>,
    tests: Vec<Comparison>,
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

    /// Compiles a fact.
    fn fact(&mut self, fact: &Fact) {
        if self.fact_names.contains(&fact.name) {
            self.problems.push(Problem {
                fact: Some(fact.name.clone()),
                line: fact.line,
                message: format!("fact `{}` exists already", fact.name.escape_debug()),
                ..Problem::default()
            });
        }
        self.shown.push_str("\n// fact ");
        self.shown.extend(fact.name.escape_debug());
        self.shown.push_str(": ");
        self.shown.extend(fact.to_string().escape_debug());
        self.shown.push('\n');
        self.fact_names.push(fact.name.clone());
        self.facts.extend(crate::facts::compile(fact, &mut self.problems));
    }

    /// The index of a fact; one that could not be compiled has none, and is a problem already. The error: there is none, and a hint.
    fn fact_index(&self, name: &str) -> Result<Option<u32>, String> {
        let found = (0..).zip(&self.facts).find(|(_, fact)| fact.name == name).map(|(index, _)| index);
        if found.is_some() || self.fact_names.iter().any(|known| known == name) {
            return Ok(found);
        }
        let known: Vec<&str> = self.fact_names.iter().map(String::as_str).collect();
        Err(match (meant(name, &known), known.is_empty()) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, true) => "facts stand under `policy.facts`".into(),
            (None, false) => format!("there are {}", quoted(&known)),
        })
    }

    /// The index of a comparison, made if it is new.
    fn test(&mut self, comparison: Comparison) -> u32 {
        let at = self.tests.iter().position(|known| *known == comparison).unwrap_or_else(|| {
            self.tests.push(comparison);
            self.tests.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// The Cedar id of the next statement.
    fn next_id(&self) -> cedar_policy::PolicyId {
        cedar_policy::PolicyId::new(self.statements.len().to_string())
    }
}

/// `` `a`, `b` ``
pub(crate) fn quoted(names: &[&str]) -> String {
    names.iter().take(12).map(|name| format!("`{}`", name.escape_debug())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
