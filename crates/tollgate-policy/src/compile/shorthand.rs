//! Shorthand to Cedar text, which is parsed back and is what runs. *Never* writes a user's text unquoted.

use std::sync::Arc;

use super::{Callers, Draft, Force, Reads, Scope, Set, Statement, Uses, Words, flat, quote};
use crate::condition::{self, Condition};
use crate::glob::Glob;
use crate::problem::Problem;
use crate::request::Action;
use crate::room::{self, WEIGHT_MAX};
use crate::source::{Audience, DEFAULT, Demand, Effect, Rule, Source, Who};

/// Begins the shown text.
pub(super) fn open(source: &Source, draft: &mut Draft) {
    draft.shown.push_str(match source.default {
        Effect::Allow => "// default: allow. The last policy permits what no policy forbids.\n",
        Effect::Ask => {
            "// default: ask. What no policy permits or forbids asks the agent's human; no policy says so, because none can.\n"
        }
        Effect::Deny => "// default: deny. What no policy permits is denied.\n",
    });
}

/// Compiles one rule.
pub(super) fn rule(rule: &Rule, draft: &mut Draft) {
    let mut problems = Problems { rule, found: Vec::new() };
    if rule.id.is_empty() {
        problems.add("this rule's id is empty".into(), None);
    } else {
        draft.take(&rule.id, None, rule.line);
    }
    target(&rule.target, &mut problems);
    let mut conditions = Vec::new();
    conditions.extend(target_condition(&rule.target));
    if let Some(who) = &rule.only_for {
        conditions.extend(who_condition(who, &mut problems));
    }
    let mut uses = Uses { args: Some(Vec::new()), ..Uses::default() };
    if let Some(condition) = rule.when.as_ref().and_then(|when| when_condition(when, &mut problems)) {
        let mut out = String::new();
        condition.cedar(&mut out);
        conditions.push(out);
        uses = used(&condition, draft, &mut problems);
    }
    let uses = Arc::new(uses);
    let demand = demand(rule, &mut problems);
    let actions = actions(rule, &mut problems);
    let failed = !problems.found.is_empty();
    draft.problems.append(&mut problems.found);
    if failed {
        return;
    }

    let (force, permits) = match rule.effect {
        Effect::Allow => (Force::Permit, false),
        Effect::Deny => (Force::Forbid, false),
        Effect::Ask => (Force::Ask(demand), true),
    };
    let body = Body { conditions: &conditions, actions: &actions, uses: &uses };
    statement(rule, &rule.id, force, &body, draft);
    if permits {
        // Only what is approved gets this far: the forbid above has the very same conditions.
        let id = format!("{}.approved", rule.id);
        draft.take(&id, None, rule.line);
        statement(rule, &id, Force::Permit, &body, draft);
        let index = draft.statements.len().saturating_sub(1).try_into().ok();
        // One that was too large to compile is a problem by now, and whatever is linked is dropped.
        if let [.., ask, permit] = draft.statements.as_mut_slice() {
            ask.permit = index;
            permit.implied = true;
        }
    }
}

/// Compiles what the default permits by itself.
pub(super) fn default(default: Effect, draft: &mut Draft) {
    match default {
        Effect::Ask | Effect::Deny => {}
        Effect::Allow => {
            let text = format!("@id(\"{DEFAULT}\")\npermit (principal, action, resource);\n");
            let rule = Rule::new(DEFAULT, Effect::Allow, "*");
            let body = Body { conditions: &[], actions: &Action::ALL, uses: &Arc::default() };
            parsed(&rule, &text, Force::Permit, &body, draft);
        }
    }
}

/// Problems of one rule.
struct Problems<'a> {
    rule: &'a Rule,
    found: Vec<Problem>,
}

impl Problems<'_> {
    fn add(&mut self, message: String, hint: Option<String>) {
        self.found.push(Problem {
            rule: Some(self.rule.id.clone()),
            line: self.rule.line,
            message,
            hint,
            ..Problem::default()
        });
    }
}

/// A target that can't match anything is a mistake: a `deny` that never denies is worse than none.
fn target(target: &str, problems: &mut Problems<'_>) {
    let can_match = match Glob::new(target) {
        Glob::All | Glob::Pieces { .. } => true,
        Glob::Exact(all) => all.contains('/'),
    };
    if !can_match {
        problems.add(
            format!("`{}` matches nothing", target.escape_debug()),
            Some(match target {
                "" => "a target is a glob over `server/tool`; everything is `*/*`".into(),
                _ => format!("a target is a glob over `server/tool`: `{target}/*` or `*/{target}`"),
            }),
        );
    }
}

fn target_condition(target: &str) -> Option<String> {
    // Every path has a `/`.
    if target == "*/*" || Glob::new(target) == Glob::All {
        return None;
    }
    let mut out = String::from("resource.path");
    compare(&mut out, target);
    Some(out)
}

/// ` == "…"` or ` like "…"`.
fn compare(out: &mut String, glob: &str) {
    if glob.contains('*') {
        out.push_str(" like ");
        quote::pattern(out, glob.chars().map(|c| if c == '*' { None } else { Some(c) }));
    } else {
        out.push_str(" == ");
        quote::text(out, glob.chars());
    }
}

fn who_condition(who: &Who, problems: &mut Problems<'_>) -> Option<String> {
    let mut parts = Vec::new();
    // One test for any number of names: a chain of as many would be as deep.
    let (globs, names): (Vec<_>, Vec<_>) = who.agents.iter().partition(|agent| agent.contains('*'));
    for agent in globs {
        let mut out = String::from("principal.name");
        compare(&mut out, agent);
        parts.push(out);
    }
    if !names.is_empty() {
        let mut out = String::new();
        list(&mut out, &names);
        out.push_str(".contains(principal.name)");
        parts.push(out);
    }
    if !who.groups.is_empty() {
        let mut out = String::from("principal.groups.containsAny(");
        list(&mut out, &who.groups);
        out.push(')');
        parts.push(out);
    }
    if !who.tenants.is_empty() {
        let mut out = String::from("(principal has tenant && ");
        list(&mut out, &who.tenants);
        out.push_str(".contains(principal.tenant))");
        parts.push(out);
    }
    if parts.is_empty() {
        let hint = "name `agents`, `groups` or `tenants`; without `for` a rule is for everyone";
        problems.add("`for` names nobody".into(), Some(hint.into()));
        return None;
    }
    Some(parts.join(" || "))
}

fn list(out: &mut String, items: &[impl AsRef<str>]) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        quote::text(out, item.as_ref().chars());
    }
    out.push(']');
}

fn when_condition(when: &str, problems: &mut Problems<'_>) -> Option<Condition> {
    condition::parse(when)
        .map_err(|mistake| {
            problems.add(mistake.message, mistake.hint);
            if let Some(problem) = problems.found.last_mut() {
                problem.column = Some(mistake.column);
            }
        })
        .ok()
}

/// What a condition reads of a call, by name.
fn used(condition: &Condition, draft: &mut Draft, problems: &mut Problems<'_>) -> Uses {
    let tested: Vec<_> = condition.args().into_iter().cloned().collect();
    let mut facts = Vec::new();
    for name in condition.facts() {
        match draft.fact_index(&name) {
            Ok(index) => facts.extend(index),
            Err(hint) => problems.add(format!("there is no fact `{}`", name.escape_debug()), Some(hint)),
        }
    }
    Uses {
        args: Some(tested.iter().filter_map(|arg| arg.path.first().cloned()).collect()),
        tests: condition.comparisons().into_iter().map(|comparison| draft.test(comparison)).collect(),
        tested,
        facts,
    }
}

fn demand(rule: &Rule, problems: &mut Problems<'_>) -> Demand {
    let demand = Demand { audience: rule.of.clone().unwrap_or(Audience::Agent), count: rule.count.max(1) };
    if rule.effect != Effect::Ask && (rule.of.is_some() || rule.count > 1) {
        problems.add(format!("`of` does not go with `{}`", rule.effect.as_str()), None);
    } else if demand.count > 1 && demand.audience == Audience::Agent {
        problems.add(
            "the agent's human is one person".into(),
            Some("`count` goes with `of: operators` or `of: group:NAME`".into()),
        );
    }
    demand
}

/// What a rule covers.
fn actions(rule: &Rule, problems: &mut Problems<'_>) -> Vec<Action> {
    let Some(on) = &rule.on else { return Action::SHORTHAND.to_vec() };
    if on.is_empty() {
        problems.add(
            "`on` is empty".into(),
            Some("without it a rule covers calls, reads, gets and completions".into()),
        );
    }
    for action in on {
        let word = action.as_str();
        match (action, rule.effect) {
            (Action::Sample | Action::Elicit, Effect::Ask) => problems
                .add(format!("nobody can be asked about `{word}`"), Some("allow it or deny it".into())),
            (Action::List | Action::Subscribe | Action::See, Effect::Ask | Effect::Allow) => problems.add(
                format!("`{word}` can only be denied"),
                Some(format!("`{word}` follows from `call`, `get` and `read`")),
            ),
            (
                Action::Call
                | Action::Read
                | Action::Get
                | Action::Complete
                | Action::List
                | Action::Subscribe
                | Action::Sample
                | Action::Elicit
                | Action::See,
                Effect::Allow | Effect::Ask | Effect::Deny,
            ) => {}
        }
    }
    on.clone()
}

/// What the two statements of an ask share.
struct Body<'a> {
    /// The rule's `when` is the last; the others say its scope again.
    conditions: &'a [String],
    actions: &'a [Action],
    uses: &'a Arc<Uses>,
}

fn statement(rule: &Rule, id: &str, force: Force, body: &Body<'_>, draft: &mut Draft) {
    let mut text = String::from("@id(");
    quote::text(&mut text, id.chars());
    text.push_str(")\n");
    if let Force::Ask(demand) = &force {
        text.push_str("@ask(");
        quote::text(&mut text, demand.audience.to_string().chars());
        text.push_str(")\n");
        if demand.count > 1 {
            text.push_str("@count(");
            quote::text(&mut text, demand.count.to_string().chars());
            text.push_str(")\n");
        }
    }
    if rule.shadow {
        text.push_str("@shadow\n");
    }
    if let Some(because) = &rule.because {
        text.push_str("@because(");
        quote::text(&mut text, because.chars());
        text.push_str(")\n");
    }
    text.push_str(match force {
        Force::Permit => "permit",
        Force::Forbid | Force::Ask(_) => "forbid",
    });
    text.push_str(" (\n    principal,\n    action in [");
    for (at, action) in body.actions.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        text.push_str("Action::");
        quote::text(&mut text, action.as_str().chars());
    }
    text.push_str("],\n    resource\n)");
    for condition in body.conditions {
        text.push_str("\nwhen { ");
        text.push_str(condition);
        text.push_str(" }");
    }
    text.push_str(";\n");
    parsed(rule, &text, force, body, draft);
}

fn parsed(rule: &Rule, text: &str, force: Force, body: &Body<'_>, draft: &mut Draft) {
    let weight = room::pieces(text).iter().map(|piece| piece.weight).max().unwrap_or_default();
    if weight > WEIGHT_MAX {
        draft.problems.push(Problem {
            rule: Some(rule.id.clone()),
            line: rule.line,
            message: "this rule's conditions are too long".into(),
            hint: Some("split it into several rules".into()),
            ..Problem::default()
        });
        return;
    }
    let id = draft.next_id();
    let mut refuse = |why: String| {
        draft.problems.push(Problem {
            rule: Some(rule.id.clone()),
            line: rule.line,
            message: format!("this rule can't be compiled: {why}"),
            ..Problem::default()
        });
    };
    let policy = match cedar_policy::Policy::parse(Some(id), text) {
        Ok(policy) => policy,
        Err(error) => return refuse(error.to_string()),
    };
    let (open, reads) = match rule.when.as_ref().map(|_| flat::last_condition(&policy)) {
        None => (None, Reads::default()),
        Some(Some((open, reads))) => (Some(open), reads),
        Some(None) => return refuse("its condition is not one over attributes".to_owned()),
    };
    draft.shown.push('\n');
    draft.shown.push_str(text);
    draft.statements.push(Statement {
        id: rule.id.as_str().into(),
        because: rule.because.as_deref().filter(|text| !text.is_empty()).map(Arc::from),
        force,
        shadow: rule.shadow,
        reads,
        uses: Arc::clone(body.uses),
        policy,
        scope: Scope {
            actions: Set::of(body.actions),
            kinds: Set::ALL,
            target: Glob::new(&rule.target),
            callers: rule.only_for.as_ref().map(Callers::of),
        },
        weight,
        open,
        permit: None,
        implied: false,
        words: Words {
            effect: rule.effect,
            file: None,
            line: rule.line,
            only_for: rule.only_for.as_ref().map(phrase),
            when: rule.when.clone(),
        },
    });
}

/// `for:` in words.
fn phrase(who: &Who) -> String {
    let named = |word: &str, names: &[String]| {
        names.iter().map(|name| format!("{word} `{name}`")).collect::<Vec<_>>()
    };
    [named("agent", &who.agents), named("group", &who.groups), named("tenant", &who.tenants)]
        .concat()
        .join(" or ")
}
