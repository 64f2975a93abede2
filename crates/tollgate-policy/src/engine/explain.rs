//! Why, and what would change it. *Never* on a call's path: it looks at everything again.

use std::sync::Arc;

use super::weigh::Weighed;
use super::{Policy, Verdict};
use crate::compile::{Force, Statement};
use crate::request::{Action, Caller, Target};
use crate::source::{Audience, DEFAULT, Effect};

/// A verdict and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The same as [`Policy::decide`] gives.
    pub verdict: Verdict,
    /// The rules that determined it, in the order of the source. Empty if only the default did.
    pub rules: Vec<Reason>,
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
        approved: &[Audience],
    ) -> Explanation {
        let verdict = self.decide(caller, action, target, approved);
        let path = target.path();
        let look = |action: Action| {
            let matching =
                |caller| self.slices.matching(&self.statements, action, target.kind, &path, caller);
            (self.weigh(&matching(Some(caller)), caller, action, target, &path, approved), matching(None))
        };
        let (mut weighed, mut indices) = look(action);
        if action.follows() && self.refused(&weighed).is_none() {
            (weighed, indices) = look(target.kind.used_by());
        }
        let near: Vec<&Statement> = indices.iter().filter_map(|index| self.statement(*index)).collect();
        let rules = self.reasons(&verdict, &weighed);
        let change = match &verdict {
            Verdict::Allow { .. } => Vec::new(),
            Verdict::Ask { audience, .. } => {
                let mut change = vec![format!("an approval by {}", person(audience))];
                change.extend(self.unless(&weighed.asks));
                change
            }
            Verdict::Deny { error: true, .. } => {
                rules.iter().map(|reason| format!("rule `{}` repaired", reason.id)).collect()
            }
            Verdict::Deny { rule, .. } if **rule == *DEFAULT => permits_nearby(&near, &path),
            Verdict::Deny { .. } => self.unless(&weighed.forbids),
        };
        Explanation { verdict, rules, change }
    }

    fn reasons(&self, verdict: &Verdict, weighed: &Weighed) -> Vec<Reason> {
        let (Verdict::Allow { rules } | Verdict::Ask { rules, .. } | Verdict::Deny { rules, .. }) = verdict;
        let mut reasons: Vec<Reason> = Vec::new();
        for (index, statement) in (0..).zip(&self.statements) {
            let told = reasons.iter().any(|reason| reason.id == statement.id);
            if told || !rules.contains(&statement.id) || *statement.id == *DEFAULT {
                continue;
            }
            let error = weighed.errors.iter().find(|(at, _)| *at == index).map(|(_, error)| error.clone());
            reasons.push(Reason {
                id: Arc::clone(&statement.id),
                effect: statement.words.effect,
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
