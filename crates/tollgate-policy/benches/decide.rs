//! How long a verdict takes: `cargo bench -p tollgate-policy`. Prints the fastest, the median and the 99th percentile of
//! batches.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on has failed")]

use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tollgate_policy::{
    Action, Caller, Effect, Evidence, Fact, Flags, Kind, Policy, Rule, Shape, Source, Target, Verdict, Who,
};

static GROUPS: LazyLock<[Arc<str>; 1]> = LazyLock::new(|| ["eng".into()]);

fn caller() -> Caller<'static> {
    Caller { agent: "coder", user: Some("ana"), tenant: Some("acme"), groups: &*GROUPS }
}

fn main() {
    let starter = Policy::compile(&Source::starter()).unwrap();
    let ten = compile(&everyday());
    let ten_wide = compile(&everywhere());
    let plain = compile(&Source {
        rules: everyday()
            .rules
            .into_iter()
            .map(|rule| Rule {
                when: None,
                only_for: None,
                target: rule.target.replace("*/*", "a*/*"),
                ..rule
            })
            .collect(),
        ..everyday()
    });
    let thousand = compile(&by_tool());

    one("starter, harmless tool", &starter, &tool("jira", "get_issue"));
    one("starter, destructive tool (asks)", &starter, &destructive(tool("jira", "delete_issue")));
    one("10 everyday rules, time/now", &ten, &tool("time", "now"));
    one("10 everyday rules, jira/get_issue", &ten, &tool("jira", "get_issue"));
    one("10 everyday rules, a delete (asks)", &ten, &destructive(tool("jira", "delete_issue")));
    one("10 rules for everything, all evaluated", &ten_wide, &tool("jira", "get_issue"));
    one("10 rules without conditions", &plain, &tool("jira", "get_issue"));
    one("1,000 rules, one for each tool", &thousand, &tool("server7", "tool_42"));

    println!();
    let reading = compile(&reading(10, 0));
    let sliced = compile(&reading_among_a_thousand());
    call("10 rules that read arguments", &reading, &tool("bank", "pay"));
    call("10 that read arguments, of 1,000 rules", &sliced, &tool("bank", "pay"));
    let facts = compile(&with_facts());
    call("3 facts (any, range, size) and a rule on each", &facts, &tool("bank", "pay"));

    println!();
    many("visible, of 1,000 tools, 10 everyday rules", &ten);
    many("visible, of 1,000 tools, 10 rules for all", &ten_wide);
    many("visible, of 1,000 tools, 1,000 rules", &thousand);

    println!();
    time("compile 10 everyday rules", 1, || drop(black_box(compile(&everyday()))));
    time("compile 1,000 rules", 1, || drop(black_box(compile(&by_tool()))));
}

fn one(name: &str, policy: &Policy, target: &Target<'_>) {
    let caller = caller();
    time(name, 10, || {
        drop(black_box(policy.decide(
            black_box(&caller),
            Action::Call,
            black_box(target),
            &Evidence::default(),
            &[],
        )));
    });
}

/// One call of a tool whose rules wait for its arguments: what is kept beforehand is kept.
fn call(name: &str, policy: &Policy, target: &Target<'_>) {
    let caller = caller();
    let shape = Arc::new(Shape::read(SCHEMA.as_bytes()).unwrap());
    let outlook = policy.outlook(&caller, Action::Call, target, Some(&shape));
    assert!(!outlook.is_settled());
    let evidence = Evidence { arguments: Some(ARGUMENTS.as_bytes()), ..Evidence::default() };
    let allowed = policy.settle(&outlook, &evidence, &[]).verdict;
    assert!(matches!(allowed, Verdict::Allow { .. }), "{allowed:?}");
    time(name, 10, || {
        drop(black_box(policy.settle(black_box(&outlook), black_box(&evidence), &[])));
    });
}

const SCHEMA: &str = r#"{"type":"object","required":["to","amount"],"properties":{"to":{"type":"array","items":{"type":"string"}},
    "amount":{"type":"number"},"currency":{"type":"string"},"note":{"type":"string"},"urgent":{"type":"boolean"}}}"#;

const ARGUMENTS: &str = r#"{"to":["ana@acme.example","bob@acme.example","eve@acme.example"],"amount":999.95,"currency":"EUR",
    "note":"the invoice of last month, as agreed on the telephone; please see the attached terms","urgent":false}"#;

/// So many rules that read arguments of one tool, and so many for others.
fn reading(rules: usize, others: usize) -> Source {
    let texts = [
        "args.amount > 1000",
        "args.currency == \"USD\"",
        "args.note like \"*secret*\"",
        "args.urgent",
        "args.to.contains(\"root@acme.example\")",
    ];
    let rules = (0..rules).zip(texts.iter().cycle()).map(|(n, text)| {
        when(
            Rule::new(format!("reads-{n}"), Effect::Deny, "bank/*"),
            &format!("{text} && !(args.amount < {n})"),
        )
    });
    let others = (0..others).map(|n| {
        let target = format!("server{}/tool_{}", n / 100, n % 100);
        when(Rule::new(format!("rule-{n}"), Effect::Deny, target), "args.path like \"/etc/*\"")
    });
    Source { default: Effect::Allow, rules: rules.chain(others).collect(), include: vec![], facts: vec![] }
}

fn reading_among_a_thousand() -> Source {
    reading(10, 990)
}

fn with_facts() -> Source {
    let facts = vec![
        Fact { any_not: Some("@acme\\.example$".into()), ..Fact::new("external", "bank/*", "$.to[*]") },
        Fact { min: Some("1000.5".into()), ..Fact::new("large", "bank/*", "$.amount") },
        Fact { count_min: Some(10), ..Fact::new("many", "bank/*", "$.to[*]") },
    ];
    let rules = facts.iter().map(|fact| {
        when(
            Rule::new(fact.name.as_str(), Effect::Deny, "bank/*"),
            &format!("facts.contains(\"{}\")", fact.name),
        )
    });
    Source { default: Effect::Allow, rules: rules.collect(), include: vec![], facts }
}

/// For each tool, over a thousand of them.
fn many(name: &str, policy: &Policy) {
    let caller = caller();
    let names: Vec<(String, String)> =
        (0..1_000).map(|n| (format!("server{}", n / 100), format!("tool_{}", n % 100))).collect();
    let mut tools = names.iter().cycle();
    time(name, 10, || {
        if let Some((server, name)) = tools.next() {
            black_box(policy.visible(&caller, &tool(server, name)));
        }
    });
}

/// Runs batches for about a second.
fn time(name: &str, batch: u32, mut run: impl FnMut()) {
    run();
    let begun = Instant::now();
    let mut took: Vec<Duration> = Vec::new();
    while begun.elapsed() < Duration::from_secs(1) || took.len() < 5 {
        let start = Instant::now();
        for _ in 0..batch {
            run();
        }
        took.push(start.elapsed() / batch);
    }
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    println!("{name:<48} {:>12.2?} {:>12.2?} {:>12.2?}", at(0), at(50), at(99));
}

fn tool<'a>(server: &'a str, name: &'a str) -> Target<'a> {
    Target { server, name, kind: Kind::Tool, flags: Flags::default(), labels: &[] }
}

fn destructive(target: Target<'_>) -> Target<'_> {
    Target { flags: Flags { destructive: true, ..target.flags }, ..target }
}

fn compile(source: &Source) -> Policy {
    Policy::compile(source).unwrap()
}

fn when(rule: Rule, when: &str) -> Rule {
    Rule { when: Some(when.into()), ..rule }
}

fn for_group(rule: Rule, group: &str) -> Rule {
    Rule { only_for: Some(Who { groups: vec![group.into()], ..Who::default() }), ..rule }
}

fn everyday() -> Source {
    Source {
        default: Effect::Allow,
        rules: vec![
            for_group(Rule::new("eng", Effect::Allow, "jira/*"), "eng"),
            Rule::new("no-project-delete", Effect::Deny, "jira/delete_project"),
            when(Rule::new("deletes", Effect::Ask, "*/*"), "tool.destructive"),
            for_group(Rule::new("crm", Effect::Deny, "crm/*"), "contractors"),
            when(Rule::new("docs", Effect::Allow, "docs/*"), "tool.read_only"),
            Rule::new("no-admin", Effect::Deny, "*/admin_*"),
            when(Rule::new("bots", Effect::Deny, "*/*"), "agent like \"bot-*\" && !tool.read_only"),
            Rule::new("payments", Effect::Ask, "bank/*"),
            when(Rule::new("private", Effect::Ask, "mail/*"), "tool.labels.contains(\"reads-private\")"),
            Rule::new("time", Effect::Allow, "time/*"),
        ],
        include: vec![],
        facts: vec![],
    }
}

fn everywhere() -> Source {
    let rules = (0..10)
        .map(|n| {
            let effect = if n % 2 == 0 { Effect::Allow } else { Effect::Deny };
            let rule = when(
                Rule::new(format!("rule-{n}"), effect, "*/*"),
                &format!("tool.name like \"*x{n}*\" && tenant == \"acme\" || tool.labels.contains(\"l{n}\")"),
            );
            for_group(rule, "eng")
        })
        .collect();
    Source { default: Effect::Allow, rules, include: vec![], facts: vec![] }
}

fn by_tool() -> Source {
    let rules = (0..1_000)
        .map(|n| {
            let target = format!("server{}/tool_{}", n / 100, n % 100);
            when(Rule::new(format!("rule-{n}"), Effect::Allow, target), "tenant == \"acme\"")
        })
        .collect();
    Source { default: Effect::Deny, rules, include: vec![], facts: vec![] }
}
