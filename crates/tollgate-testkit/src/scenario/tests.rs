//! The runner against a server without a gateway between: what holds there is the runner's, not the gateway's.

use std::path::Path;

use super::{Options, Scenario, Variant, play};
use crate::Result;
use crate::json::Json;

const WHY: &str = "# A promise\n\nBecause five words are the least that a reader needs.\n\n";

fn scenario(rest: &str) -> Result<Scenario> {
    Scenario::parse(Path::new("stage/promise.md"), format!("{WHY}{rest}"))
}

fn options(bless: bool) -> Options {
    Options { binary: None, carrier: Vec::new(), bless }
}

async fn run(rest: &str) -> Result<String> {
    run_with(rest, false).await
}

async fn run_with(rest: &str, bless: bool) -> Result<String> {
    let scenario = scenario(rest).unwrap();
    let mut source = String::new();
    for variant in &scenario.variants {
        source = play(&scenario, variant, &options(bless)).await.map_err(|f| f.while_doing(variant))?;
    }
    Ok(source)
}

const GATEWAY: &str = "```yaml gateway\nservers: { files: fake }\n```\n";

#[tokio::test]
async fn a_call_is_played_and_checked_on_both_sides_over_every_pair() {
    let over = "<!-- over: agents=2025-11-25 servers=legacy-http -->\n";
    let body = r#"```json agent calls
{ "tool": "delete_file", "arguments": { "path": "/tmp/a" } }
```
```json server files receives
{ "name": "delete_file", "arguments": { "path": "/tmp/a" } }
```
```json agent gets
{ "text": "deleted" }
```
```json server files receives
nothing
```
"#;
    run(&format!("{over}{GATEWAY}{body}")).await.unwrap();
    run(&format!("{GATEWAY}{body}")).await.unwrap();
}

#[tokio::test]
async fn a_question_waits_for_its_answer() {
    let body = r#"```json agent calls
{ "tool": "ask" }
```
```json agent is asked
{ "message": "What is your name?" }
```
```json agent gets
nothing
```
```json agent answers
{ "action": "decline" }
```
```json agent gets
{ "text": "answered {\"action\":\"decline\"}" }
```
"#;
    for over in ["", "<!-- over: agents=2025-06-18 servers=legacy-http -->\n"] {
        run(&format!("{over}{GATEWAY}{body}")).await.unwrap();
    }
}

#[tokio::test]
async fn what_does_not_hold_is_told_with_its_line() {
    let body = "```json agent calls\n{ \"tool\": \"echo\", \"arguments\": { \"text\": \"a\" } }\n```\n```json agent gets\n{ \"text\": \"b\" }\n```\n";
    let failure = run(&format!("{GATEWAY}{body}")).await.unwrap_err().to_string();
    assert!(failure.contains("stage/promise.md:11: at /text: \"a\" instead of \"b\""), "{failure}");
    let body =
        "```json agent calls\n{ \"tool\": \"echo\" }\n```\n```json server files receives\nnothing\n```\n";
    let failure = run(&format!("{GATEWAY}{body}")).await.unwrap_err().to_string();
    assert!(failure.contains("1 came instead of 0"), "{failure}");
}

#[tokio::test]
async fn a_fault_that_a_fake_noticed_fails_the_run_though_nothing_checks_it() {
    let body = "```yaml agent\nheaders: { mcp-name: other }\n```\n```json agent calls\n{ \"tool\": \"echo\" }\n```\n```json agent gets\n{ \"error\": { \"code\": -32020, \"message\": \"[text]\" } }\n```\n";
    let failure = run(&format!("{GATEWAY}{body}")).await.unwrap_err().to_string();
    assert!(failure.contains("server files found a fault: tools/call: Mcp-Name"), "{failure}");
}

#[tokio::test]
async fn bless_rewrites_checked_blocks_and_nothing_else() {
    let body = "```json agent calls\n{ \"tool\": \"progress\" }\n```\n```json agent gets\n{ \"text\": \"old\" }\n```\nProse stays.\n```json agent sees\n```\n```json server files receives\n{}\n```\n";
    let blessed = run_with(&format!("{GATEWAY}{body}"), true).await.unwrap();
    let steps = (1..=3).map(|n| format!("{{ \"progress\": {n}, \"total\": 3, \"message\": \"working\" }}\n"));
    let expected = format!(
        "{WHY}{GATEWAY}```json agent calls\n{{ \"tool\": \"progress\" }}\n```\n```json agent gets\n{{ \"text\": \"done\" }}\n```\nProse stays.\n```json agent sees\n{}```\n```json server files receives\n{{ \"name\": \"progress\" }}\n```\n",
        steps.collect::<String>()
    );
    assert_eq!(blessed, expected);
    run(blessed.strip_prefix(WHY).unwrap()).await.unwrap();
}

#[tokio::test]
async fn lists_are_told_by_their_names_and_calls_can_be_given_up() {
    let body = r#"```yaml gateway
servers: { files: { fake: { tools: [echo, slow], page: 1 } } }
```
```json agent lists
"tools"
```
```json agent gets
{ "tools": ["echo", "slow"] }
```
```json agent calls
{ "tool": "slow" }
```
```json server files receives
{ "name": "slow" }
```
```text agent cancels
```
```json server files receives
{ "cancelled": "slow" }
```
"#;
    for over in ["", "<!-- over: agents=2025-03-26 servers=legacy-http -->\n"] {
        run(&format!("{over}{body}")).await.unwrap();
    }
}

#[test]
fn a_file_says_what_why_and_checks_something() {
    let wrong = [
        ("", "no `yaml gateway` block"),
        (GATEWAY, "nothing is checked"),
        ("```text operator dances\n{}\n```\n", "an operator can't `dances`"),
        ("```text clock +10m\n```\n", "`clock` is not available in this version"),
        ("```json agent bob flies\n```\n", "an agent can't `bob flies`"),
        ("```yaml gateway\n", "the block does not end"),
        ("<!-- over: agents=1999 -->\n", "`over` does not know `1999`"),
        ("```json ledger\nnothing\n```\n```yaml gateway\n```\n", "before the `yaml gateway` block"),
    ];
    for (rest, message) in wrong {
        let failure = scenario(rest).unwrap_err().to_string();
        assert!(failure.contains(message), "{failure}");
    }
    let bare = Scenario::parse(Path::new("a.md"), format!("# Title\n\n{GATEWAY}```json ledger\n```\n"));
    assert!(bare.unwrap_err().to_string().contains("why does it matter"));
}

#[test]
fn the_matrix_is_the_product_of_both_sides() {
    let scenario = scenario(&format!(
        "<!-- over: agents=2025-03-26,stdio-2026-07-28 servers=every -->\n{GATEWAY}```json ledger\nnothing\n```\n"
    ));
    let names: Vec<String> = scenario.unwrap().variants.iter().map(Variant::to_string).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(names.first().unwrap(), "2025-03-26 to legacy-http");
    assert_eq!(names.last().unwrap(), "stdio-2026-07-28 to modern-stdio");
}

#[test]
fn comparison_is_partial_or_exact_and_knows_what_never_comes_twice() {
    use super::compare::{Mode, blessed, difference};
    let json = |text: &str| Json::parse(text).unwrap();
    let entry = json(
        r#"{"id":"0190","at":"2026-01-01T00:00:00.000Z","latency_ms":3,"hash":"sha256:0123456789abcdef","tool":"files/echo","approval":{"by":"agent","via":"form"}}"#,
    );
    let partial = json(
        r#"{"tool":"files/echo","approval":{"by":"agent"},"latency_ms":"[ms]","hash":"[hash]","at":"[time]"}"#,
    );
    assert_eq!(difference(&partial, &entry, Mode::Partial), None);
    assert_eq!(
        difference(&partial, &entry, Mode::Exact),
        Some("at /approval/via: unexpected \"form\"".to_owned())
    );
    assert_eq!(
        difference(&json(r#"{"latency_ms":"[id]"}"#), &entry, Mode::Partial),
        Some("at /latency_ms: 3 instead of \"[id]\"".to_owned())
    );
    assert_eq!(
        difference(&json("1e400"), &json("1e401"), Mode::Exact),
        Some("1e401 instead of 1e400".to_owned())
    );
    assert_eq!(
        blessed(Some(&partial), &entry, Mode::Partial).get("approval").unwrap().to_string(),
        r#"{"by":"agent"}"#
    );
    assert_eq!(blessed(None, &entry, Mode::Exact).get("latency_ms").unwrap().as_str(), Some("[ms]"));
}
