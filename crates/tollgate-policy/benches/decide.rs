//! How long a verdict takes: `cargo bench -p tollgate-policy`. Prints the fastest, the median and the 99th percentile of
//! batches.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on has failed")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use tollgate_policy::{Action, Caller, Effect, Flags, Kind, Policy, Rule, Source, Target, Who};

const CALLER: Caller<'static> =
    Caller { agent: "coder", user: Some("ana"), tenant: Some("acme"), groups: &[] };

fn main() {
    let starter = Policy::compile(&Source::starter()).unwrap();
    let ten = compile(&everyday());
    let ten_wide = compile(&everywhere());
    let thousand = compile(&by_tool());

    one("starter, harmless tool", &starter, &tool("jira", "get_issue"));
    one("starter, destructive tool (asks)", &starter, &destructive(tool("jira", "delete_issue")));
    one("10 everyday rules, nothing to evaluate", &ten, &tool("time", "now"));
    one("10 everyday rules, jira/get_issue", &ten, &tool("jira", "get_issue"));
    one("10 everyday rules, a delete (asks)", &ten, &destructive(tool("jira", "delete_issue")));
    one("10 rules for everything, all evaluated", &ten_wide, &tool("jira", "get_issue"));
    one("1,000 rules, one for each tool", &thousand, &tool("server7", "tool_42"));

    println!();
    many("1,000 tools visible, 10 everyday rules", &ten);
    many("1,000 tools visible, 10 rules for everything", &ten_wide);
    many("1,000 tools visible, 1,000 rules", &thousand);

    println!();
    time("compile 10 everyday rules", 1, || drop(black_box(compile(&everyday()))));
    time("compile 1,000 rules", 1, || drop(black_box(compile(&by_tool()))));
}

fn one(name: &str, policy: &Policy, target: &Target<'_>) {
    time(name, 10, || {
        drop(black_box(policy.decide(black_box(&CALLER), Action::Call, black_box(target), &[])));
    });
}

fn many(name: &str, policy: &Policy) {
    let names: Vec<(String, String)> =
        (0..1_000).map(|n| (format!("server{}", n / 100), format!("tool_{}", n % 100))).collect();
    time(name, 1, || {
        let seen = names.iter().filter(|(server, name)| policy.visible(&CALLER, &tool(server, name))).count();
        black_box(seen);
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
    Source { default: Effect::Allow, rules, include: vec![] }
}

fn by_tool() -> Source {
    let rules = (0..1_000)
        .map(|n| {
            let target = format!("server{}/tool_{}", n / 100, n % 100);
            when(Rule::new(format!("rule-{n}"), Effect::Allow, target), "tenant == \"acme\"")
        })
        .collect();
    Source { default: Effect::Deny, rules, include: vec![] }
}
