use cedar_policy::{PolicySet, Schema};

use super::include::place;
use super::{Attribute, Looked, Part, SCHEMA, compile};
use crate::{Effect, Include, Rule, Source};

#[test]
fn the_schema_is_valid_and_has_exactly_our_attributes() {
    let (_, warnings) = Schema::from_cedarschema_str(SCHEMA).expect("a schema");
    assert_eq!(warnings.count(), 0);
    let in_schema: std::collections::BTreeSet<&str> = SCHEMA
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(':'))
        .map(|(name, _)| name.trim_end_matches('?'))
        .collect();
    assert_eq!(in_schema, Attribute::ALL.iter().map(|attribute| attribute.as_str()).collect());
}

#[test]
fn reads_are_never_too_few() {
    let reads = |text: &str| Looked::at(&cedar_policy::Policy::parse(None, text).unwrap()).reads;
    let read = |text: &str| -> Vec<&str> {
        let reads = reads(text);
        Attribute::ALL.into_iter().filter(|known| reads.has(*known)).map(Attribute::as_str).collect()
    };
    assert!(read("permit (principal, action, resource);").is_empty());
    assert_eq!(
        read("permit (principal, action, resource) when { resource[\"labels\"].contains(\"x\") };"),
        ["labels"]
    );
    assert_eq!(
        read(
            "forbid (principal, action, resource) when { principal has user && principal.user == \"a\" } unless { resource.pinned };"
        ),
        ["user", "pinned"]
    );
    assert_eq!(
        read(
            "permit (principal, action, resource) when { if principal has tenant then true else resource.hinted };"
        ),
        ["tenant", "hinted"]
    );
}

#[test]
fn parts_of_the_context_are_found() {
    let looked = |when: &str| {
        let text = format!("permit (principal, action, resource) when {{ {when} }};");
        let looked = Looked::at(&cedar_policy::Policy::parse(None, text).unwrap());
        let parts: Vec<&str> =
            Part::ALL.into_iter().filter(|part| looked.reads.part(*part)).map(Part::as_str).collect();
        (parts.join(" "), looked.args.map(|args| args.join(" ")))
    };
    let args = |names: &str| Some(names.to_owned());
    for (when, parts, names) in [
        ("resource.name == \"time\"", "", args("")),
        ("context.args has path && context.args.path like \"x\"", "args", args("path path")),
        ("context.args has filter.owner", "args", args("filter")),
        ("context.args[\"a b\"].c == 1", "args", args("a b")),
        ("context.args == {a: 1}", "args", None),
        ("context has args", "args", None),
        ("context.facts.contains(\"x\") || context.time.hour < 5", "facts time", args("")),
        ("if context.tests[\"args.a > 1\"] then context has reason else true", "tests reason", args("")),
        ("context == {}", "args tests facts reason findings session client time", None),
        ("context.other == 1", "args tests facts reason findings session client time", None),
    ] {
        assert_eq!(looked(when), (parts.to_owned(), names), "{when}");
    }
}

#[test]
fn only_facts_that_are_asked_for_by_name_are_some_of_them() {
    let all = |when: &str| {
        let text = format!("permit (principal, action, resource) when {{ {when} }};");
        Looked::at(&cedar_policy::Policy::parse(None, text).unwrap()).all_facts
    };
    for (when, expected) in [
        ("resource.name == \"facts\"", false),
        ("context.facts.contains(\"a\")", false),
        ("context[\"facts\"].containsAny([\"a\", \"b\"]) && !context.facts.containsAll([\"c\"])", false),
        ("context.facts.isEmpty()", true),
        ("context.facts.contains(\"a\") && context.facts == [\"a\"]", true),
        ("context.facts.contains(resource.name)", true),
        ("context.facts.containsAny([resource.name, \"a\"])", true),
        ("[\"a\"].containsAll(context.facts)", true),
        ("context.facts.containsAny(context.facts)", true),
        ("(if resource.pinned then context.facts else [\"a\"]).contains(\"a\")", true),
        ("context == {}", true),
    ] {
        assert_eq!(all(when), expected, "{when}");
    }
}

#[test]
fn a_place_is_a_line_and_a_character() {
    let text = "é;\n\nab";
    for (offset, expected) in [(0, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 1)), (6, (3, 2)), (99, (3, 3))]
    {
        assert_eq!(place(text, offset), expected, "{offset}");
    }
}

#[test]
fn policies_of_a_file_are_found_by_line() {
    let text = "// a ; comment\n@because(\";\\\";\")\npermit (principal, action, resource)\n// ;\nwhen { resource.name == \"//;\" };\n\n  \
                forbid (principal, action, resource); @id(\"x\") forbid (principal, action, resource);";
    let source = Source {
        default: Effect::Deny,
        rules: vec![],
        include: vec![Include { name: "a.cedar".into(), text: text.into() }],
        facts: vec![],
    };
    let ids: Vec<String> =
        compile(&source).unwrap().statements.iter().map(|statement| statement.id.to_string()).collect();
    assert_eq!(ids, ["a.cedar:2", "a.cedar:7", "x"]);
}

#[test]
fn what_is_shown_is_what_runs() {
    let source = Source {
        default: Effect::Allow,
        rules: vec![Rule::new("a", Effect::Ask, "x/*"), Rule::new("b", Effect::Deny, "*/y")],
        include: vec![Include {
            name: "f\n.cedar".into(),
            text: "@id(\"c\") permit (principal, action, resource is Tool);".into(),
        }],
        facts: vec![],
    };
    let compiled = compile(&source).unwrap();
    let shown: PolicySet = compiled.shown.parse().unwrap();
    let plain = |policy: &cedar_policy::Policy| {
        let mut json = policy.to_json().unwrap();
        json.as_object_mut().unwrap().remove("annotations");
        json.to_string()
    };
    let mut shown: Vec<_> = shown.policies().map(plain).collect();
    let mut run: Vec<_> = compiled.statements.iter().map(|statement| plain(&statement.policy)).collect();
    shown.sort();
    run.sort();
    assert_eq!(shown, run);
}
