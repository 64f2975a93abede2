//! Over pipes: programs in Python, as short as they can be.

use std::time::Duration;

use tollgate_mcp::revision::Revision;

use super::super::{Event, Exchange, Failure, Health, Listing, Notice, Reaction, Server};
use super::{QUICK, ask, call, client, end, finish, object, program, ready, start, text, unavailable};
use crate::call::LogLevel;
use crate::config::{Share, Timeout, Transport};

/// What all the programs share.
const COMMON: &str = r#"
import json, os, sys, time
def send(m): sys.stdout.write(json.dumps(m) + "\n"); sys.stdout.flush()
def result(m, r): send({"jsonrpc":"2.0","id":m["id"],"result":r})
def error(m, c): send({"jsonrpc":"2.0","id":m["id"],"error":{"code":c,"message":"no"}})
def say(m, t): result(m, {"content":[{"type":"text","text":t}]})
def note(k, p): send({"jsonrpc":"2.0","method":k,"params":p})
waiting, seen, level, declared = {}, [], None, None
def tool(m):
    name, token = m["params"]["name"], m["params"].get("_meta", {}).get("progressToken")
    if name == "pid": say(m, str(os.getpid()))
    elif name == "meta": say(m, json.dumps(m["params"].get("_meta")))
    elif name == "seen": say(m, json.dumps(seen))
    elif name == "env": say(m, json.dumps(dict(os.environ)))
    elif name == "die": sys.stderr.write("out of paper " + os.environ["API_TOKEN"] + "\n"); sys.stderr.flush(); os._exit(3)
    elif name == "garbage": sys.stdout.write("hello\n{\n\n[1]\n"); send({"jsonrpc":"2.0","id":4242,"result":{}}); say(m, "fine")
    elif name == "huge": sys.stdout.write("x" * (17 << 20) + "\n"); sys.stdout.flush()
    elif name == "hang": waiting["hang"] = m
    elif name == "log": note("notifications/message", {"level":"info","data":"low"}); note("notifications/message", {"level":"error","data":"high"}); say(m, "logged")
    elif name == "progress": note("notifications/progress", {"progressToken":token,"progress":1}); say(m, "done")
    elif name == "change": note("notifications/tools/list_changed", {}); say(m, "changed")
    elif name == "ask": waiting["q1"] = m; send({"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"message":"sure?","requestedSchema":{"type":"object","properties":{}}}})
    elif name == "sample": waiting["q2"] = m; send({"jsonrpc":"2.0","id":"q2","method":"sampling/createMessage","params":{}})
    elif name == "level": say(m, str(level))
    else: say(m, name)
def serve(handle):
    for line in sys.stdin:
        m = json.loads(line)
        seen.append(m)
        if "method" not in m and m["id"] in waiting: say(waiting.pop(m["id"]), json.dumps(m.get("result", m.get("error"))))
        else: handle(m)
"#;

const LEGACY: &str = r#"
def handle(m):
    global level, declared
    k = m.get("method")
    if k == "initialize":
        declared = m["params"]["capabilities"]
        result(m, {"protocolVersion":"2025-06-18","capabilities":{"tools":{},"logging":{},"resources":{"subscribe":True}},"serverInfo":{"name":"old","version":"1"}})
    elif k == "notifications/initialized" and "roots" in declared: send({"jsonrpc":"2.0","id":"r","method":"roots/list"})
    elif k == "tools/call": tool(m)
    elif k == "tools/list": result(m, {"tools":[{"name":n,"inputSchema":{"type":"object"}} for n in (["a","b"] if "elicitation" in declared else ["a"])]})
    elif k == "logging/setLevel": level = m["params"]["level"]; result(m, {})
    elif k in ("resources/subscribe", "resources/unsubscribe"): result(m, {})
    elif "id" in m and k: error(m, -32601)
serve(handle)
"#;

const MODERN: &str = r#"
def handle(m):
    k = m.get("method")
    if k == "server/discover": result(m, {"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":True},"logging":{}},"ttlMs":0,"cacheScope":"private"})
    elif k == "subscriptions/listen": note("notifications/subscriptions/acknowledged", {"_meta":{"io.modelcontextprotocol/subscriptionId":m["id"]},"notifications":m["params"]["notifications"]})
    elif k == "tools/call": tool(m)
    elif "id" in m and k: error(m, -32601)
serve(handle)
"#;

fn run(script: &str, share: Share, timeout: Timeout) -> std::sync::Arc<Server> {
    start(program(&format!("{COMMON}{script}"), share), timeout)
}

fn legacy() -> std::sync::Arc<Server> {
    run(LEGACY, Share::Auto, QUICK)
}

async fn say(server: &std::sync::Arc<Server>, tool: &str, capabilities: &str, principal: &str) -> String {
    let answer = text(ask(server, call(tool, &client(capabilities), principal)).await);
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    answer["content"][0]["text"].as_str().expect("text").to_owned()
}

async fn open(server: &std::sync::Arc<Server>, tool: &str, capabilities: &str, principal: &str) -> Exchange {
    server.send(call(tool, &client(capabilities), principal)).await.expect("sent")
}

fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_legacy_program_is_found_out_and_called() {
    let server = legacy();
    let introduction = ready(&server).await;
    assert_eq!(introduction.revision, Revision::V2025_06_18);
    assert_eq!(say(&server, "hello", "{}", "p").await, "hello");
    assert_eq!(say(&server, "meta", "{}", "p").await, r#"{"x/y": 1}"#);
    let seen = say(&server, "seen", "{}", "p").await;
    assert!(seen.find("server/discover") < seen.find("\"initialize\""), "{seen}");
    let pid = say(&server, "pid", "{}", "p").await;
    end(&server).await;
    assert!(!alive(&pid));
}

#[tokio::test]
async fn a_modern_program_is_shared_by_all_even_those_who_can_be_asked() {
    let server = run(MODERN, Share::Auto, QUICK);
    assert_eq!(ready(&server).await.revision, Revision::V2026_07_28);
    let first = say(&server, "pid", "{}", "p").await;
    assert_eq!(say(&server, "pid", r#"{"elicitation":{}}"#, "q").await, first);
    let meta = say(&server, "meta", r#"{"elicitation":{}}"#, "p").await;
    assert!(
        meta.contains("2026-07-28") && meta.contains("elicitation") && !meta.contains("forged"),
        "{meta}"
    );
    let seen = say(&server, "seen", "{}", "p").await;
    assert!(!seen.contains("\"initialize\"") && seen.contains("toolsListChanged"), "{seen}");
    let mut notices = server.notices();
    say(&server, "change", "{}", "p").await;
    assert!(matches!(notices.recv().await, Ok(Notice::Changed(Listing::Tools))));
    end(&server).await;
}

#[tokio::test]
async fn a_process_per_caller_where_configured() {
    let server = run(MODERN, Share::Caller, QUICK);
    let (p, q) = (say(&server, "pid", "{}", "p").await, say(&server, "pid", "{}", "q").await);
    assert_ne!(p, q);
    assert_eq!(say(&server, "pid", "{}", "p").await, p);
    end(&server).await;
    assert!(!alive(&p) && !alive(&q));
}

#[tokio::test]
async fn shared_by_all_means_nothing_is_declared() {
    let server = run(LEGACY, Share::All, QUICK);
    let p = say(&server, "pid", r#"{"elicitation":{}}"#, "p").await;
    assert_eq!(say(&server, "pid", r#"{"elicitation":{}}"#, "q").await, p);
    assert!(say(&server, "ask", r#"{"elicitation":{}}"#, "p").await.contains("-32601"));
    end(&server).await;
}

#[tokio::test]
async fn a_silent_or_dying_first_answer_means_legacy() {
    let dies = LEGACY.replace(
        "    if k == \"initialize\"",
        "    if k == \"server/discover\": os._exit(1)\n    if k == \"initialize\"",
    );
    let server = run(&dies, Share::Auto, QUICK);
    assert_eq!(ready(&server).await.revision, Revision::V2025_06_18);
    end(&server).await;
    let silent = LEGACY.replace("elif \"id\" in m and k: error(m, -32601)", "");
    let server = run(&silent, Share::Auto, QUICK);
    assert_eq!(ready(&server).await.revision, Revision::V2025_06_18);
    end(&server).await;
}

#[tokio::test]
async fn a_process_that_can_ask_is_one_principals() {
    let server = legacy();
    let asks = r#"{"elicitation":{}}"#;
    let base = say(&server, "pid", "{}", "p").await;
    let (p, q) = (say(&server, "pid", asks, "p").await, say(&server, "pid", asks, "q").await);
    assert!(base != p && p != q && q != base);
    // What is declared decides what exists.
    let (few, _) =
        server.list(Listing::Tools, &client("{}"), &std::sync::Arc::from("p")).await.expect("listed");
    let (more, _) =
        server.list(Listing::Tools, &client(asks), &std::sync::Arc::from("p")).await.expect("listed");
    assert_eq!((few.len(), more.len()), (1, 2));
    end(&server).await;
}

#[tokio::test]
async fn a_question_reaches_its_call_and_no_other() {
    let server = legacy();
    let asks = r#"{"elicitation":{}}"#;
    let mut first = open(&server, "ask", asks, "p").await;
    let Event::Asked(questions) = first.next().await else { panic!() };
    // The principal's next call that could be asked waits for its turn; another principal's does not.
    let waiting = tokio::spawn({
        let server = std::sync::Arc::clone(&server);
        async move { say(&server, "second", asks, "p").await }
    });
    assert_eq!(say(&server, "other", asks, "q").await, "other");
    assert!(!waiting.is_finished());
    let accept = Reaction::Result(object(r#"{"action":"accept","content":{"n":1}}"#));
    first.answer(vec![(questions[0].key.clone(), accept)]).await;
    assert!(text(finish(&mut first).await).contains("accept"));
    drop(first);
    assert_eq!(waiting.await.expect("joined"), "second");
    end(&server).await;
}

#[tokio::test]
async fn what_was_not_declared_is_refused_at_once() {
    let server = legacy();
    assert!(say(&server, "ask", "{}", "p").await.contains("-32601"));
    assert!(say(&server, "sample", r#"{"elicitation":{}}"#, "p").await.contains("-32601"));
    end(&server).await;
}

#[tokio::test]
async fn roots_asked_for_before_any_call_are_asked_of_the_next() {
    let server = legacy();
    let mut exchange = open(&server, "hang", r#"{"roots":{}}"#, "p").await;
    let Event::Asked(questions) = exchange.next().await else { panic!() };
    assert_eq!(questions[0].method, "roots/list");
    let answer = Reaction::Result(object(r#"{"resultType":"complete","roots":[]}"#));
    exchange.answer(vec![(questions[0].key.clone(), answer)]).await;
    drop(exchange);
    let seen = say(&server, "seen", r#"{"roots":{}}"#, "p").await;
    assert!(seen.contains(r#""id": "r", "result": {"roots": []}"#), "{seen}");
    end(&server).await;
}

#[tokio::test]
async fn progress_and_garbage_and_the_environment() {
    let server = legacy();
    let mut outbound = call("progress", &client("{}"), "p");
    outbound.progress = true;
    let mut exchange = server.send(outbound).await.expect("sent");
    assert!(matches!(exchange.next().await, Event::Progress(_)));
    assert!(text(exchange.next().await).contains("done"));
    assert_eq!(say(&server, "garbage", "{}", "p").await, "fine");
    let env: serde_json::Value = serde_json::from_str(&say(&server, "env", "{}", "p").await).expect("JSON");
    assert_eq!(env["API_TOKEN"], "child-token-value");
    // Our own environment is full of these.
    assert!(std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("CARGO")));
    assert!(!env.as_object().expect("object").keys().any(|name| name.starts_with("CARGO")), "{env}");
    end(&server).await;
}

#[tokio::test]
async fn a_line_over_the_limit_ends_the_call_and_not_the_process() {
    let server = legacy();
    let end_of = ask(&server, call("huge", &client("{}"), "p")).await;
    assert!(matches!(end_of, Event::Failed(Failure::TooLarge { .. })), "{end_of:?}");
    assert_eq!(say(&server, "hello", "{}", "p").await, "hello");
    end(&server).await;
}

#[tokio::test]
async fn a_crash_ends_calls_at_once_and_the_server_comes_back() {
    let server = legacy();
    ready(&server).await;
    let mut notices = server.notices();
    let mut hanging = open(&server, "hang", "{}", "p").await;
    let (_, sent) = unavailable(ask(&server, call("die", &client("{}"), "q")).await);
    assert!(sent);
    let (_, sent) =
        unavailable(tokio::time::timeout(Duration::from_secs(1), hanging.next()).await.expect("at once"));
    assert!(sent);
    assert!(matches!(notices.recv().await, Ok(Notice::Down)));
    let Health::Down { why } = server.health() else { panic!("{:?}", server.health()) };
    assert_eq!(why, "its process ended with code 3: out of paper [API_TOKEN]");
    // The next call waits for the restart, which is near.
    assert_eq!(say(&server, "hello", "{}", "p").await, "hello");
    end(&server).await;
}

#[tokio::test]
async fn a_crash_of_the_shared_process_leaves_the_others() {
    let server = legacy();
    let asks = r#"{"elicitation":{}}"#;
    let own = say(&server, "pid", asks, "p").await;
    drop(ask(&server, call("die", &client("{}"), "q")).await);
    assert_eq!(say(&server, "pid", asks, "p").await, own);
    let base = say(&server, "pid", "{}", "p").await;
    end(&server).await;
    assert!(!alive(&own) && !alive(&base));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let mut transport = program("", Share::Auto);
    if let Transport::Stdio { command, .. } = &mut transport {
        *command = vec!["/nonexistent/server".to_owned()];
    }
    let server = start(transport, QUICK);
    let (why, sent) = unavailable(ask(&server, call("t", &client("{}"), "p")).await);
    assert!(why.contains("cannot start `/nonexistent/server`") && !sent, "{why}");
    end(&server).await;
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_and_a_hanging_one_times_out() {
    let server = run(LEGACY, Share::Auto, Timeout { call: Duration::from_millis(500), ..QUICK });
    ready(&server).await;
    let mut exchange = open(&server, "hang", "{}", "p").await;
    assert!(tokio::time::timeout(Duration::from_millis(100), exchange.next()).await.is_err(), "it hangs");
    drop(exchange);
    let end_of = ask(&server, call("hang", &client("{}"), "p")).await;
    assert!(matches!(end_of, Event::Failed(Failure::Timeout { .. })), "{end_of:?}");
    let seen = say(&server, "seen", "{}", "p").await;
    assert_eq!(seen.matches("notifications/cancelled").count(), 2, "{seen}");
    end(&server).await;
}

#[tokio::test]
async fn logs_reach_only_who_must_have_caused_them() {
    // Legacy: a principal's own process, its level set.
    let server = legacy();
    let base = say(&server, "pid", "{}", "p").await;
    let mut outbound = call("log", &client("{}"), "p");
    outbound.log_level = Some(LogLevel::Warning);
    let mut exchange = server.send(outbound).await.expect("sent");
    assert!(
        matches!(exchange.next().await, Event::Log(params) if params.string("data").as_deref() == Some("high"))
    );
    text(exchange.next().await);
    let mut outbound = call("level", &client("{}"), "p");
    outbound.log_level = Some(LogLevel::Error);
    assert!(text(ask(&server, outbound).await).contains("warning"));
    assert_eq!(say(&server, "level", "{}", "p").await, "None");
    assert_eq!(say(&server, "pid", "{}", "p").await, base);
    let mut exchange = open(&server, "log", "{}", "p").await;
    assert!(matches!(exchange.next().await, Event::Done(_)), "nobody asked for logs");
    end(&server).await;
    // Modern: the shared process, as long as nobody else asks for them there.
    let server = run(MODERN, Share::Auto, QUICK);
    ready(&server).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut outbound = call("log", &client("{}"), "p");
    outbound.log_level = Some(LogLevel::Warning);
    let mut alone = server.send(outbound.clone()).await.expect("sent");
    assert!(matches!(alone.next().await, Event::Log(_)));
    text(alone.next().await);
    let _other = open(&server, "hang", "{}", "q").await;
    let mut beside = server.send(outbound.clone()).await.expect("sent");
    assert!(matches!(beside.next().await, Event::Log(_)), "only it asked");
    text(beside.next().await);
    let mut hanging = call("hang", &client("{}"), "q");
    hanging.log_level = Some(LogLevel::Warning);
    let _asks_too = server.send(hanging).await.expect("sent");
    let mut crowded = server.send(outbound).await.expect("sent");
    assert!(matches!(crowded.next().await, Event::Done(_)), "it could be the other's");
    end(&server).await;
}

#[tokio::test]
async fn stderr_is_data_and_a_flood_of_it_hurts_nobody() {
    let flood =
        LEGACY.replace("serve(handle)", "sys.stderr.write('{\"audit\":1}\\n' * 400000)\nserve(handle)");
    let server = run(&flood, Share::Auto, QUICK);
    assert_eq!(say(&server, "hello", "{}", "p").await, "hello");
    end(&server).await;
}

#[tokio::test]
async fn legacy_resources_are_subscribed_again_after_a_restart() {
    let server = legacy();
    let held = server.subscribe("a:b", &client("{}"), &std::sync::Arc::from("p")).await.expect("subscribed");
    drop(ask(&server, call("die", &client("{}"), "q")).await);
    say(&server, "hello", "{}", "p").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(say(&server, "seen", "{}", "p").await.contains("resources/subscribe"));
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(say(&server, "seen", "{}", "p").await.contains("resources/unsubscribe"));
    end(&server).await;
}
