//! Cedar files: parsed, their annotations checked, their scopes read. *Never* evaluated here, and never allowed a template.

use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, Effect as Cedar, EntityUid, Expression, PolicySet, ResourceConstraint};
use miette::Diagnostic;

use super::{Draft, Force, Looked, Part, Scope, Set, Statement, Uses, Words, quoted};
use crate::glob::Glob;
use crate::problem::{Problem, meant};
use crate::request::{Action, Kind};
use crate::room::{self, Piece, WEIGHT_MAX};
use crate::source::{Audience, Demand, Effect, Include};

/// The annotations with a meaning.
const ANNOTATIONS: [&str; 5] = ["id", "ask", "because", "count", "shadow"];

/// Compiles the `at`th file.
pub(super) fn file(at: usize, file: &Include, draft: &mut Draft) {
    let pieces = room::pieces(&file.text);
    let heavy: Vec<_> = pieces.iter().filter(|piece| piece.weight > WEIGHT_MAX).collect();
    for piece in &heavy {
        let (line, column) = place(&file.text, piece.start);
        draft.problems.push(Problem {
            file: Some(file.name.clone()),
            line,
            column: Some(column),
            message: format!("this policy is too large: at most {WEIGHT_MAX} operators and brackets"),
            hint: Some("split it, or test against a set: `[\"a\", \"b\"].contains(…)`".into()),
            ..Problem::default()
        });
    }
    if !heavy.is_empty() {
        return;
    }
    let set = match PolicySet::from_str(&file.text) {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                let (offset, message, hint) = said(error);
                let (line, column) = place(&file.text, offset.unwrap_or_default());
                draft.problems.push(Problem {
                    file: Some(file.name.clone()),
                    line,
                    column: Some(column),
                    message,
                    hint,
                    ..Problem::default()
                });
            }
            return;
        }
    };
    if set.num_of_templates() > 0 {
        draft.problems.push(Problem {
            file: Some(file.name.clone()),
            line: 1,
            message: "a policy has `?principal` or `?resource` in it".into(),
            hint: Some("templates can't be used: write the policy out".into()),
            ..Problem::default()
        });
    }
    draft.shown.push_str("\n// from ");
    draft.shown.extend(file.name.escape_debug());
    draft.shown.push('\n');
    draft.shown.push_str(file.text.trim_end());
    draft.shown.push('\n');

    // Cedar names them `policy0`, `policy1`, … by place.
    let mut policies: Vec<_> = set
        .policies()
        .map(|policy| {
            let id: &str = policy.id().as_ref();
            (id.strip_prefix("policy").and_then(|n| n.parse::<usize>().ok()).unwrap_or_default(), policy)
        })
        .collect();
    policies.sort_by_key(|(n, _)| *n);
    for (n, policy) in policies {
        // Cedar and we find the same policies; if not, the last line is a place, and the heaviest weight safe.
        let piece = pieces.get(n).copied().unwrap_or(Piece { start: file.text.len(), weight: WEIGHT_MAX });
        let (line, _) = place(&file.text, piece.start);
        draft.files.insert(draft.statements.len(), at);
        statement(policy, &file.name, line, piece.weight, draft);
    }
}

fn statement(policy: &cedar_policy::Policy, name: &str, line: usize, weight: usize, draft: &mut Draft) {
    let id = match policy.annotation("id") {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => format!("{name}:{line}"),
    };
    draft.take(&id, Some(name), line);
    let mut problem = |message: String, hint: Option<String>| {
        let (rule, file) = (Some(id.clone()), Some(name.to_owned()));
        draft.problems.push(Problem { rule, file, line, message, hint, ..Problem::default() });
    };

    for (key, value) in policy.annotations() {
        match key {
            "id" if value.is_empty() => {
                problem("`@id` is empty".into(), Some("write `@id(\"name\")`".into()));
            }
            known if ANNOTATIONS.contains(&known) => {}
            _ => {
                let hint = match meant(key, &ANNOTATIONS) {
                    Some(known) => format!("did you mean `@{known}`?"),
                    None => "known: `@id`, `@ask`, `@because`, `@count`, `@shadow`".into(),
                };
                problem(format!("unknown annotation `@{key}`"), Some(hint));
            }
        }
    }

    let force = force(policy, &mut problem);
    let looked = Looked::at(policy);

    let actions = match policy.action_constraint() {
        ActionConstraint::Any => Set::ALL,
        ActionConstraint::In(named) => named_actions(&named, &force, &mut problem),
        ActionConstraint::Eq(named) => named_actions(&[named], &force, &mut problem),
    };
    let (kinds, target) = match policy.resource_constraint() {
        ResourceConstraint::Any => (Set::ALL, Glob::All),
        ResourceConstraint::Is(kind) => (kinds(&kind.to_string()), Glob::All),
        // Nothing is in anything but itself.
        ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
            (kinds(&uid.type_name().to_string()), Glob::Exact(uid.id().unescaped().into()))
        }
    };

    let facts = facts(&looked, draft, &id, name, line);
    let policy = policy.new_id(draft.next_id());
    draft.statements.push(Statement {
        id: id.into(),
        because: policy.annotation("because").filter(|text| !text.is_empty()).map(Arc::from),
        shadow: policy.annotation("shadow").is_some(),
        reads: looked.reads,
        uses: Arc::new(Uses { tested: Vec::new(), args: looked.args, facts, tests: Vec::new() }),
        words: Words {
            effect: match force {
                Force::Permit => Effect::Allow,
                Force::Forbid => Effect::Deny,
                Force::Ask(_) => Effect::Ask,
            },
            file: Some(name.into()),
            line,
            only_for: None,
            when: None,
        },
        force,
        // Its scope too: ours is wider than Cedar's.
        open: Some(Expression::from(policy.as_ref().condition())),
        policy,
        scope: Scope { actions, kinds, target, callers: None },
        permit: None,
        implied: false,
        weight,
    });
}

/// What a policy does, by its effect and annotations.
fn force(policy: &cedar_policy::Policy, problem: &mut impl FnMut(String, Option<String>)) -> Force {
    let ask = policy.annotation("ask").map(|text| (text, Audience::parse(text)));
    let count = match policy.annotation("count").map(str::parse) {
        None => 1,
        Some(Ok(count @ 1..=9)) => count,
        Some(Ok(_) | Err(_)) => {
            problem("`@count` is not a number from 1 to 9".into(), Some("write `@count(\"2\")`".into()));
            1
        }
    };
    let force = match (policy.effect(), ask) {
        (Cedar::Permit, None) => Force::Permit,
        (Cedar::Forbid, None) => Force::Forbid,
        (Cedar::Permit, Some(_)) => {
            problem(
                "`@ask` stands on a permit".into(),
                Some("an ask is a forbid that an approval lifts: `@ask(\"agent\") forbid (…)`".into()),
            );
            Force::Permit
        }
        (Cedar::Forbid, Some((_, Some(audience)))) => Force::Ask(Demand { audience, count }),
        (Cedar::Forbid, Some((text, None))) => {
            problem(
                format!("`@ask(\"{}\")` names nobody", text.escape_debug()),
                Some("write `@ask(\"agent\")`, `@ask(\"operators\")` or `@ask(\"group:NAME\")`".into()),
            );
            Force::Forbid
        }
    };
    match &force {
        Force::Ask(demand) if count == 1 || demand.audience != Audience::Agent => {}
        Force::Ask(_) => {
            problem("the agent's human is one person".into(), Some("ask `operators` or a group".into()));
        }
        Force::Permit | Force::Forbid if policy.annotation("count").is_some() => {
            problem("`@count` goes with `@ask`".into(), None);
        }
        Force::Permit | Force::Forbid => {}
    }
    force
}

/// The facts that a policy may read: those whose names stand in it, or all, where it does more than to ask for them by name.
fn facts(looked: &Looked, draft: &mut Draft, id: &str, file: &str, line: usize) -> Vec<u32> {
    if !looked.reads.part(Part::Facts) {
        return Vec::new();
    }
    if looked.all_facts && !draft.fact_names.is_empty() {
        return (0..).zip(&draft.facts).map(|(index, _)| index).collect();
    }
    let known: Vec<u32> =
        looked.texts.iter().filter_map(|text| draft.fact_index(text).ok().flatten()).collect();
    if !known.is_empty() {
        return known;
    }
    let names: Vec<&str> = draft.fact_names.iter().map(String::as_str).collect();
    let near = looked.texts.iter().find_map(|text| Some((text, meant(text, &names)?)));
    let hint = match (near, names.is_empty()) {
        (Some((_, meant)), _) => format!("did you mean `{meant}`?"),
        (None, true) => "facts stand under `policy.facts`".into(),
        (None, false) => format!("there are {}", quoted(&names)),
    };
    draft.problems.push(Problem {
        rule: Some(id.to_owned()),
        file: Some(file.to_owned()),
        line,
        message: "it reads `context.facts` and names none that there is".into(),
        hint: Some(hint),
        ..Problem::default()
    });
    Vec::new()
}

/// The actions that a policy names. One that Cedar's validator refuses is left out.
fn named_actions(
    named: &[EntityUid],
    force: &Force,
    problem: &mut impl FnMut(String, Option<String>),
) -> Set {
    let actions: Vec<Action> = Action::ALL
        .into_iter()
        .filter(|action| named.iter().any(|uid| uid.id().unescaped() == action.as_str()))
        .collect();
    for action in actions.iter().filter(|action| action.follows()) {
        let action = action.as_str();
        let message = match force {
            Force::Forbid => continue,
            Force::Permit => format!("permitting `{action}` has no effect"),
            Force::Ask(_) => format!("nobody can be asked about `{action}`"),
        };
        problem(
            message,
            Some(format!("`{action}` follows from `call`, `get` and `read`; it can only be forbidden")),
        );
    }
    Set::of(&actions)
}

/// The kind of this Cedar type. What Cedar's validator refuses is none.
fn kinds(name: &str) -> Set {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name).map_or(Set::of(&[]), Set::kind)
}

/// Where, what, and what to do, in Cedar's words.
pub(crate) fn said(diagnostic: &dyn Diagnostic) -> (Option<usize>, String, Option<String>) {
    let label = diagnostic.labels().and_then(|mut labels| labels.next());
    let mut message = diagnostic.to_string();
    if let Some(text) = label.as_ref().and_then(|label| label.label()) {
        message.push_str(": ");
        message.push_str(text);
    }
    (label.map(|label| label.offset()), message, diagnostic.help().map(|help| help.to_string()))
}

/// The line and the character in it, both from 1, of a byte offset.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before: String = text.char_indices().take_while(|(at, _)| *at < offset).map(|(_, c)| c).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
