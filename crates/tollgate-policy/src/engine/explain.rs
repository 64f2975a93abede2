//! Why, and what would change it. *Never* on a call's path: it looks at everything again.

use std::sync::Arc;

use super::outlook::Settled;
use super::{Outlook, Policy, Verdict};
use crate::compile::{Force, Statement};
use crate::evidence::{Evidence, Needs};
use crate::request::{Action, Caller, Target};
use crate::shape::Shape;
use crate::source::{Audience, DEFAULT, Effect};

/// A verdict and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The same as [`Policy::decide`] gives.
    pub verdict: Verdict,
    /// The rules that determined it, in the order of the source. Empty if only the default did.
    pub rules: Vec<Reason>,
    /// The shadow rules that apply, or could not be evaluated.
    pub shadow: Vec<Reason>,
    /// The facts that were looked at: name, what it tests, and whether it holds; the error says why that can't be told.
    pub facts: Vec<(String, String, Result<bool, String>)>,
    /// Whether every call of the target gets this verdict, whatever it carries.
    pub regardless: bool,
    /// What the verdict depends on.
    pub reads: Needs,
    /// For a denial or a question: what would change it, as short phrases. Empty for what is allowed.
    pub change: Vec<String>,
}

/// A rule that determined a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its id.
    pub id: Arc<str>,
    /// What it does.
    pub effect: Effect,
    /// Its condition.
    pub when: Option<String>,
    /// Its reason.
    pub because: Option<Arc<str>>,
    /// The included file it is in; `None` = the configuration.
    pub file: Option<Arc<str>>,
    /// Its line there, from 1; 0 = unknown.
    pub line: usize,
    /// Why it could not be evaluated. For operators: never for an agent.
    pub error: Option<String>,
}

impl Policy {
    /// [`Self::decide`], with reasons. For people: slower, and it allocates.
    pub fn explain(
        &self,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        shape: Option<&Arc<Shape>>,
        evidence: &Evidence<'_>,
        approved: &[Audience],
    ) -> Explanation {
        let used = if action.follows() { target.kind.used_by() } else { action };
        let outlook = self.outlook(caller, used, target, shape);
        let settled = self.settled(&outlook, evidence);
        let verdict = if action.follows() {
            self.follow(caller, action, target)
        } else {
            self.settle(&outlook, evidence, approved).verdict
        };
        let path = target.path();
        let near = self.slices.matching(&self.statements, &[used], target.kind, &path, None);
        let near: Vec<&Statement> = near.iter().filter_map(|index| self.statement(*index)).collect();
        let named = |rules: &[Arc<str>]| self.reasons(rules, &settled);
        let rules = match &verdict {
            Verdict::Allow { rules } | Verdict::Ask { rules, .. } | Verdict::Deny { rules, .. } => {
                named(rules)
            }
            Verdict::Invalid { .. } => Vec::new(),
        };
        let change = match &verdict {
            Verdict::Allow { .. } => Vec::new(),
            Verdict::Ask { demands, .. } => {
                let mut change: Vec<String> = demands
                    .iter()
                    .map(|demand| match demand.count {
                        0 | 1 => format!("an approval by {}", person(&demand.audience)),
                        count => format!("approvals by {count} people: {}", person(&demand.audience)),
                    })
                    .collect();
                change.extend(self.unless(&settled.weighed.asks));
                change
            }
            Verdict::Deny { error: true, .. } => {
                rules.iter().map(|reason| format!("rule `{}` repaired", reason.id)).collect()
            }
            Verdict::Deny { rule, .. } if **rule == *DEFAULT => permits_nearby(&near, &path),
            Verdict::Deny { rules, .. } if action.follows() => self.unless(&self.indices(rules)),
            Verdict::Deny { .. } => self.unless(&settled.weighed.forbids),
            Verdict::Invalid { .. } => vec!["arguments that fit the tool's schema".into()],
        };
        let shadow = named(&self.ids(settled.shadows.iter().copied()));
        let facts = settled.facts.iter().filter_map(|(index, held)| {
            let matcher = self.facts.get(usize::try_from(*index).ok()?)?;
            Some((matcher.name.clone(), matcher.written.clone(), held.clone()))
        });
        Explanation {
            facts: facts.collect(),
            regardless: Outlook::is_settled(&outlook),
            reads: outlook.reads(),
            verdict,
            rules,
            shadow,
            change,
        }
    }

    fn indices(&self, rules: &[Arc<str>]) -> Vec<u32> {
        let all = (0..).zip(&self.statements);
        all.filter(|(_, statement)| rules.contains(&statement.id)).map(|(index, _)| index).collect()
    }

    fn reasons(&self, rules: &[Arc<str>], settled: &Settled) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        for (index, statement) in (0..).zip(&self.statements) {
            let told = reasons.iter().any(|reason| reason.id == statement.id);
            if told || !rules.contains(&statement.id) || *statement.id == *DEFAULT {
                continue;
            }
            let errors = &settled.weighed.errors;
            let error = errors.iter().find(|(at, _)| *at == index).map(|(_, error)| error.clone());
            reasons.push(Reason {
                id: Arc::clone(&statement.id),
                effect: statement.words.effect,
                when: statement.words.when.clone(),
                because: statement.because.clone(),
                file: statement.words.file.clone(),
                line: statement.words.line,
                error,
            });
        }
        reasons
    }

    /// What would make these statements not apply.
    fn unless(&self, indices: &[u32]) -> Vec<String> {
        indices
            .iter()
            .filter_map(|index| self.statement(*index))
            .flat_map(|statement| {
                let id = &statement.id;
                let words = &statement.words;
                let mut change = Vec::new();
                change
                    .extend(words.when.as_ref().map(|when| format!("`{when}` being false, for rule `{id}`")));
                change.extend(
                    words.only_for.as_ref().map(|who| format!("a caller who is not {who}, for rule `{id}`")),
                );
                if change.is_empty() {
                    change.push(format!("a change of rule `{id}`{}", place(statement)));
                }
                change
            })
            .collect()
    }
}

/// What the permits that could apply, but don't, are waiting for.
fn permits_nearby(near: &[&Statement], path: &str) -> Vec<String> {
    let mut change: Vec<String> = near
        .iter()
        .filter(|statement| !statement.shadow)
        .filter(|statement| match statement.force {
            Force::Permit => true,
            Force::Forbid => false,
            Force::Ask(_) => statement.permit.is_some(),
        })
        .map(|statement| {
            let words = &statement.words;
            let verb = match words.effect {
                Effect::Allow | Effect::Deny => "permits",
                Effect::Ask => "asks about",
            };
            let mut text = format!("rule `{}`{} {verb} it", statement.id, place(statement));
            if let Some(who) = &words.only_for {
                text.push_str(" for ");
                text.push_str(who);
            }
            if let Some(when) = &words.when {
                text.push_str(" when `");
                text.push_str(when);
                text.push('`');
            }
            if words.only_for.is_none() && words.when.is_none() {
                text.push_str(" under its own conditions");
            }
            text
        })
        .collect();
    change.push(format!("a rule that allows `{path}`"));
    change
}

fn place(statement: &Statement) -> String {
    match (&statement.words.file, statement.words.line) {
        (Some(file), line) => format!(" ({file}:{line})"),
        (None, 0) => String::new(),
        (None, line) => format!(" (line {line})"),
    }
}

fn person(audience: &Audience) -> String {
    match audience {
        Audience::Agent => "the agent's human".into(),
        Audience::Operators => "an operator".into(),
        Audience::Group(group) => format!("an operator of group `{group}`"),
    }
}
