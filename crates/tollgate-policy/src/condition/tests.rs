use proptest::prelude::*;

use super::parse;

fn cedar(text: &str) -> String {
    let mut out = String::new();
    parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}")).cedar(&mut out);
    out
}

#[test]
fn compiled() {
    for (text, expected) in [
        ("tool.destructive", "resource.destructive"),
        ("!tool.read_only", "!(resource.read_only)"),
        (" ( tool.idempotent ) ", "resource.idempotent"),
        (
            "tool.open_world && !tool.hinted || tool.pinned",
            "((resource.open_world && !(resource.hinted)) || resource.pinned)",
        ),
        (
            "tool.hinted && (tool.hinted || tool.hinted)",
            "(resource.hinted && (resource.hinted || resource.hinted))",
        ),
        ("tool.name like \"get_*\"", "(resource.name like \"get_*\")"),
        ("tool.name like \"a\\*b*\"", "(resource.name like \"a\\*b*\")"),
        ("tool.name == \"a*b\"", "(resource.name == \"a*b\")"),
        ("tool.name == \"a\\*b\"", "(resource.name == \"a*b\")"),
        ("tool.server == \"q\\\"\\\\\"", "(resource.server == \"q\\\"\\\\\")"),
        ("agent == \"coder\"", "(principal.name == \"coder\")"),
        ("user == \"ana\"", "(principal has user && principal.user == \"ana\")"),
        ("tenant like \"ac*\"", "(principal has tenant && principal.tenant like \"ac*\")"),
        ("tool.labels.contains(\"reads-private\")", "resource.labels.contains(\"reads-private\")"),
        ("groups.contains(\"eng\")", "principal.groups.contains(\"eng\")"),
        ("reason like \"*ticket*\"", "(context has reason && context.reason like \"*ticket*\")"),
        ("session.calls >= 10", "(context.session.calls >= 10)"),
        (
            "session.counters.spent > 5",
            "(context.session.counters has spent && context.session.counters.spent > 5)",
        ),
        (
            "time.hour < 6 || time.weekday == \"sun\"",
            "((context.time.hour < 6) || (context.time.weekday == \"sun\"))",
        ),
        ("facts.contains(\"x\")", "context.facts.contains(\"x\")"),
        ("args.path like \"/etc/*\"", "(context.args has path && context.args.path like \"/etc/*\")"),
        ("args.path == \"a*\"", "(context.args has path && context.args.path like \"a\\*\")"),
        ("args.force", "(context.args has force && context.args.force)"),
        ("args.force == false", "(context.args has force && !context.args.force)"),
        ("args.amount > 10.50", "(context.tests[\"args.amount > 10.50\"])"),
        ("args.n == -3", "(context.tests[\"args.n == -3\"])"),
        ("args has path", "(context.args has path)"),
        ("args.a.b == \"x\"", "(context.args has a && context.args.a has b && context.args.a.b like \"x\")"),
        (
            "args[\"x-y\"].in == \"x\"",
            "(context.args has \"x-y\" && context.args[\"x-y\"] has \"in\" && context.args[\"x-y\"][\"in\"] like \"x\")",
        ),
        ("args.tags.contains(\"x\")", "(context.args has tags && context.args.tags.contains(\"x\"))"),
        ("args.contains == \"x\"", "(context.args has contains && context.args.contains like \"x\")"),
        ("agent == \"é\u{202e}\n\"", "(principal.name == \"é\\u{202e}\\u{a}\")"),
    ] {
        assert_eq!(cedar(text), expected, "{text}");
    }
}

#[test]
fn mistakes() {
    for (text, column, message, hint) in [
        ("", 1, "expected a condition", ""),
        ("tool.destuctive", 1, "unknown name `tool.destuctive`", "did you mean `tool.destructive`?"),
        ("!tool.readOnly", 2, "unknown name `tool.readOnly`", "did you mean `tool.read_only`?"),
        ("destructive", 1, "unknown name `destructive`", "did you mean `tool.destructive`?"),
        (
            "args == \"x\"",
            1,
            "`args` needs the name of an argument",
            "write `args.NAME == \"x\"`, `args.NAME > 5` or `args has NAME`",
        ),
        ("args.a > \"5\"", 10, "expected a number", "texts are compared by `==` or `like`"),
        ("args.a..b", 1, "a name is missing beside a `.`", ""),
        ("args[x]", 6, "expected a text in double quotes", "write `args[\"the name\"]`"),
        ("args.a == agent", 11, "expected a text in double quotes, a number, `true` or `false`", ""),
        ("args.a > 1.2.3", 10, "`1.2.3` is not a number", ""),
        ("5 < args.a", 1, "a number is not a condition", "the name stands on the left: `args.amount > 1000`"),
        ("session.calls", 14, "`session.calls` must be compared", "`session.calls >= 5`"),
        ("session.calls > 1.5", 17, "`session.calls` is a whole number, `1.5` is not", ""),
        (
            "time.weekday == \"sunday\"",
            1,
            "`sunday` is not a day",
            "one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`",
        ),
        (
            "context.args.x == \"x\"",
            1,
            "unknown name `context.args.x`",
            "write `args.x`, `reason`, …: without `context.`",
        ),
        ("tool.pined", 1, "unknown name `tool.pined`", "did you mean `tool.pinned`?"),
        ("tool.name", 10, "`tool.name` must be compared", "`tool.name == \"x\"` or `tool.name like \"x*\"`"),
        ("tool.name == agent", 14, "expected a text in double quotes", ""),
        (
            "tool.destructive == true",
            18,
            "a flag is not compared",
            "it stands alone: `tool.destructive` or `!tool.destructive`",
        ),
        ("agent = \"x\"", 7, "unknown operator `=`", "did you mean `==`?"),
        ("agent != \"x\"", 7, "unknown operator `!=`", "write `!(agent == \"x\")`"),
        ("tool.hinted & tool.hinted", 13, "unknown operator `&`", "did you mean `&&`?"),
        (
            "tool.hinted and tool.hinted",
            13,
            "expected `&&`, `||` or the end, found `and`",
            "did you mean `&&`?",
        ),
        ("not tool.hinted", 1, "unknown name `not`", "did you mean `!`?"),
        ("tool.hinted tool.hinted", 13, "expected `&&`, `||` or the end, found `tool.hinted`", ""),
        ("agent == 'x'", 10, "text stands in double quotes", ""),
        ("agent == \"x", 10, "this text has no end", ""),
        ("agent == \"\\n\"", 11, "unknown escape", "only `\\\"`, `\\\\` and `\\*` are escapes"),
        ("(tool.hinted", 13, "expected `)`", ""),
        ("tool.hinted)", 12, "this `)` closes nothing", ""),
        ("tool.hinted &&", 15, "expected a condition", ""),
        ("|| tool.hinted", 1, "expected a condition here", ""),
        ("\"x\" == agent", 1, "a text is not a condition", "the name stands on the left: `agent == \"x\"`"),
        ("groups", 1, "`groups` is a set", "write `groups.contains(\"x\")`"),
        ("groups.contains \"x\"", 17, "expected `(`", ""),
        ("groups.contains(\"x\"", 20, "expected `)`", ""),
        ("tool.hinted; true", 12, "unexpected `;`", ""),
        ("é == \"x\" \u{7}", 10, "unexpected `\\u{7}`", ""),
    ] {
        let mistake = parse(text).expect_err(text);
        let got = (mistake.column, mistake.message.as_str(), mistake.hint.as_deref().unwrap_or_default());
        assert_eq!(got, (column, message, hint), "{text}");
    }
    let all = parse("zebra").expect_err("unknown").hint.unwrap();
    assert!(all.starts_with("known here: `args.NAME`, `tool.destructive`, "), "{all}");
}

#[test]
fn deep_texts_are_refused() {
    assert!(parse(&format!("{}tool.hinted", "!".repeat(31))).is_ok());
    for text in [format!("{}tool.hinted", "!".repeat(32)), format!("{}tool.hinted", "(".repeat(4000))] {
        let message = parse(&text).expect_err("too much").message;
        assert!(message.contains("nested more"), "{message}");
    }
}

proptest! {
    #[test]
    fn any_text_has_an_answer_in_place(text in "\\PC{0,60}") {
        if let Err(mistake) = parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&mistake.column));
        }
    }

    #[test]
    fn near_misses_do_not_panic(
        text in "(tool\\.destructive|agent|groups\\.contains|args|args\\.a|args\\[\"x\"\\]|has|<=|>|1\\.5|like|==|&&|\\|\\||!|\\(|\\)|\"a\\*\"| ){0,12}"
    ) {
        if let Err(mistake) = parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&mistake.column));
        }
    }
}
