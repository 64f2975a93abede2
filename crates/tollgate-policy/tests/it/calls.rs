//! One policy, ten calls, ten verdicts; then what each kind of rule promises.

use std::sync::Arc;

use tollgate_policy::{
    Action, Audience, Caller, Demand, Effect, Evidence, Kind, Policy, Rule, Rules, Source, Target, Verdict,
    Who,
};

use crate::{CODER, cedar, destructive, policy, tool};

fn rules(ids: &[&str]) -> Rules {
    ids.iter().map(|id| Arc::from(*id)).collect()
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow { rules } => format!("allow {}", rules.join(" ")),
        Verdict::Ask { audience, rules, .. } => format!("ask {audience} {}", rules.join(" ")),
        Verdict::Deny { rules, error, .. } => {
            format!("deny{} {}", if *error { " error" } else { "" }, rules.join(" "))
        }
        Verdict::Invalid { because } => format!("invalid {because}"),
    }
}

#[test]
fn ten_calls() {
    let policy = policy(
        Effect::Deny,
        vec![
            Rule {
                only_for: Some(Who { groups: vec!["eng".into()], ..Who::default() }),
                ..Rule::new("eng-jira", Effect::Allow, "jira/*")
            },
            Rule {
                because: Some("project deletes go through the platform team".into()),
                ..Rule::new("no-project-delete", Effect::Deny, "jira/delete_project")
            },
            Rule { when: Some("tool.destructive".into()), ..Rule::new("deletes", Effect::Ask, "*/*") },
            Rule { when: Some("tool.read_only".into()), ..Rule::new("reads", Effect::Allow, "docs/*") },
            Rule {
                only_for: Some(Who { agents: vec!["bot-*".into()], ..Who::default() }),
                ..Rule::new("no-bots", Effect::Deny, "docs/*")
            },
        ],
    );
    let eng: [Arc<str>; 1] = ["eng".into()];
    let engineer = Caller { groups: &eng, ..CODER };
    let bot = Caller { agent: "bot-7", ..CODER };
    let reading = |mut target: Target<'static>| {
        target.flags.read_only = true;
        target
    };
    let prompt = Target { kind: Kind::Prompt, ..tool("jira", "triage") };
    for (caller, action, target, expected) in [
        (engineer, Action::Call, tool("jira", "get_issue"), "allow eng-jira"),
        (CODER, Action::Call, tool("jira", "get_issue"), "deny default"),
        (engineer, Action::Call, destructive(tool("jira", "delete_project")), "deny no-project-delete"),
        (engineer, Action::Call, destructive(tool("jira", "delete_issue")), "ask agent deletes"),
        (CODER, Action::Call, destructive(tool("jira", "delete_issue")), "ask agent deletes"),
        (CODER, Action::Call, reading(tool("docs", "search")), "allow reads"),
        (CODER, Action::Call, tool("docs", "search"), "deny default"),
        (bot, Action::Call, reading(tool("docs", "search")), "deny no-bots"),
        (engineer, Action::Get, prompt, "allow eng-jira"),
        (engineer, Action::Sample, tool("jira", "get_issue"), "deny default"),
    ] {
        let verdict = policy.decide(&caller, action, &target, &Evidence::default(), &[]);
        assert_eq!(said(&verdict), expected, "{} {action:?} {}/{}", caller.agent, target.server, target.name);
    }
}

#[test]
fn a_denial_says_its_rule_and_reason() {
    let rule =
        Rule { because: Some("deletes need a human".into()), ..Rule::new("no-deletes", Effect::Deny, "f/*") };
    let policy = policy(Effect::Allow, vec![rule]);
    assert_eq!(
        policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), &[]),
        Verdict::Deny {
            rule: "no-deletes".into(),
            because: Some("deletes need a human".into()),
            rules: rules(&["no-deletes"]),
            error: false
        }
    );
}

#[test]
fn an_approval_lifts_an_ask_and_the_ask_permits() {
    let policy = policy(Effect::Deny, vec![Rule::new("ask", Effect::Ask, "f/*")]);
    let decide = |approved: &[Audience]| {
        policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), approved)
    };
    assert_eq!(
        decide(&[]),
        Verdict::Ask {
            audience: Audience::Agent,
            demands: [Demand { audience: Audience::Agent, count: 1 }].into_iter().collect(),
            rule: "ask".into(),
            because: None,
            rules: rules(&["ask"])
        }
    );
    assert_eq!(decide(&[Audience::Agent]), Verdict::Allow { rules: rules(&["ask"]) });
    // of somebody else: no
    for other in [Audience::Operators, Audience::Group("agent".into())] {
        assert!(matches!(decide(&[other]), Verdict::Ask { .. }));
    }
}

#[test]
fn nobody_is_asked_about_what_would_be_denied() {
    // an ask in Cedar permits nothing by itself
    let text = "@id(\"ask\") @ask(\"agent\") forbid (principal, action, resource);";
    let call = |policy: &Policy, approved: &[Audience]| {
        said(&policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), approved))
    };
    let denying = cedar(Effect::Deny, text);
    assert_eq!(call(&denying, &[]), "deny default");
    assert_eq!(call(&denying, &[Audience::Agent]), "deny default");
    let allowing = cedar(Effect::Allow, text);
    assert_eq!(call(&allowing, &[]), "ask agent ask");
    assert_eq!(call(&allowing, &[Audience::Agent]), "allow ask");
    let denied_anyway =
        cedar(Effect::Allow, &format!("{text} @id(\"no\") forbid (principal, action, resource);"));
    assert_eq!(call(&denied_anyway, &[]), "deny no");
}

#[test]
fn the_default_speaks_where_no_rule_does() {
    for (default, before, after) in [
        (Effect::Allow, "allow default", "allow default"),
        (Effect::Ask, "ask agent default", "allow default"),
        (Effect::Deny, "deny default", "deny default"),
    ] {
        let policy = policy(
            default,
            vec![Rule::new("yes", Effect::Allow, "f/yes"), Rule::new("no", Effect::Deny, "f/no")],
        );
        let call = |name, approved: &[Audience]| {
            said(&policy.decide(&CODER, Action::Call, &tool("f", name), &Evidence::default(), approved))
        };
        assert_eq!(call("other", &[]), before);
        assert_eq!(call("other", &[Audience::Agent]), after);
        assert_eq!(call("yes", &[]), "allow yes");
        assert_eq!(call("no", &[]), "deny no");
        assert_eq!(call("no", &[Audience::Agent]), "deny no");
        // shorthand rules say nothing of sampling
        for action in [Action::Sample, Action::Elicit] {
            assert_eq!(
                said(&policy.decide(&CODER, action, &tool("f", "no"), &Evidence::default(), &[])),
                before
            );
        }
    }
}

#[test]
fn the_starter_asks_about_destructive_tools_only() {
    let policy = Policy::compile(&Source::starter()).unwrap();
    let resource = Target { kind: Kind::Resource, ..tool("sample", "file:///notes/1") };
    for (action, target, expected) in [
        (Action::Call, tool("sample", "echo"), "allow default"),
        (Action::Call, destructive(tool("sample", "note_delete")), "ask agent destructive"),
        (Action::Read, resource, "allow default"),
        (Action::Complete, resource, "allow default"),
        (Action::Subscribe, resource, "allow default"),
        (Action::List, destructive(tool("sample", "note_delete")), "allow destructive"),
        (Action::Sample, destructive(tool("sample", "note_delete")), "allow default"),
        (Action::Elicit, tool("sample", "echo"), "allow default"),
    ] {
        assert_eq!(
            said(&policy.decide(&CODER, action, &target, &Evidence::default(), &[])),
            expected,
            "{action:?}"
        );
    }
    assert!(policy.visible(&CODER, &destructive(tool("sample", "note_delete"))));
}

#[test]
fn what_can_only_be_denied_is_not_visible() {
    let policy = policy(
        Effect::Deny,
        vec![
            Rule::new("yes", Effect::Allow, "f/*"),
            Rule::new("ask", Effect::Ask, "g/*"),
            Rule::new("no", Effect::Deny, "f/secret*"),
        ],
    );
    for (server, name, expected) in
        [("f", "x", true), ("g", "x", true), ("f", "secret", false), ("h", "x", false)]
    {
        let target = tool(server, name);
        assert_eq!(policy.visible(&CODER, &target), expected, "{server}/{name}");
        for action in [Action::List, Action::Subscribe, Action::See] {
            let allowed = matches!(
                policy.decide(&CODER, action, &target, &Evidence::default(), &[]),
                Verdict::Allow { .. }
            );
            assert_eq!(allowed, expected, "{action:?} {server}/{name}");
        }
    }
}

#[test]
fn an_absent_user_or_tenant_matches_nothing() {
    let policy = policy(
        Effect::Deny,
        vec![
            Rule { when: Some("tenant like \"*\"".into()), ..Rule::new("t", Effect::Allow, "t/*") },
            Rule { when: Some("user == \"ana\"".into()), ..Rule::new("u", Effect::Allow, "u/*") },
            Rule {
                only_for: Some(Who { tenants: vec!["acme".into()], ..Who::default() }),
                ..Rule::new("f", Effect::Allow, "f/*")
            },
        ],
    );
    let ana = Caller { user: Some("ana"), tenant: Some("acme"), ..CODER };
    for server in ["t", "u", "f"] {
        assert!(matches!(
            policy.decide(&CODER, Action::Call, &tool(server, "x"), &Evidence::default(), &[]),
            Verdict::Deny { error: false, .. }
        ));
        assert!(matches!(
            policy.decide(&ana, Action::Call, &tool(server, "x"), &Evidence::default(), &[]),
            Verdict::Allow { .. }
        ));
    }
}

#[test]
fn the_longest_rule_decides() {
    let when = format!("{}tool.read_only", "tool.hinted || ".repeat(240));
    let nested = format!("{}tool.read_only{}", "(!".repeat(15), ")".repeat(15));
    let agents: Vec<String> = (0..1_000).map(|n| format!("agent-{n}")).chain(["coder".into()]).collect();
    let policy = policy(
        Effect::Deny,
        vec![
            Rule {
                when: Some(when),
                only_for: Some(Who { agents, ..Who::default() }),
                ..Rule::new("long", Effect::Allow, "f/*")
            },
            Rule { when: Some(nested), ..Rule::new("deep", Effect::Deny, "f/*") },
        ],
    );
    let mut target = tool("f", "x");
    assert_eq!(said(&policy.decide(&CODER, Action::Call, &target, &Evidence::default(), &[])), "deny deep");
    target.flags.read_only = true;
    assert_eq!(said(&policy.decide(&CODER, Action::Call, &target, &Evidence::default(), &[])), "allow long");
}

#[test]
fn explanations() {
    let policy = policy(
        Effect::Deny,
        vec![
            Rule {
                only_for: Some(Who {
                    groups: vec!["eng".into()],
                    agents: vec!["a*".into()],
                    ..Who::default()
                }),
                when: Some("tool.read_only".into()),
                line: 3,
                ..Rule::new("reads", Effect::Allow, "f/*")
            },
            Rule {
                when: Some("tool.destructive".into()),
                because: Some("no way back".into()),
                line: 5,
                ..Rule::new("deletes", Effect::Ask, "g/*")
            },
            Rule { line: 7, ..Rule::new("never", Effect::Deny, "g/never") },
        ],
    );
    let explain =
        |target: Target<'_>| policy.explain(&CODER, Action::Call, &target, None, &Evidence::default(), &[]);

    let nothing_permits = explain(tool("f", "x"));
    assert!(nothing_permits.rules.is_empty());
    assert_eq!(
        nothing_permits.change,
        [
            "rule `reads` (line 3) permits it for agent `a*` or group `eng` when `tool.read_only`",
            "a rule that allows `f/x`"
        ]
    );
    let asked = explain(destructive(tool("g", "x")));
    let [reason] = &asked.rules[..] else { panic!("{asked:?}") };
    assert_eq!(
        (&*reason.id, reason.effect, reason.because.as_deref(), reason.line),
        ("deletes", Effect::Ask, Some("no way back"), 5)
    );
    assert_eq!(
        asked.change,
        ["an approval by the agent's human", "`tool.destructive` being false, for rule `deletes`"]
    );
    let denied = explain(destructive(tool("g", "never")));
    assert_eq!(denied.change, ["a change of rule `never` (line 7)"]);
    assert_eq!(&*denied.rules[0].id, "never");

    let broken = cedar(
        Effect::Allow,
        "@id(\"sum\") permit (principal, action, resource) when { 9223372036854775807 + 1 > 0 };",
    );
    let broken = broken.explain(&CODER, Action::Call, &tool("f", "x"), None, &Evidence::default(), &[]);
    assert_eq!(broken.change, ["rule `sum` repaired"]);
    assert!(broken.rules[0].error.as_deref().is_some_and(|text| text.contains("overflow")), "{broken:?}");
    assert_eq!((broken.rules[0].file.as_deref(), broken.rules[0].line), (Some("a.cedar"), 1));
}
