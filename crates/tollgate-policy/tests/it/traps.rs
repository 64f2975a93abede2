//! Cedar's traps, each shown to be there and shown to be closed.

use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Decision, Entities, PolicySet, Request};
use tollgate_policy::{Action, Audience, Caller, Effect, Evidence, Kind, Rule, Target, Verdict};

use crate::{CODER, cedar, policy, tool};

/// A forbid that passes the validator and fails when evaluated.
const FAILING: &str = "@id(\"sum\") @because(\"never\") forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };";

#[test]
fn an_error_denies_where_cedar_allows() {
    let set: PolicySet = format!("permit (principal, action, resource); {FAILING}").parse().unwrap();
    let uid = |text: &str| text.parse().unwrap();
    let request = Request::new(
        uid("Agent::\"a\""),
        uid("Action::\"call\""),
        uid("Tool::\"f/x\""),
        Context::empty(),
        None,
    )
    .unwrap();
    let cedar_says = Authorizer::new().is_authorized(&request, &set, &Entities::empty());
    assert_eq!(cedar_says.decision(), Decision::Allow, "the trap is gone: this rule of ours may go too");

    let policy = cedar(Effect::Allow, FAILING);
    for approved in [&[][..], &[Audience::Agent]] {
        let verdict = policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), approved);
        let Verdict::Deny { rule, because, rules, error: true } = verdict else { panic!("{verdict:?}") };
        assert_eq!((&*rule, because.as_deref()), ("sum", Some("this rule could not be evaluated")));
        assert_eq!(rules.len(), 1);
    }
    assert!(!policy.visible(&CODER, &tool("f", "x")));
}

#[test]
fn an_error_anywhere_denies() {
    for (name, text) in [
        ("a permit", "permit (principal, action, resource) when { 9223372036854775807 + 1 > 0 };"),
        (
            "an ask",
            "@ask(\"agent\") forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };",
        ),
        (
            "an entity that is not there",
            "permit (principal, action, resource) when { Agent::\"ghost\".name == \"x\" };",
        ),
        (
            "a forbid to see",
            "forbid (principal, action == Action::\"see\", resource) when { 9223372036854775807 + 1 > 0 };",
        ),
    ] {
        let policy = cedar(Effect::Allow, text);
        let verdict = policy.decide(&CODER, Action::See, &tool("f", "x"), &Evidence::default(), &[]);
        assert!(matches!(verdict, Verdict::Deny { error: true, .. }), "{name}: {verdict:?}");
    }
}

#[test]
fn what_looks_like_an_entity_is_a_string() {
    let root = r#"{"__entity":{"type":"Agent","id":"root"}}"#;
    let extension = r#"{"__extn":{"fn":"ip","arg":"10.0.0.1"}}"#;
    let policy = cedar(
        Effect::Allow,
        r#"@id("root") forbid (principal == Agent::"root", action, resource);
           @id("ref") forbid (principal, action, resource) when { principal == Agent::"root" || resource == Tool::"root/root" };
           @id("in") forbid (principal, action, resource) when { principal in Agent::"root" };"#,
    );
    let groups: [Arc<str>; 2] = [root.into(), extension.into()];
    for text in [root, extension, "Agent::\"root\"", "root\" || true || \"", "\0", "\u{202e}", ""] {
        let caller = Caller { agent: text, user: Some(text), tenant: Some(text), groups: &groups };
        for kind in [Kind::Tool, Kind::Prompt, Kind::Resource] {
            let target = Target { kind, labels: &groups, ..tool("f", text) };
            let verdict = policy.decide(&caller, kind.used_by(), &target, &Evidence::default(), &[]);
            assert!(matches!(verdict, Verdict::Allow { .. }), "{text}: {verdict:?}");
        }
    }
    let verdict = policy.decide(
        &Caller { agent: "root", ..CODER },
        Action::Call,
        &tool("f", "x"),
        &Evidence::default(),
        &[],
    );
    assert!(matches!(&verdict, Verdict::Deny { rules, .. } if rules.len() == 3), "{verdict:?}");
}

#[test]
fn any_text_in_a_rule_stays_text() {
    let hostile = "x\"); permit (principal, action, resource); // \\\"\n\u{202e}\0*";
    let rule = Rule {
        because: Some(hostile.into()),
        only_for: Some(tollgate_policy::Who {
            agents: vec![hostile.into()],
            groups: vec![hostile.into()],
            tenants: vec![hostile.into()],
        }),
        ..Rule::new(hostile, Effect::Deny, format!("f/{hostile}"))
    };
    let policy = policy(Effect::Deny, vec![rule]);
    let set: PolicySet = policy.show().parse().unwrap();
    assert_eq!(set.num_of_policies(), 1);
    assert!(!policy.show().contains('\u{202e}'));
    let caller = Caller { agent: hostile, ..CODER };
    let verdict = policy.decide(&caller, Action::Call, &tool("f", hostile), &Evidence::default(), &[]);
    assert_eq!(
        verdict,
        Verdict::Deny {
            rule: hostile.into(),
            because: Some(hostile.into()),
            rules: [hostile.into()].into_iter().collect(),
            error: false
        }
    );
}

#[test]
fn what_was_not_handed_in_is_not_there() {
    let asks = "forbid (principal, action, resource == Tool::\"f/x\") unless { context has reason };";
    let policy = cedar(Effect::Allow, asks);
    let verdict = policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), &[]);
    assert!(matches!(verdict, Verdict::Deny { error: false, .. }), "{verdict:?}");
    let verdict = policy.decide(&CODER, Action::Call, &tool("f", "y"), &Evidence::default(), &[]);
    assert!(matches!(verdict, Verdict::Allow { .. }), "{verdict:?}");
}
