//! Rules against the tools that there are.

use std::sync::Arc;

use tollgate_policy::{
    Action, Effect, Evidence, Fact, Include, Policy, Rule, Shape, Source, Target, Tool, Verdict,
};

use crate::{CODER, tool};

const WRITE: &str = r#"{"type":"object","required":["path"],"properties":{"path":{"type":"string"},"size":{"type":"integer"},
    "rate":{"type":"number"},"tags":{"type":"array","items":{"type":"string"}},"force":{"type":"boolean"}}}"#;

fn shape(schema: &str) -> Arc<Shape> {
    Arc::new(Shape::read(schema.as_bytes()).unwrap())
}

fn compiled(rules: Vec<Rule>, cedar: &str, facts: Vec<Fact>) -> Policy {
    let include = vec![Include { name: "a.cedar".into(), text: cedar.into() }];
    Policy::compile(&Source { default: Effect::Allow, rules, include, facts })
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn told(policy: &Policy) -> (Vec<String>, Vec<String>) {
    let write = Some(shape(WRITE));
    let read = Some(shape(r#"{"type":"object","properties":{"path":{"type":"string"}}}"#));
    let tools = [
        Tool { target: tool("files", "write_file"), shape: write },
        Tool { target: tool("files", "read_file"), shape: read },
    ];
    let checked = policy.check(&tools, &|server| server == "files");
    let texts = |problems: Vec<tollgate_policy::Problem>| problems.iter().map(ToString::to_string).collect();
    (texts(checked.errors), texts(checked.warnings))
}

fn deny(line: usize, target: &str, when: &str) -> Rule {
    Rule { when: Some(when.into()), line, ..Rule::new(format!("r{line}"), Effect::Deny, target) }
}

#[test]
fn rules_that_fit_are_not_told() {
    let policy = compiled(
        vec![
            deny(1, "files/write_file", "args.path like \"/etc/*\" && args.size > 5 && args.rate < 0.5"),
            deny(2, "files/*", "args.force || args.tags.contains(\"x\")"),
            deny(3, "other/nothing", "args.anything"),
            Rule::new("uri", Effect::Deny, "files/file:///etc"),
        ],
        "forbid (principal, action == Action::\"call\", resource == Tool::\"files/write_file\") \
         when { context.args has size && context.args.size > 5 };",
        vec![Fact { any: Some("x".into()), ..Fact::new("tagged", "files/*", "$.tags[*]") }],
    );
    assert_eq!(told(&policy), (vec![], vec![]));
}

#[test]
fn rules_that_do_not_fit_are_told_with_their_place() {
    let policy = compiled(
        vec![
            deny(1, "files/wirte_file", "args.path like \"/etc/*\""),
            deny(2, "files/write_file", "tool.hinted && args.pth like \"/etc/*\""),
            deny(3, "files/write_file", "args.size == \"5\""),
            deny(4, "files/*", "args.path > 5"),
            deny(5, "files/*", "args.sise > 5"),
            deny(6, "files/write_file", "args.tags == \"x\""),
            deny(7, "files/delete_*", "tool.hinted"),
        ],
        "\nforbid (principal, action == Action::\"call\", resource == Tool::\"files/write_file\")\n\
         when { context.args has size && context.args.size == \"5\" };\n\
         @id(\"rate\") forbid (principal, action, resource == Tool::\"files/write_file\") when { context.args has rate && context.args.rate > 5 };\n\
         @id(\"far\") forbid (principal, action, resource) when { context.args has nowhere && context.args.nowhere };",
        vec![
            Fact { any: Some("x".into()), ..Fact::new("lost", "files/write_file", "$.tag[*]") },
            Fact { min: Some("5".into()), ..Fact::new("odd", "files/write_file", "$.path") },
            Fact { any: Some("x".into()), ..Fact::new("whole", "files/write_file", "$.tags") },
        ],
    );
    let (errors, warnings) = told(&policy);
    let expected = [
        "1: rule `r1`: there is no `files/wirte_file`\n  hint: did you mean `files/write_file`?",
        "2:16: rule `r2`: there is no argument `pth` (`files/write_file`)\n  hint: did you mean `path`?",
        "3:1: rule `r3`: `args.size` is a whole number, not a text (`files/write_file`)\n  hint: write the number without quotes",
        "4:1: rule `r4`: `args.path` is a text, not a number (`files/write_file`)",
        "4:1: rule `r4`: `args.path` is a text, not a number (`files/read_file`)",
        "6:1: rule `r6`: `args.tags` is a list, not a text (`files/write_file`)\n  hint: write `.contains(\"x\")`, or use a fact",
        "a.cedar:3:33: rule `a.cedar:2`: the types Long and String are not compatible",
        "a.cedar:4: rule `rate`: `context.args.rate` is a number that may have a fraction, and Cedar has none",
        "fact `lost`: there is no argument `tag` (`files/write_file`)\n  hint: did you mean `tags`?",
        "fact `odd`: `min` and `max` want a number, and its path leads to a text (`files/write_file`)",
        "fact `whole`: its tests want a text, and its path leads to a list (`files/write_file`)\n  hint: end the path with `[*]`",
    ];
    for expected in expected {
        assert!(errors.iter().any(|told| told.starts_with(expected)), "not told: {expected}\n{errors:#?}");
    }
    for part in ["rule `r5`: there is no argument `sise`", "rule `far`: there is no argument `nowhere`"] {
        assert!(errors.iter().any(|told| told.contains(part)), "not told: {part}\n{errors:#?}");
    }
    assert_eq!(warnings, ["7: rule `r7`: this rule matches nothing that is listed"]);
}

#[test]
fn what_does_not_fit_denies() {
    let policy = compiled(vec![deny(1, "files/write_file", "args.pth like \"/etc/*\"")], "", vec![]);
    let target: Target<'_> = tool("files", "write_file");
    let verdict = |shape: Option<&Arc<Shape>>| {
        let outlook = policy.outlook(&CODER, Action::Call, &target, shape);
        let evidence = Evidence { arguments: Some(br#"{"path":"a"}"#), ..Evidence::default() };
        policy.settle(&outlook, &evidence, &[]).verdict
    };
    assert!(matches!(verdict(None), Verdict::Allow { .. }));
    assert!(matches!(verdict(Some(&shape(WRITE))), Verdict::Deny { error: true, .. }));
}
