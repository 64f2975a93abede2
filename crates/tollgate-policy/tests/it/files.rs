//! Cedar files beside shorthand, and what `tollgate policy show` prints.

use cedar_policy::PolicySet;
use tollgate_policy::{
    Action, Audience, Effect, Evidence, Fact, Include, Kind, Policy, Rule, Source, Target, Verdict, Who,
};

use crate::{CODER, cedar, tool};

#[test]
fn shown() {
    let source = Source {
        default: Effect::Ask,
        rules: vec![
            Rule {
                only_for: Some(Who {
                    agents: vec!["c*".into(), "ann".into()],
                    groups: vec!["eng".into()],
                    tenants: vec!["acme".into()],
                }),
                ..Rule::new("rule-1", Effect::Allow, "jira/*")
            },
            Rule {
                because: Some("say \"please\"".into()),
                when: Some("tool.destructive && !tool.hinted".into()),
                ..Rule::new("asks", Effect::Ask, "*/*")
            },
            Rule::new("no-project-delete", Effect::Deny, "jira/delete_project"),
        ],
        include: vec![Include {
            name: "policies/a.cedar".into(),
            text: "permit (principal, action == Action::\"read\", resource);\n".into(),
        }],
        facts: vec![],
    };
    let policy = Policy::compile(&source).unwrap();
    let expected = r#"// default: ask. What no policy permits or forbids asks the agent's human; no policy says so, because none can.

@id("rule-1")
permit (
    principal,
    action in [Action::"call", Action::"read", Action::"get", Action::"complete"],
    resource
)
when { resource.path like "jira/*" }
when { principal.name like "c*" || ["ann"].contains(principal.name) || principal.groups.containsAny(["eng"]) || (principal has tenant && ["acme"].contains(principal.tenant)) };

@id("asks")
@ask("agent")
@because("say \"please\"")
forbid (
    principal,
    action in [Action::"call", Action::"read", Action::"get", Action::"complete"],
    resource
)
when { (resource.destructive && !(resource.hinted)) };

@id("asks.approved")
@because("say \"please\"")
permit (
    principal,
    action in [Action::"call", Action::"read", Action::"get", Action::"complete"],
    resource
)
when { (resource.destructive && !(resource.hinted)) };

@id("no-project-delete")
forbid (
    principal,
    action in [Action::"call", Action::"read", Action::"get", Action::"complete"],
    resource
)
when { resource.path == "jira/delete_project" };

// from policies/a.cedar
permit (principal, action == Action::"read", resource);
"#;
    assert_eq!(policy.show(), expected);
    assert_eq!(policy.show().parse::<PolicySet>().unwrap().num_of_policies(), 5);
    assert!(Policy::schema().starts_with("entity Agent"));
}

#[test]
fn a_file_without_ids_is_named_by_file_and_line() {
    let policy = cedar(Effect::Allow, "\n\nforbid (principal, action == Action::\"call\", resource);");
    let verdict = policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), &[]);
    assert!(matches!(&verdict, Verdict::Deny { rule, .. } if &**rule == "a.cedar:3"), "{verdict:?}");
}

#[test]
fn seeing_and_subscribing_can_be_forbidden_by_themselves() {
    let policy = cedar(
        Effect::Allow,
        "@id(\"blind\") forbid (principal, action == Action::\"see\", resource == Tool::\"f/x\");\n\
         @id(\"deaf\") forbid (principal, action == Action::\"subscribe\", resource);\n\
         @id(\"ask\") @ask(\"agent\") forbid (principal, action, resource) when { resource.name == \"asked\" };",
    );
    let decide =
        |action, target: Target<'_>| policy.decide(&CODER, action, &target, &Evidence::default(), &[]);
    assert!(!policy.visible(&CODER, &tool("f", "x")));
    assert!(matches!(decide(Action::Call, tool("f", "x")), Verdict::Allow { .. }), "hiding is not deciding");
    assert!(policy.visible(&CODER, &tool("f", "y")));

    let resource = Target { kind: Kind::Resource, ..tool("f", "file:///x") };
    assert!(matches!(decide(Action::Subscribe, resource), Verdict::Deny { rule, .. } if &*rule == "deaf"));
    assert!(matches!(decide(Action::Read, resource), Verdict::Allow { .. }));
    // an ask covers what follows, without a question
    assert!(matches!(decide(Action::See, tool("f", "asked")), Verdict::Allow { .. }));
    assert!(matches!(decide(Action::Sample, tool("f", "asked")), Verdict::Ask { .. }));
    let blind = policy.explain(&CODER, Action::See, &tool("f", "x"), None, &Evidence::default(), &[]);
    assert_eq!(blind.change, ["a change of rule `blind` (a.cedar:1)"]);
}

#[test]
fn a_file_asks_beside_the_default() {
    let policy =
        cedar(Effect::Ask, "@id(\"a\") @ask(\"agent\") forbid (principal, action, resource is Tool);");
    let verdict = policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), &[]);
    let Verdict::Ask { rule, rules, .. } = &verdict else { panic!("{verdict:?}") };
    assert_eq!((&**rule, rules.join(" ").as_str()), ("a", "a default"));
    let verdict =
        policy.decide(&CODER, Action::Call, &tool("f", "x"), &Evidence::default(), &[Audience::Agent]);
    assert!(matches!(verdict, Verdict::Allow { .. }));
}

#[test]
fn a_file_that_uses_facts_as_a_set_sees_all_of_them() {
    let denies = |when: &str, arguments: &str| {
        let text =
            format!("forbid (principal, action == Action::\"call\", resource is Tool) when {{ {when} }};");
        let fact =
            |name: &str, path: &str| Fact { any: Some("^yes$".into()), ..Fact::new(name, "*/*", path) };
        let policy = Policy::compile(&Source {
            default: Effect::Allow,
            rules: vec![],
            include: vec![Include { name: "a.cedar".into(), text }],
            facts: vec![fact("one", "$.one"), fact("two", "$.two")],
        })
        .unwrap();
        let evidence = Evidence { arguments: Some(arguments.as_bytes()), ..Evidence::default() };
        let verdict = policy.decide(&CODER, Action::Call, &tool("files", "read"), &evidence, &[]);
        matches!(verdict, Verdict::Deny { error: false, .. })
    };
    let (two, both) = (r#"{"two":"yes"}"#, r#"{"one":"yes","two":"yes"}"#);
    assert!(denies("!context.facts.isEmpty()", two));
    assert!(denies("!context.facts.isEmpty() && resource.name != \"one\"", two));
    assert!(denies("context.facts.contains(\"one\") && context.facts != [\"one\"]", both));
    assert!(denies("!([\"one\"].containsAll(context.facts))", both));
    assert!(!denies("context.facts.contains(\"one\")", two));
}
