//! Every bad policy and its exact message.

use tollgate_policy::{Action, Audience, Effect, Evidence, Include, Policy, Rule, Source, Who};

fn told(rules: Vec<Rule>, files: &[(&str, &str)]) -> Vec<String> {
    let include =
        files.iter().map(|(name, text)| Include { name: (*name).into(), text: (*text).into() }).collect();
    match Policy::compile(&Source { default: Effect::Deny, rules, include, facts: vec![] }) {
        Ok(policy) => panic!("accepted:\n{}", policy.show()),
        Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
    }
}

fn at(line: usize, rule: Rule) -> Rule {
    Rule { line, ..rule }
}

#[test]
fn all_problems_of_rules_at_once() {
    let when = |text: &str| Some(text.to_owned());
    let told = told(
        vec![
            at(2, Rule::new("a", Effect::Allow, "jira/*")),
            at(3, Rule::new("a", Effect::Deny, "jira/*")),
            at(4, Rule::new("", Effect::Deny, "*")),
            at(5, Rule::new("default", Effect::Deny, "*")),
            at(6, Rule::new("b", Effect::Deny, "delete_project")),
            at(7, Rule::new("c", Effect::Deny, "")),
            at(8, Rule { only_for: Some(Who::default()), ..Rule::new("d", Effect::Deny, "*") }),
            at(9, Rule { when: when("tool.hinted && tool.destuctive"), ..Rule::new("e", Effect::Deny, "x") }),
            at(10, Rule { when: when("facts.contains(\"large\")"), ..Rule::new("f", Effect::Deny, "*") }),
            at(11, Rule { count: 2, ..Rule::new("g", Effect::Ask, "*") }),
            at(12, Rule { on: Some(vec![Action::Sample]), ..Rule::new("h", Effect::Ask, "*") }),
            at(13, Rule { of: Some(Audience::Agent), ..Rule::new("i", Effect::Deny, "*") }),
            at(14, Rule::new("j", Effect::Ask, "*")),
            at(15, Rule::new("j.approved", Effect::Ask, "*")),
        ],
        &[],
    );
    let expected = [
        "3: rule `a`: the id `a` is taken\n  hint: the rule in line 2 has it too",
        "4: rule ``: this rule's id is empty",
        "5: rule `default`: the id `default` is taken\n  hint: `default` stands for the default: call the rule something else",
        "6: rule `b`: `delete_project` matches nothing\n  hint: a target is a glob over `server/tool`: `delete_project/*` or `*/delete_project`",
        "7: rule `c`: `` matches nothing\n  hint: a target is a glob over `server/tool`; everything is `*/*`",
        "8: rule `d`: `for` names nobody\n  hint: name `agents`, `groups` or `tenants`; without `for` a rule is for everyone",
        "9: rule `e`: `x` matches nothing\n  hint: a target is a glob over `server/tool`: `x/*` or `*/x`",
        "9:16: rule `e`: unknown name `tool.destuctive`\n  hint: did you mean `tool.destructive`?",
        "10: rule `f`: there is no fact `large`\n  hint: facts stand under `policy.facts`",
        "11: rule `g`: the agent's human is one person\n  hint: `count` goes with `of: operators` or `of: group:NAME`",
        "12: rule `h`: nobody can be asked about `sample`\n  hint: allow it or deny it",
        "13: rule `i`: `of` does not go with `deny`",
        "15: rule `j.approved`: the id `j.approved` is taken\n  hint: the rule in line 14 has it too",
    ];
    assert_eq!(told, expected, "{told:#?}");
}

#[test]
fn problems_of_files() {
    for (text, expected) in [
        ("permit (principal, action, resource)", "a.cedar:1:37: unexpected end of input: expected `;`"),
        (
            "\n  permit (principal, action, ressource);",
            "a.cedar:2:30: found an invalid variable in the policy scope: ressource\n  hint: ",
        ),
        (
            "@id(\"x\") @aks(\"agent\") forbid (principal, action, resource);",
            "a.cedar:1: rule `x`: unknown annotation `@aks`\n  hint: did you mean `@ask`?",
        ),
        (
            "@id(\"x\") @severity(\"high\") forbid (principal, action, resource);",
            "a.cedar:1: rule `x`: unknown annotation `@severity`\n  hint: known: `@id`, `@ask`, `@because`, `@count`, `@shadow`",
        ),
        (
            "@id forbid (principal, action, resource);",
            "a.cedar:1: rule `a.cedar:1`: `@id` is empty\n  hint: write `@id(\"name\")`",
        ),
        (
            "@ask(\"agent\") @count(\"2\") forbid (principal, action, resource);",
            "a.cedar:1: rule `a.cedar:1`: the agent's human is one person\n  hint: ask `operators` or a group",
        ),
        (
            "@count(\"two\") @ask(\"operators\") forbid (principal, action, resource);",
            "a.cedar:1: rule `a.cedar:1`: `@count` is not a number from 1 to 9\n  hint: write `@count(\"2\")`",
        ),
        (
            "forbid (principal, action, resource) when { context.facts.contains(\"larg\") };",
            "a.cedar:1: rule `a.cedar:1`: it reads `context.facts` and names none that there is\n  hint: facts stand under `policy.facts`",
        ),
        (
            "forbid (principal, action, resource) when { context.tests[\"args.a > 1\"] };",
            "a.cedar:1:45: rule `a.cedar:1`: attribute `tests` in context for Action::\"call\" not found",
        ),
        (
            "@ask forbid (principal, action, resource);",
            "a.cedar:1: rule `a.cedar:1`: `@ask(\"\")` names nobody\n  hint: write `@ask(\"agent\")`, `@ask(\"operators\")` or `@ask(\"group:NAME\")`",
        ),
        (
            "@ask(\"agent\") permit (principal, action, resource);",
            "a.cedar:1: rule `a.cedar:1`: `@ask` stands on a permit\n  hint: an ask is a forbid that an approval lifts: `@ask(\"agent\") forbid (…)`",
        ),
        (
            "permit (principal, action == Action::\"see\", resource);",
            "a.cedar:1: rule `a.cedar:1`: permitting `see` has no effect\n  hint: `see` follows from `call`, `get` and `read`; it can only be forbidden",
        ),
        (
            "@ask(\"agent\") forbid (principal, action in [Action::\"read\", Action::\"subscribe\"], resource);",
            "a.cedar:1: rule `a.cedar:1`: nobody can be asked about `subscribe`\n  hint: `subscribe` follows from `call`, `get` and `read`; it can only be forbidden",
        ),
        (
            "permit (principal == ?principal, action, resource);",
            "a.cedar:1: a policy has `?principal` or `?resource` in it\n  hint: templates can't be used: write the policy out",
        ),
        (
            "@id(\"r\") // why\nforbid (principal, action, resource)\nwhen { resource.destuctive };",
            "a.cedar:3:8: rule `r`: attribute `destuctive` on entity type `Prompt` not found\n  hint: did you mean `destructive`?",
        ),
        (
            "forbid (principal, action == Action::\"call\", resource) when { context.arg.path == \"x\" };",
            "a.cedar:1:63: rule `a.cedar:1`: attribute `arg` in context for Action::\"call\" not found\n  hint: did you mean `args`?",
        ),
        (
            "forbid (principal, action == Action::\"call\", resource) when { context.time.hour == \"9\" };",
            "a.cedar:1:63: rule `a.cedar:1`: the types Long and String are not compatible",
        ),
        (
            "permit (principal, action, resource) when { principal.tenant == \"acme\" };",
            "a.cedar:1:45: rule `a.cedar:1`: unable to guarantee safety of access to optional attribute `tenant` on entity type `Agent`\n  hint: try testing for the attribute's presence with `e has tenant && ..`",
        ),
        (
            "permit (principal, action == Action::\"cal\", resource);",
            "a.cedar:1:30: rule `a.cedar:1`: unrecognized action `Action::\"cal\"`\n  hint: ",
        ),
        (
            "permit (principal in Group::\"eng\", action, resource);",
            "a.cedar:1:22: rule `a.cedar:1`: unrecognized entity type `Group`",
        ),
        (
            "forbid (principal, action == Action::\"call\", resource is Prompt);",
            "a.cedar:1:1: rule `a.cedar:1`: policy is impossible: the policy expression evaluates to false for all valid requests",
        ),
        (
            "forbid (principal, action, resource) when { resource.name == \"x\" && resource has args };",
            "a.cedar:1:1: rule `a.cedar:1`: policy is impossible: the policy expression evaluates to false for all valid requests",
        ),
    ] {
        let told = told(vec![], &[("a.cedar", text)]);
        assert!(
            told.iter().any(|told| told.starts_with(expected)),
            "{text}\nexpected {expected}\ngot {told:#?}"
        );
    }
}

#[test]
fn rules_and_files_share_their_ids_and_are_all_judged() {
    let told = told(
        vec![at(4, Rule::new("x", Effect::Allow, "jira/*")), at(5, Rule::new("y", Effect::Allow, ""))],
        &[
            (
                "a.cedar",
                "@id(\"x\") permit (principal, action, resource);\n@id(\"z\") permit (principal, action, resource);",
            ),
            ("b.cedar", "oops"),
            ("c.cedar", "@id(\"z\") forbid (principal, action, resource) when { resource.nam == \"\" };"),
        ],
    );
    let begins = [
        "5: rule `y`: `` matches nothing",
        "a.cedar:1: rule `x`: the id `x` is taken\n  hint: the rule in line 4 has it too",
        "b.cedar:1:5: ",
        "c.cedar:1: rule `z`: the id `z` is taken\n  hint: a.cedar:2 has it too",
        "c.cedar:1:54: rule `z`: attribute `nam`",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begins) in told.iter().zip(begins) {
        assert!(told.starts_with(begins), "{told}\n{begins}");
    }
}

#[test]
fn deep_files_are_refused_not_fatal() {
    for deep in
        ["!".repeat(20_000), "(".repeat(20_000), "-".repeat(20_000), "[".repeat(20_000), "if ".repeat(20_000)]
    {
        let text = format!(
            "permit (principal, action, resource);\nforbid (principal, action, resource) when {{ {deep}true }};"
        );
        assert_eq!(
            told(vec![], &[("a.cedar", &text)]),
            ["a.cedar:2:1: this policy is too large: at most 512 operators and brackets\n  \
              hint: split it, or test against a set: `[\"a\", \"b\"].contains(…)`"]
        );
    }
    let when = Some(format!("tool.hinted{}", " && tool.hinted".repeat(5_000)));
    let told = told(vec![at(3, Rule { when, ..Rule::new("long", Effect::Deny, "*") })], &[]);
    assert_eq!(
        told,
        ["3: rule `long`: this rule's conditions are too long\n  hint: split it into several rules"]
    );
}

/// As deep as is accepted, on the stack of an ordinary thread: compiled, shown, decided, dropped.
#[test]
fn the_deepest_file_works() {
    for deep in ["resource.hinted || ".repeat(250), "(".repeat(500), "resource == resource && ".repeat(250)] {
        let close = ")".repeat(deep.matches('(').count());
        let text = format!("permit (principal, action, resource) when {{ {deep}resource.hinted{close} }};");
        let policy = crate::cedar(Effect::Deny, &text);
        let target = crate::tool("f", "x");
        let verdict =
            policy.decide(&crate::CODER, tollgate_policy::Action::Call, &target, &Evidence::default(), &[]);
        assert!(matches!(verdict, tollgate_policy::Verdict::Deny { error: false, .. }), "{verdict:?}");
    }
}

#[test]
fn audiences() {
    for (text, expected) in [
        ("agent", Some(Audience::Agent)),
        ("operators", Some(Audience::Operators)),
        ("group:ops", Some(Audience::Group("ops".into()))),
        ("group:", None),
        ("Agent", None),
        ("", None),
    ] {
        assert_eq!(Audience::parse(text), expected, "{text}");
        if let Some(audience) = expected {
            assert_eq!(audience.to_string(), text);
        }
    }
}
