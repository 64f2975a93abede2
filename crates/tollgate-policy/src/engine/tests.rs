use std::sync::Arc;

use cedar_policy::PolicySet;
use proptest::prelude::*;
use proptest::sample::select;

use super::weigh::{Left, Weighed};
use super::{Policy, Verdict};
use crate::compile::{Force, Reads};
use crate::{Action, Audience, Caller, Effect, Evidence, Flags, Include, Kind, Rule, Source, Target, Who};

/// Nothing left out: each policy, its scope with it, goes to Cedar's own authorizer alone, with every attribute.
fn authorized(policy: &Policy, caller: &Caller<'_>, action: Action, target: &Target<'_>) -> Weighed {
    let left = Left { entities: Reads::ALL, ..Left::default() };
    let frame = policy.cedar.frame(&left, caller, action, target, &target.path()).unwrap();
    let question = frame.question(Vec::new()).unwrap();
    let mut weighed = Weighed::default();
    for (index, statement) in (0..).zip(&policy.statements) {
        let response = question.authorized(&PolicySet::from_policies([statement.policy.clone()]).unwrap());
        let diagnostics = response.diagnostics();
        weighed.errors.extend(diagnostics.errors().map(|error| (index, error.to_string())));
        if diagnostics.reason().next().is_some() {
            match statement.force {
                Force::Permit => weighed.permits.push(index),
                Force::Forbid => weighed.forbids.push(index),
                Force::Ask(_) => weighed.asks.push(index),
            }
        }
    }
    weighed
}

fn unsliced(
    policy: &Policy,
    caller: &Caller<'_>,
    action: Action,
    target: &Target<'_>,
    approved: &[Audience],
) -> Verdict {
    if !action.follows() {
        return policy.conclude(&authorized(policy, caller, action, target), approved);
    }
    match policy.conclude(&authorized(policy, caller, target.kind.used_by(), target), &[]) {
        verdict @ (Verdict::Deny { .. } | Verdict::Invalid { .. }) => verdict,
        Verdict::Allow { rules } | Verdict::Ask { rules, .. } => {
            let weighed = authorized(policy, caller, action, target);
            let forbids = |index: &u32| policy.statement(*index).is_some_and(|s| s.force == Force::Forbid);
            let errors = weighed.errors.into_iter().filter(|(index, _)| forbids(index)).collect();
            let weighed = Weighed { errors, forbids: weighed.forbids, ..Weighed::default() };
            policy.refused(&weighed).unwrap_or(Verdict::Allow { rules })
        }
    }
}

const SERVERS: [&str; 3] = ["jira", "files", "j"];
const NAMES: [&str; 7] = ["get", "delete_x", "a/b", "", "*", "\"\\\n\u{202e}", "{\"__entity\":1}"];
const TARGETS: [&str; 10] = [
    "*",
    "*/*",
    "jira/*",
    "j*",
    "*delete*",
    "jira/get",
    "files/a/b",
    "*/*\"\\\n*",
    "j/{\"__entity\":1}",
    "*a*b*",
];
const WHENS: [&str; 6] = [
    "tool.destructive",
    "!tool.read_only && tool.name like \"*e*\"",
    "tenant == \"acme\" || groups.contains(\"eng\")",
    "tool.labels.contains(\"safe\")",
    "tool.server == \"jira\"",
    "agent like \"c*\" && !(user == \"ana\")",
];
const FILES: [&str; 8] = [
    "permit (principal, action == Action::\"call\", resource is Tool);",
    "forbid (principal, action, resource == Tool::\"jira/get\") unless { resource.pinned };",
    "@ask(\"agent\") forbid (principal, action, resource) when { resource.open_world };",
    "forbid (principal == Agent::\"coder\", action == Action::\"see\", resource in Tool::\"files/a/b\");",
    "forbid (principal, action in [Action::\"sample\", Action::\"subscribe\"], resource);",
    "permit (principal, action, resource is Resource in Resource::\"files/\") when { principal has user };",
    "permit (principal, action, resource) when { resource.idempotent && 9223372036854775807 + 1 > 0 };",
    "forbid (principal, action, resource) when { Agent::\"ghost\".name == resource.path };",
];

fn rule() -> impl Strategy<Value = Rule> {
    let who = prop::option::of(select(vec![
        Who { agents: vec!["c*".into()], ..Who::default() },
        Who { groups: vec!["eng".into(), "ops".into()], ..Who::default() },
        Who { tenants: vec!["acme".into()], agents: vec!["bot".into()], ..Who::default() },
    ]));
    (
        select(vec![Effect::Allow, Effect::Ask, Effect::Deny]),
        select(&TARGETS[..]),
        who,
        prop::option::of(select(&WHENS[..])),
    )
        .prop_map(|(effect, target, only_for, when)| Rule {
            only_for,
            when: when.map(Into::into),
            ..Rule::new("", effect, target)
        })
}

fn source() -> impl Strategy<Value = Source> {
    let default = select(vec![Effect::Allow, Effect::Ask, Effect::Deny]);
    let files = prop::sample::subsequence(&FILES[..], 0..=2);
    (default, prop::collection::vec(rule(), 0..6), files).prop_map(|(default, mut rules, files)| {
        for (n, rule) in rules.iter_mut().enumerate() {
            rule.id = format!("rule-{n}");
        }
        let include = (0..)
            .zip(files)
            .map(|(n, text): (usize, _)| Include { name: format!("{n}.cedar"), text: text.into() })
            .collect();
        Source { default, rules, include, facts: vec![] }
    })
}

#[derive(Debug, Clone)]
struct Case {
    agent: &'static str,
    user: Option<&'static str>,
    tenant: Option<&'static str>,
    groups: Vec<Arc<str>>,
    server: &'static str,
    name: &'static str,
    kind: Kind,
    flags: [bool; 6],
    labels: Vec<Arc<str>>,
    action: Action,
    approved: bool,
}

fn case() -> impl Strategy<Value = Case> {
    (
        (
            select(vec!["coder", "bot", ""]),
            select(vec![None, Some("ana")]),
            select(vec![None, Some("acme"), Some("other")]),
            prop::bool::ANY,
        ),
        (select(&SERVERS[..]), select(&NAMES[..]), select(&Kind::ALL[..])),
        (any::<[bool; 6]>(), prop::bool::ANY, select(&Action::ALL[..]), prop::bool::ANY),
    )
        .prop_map(
            |((agent, user, tenant, eng), (server, name, kind), (flags, safe, action, approved))| Case {
                agent,
                user,
                tenant,
                groups: if eng { vec!["eng".into()] } else { vec![] },
                server,
                name,
                kind,
                flags,
                labels: if safe { vec!["safe".into()] } else { vec![] },
                action,
                approved,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slicing_changes_no_verdict(source in source(), cases in prop::collection::vec(case(), 24)) {
        let policy = Policy::compile(&source).unwrap();
        for case in &cases {
            let [destructive, read_only, idempotent, open_world, hinted, pinned] = case.flags;
            let caller = Caller { agent: case.agent, user: case.user, tenant: case.tenant, groups: &case.groups };
            let target = Target {
                server: case.server,
                name: case.name,
                kind: case.kind,
                flags: Flags { destructive, read_only, idempotent, open_world, hinted, pinned },
                labels: &case.labels,
            };
            let approved: &[Audience] = if case.approved { &[Audience::Agent] } else { &[] };
            let sliced = policy.decide(&caller, case.action, &target, &Evidence::default(), approved);
            prop_assert_eq!(
                &sliced,
                &unsliced(&policy, &caller, case.action, &target, approved),
                "{:?}\n{}", case, policy.show()
            );
            let could = [Action::See, Action::List].map(|action| unsliced(&policy, &caller, action, &target, &[]));
            let seen = could.iter().all(|verdict| matches!(verdict, Verdict::Allow { .. }));
            prop_assert_eq!(policy.visible(&caller, &target), seen, "{:?}\n{}", case, policy.show());
            let explained = policy.explain(&caller, case.action, &target, None, &Evidence::default(), approved);
            prop_assert_eq!(&explained.verdict, &sliced);
            prop_assert_eq!(explained.change.is_empty(), matches!(sliced, Verdict::Allow { .. }));
        }
    }
}

#[test]
fn nothing_left_to_evaluate_needs_no_cedar() {
    let source = Source {
        default: Effect::Deny,
        rules: vec![
            Rule::new("a", Effect::Allow, "jira/*"),
            Rule { when: Some("tool.destructive".into()), ..Rule::new("b", Effect::Deny, "files/*") },
        ],
        include: vec![],
        facts: vec![],
    };
    let policy = Policy::compile(&source).unwrap();
    let open = |server| {
        let path = format!("{server}/x");
        let indices = policy.slices.matching(&policy.statements, &[Action::Call], Kind::Tool, &path, None);
        (indices.len(), policy.left(&indices).open)
    };
    assert_eq!((open("jira"), open("files"), open("other")), ((1, false), (1, true), (0, false)));
}

#[test]
fn a_policy_can_be_shared() {
    fn shared<T: Send + Sync + std::fmt::Debug>(_: &T) {}
    let policy = Policy::compile(&Source::starter()).unwrap();
    shared(&policy);
    assert_eq!(format!("{policy:?}"), "Policy { statements: 3, default: Allow, .. }");
}
