//! Over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_mcp::header::{ParamHeader, ParamKind};
use tollgate_mcp::method::Method;
use tollgate_mcp::revision::Revision;

use super::super::{Event, Failure, Health, Listing, Notice, Reaction};
use super::fake::{Events, Fake, Reply, Seen};
use super::{QUICK, ask, call, client, end, finish, http_transport, object, ready, start, text, unavailable};
use crate::call::LogLevel;
use crate::config::Timeout;

fn discovered(seen: &Seen) -> Reply {
    Reply::result(
        seen,
        json!({"resultType":"complete","supportedVersions":["2026-07-28"],
            "capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"prompts":{}},
            "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake","version":"1"}},
            "instructions":"be kind","ttlMs":0,"cacheScope":"private"}),
    )
}

/// A modern server; `script` answers all but the probe and the change stream.
async fn modern(script: impl Fn(Seen) -> Reply + Send + Sync + 'static) -> Fake {
    Fake::start(move |seen| match seen.method() {
        "server/discover" => discovered(&seen),
        "subscriptions/listen" => Reply::error(404, &seen, -32601),
        _ => script(seen),
    })
    .await
}

/// A legacy server with sessions `s1`, `s2`, …; `script` answers all but the handshake and, if it gives none, GET and notifications.
async fn legacy(script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Fake {
    let sessions = AtomicUsize::new(0);
    Fake::start(move |seen| {
        if let Some(reply) = script(&seen) {
            return reply;
        }
        match seen.method() {
            "server/discover" => Reply::error(400, &seen, -32000),
            "initialize" => {
                let session = format!("s{}", sessions.fetch_add(1, Ordering::SeqCst) + 1);
                initialized(&seen).with("mcp-session-id", &session)
            }
            _ if seen.verb == "GET" => Reply::empty(405),
            _ if seen.verb == "DELETE" => Reply::empty(200),
            _ if seen.body["id"].is_null() || seen.method().is_empty() => Reply::empty(202),
            "tools/call" => Reply::result(&seen, json!({"content":[]})),
            _ => Reply::result(&seen, json!({})),
        }
    })
    .await
}

fn initialized(seen: &Seen) -> Reply {
    Reply::result(
        seen,
        json!({"protocolVersion":"2025-11-25","serverInfo":{"name":"old","version":"1"},
            "capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}}),
    )
}

fn done(seen: &Seen, words: &str) -> Value {
    json!({"jsonrpc":"2.0","id":seen.body["id"],"result":{"content":[{"type":"text","text":words}]}})
}

#[tokio::test]
async fn a_modern_call_has_every_header_and_the_credential() {
    let fake = modern(|seen| Reply::json(200, &done(&seen, "hi"))).await;
    let server = start(http_transport(&fake.url), QUICK);
    let introduction = ready(&server).await;
    assert_eq!(introduction.revision, Revision::V2026_07_28);
    assert_eq!(introduction.instructions.as_deref(), Some("be kind"));
    assert_eq!(introduction.info.as_deref(), Some(br#"{"name":"fake","version":"1"}"#.as_slice()));
    let mut outbound = call("grüße", &client(r#"{"elicitation":{}}"#), "p");
    outbound.marks = Arc::from([ParamHeader {
        name: "Region".to_owned(),
        path: vec!["a".to_owned()],
        kind: ParamKind::Integer,
    }]);
    outbound.progress = true;
    outbound.log_level = Some(LogLevel::Warning);
    assert!(text(ask(&server, outbound).await).contains("hi"));
    let seen = fake.saw("tools/call").remove(0);
    assert_eq!(seen.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(seen.header("mcp-method"), Some("tools/call"));
    assert_eq!(seen.header("mcp-name"), Some("=?base64?Z3LDvMOfZQ==?="));
    assert_eq!(seen.header("mcp-param-region"), Some("1"));
    assert_eq!(seen.header("authorization"), Some("Bearer token-value"));
    let meta = &seen.body["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "agent");
    assert!(meta["io.modelcontextprotocol/clientCapabilities"]["elicitation"].is_object());
    assert_eq!(meta["io.modelcontextprotocol/logLevel"], "warning");
    assert_eq!(meta["progressToken"], seen.body["id"]);
    assert_eq!(meta["x/y"], 1);
    assert!(meta.get("io.modelcontextprotocol/forged").is_none());
    end(&server).await;
}

#[tokio::test]
async fn an_extra_authority_is_trusted_only_where_it_is_configured() {
    let fake = Fake::start_secure(|seen| match seen.method() {
        "server/discover" => discovered(&seen),
        _ => Reply::json(200, &done(&seen, "secure")),
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    let (why, sent) = unavailable(ask(&server, call("t", &client("{}"), "p")).await);
    assert!(why.contains("cannot connect to localhost") && !sent, "{why}");
    assert!(fake.seen().is_empty());
    end(&server).await;
    let mut transport = http_transport(&fake.url);
    if let crate::config::Transport::Http { ca, .. } = &mut transport {
        *ca = Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/servers/tests/tls/ca.pem"));
    }
    let server = start(transport, QUICK);
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("secure"));
    end(&server).await;
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let fake = modern(|seen| Reply::json(200, &done(&seen, "hi"))).await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = fake.connections();
    for _ in 0..20 {
        text(ask(&server, call("t", &client("{}"), "p")).await);
    }
    assert!(fake.connections() <= before + 1, "{} connections", fake.connections());
    end(&server).await;
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced_unnoticed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("http://{}/mcp", listener.local_addr().expect("address"));
    // Answers once on each connection and closes it without a word.
    let serving = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut request = vec![0; 64 * 1024];
            let read = stream.read(&mut request).await.expect("a request");
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let id: String = request
                .split("\"id\":")
                .nth(1)
                .unwrap_or("0")
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            let result = if request.contains("server/discover") {
                r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#
            } else {
                r#"{"content":["once"]}"#
            };
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
        }
    });
    let server = start(http_transport(&url), QUICK);
    ready(&server).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("once"));
    }
    end(&server).await;
    serving.abort();
}

#[tokio::test]
async fn a_stream_gives_progress_and_logs_then_the_answer_and_its_connection_back() {
    let fake = modern(|seen| {
        let (reply, events) = Reply::stream();
        tokio::spawn(async move {
            let token = &seen.body["params"]["_meta"]["progressToken"];
            events.raw(":\r\n\r\n").await;
            events.message(&json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":1}})).await;
            events.message(&json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"else","progress":2}})).await;
            events.message(&json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"low"}})).await;
            events.message(&json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"high"}})).await;
            events.message(&json!({"jsonrpc":"2.0","id":999_999,"result":{"content":[]}})).await;
            events.message(&done(&seen, "end")).await;
        });
        reply
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut outbound = call("t", &client("{}"), "p");
    outbound.progress = true;
    outbound.log_level = Some(LogLevel::Warning);
    let mut exchange = server.send(outbound.clone()).await.expect("sent");
    assert!(
        matches!(exchange.next().await, Event::Progress(params) if params.slice("progress") == Some(b"1"))
    );
    assert!(
        matches!(exchange.next().await, Event::Log(params) if params.string("data").as_deref() == Some("high"))
    );
    assert!(text(exchange.next().await).contains("end"));
    drop(exchange);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = fake.connections();
    assert!(text(ask(&server, outbound).await).contains("end"));
    assert_eq!(fake.connections(), before);
    end(&server).await;
}

#[tokio::test]
async fn an_input_required_result_is_an_answer() {
    let fake = modern(|seen| {
        Reply::result(&seen, json!({"resultType":"input_required","requestState":"S","inputRequests":{"k":{"method":"elicitation/create","params":{}}}}))
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    let Event::Done(Ok(answer)) = ask(&server, call("t", &client(r#"{"elicitation":{}}"#), "p")).await else {
        panic!()
    };
    assert_eq!(answer.kind, tollgate_mcp::translate::ResultType::InputRequired);
    end(&server).await;
}

#[tokio::test]
async fn what_answers_wrongly_is_an_error_and_shows_nothing_of_itself() {
    let fake = modern(|seen| match seen.body["params"]["name"].as_str().unwrap_or_default() {
        "wrong-id" => Reply::json(200, &json!({"jsonrpc":"2.0","id":77_777,"result":{"content":[]}})),
        "garbage" => Reply { status: 200, ..Reply::json(200, &json!("garbage s3cret")) },
        "redirect" => Reply::empty(307).with("location", "http://127.0.0.1:1/elsewhere"),
        "unauthorized" => Reply::empty(401).with("www-authenticate", "Bearer s3cret"),
        "page" => Reply {
            head: vec![("content-type", "text/html".to_owned())],
            ..Reply::json(500, &json!("s3cret"))
        },
        "empty" => Reply::empty(202),
        "rpc-error" => Reply::error(400, &seen, -32020),
        "truncated" => {
            let (reply, events) = Reply::stream();
            tokio::spawn(async move {
                events.raw("data: {\"jsonrpc\":\"2.0\",\"id\":").await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                events.cut().await;
            });
            reply
        }
        "ended" => Reply::stream().0,
        other => panic!("{other}"),
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    for (tool, sent) in [
        ("wrong-id", true),
        ("garbage", true),
        ("redirect", false),
        ("page", true),
        ("empty", true),
        ("truncated", true),
        ("ended", true),
    ] {
        let (why, was_sent) = unavailable(ask(&server, call(tool, &client("{}"), "p")).await);
        assert_eq!(was_sent, sent, "{tool}: {why}");
        assert!(!why.contains("s3cret"), "{why}");
        assert_eq!(
            fake.seen().iter().filter(|seen| seen.body["params"]["name"] == tool).count(),
            1,
            "{tool}"
        );
    }
    let refused = ask(&server, call("rpc-error", &client("{}"), "p")).await;
    assert!(matches!(refused, Event::Done(Err(error)) if error.code == -32020));
    let (why, sent) = unavailable(ask(&server, call("unauthorized", &client("{}"), "p")).await);
    assert!(why.contains("401") && !why.contains("s3cret") && !sent, "{why}");
    end(&server).await;
}

#[tokio::test]
async fn a_result_over_the_limit_is_refused_while_it_streams() {
    let fake = modern(|seen| match seen.body["params"]["name"].as_str() {
        Some("announced") => Reply { body: super::fake::Answering::Hang, ..Reply::empty(200) },
        name => {
            let (mut reply, events) = Reply::stream();
            if name == Some("json") {
                reply.head = vec![("content-type", "application/json".to_owned())];
            }
            tokio::spawn(async move {
                events.raw("data: \"").await;
                // A gigabyte, if anyone took it.
                for _ in 0..16_384 {
                    events.raw(&"x".repeat(65_536)).await;
                    if events.0.is_closed() {
                        return;
                    }
                }
            });
            reply
        }
    })
    .await;
    let server = start(http_transport(&fake.url), Timeout { call: Duration::from_secs(30), ..QUICK });
    for tool in ["json", "events"] {
        let end = ask(&server, call(tool, &client("{}"), "p")).await;
        assert!(matches!(end, Event::Failed(Failure::TooLarge { limit: 16_777_216, .. })), "{end:?}");
    }
    end(&server).await;
}

#[tokio::test]
async fn unfinished_answers_share_one_budget() {
    let fake = modern(|seen| {
        let (mut reply, events) = Reply::stream();
        if seen.body["params"]["name"] == "json" {
            reply.head = vec![("content-type", "application/json".to_owned())];
        }
        let (id, small) = (seen.body["id"].clone(), seen.body["params"]["name"] == "small");
        tokio::spawn(async move {
            let start = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"x":""#);
            events.raw(&format!("data: {start}")).await;
            // Ten megabytes that never end, or what is small and does.
            for _ in 0..if small { 1 } else { 160 } {
                events.raw(&"x".repeat(65_536)).await;
            }
            if small {
                events.raw("\"}}\n\n").await;
            } else {
                events.0.closed().await;
            }
        });
        reply
    })
    .await;
    let server = start(http_transport(&fake.url), Timeout { call: Duration::from_secs(30), ..QUICK });
    ready(&server).await;
    let mut first = server.send(call("json", &client("{}"), "p")).await.expect("sent");
    // The first is read as far as it goes; with another one it would be more than there is room for.
    assert!(tokio::time::timeout(Duration::from_millis(700), first.next()).await.is_err());
    for tool in ["json", "events"] {
        let end = ask(&server, call(tool, &client("{}"), "p")).await;
        assert!(matches!(end, Event::Failed(Failure::NoRoom { .. })), "{end:?}");
    }
    text(ask(&server, call("small", &client("{}"), "p")).await);
    drop(first);
    let mut next = server.send(call("events", &client("{}"), "p")).await.expect("sent");
    assert!(tokio::time::timeout(Duration::from_millis(700), next.next()).await.is_err());
    drop(next);
    end(&server).await;
}

#[tokio::test]
async fn a_dropped_modern_call_closes_its_stream() {
    let (tell, told) = std::sync::mpsc::channel::<Events>();
    let tell = std::sync::Mutex::new(tell);
    let fake = modern(move |_| {
        let (reply, events) = Reply::stream();
        tell.lock().expect("lock").send(events).expect("told");
        reply
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut exchange = server.send(call("t", &client("{}"), "p")).await.expect("sent");
    assert!(tokio::time::timeout(Duration::from_millis(200), exchange.next()).await.is_err(), "nothing yet");
    let events = told.try_recv().expect("the call arrived");
    drop(exchange);
    tokio::time::timeout(Duration::from_secs(1), async {
        while !events.0.is_closed() {
            events.raw(":\n\n").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the stream was closed");
    assert!(fake.saw("notifications/cancelled").is_empty());
    end(&server).await;
}

#[tokio::test]
async fn a_server_that_hangs_times_out_and_progress_keeps_a_call_alive() {
    let fake = modern(|seen| {
        if seen.body["params"]["name"] == "hang" {
            return Reply::hang();
        }
        let (reply, events) = Reply::stream();
        tokio::spawn(async move {
            for n in 0..6 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let token = &seen.body["params"]["_meta"]["progressToken"];
                events.message(&json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":n}})).await;
            }
            events.message(&done(&seen, "late")).await;
        });
        reply
    })
    .await;
    let quick = Duration::from_millis(300);
    let server = start(http_transport(&fake.url), Timeout { call: quick, idle: quick, ..QUICK });
    let end_of = ask(&server, call("hang", &client("{}"), "p")).await;
    assert!(matches!(end_of, Event::Failed(Failure::Timeout { .. })), "{end_of:?}");
    let mut outbound = call("slow", &client("{}"), "p");
    outbound.progress = true;
    assert!(text(ask(&server, outbound).await).contains("late"));
    end(&server).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_down_and_comes_back() {
    let spare =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound").local_addr().expect("address");
    let server = start(http_transport(&format!("http://{spare}/mcp")), QUICK);
    let (why, sent) = unavailable(ask(&server, call("t", &client("{}"), "p")).await);
    assert!(why.contains("cannot connect") && !sent, "{why}");
    assert!(matches!(server.health(), Health::Down { .. }));
    let mut notices = server.notices();
    let fake = Fake::start_on(&spare.to_string(), |seen| match seen.method() {
        "server/discover" => discovered(&seen),
        _ => Reply::json(200, &done(&seen, "back")),
    })
    .await;
    ready(&server).await;
    assert!(matches!(notices.recv().await, Ok(Notice::Ready | Notice::Down)));
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("back"));
    // Gone again: the next call finds out, and is not sent.
    fake.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (why, sent) = unavailable(ask(&server, call("t", &client("{}"), "p")).await);
    assert!(!sent, "{why}");
    end(&server).await;
}

#[tokio::test]
async fn a_server_that_changes_its_era_is_asked_at_once() {
    let old = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = Arc::clone(&old);
    let fake = Fake::start(move |seen| {
        let legacy = now.load(Ordering::SeqCst);
        let known = seen.header("mcp-session-id") == Some("s");
        match seen.method() {
            "server/discover" if !legacy => discovered(&seen),
            "initialize" if legacy => initialized(&seen).with("mcp-session-id", "s"),
            _ if legacy && seen.verb == "POST" && !known => {
                let body =
                    json!({"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"not initialized"}});
                Reply::json(400, &body)
            }
            _ if legacy && seen.verb == "GET" => Reply::empty(405),
            _ if legacy && seen.body["id"].is_null() => Reply::empty(202),
            "tools/call" if legacy => Reply::json(200, &done(&seen, "old")),
            _ if !legacy && seen.header("mcp-protocol-version") != Some("2026-07-28") => {
                Reply::error(400, &seen, -32020)
            }
            "tools/call" => Reply::json(200, &done(&seen, "new")),
            _ => Reply::error(404, &seen, -32601),
        }
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("new"));
    for legacy in [true, false, true] {
        old.store(legacy, Ordering::SeqCst);
        let first = ask(&server, call("t", &client("{}"), "p")).await;
        assert!(!matches!(first, Event::Done(Ok(_))), "one call learns it: {first:?}");
        let said = text(ask(&server, call("t", &client("{}"), "p")).await);
        assert!(said.contains(if legacy { "old" } else { "new" }), "{said}");
    }
    end(&server).await;
}

#[tokio::test]
async fn a_server_that_only_looks_like_another_one_is_kept_and_asked_rarely() {
    // A code that 2026-07-28 has no use for, to every call.
    let fake = modern(|seen| Reply::error(400, &seen, -32600)).await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut notices = server.notices();
    for _ in 0..50 {
        drop(ask(&server, call("t", &client("{}"), "p")).await);
    }
    let asked = fake.saw("server/discover").len();
    assert!((2..=4).contains(&asked), "asked {asked} times");
    assert!(matches!(server.health(), Health::Ready(_)) && notices.try_recv().is_err(), "it never went down");
    end(&server).await;
}

#[tokio::test]
async fn a_server_that_looked_odd_before_is_asked_when_it_looks_so_in_another_way() {
    let old = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = Arc::clone(&old);
    let fake = Fake::start(move |seen| {
        let legacy = now.load(Ordering::SeqCst);
        match seen.method() {
            "server/discover" if !legacy => discovered(&seen),
            "initialize" if legacy => initialized(&seen).with("mcp-session-id", "s"),
            _ if legacy && seen.verb == "GET" => Reply::empty(405),
            _ if legacy && seen.header("mcp-session-id") != Some("s") => {
                let body =
                    json!({"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"not initialized"}});
                Reply::json(400, &body)
            }
            _ if legacy && seen.body["id"].is_null() => Reply::empty(202),
            "tools/call" if legacy => Reply::json(200, &done(&seen, "old")),
            // A code that 2026-07-28 has no use for.
            _ => Reply::error(400, &seen, -32600),
        }
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    for _ in 0..20 {
        drop(ask(&server, call("t", &client("{}"), "p")).await);
    }
    old.store(true, Ordering::SeqCst);
    let first = ask(&server, call("t", &client("{}"), "p")).await;
    assert!(!matches!(first, Event::Done(Ok(_))), "one call learns it: {first:?}");
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("old"));
    end(&server).await;
}

#[tokio::test]
async fn an_inconclusive_probe_is_tried_again_and_never_taken_for_an_era() {
    let tries = AtomicUsize::new(0);
    let fake = Fake::start(move |seen| match (seen.method(), tries.fetch_add(1, Ordering::SeqCst)) {
        ("server/discover", 0) => Reply::empty(503),
        ("server/discover", 1) => Reply::empty(401),
        ("server/discover", _) => discovered(&seen),
        _ => Reply::error(404, &seen, -32601),
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    assert_eq!(ready(&server).await.revision, Revision::V2026_07_28);
    assert!(fake.saw("initialize").is_empty());
    end(&server).await;
}

#[tokio::test]
async fn lists_are_read_page_by_page_within_limits() {
    let fake = modern(|seen| match seen.method() {
        "tools/list" => {
            let page = seen.body["params"]["cursor"].as_str().map_or(0, str::len);
            let tools: Vec<Value> = (0..2).map(|n| json!({"name":format!("t{page}{n}")})).collect();
            let mut result =
                json!({"resultType":"complete","tools":tools,"ttlMs":1000 - page,"cacheScope":"private"});
            if page < 3 {
                result["nextCursor"] = json!("x".repeat(page + 1));
            }
            Reply::result(&seen, result)
        }
        // A cursor that leads nowhere.
        "prompts/list" => Reply::result(&seen, json!({"prompts":[],"nextCursor":""})),
        "resources/templates/list" => Reply::error(404, &seen, -32601),
        "resources/list" => {
            let many: Vec<Value> = (0..10_001).map(|n| json!({"uri":format!("a:{n}")})).collect();
            Reply::result(&seen, json!({"resources":many,"ttlMs":0,"cacheScope":"private"}))
        }
        other => panic!("{other}"),
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    let (nobody, nowhere) = (client("{}"), Arc::from(""));
    let (tools, ttl) = server.list(Listing::Tools, &nobody, &nowhere).await.expect("listed");
    assert_eq!((tools.len(), ttl), (8, Some(997)));
    let why = server.list(Listing::Prompts, &nobody, &nowhere).await.expect_err("a loop").to_string();
    assert!(why.contains("cursor for the second time"), "{why}");
    let (templates, _) = server.list(Listing::Templates, &nobody, &nowhere).await.expect("none is no error");
    assert!(templates.is_empty());
    let why = server.list(Listing::Resources, &nobody, &nowhere).await.expect_err("too many").to_string();
    assert!(why.contains("more than 10000 items"), "{why}");
    end(&server).await;
}

#[tokio::test]
async fn a_modern_change_stream_tells_changes_and_follows_subscriptions() {
    let streams: Arc<std::sync::Mutex<Vec<(Value, Events)>>> = Arc::default();
    let kept = Arc::clone(&streams);
    let fake = Fake::start(move |seen| match seen.method() {
        "server/discover" => discovered(&seen),
        "subscriptions/listen" => {
            let (reply, events) = Reply::stream();
            let wanted = seen.body["params"]["notifications"].clone();
            kept.lock().expect("lock").push((wanted.clone(), events.clone()));
            tokio::spawn(async move {
                let meta = json!({"io.modelcontextprotocol/subscriptionId":seen.body["id"]});
                events.message(&json!({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":meta,"notifications":wanted}})).await;
            });
            reply
        }
        other => panic!("{other}"),
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut notices = server.notices();
    let held = server.subscribe("file:///a", &client("{}"), &Arc::from("p")).await.expect("subscribed");
    let again = server.subscribe("file:///a", &client("{}"), &Arc::from("q")).await.expect("counted");
    let (wanted, events) = streams.lock().expect("lock").last().expect("a stream").clone();
    assert_eq!(wanted, json!({"toolsListChanged":true,"resourceSubscriptions":["file:///a"]}));
    events.message(&json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})).await;
    events
        .message(
            &json!({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a"}}),
        )
        .await;
    let mut told = Vec::new();
    while told.len() < 2 {
        match tokio::time::timeout(Duration::from_secs(3), notices.recv())
            .await
            .expect("in time")
            .expect("open")
        {
            Notice::Changed(listing) => told.push(format!("{listing:?}")),
            Notice::Updated(uri) => told.push(uri),
            Notice::Ready | Notice::Down | Notice::Task(_) | Notice::Progress(_) => {}
        }
    }
    assert_eq!(told, ["Tools", "file:///a"]);
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!events.0.is_closed(), "one subscriber is left");
    drop(again);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let wanted = streams.lock().expect("lock").last().expect("a stream").0.clone();
    assert_eq!(wanted, json!({"toolsListChanged":true}));
    end(&server).await;
}

#[tokio::test]
async fn a_legacy_server_gets_its_session_version_and_clean_params() {
    let fake = legacy(|_| None).await;
    let server = start(http_transport(&fake.url), QUICK);
    assert_eq!(ready(&server).await.revision, Revision::V2025_11_25);
    text(ask(&server, call("t", &client("{}"), "p")).await);
    let initialize = fake.saw("initialize").remove(0);
    assert_eq!(initialize.body["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(initialize.body["params"]["capabilities"], json!({}));
    assert_eq!(initialize.header("mcp-session-id"), None);
    assert_eq!(fake.saw("notifications/initialized")[0].header("mcp-session-id"), Some("s1"));
    let seen = fake.saw("tools/call").remove(0);
    assert_eq!(seen.header("mcp-session-id"), Some("s1"));
    assert_eq!(seen.header("mcp-protocol-version"), Some("2025-11-25"));
    assert_eq!(seen.header("mcp-method"), None);
    assert_eq!(seen.body["params"]["_meta"], json!({"x/y":1}));
    end(&server).await;
    assert_eq!(
        fake.seen().last().map(|seen| (seen.verb.clone(), seen.header("mcp-session-id").map(str::to_owned))),
        Some(("DELETE".to_owned(), Some("s1".to_owned())))
    );
}

#[tokio::test]
async fn a_dead_session_is_made_anew_and_the_call_sent_once_more() {
    let fake = legacy(|seen| {
        (seen.method() == "tools/call" && seen.header("mcp-session-id") == Some("s1"))
            .then(|| Reply::empty(404))
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut notices = server.notices();
    text(ask(&server, call("t", &client("{}"), "p")).await);
    let sessions: Vec<_> =
        fake.saw("tools/call").iter().map(|seen| seen.header("mcp-session-id").map(str::to_owned)).collect();
    assert_eq!(sessions, [Some("s1".to_owned()), Some("s2".to_owned())]);
    assert!(matches!(notices.try_recv(), Ok(Notice::Ready)), "what was listed may have changed");
    end(&server).await;
}

#[tokio::test]
async fn sessions_that_can_ask_are_one_principals_with_what_it_declared() {
    let fake = legacy(|_| None).await;
    let server = start(http_transport(&fake.url), QUICK);
    let (asks, silent) = (client(r#"{"elicitation":{}}"#), client("{}"));
    for (client, principal) in [(&asks, "p"), (&asks, "q"), (&asks, "p"), (&silent, "p"), (&silent, "q")] {
        text(ask(&server, call("t", client, principal)).await);
    }
    let used: Vec<_> = fake
        .saw("tools/call")
        .iter()
        .map(|seen| seen.header("mcp-session-id").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(used, ["s2", "s3", "s2", "s1", "s1"]);
    let declared: Vec<_> =
        fake.saw("initialize").iter().map(|seen| seen.body["params"]["capabilities"].clone()).collect();
    assert_eq!(declared, [json!({}), json!({"elicitation":{}}), json!({"elicitation":{}})]);
    end(&server).await;
}

#[tokio::test]
async fn a_legacy_servers_question_is_asked_answered_and_the_call_goes_on() {
    let pending: Arc<std::sync::Mutex<Option<Events>>> = Arc::default();
    let (kept, call_id) = (Arc::clone(&pending), Arc::new(std::sync::Mutex::new(Value::Null)));
    let fake = legacy(move |seen| {
        if seen.method() == "tools/call" {
            let (reply, events) = Reply::stream();
            *kept.lock().expect("lock") = Some(events.clone());
            *call_id.lock().expect("lock") = seen.body["id"].clone();
            tokio::spawn(async move {
                for (id, method) in [(json!("e"), "elicitation/create"), (json!(8), "roots/list"), (json!(9), "ping"), (json!(10), "tasks/list")] {
                    events.message(&json!({"jsonrpc":"2.0","id":id,"method":method,"params":{"message":"sure?","requestedSchema":{"type":"object","properties":{}}}})).await;
                }
            });
            return Some(reply);
        }
        if seen.body["id"] == "e" {
            let (events, id) = (kept.lock().expect("lock").clone().expect("a stream"), call_id.lock().expect("lock").clone());
            let action = seen.body["result"]["action"].clone();
            tokio::spawn(async move {
                events.message(&json!({"jsonrpc":"2.0","id":id,"result":{"content":[{"type":"text","text":action}]}})).await;
            });
        }
        None
    })
    .await;
    // Waiting for a human takes longer than a call may.
    let server = start(
        http_transport(&fake.url),
        Timeout { call: Duration::from_millis(400), idle: Duration::from_millis(400), ..QUICK },
    );
    ready(&server).await;
    let mut exchange = server.send(call("t", &client(r#"{"elicitation":{}}"#), "p")).await.expect("sent");
    let Event::Asked(questions) = exchange.next().await else { panic!() };
    assert_eq!(questions.len(), 1, "roots were not declared");
    assert_eq!(questions[0].method, "elicitation/create");
    assert_eq!(exchange.open_questions().len(), 1);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), exchange.next()).await.is_err(),
        "time stands still"
    );
    let accept = Reaction::Result(object(r#"{"action":"accept"}"#));
    exchange
        .answer(vec![("nonsense".to_owned(), Reaction::Withdrawn), (questions[0].key.clone(), accept)])
        .await;
    assert!(exchange.open_questions().is_empty());
    assert!(text(finish(&mut exchange).await).contains("accept"));
    let reply = |id: Value| {
        fake.seen()
            .into_iter()
            .find(|seen| seen.body["id"] == id && seen.method().is_empty())
            .expect("replied")
            .body
    };
    assert_eq!(reply(json!(8))["error"]["code"], -32601);
    assert_eq!(reply(json!(9))["result"], json!({}));
    assert_eq!(reply(json!(10))["error"]["code"], -32601);
    end(&server).await;
}

#[tokio::test]
async fn questions_come_together_and_can_be_withdrawn() {
    let fake = legacy(|seen| {
        (seen.method() == "tools/call").then(|| {
            let (reply, events) = Reply::stream();
            tokio::spawn(async move {
                for id in [71, 72] {
                    events.message(&json!({"jsonrpc":"2.0","id":id,"method":"roots/list"})).await;
                }
                tokio::time::sleep(Duration::from_millis(150)).await;
                for id in [71, 72] {
                    events.message(&json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":id}})).await;
                }
                std::future::pending::<()>().await;
            });
            reply
        })
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut exchange = server.send(call("t", &client(r#"{"roots":{}}"#), "p")).await.expect("sent");
    assert!(matches!(exchange.next().await, Event::Asked(questions) if questions.len() == 2));
    assert!(matches!(exchange.next().await, Event::Withdrew));
    assert!(exchange.open_questions().is_empty());
    drop(exchange);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let call = fake.saw("tools/call").remove(0);
    assert_eq!(fake.saw("notifications/cancelled")[0].body["params"]["requestId"], call.body["id"]);
    end(&server).await;
}

#[tokio::test]
async fn a_broken_legacy_stream_is_taken_up_where_it_broke() {
    let fake = legacy(|seen| {
        if seen.method() == "tools/call" {
            let (reply, events) = Reply::stream();
            tokio::spawn(async move {
                events.raw("id: e1\nretry: 50\ndata:\n\n").await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                events.cut().await;
            });
            return Some(reply);
        }
        (seen.verb == "GET" && seen.header("last-event-id") == Some("e1")).then(|| {
            let (reply, events) = Reply::stream();
            tokio::spawn(async move {
                // The first two ids were the handshake's.
                events.message(&json!({"jsonrpc":"2.0","id":3,"result":{"content":["resumed"]}})).await;
                events.message(&json!({"jsonrpc":"2.0","id":2,"result":{"content":["resumed"]}})).await;
            });
            reply
        })
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("resumed"));
    assert_eq!(fake.saw("tools/call").len(), 1);
    end(&server).await;
}

/// SEP-1699. An end without `retry` may be anybody's; then nothing is told.
#[tokio::test]
async fn a_stream_that_a_server_ends_in_mid_call_is_a_pause() {
    for (primer, paused) in [("id: e1\nretry: 50\ndata:\n\n", true), ("id: e1\ndata:\n\n", false)] {
        let fake = legacy(move |seen| {
            let called = seen.method() == "tools/call";
            (called || seen.header("last-event-id") == Some("e1")).then(|| {
                let (reply, events) = Reply::stream();
                tokio::spawn(async move {
                    if called {
                        events.raw(primer).await;
                    } else {
                        for id in [2, 3] {
                            let answer = json!({"jsonrpc":"2.0","id":id,"result":{"content":["resumed"]}});
                            events.message(&answer).await;
                        }
                    }
                });
                reply
            })
        })
        .await;
        let server = start(http_transport(&fake.url), QUICK);
        ready(&server).await;
        let mut exchange = server.send(call("t", &client("{}"), "p")).await.expect("sent");
        if paused {
            let told = exchange.next().await;
            assert!(matches!(told, Event::Paused(retry) if retry == Duration::from_millis(50)), "{told:?}");
        }
        assert!(text(exchange.next().await).contains("resumed"));
        assert_eq!(fake.saw("tools/call").len(), 1);
        end(&server).await;
    }
}

#[tokio::test]
async fn a_standing_stream_tells_changes_and_its_questions_find_the_one_call() {
    let standing: Arc<std::sync::Mutex<Vec<(String, Events)>>> = Arc::default();
    let kept = Arc::clone(&standing);
    let fake = legacy(move |seen| {
        if seen.verb == "GET" {
            let (reply, events) = Reply::stream();
            kept.lock()
                .expect("lock")
                .push((seen.header("mcp-session-id").unwrap_or_default().to_owned(), events));
            return Some(reply);
        }
        (seen.method() == "tools/call").then(Reply::hang)
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut notices = server.notices();
    let mut exchange = server.send(call("t", &client(r#"{"sampling":{}}"#), "p")).await.expect("sent");
    drop(tokio::time::timeout(Duration::from_millis(200), exchange.next()).await);
    let stream = |session: &str| {
        let all = standing.lock().expect("lock");
        all.iter().find(|(name, _)| name == session).map(|(_, events)| events.clone()).expect("a stream")
    };
    stream("s1").message(&json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})).await;
    assert!(matches!(notices.recv().await, Ok(Notice::Changed(Listing::Tools))));
    stream("s1")
        .message(&json!({"jsonrpc":"2.0","id":60,"method":"sampling/createMessage","params":{}}))
        .await;
    stream("s2")
        .message(&json!({"jsonrpc":"2.0","id":61,"method":"sampling/createMessage","params":{}}))
        .await;
    let Event::Asked(questions) = exchange.next().await else { panic!() };
    assert_eq!(questions.len(), 1);
    exchange.answer(vec![(questions[0].key.clone(), Reaction::Withdrawn)]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let code = |id: u64| {
        fake.seen()
            .iter()
            .find(|seen| seen.body["id"] == id && seen.method().is_empty())
            .map(|seen| seen.body["error"]["code"].clone())
    };
    assert_eq!(code(60), Some(json!(-32601)), "nothing was declared in the shared session");
    assert_eq!(code(61), Some(json!(-1)));
    end(&server).await;
}

#[tokio::test]
async fn an_interactive_session_has_its_standing_stream_before_its_first_call() {
    let fake = legacy(|seen| (seen.verb == "GET").then(|| Reply::stream().0)).await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    for principal in ["p", "q", "r"] {
        text(ask(&server, call("t", &client(r#"{"sampling":{}}"#), principal)).await);
    }
    let seen = fake.seen();
    for session in ["s2", "s3", "s4"] {
        let mut of_it = seen.iter().filter(|seen| seen.header("mcp-session-id") == Some(session));
        let first = of_it.find(|seen| seen.verb == "GET" || seen.method() == "tools/call").expect("either");
        assert_eq!(first.verb, "GET", "a server may drop a question that finds no stream");
    }
    end(&server).await;
}

#[tokio::test]
async fn a_legacy_log_level_is_set_once_and_resources_are_subscribed_once() {
    let fake = legacy(|_| None).await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    for level in [LogLevel::Warning, LogLevel::Error, LogLevel::Debug] {
        let mut outbound = call("t", &client("{}"), "p");
        outbound.log_level = Some(level);
        text(ask(&server, outbound).await);
    }
    let levels: Vec<_> =
        fake.saw("logging/setLevel").iter().map(|seen| seen.body["params"]["level"].clone()).collect();
    assert_eq!(levels, ["warning", "debug"]);
    let (one, two) = (
        server.subscribe("a:b", &client("{}"), &Arc::from("p")).await.expect("subscribed"),
        server.subscribe("a:b", &client("{}"), &Arc::from("q")).await.expect("counted"),
    );
    assert_eq!(fake.saw("resources/subscribe").len(), 1);
    drop(one);
    drop(two);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(fake.saw("resources/unsubscribe").len(), 1);
    end(&server).await;
}

#[tokio::test]
async fn a_batch_is_read_and_the_end_closes_all_connections() {
    let fake = legacy(|seen| {
        (seen.method() == "tools/call").then(|| {
            Reply::json(200, &json!([{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":0,"progress":1}}, done(seen, "batched")]))
        })
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("batched"));
    end(&server).await;
    drop(server);
    tokio::time::timeout(Duration::from_secs(1), async {
        while fake.open() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("connections are closed");
}

#[tokio::test]
async fn a_missing_secret_is_named_and_nothing_is_sent() {
    let fake = modern(|_| Reply::empty(500)).await;
    let mut transport = http_transport(&fake.url);
    if let crate::config::Transport::Http { auth, .. } = &mut transport {
        *auth =
            Some(crate::config::Auth::Bearer(crate::config::Template(vec![crate::config::Piece::Secret(
                "missing".to_owned(),
            )])));
    }
    let server = start(transport, QUICK);
    let (why, _) = unavailable(ask(&server, call("t", &client("{}"), "p")).await);
    assert_eq!(why, "secret `missing`: not set");
    assert!(fake.seen().is_empty());
    end(&server).await;
}

#[tokio::test]
async fn a_changed_secret_applies_at_once_and_ends_no_call() {
    let fake = modern(|seen| match seen.body["params"]["name"].as_str() {
        Some("slow") => {
            let (reply, events) = Reply::stream();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                events.message(&done(&seen, "slow")).await;
            });
            reply
        }
        _ => Reply::json(200, &done(&seen, "hi")),
    })
    .await;
    let resolve = Arc::new(super::Plain::new());
    let server = super::start_with(http_transport(&fake.url), QUICK, Arc::clone(&resolve));
    ready(&server).await;
    let mut slow = server.send(call("slow", &client("{}"), "p")).await.expect("sent");
    assert!(tokio::time::timeout(Duration::from_millis(100), slow.next()).await.is_err(), "not yet");
    resolve.0.send_replace(1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    text(ask(&server, call("t", &client("{}"), "p")).await);
    let last = fake.saw("tools/call").pop().expect("a call");
    assert_eq!(last.header("authorization"), Some("Bearer token-value-1"));
    assert!(text(slow.next().await).contains("slow"));
    end(&server).await;
}

#[tokio::test]
async fn no_credential_is_in_any_debug_text() {
    let fake = modern(|_| Reply::hang()).await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let exchange = server.send(call("t", &client("{}"), "p")).await.expect("sent");
    let printed = format!("{server:?} {exchange:?}");
    assert!(printed.contains("fake") && !printed.contains("token-value"), "{printed}");
    drop(exchange);
    end(&server).await;
}

#[tokio::test]
async fn completion_context_and_params_go_through() {
    let fake = modern(|seen| Reply::result(&seen, json!({"completion":{"values":[]}}))).await;
    let server = start(http_transport(&fake.url), QUICK);
    let mut outbound = call("t", &client("{}"), "p");
    outbound.method = Method::Complete;
    outbound.params = object(
        r#"{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":123456789012345678901234567890},"context":{}}"#,
    );
    text(ask(&server, outbound).await);
    assert!(fake.saw("completion/complete")[0].body["params"]["context"].is_object());
    end(&server).await;
}

#[tokio::test]
async fn an_answer_that_a_server_never_takes_does_not_hold_its_call_for_good() {
    let fake = legacy(|seen| {
        if seen.body["id"] == "e" {
            return Some(Reply::hang());
        }
        (seen.method() == "tools/call").then(|| {
            let (reply, events) = Reply::stream();
            tokio::spawn(async move {
                let params = json!({"message":"sure?","requestedSchema":{"type":"object","properties":{}}});
                let asks = json!({"jsonrpc":"2.0","id":"e","method":"elicitation/create","params":params});
                events.message(&asks).await;
                events.0.closed().await;
            });
            reply
        })
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let mut exchange = server.send(call("t", &client(r#"{"elicitation":{}}"#), "p")).await.expect("sent");
    let Event::Asked(questions) = exchange.next().await else { panic!() };
    let answers = vec![(questions[0].key.clone(), Reaction::Withdrawn)];
    tokio::time::timeout(Duration::from_secs(20), exchange.answer(answers)).await.expect("it is given up");
    assert!(exchange.open_questions().is_empty());
    drop(exchange);
    end(&server).await;
}

#[tokio::test]
async fn of_the_replies_that_a_server_never_takes_only_a_few_are_open() {
    let fake = legacy(|seen| {
        if seen.verb == "POST" && seen.method().is_empty() {
            return Some(Reply::hang());
        }
        (seen.method() == "tools/call").then(|| {
            let (reply, events) = Reply::stream();
            let seen = seen.clone();
            tokio::spawn(async move {
                for n in 0..200 {
                    events.message(&json!({"jsonrpc":"2.0","id":n,"method":"ping"})).await;
                }
                events.message(&done(&seen, "end")).await;
            });
            reply
        })
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("end"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let replies = fake.seen().iter().filter(|seen| seen.verb == "POST" && seen.method().is_empty()).count();
    assert!((1..=32).contains(&replies), "{replies}");
    end(&server).await;
}

#[tokio::test]
async fn a_standing_stream_that_is_refused_once_comes_back_and_the_gap_is_told() {
    for (primer, refusal) in [("data:\n\n", 503), ("id: e1\ndata:\n\n", 409), ("id: e1\ndata:\n\n", 400)] {
        let tries = AtomicUsize::new(0);
        let fake = legacy(move |seen| {
            (seen.verb == "GET").then(|| match tries.fetch_add(1, Ordering::SeqCst) {
                1 => Reply::empty(refusal),
                nth => {
                    let (reply, events) = Reply::stream();
                    tokio::spawn(async move {
                        events.raw(primer).await;
                        if nth > 1 {
                            events.0.closed().await;
                        }
                    });
                    reply
                }
            })
        })
        .await;
        let server = start(http_transport(&fake.url), QUICK);
        ready(&server).await;
        let mut notices = server.notices();
        let told = tokio::time::timeout(Duration::from_secs(5), notices.recv()).await.expect("in time");
        assert!(matches!(told, Ok(Notice::Ready)), "{told:?}");
        let tries: Vec<_> = fake.seen().into_iter().filter(|seen| seen.verb == "GET").collect();
        assert_eq!(tries.len(), 3, "{refusal}");
        assert_eq!(tries[2].header("last-event-id"), None, "{refusal}");
        end(&server).await;
    }
}

#[tokio::test]
async fn a_session_that_its_standing_stream_found_dead_is_renewed_with_what_was_subscribed() {
    let tries = AtomicUsize::new(0);
    let fake = legacy(move |seen| {
        (seen.verb == "GET" && seen.header("mcp-session-id") == Some("s1")).then(|| {
            match tries.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::stream().0,
                _ => Reply::empty(404),
            }
        })
    })
    .await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    let held = server.subscribe("a:b", &client("{}"), &Arc::from("p")).await.expect("subscribed");
    let mut notices = server.notices();
    let until = async |wanted: &dyn Fn() -> bool| {
        let wait = async {
            while !wanted() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), wait).await.expect("in time");
    };
    until(&|| fake.seen().iter().filter(|seen| seen.verb == "GET").count() == 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    text(ask(&server, call("t", &client("{}"), "p")).await);
    assert_eq!(fake.saw("tools/call")[0].header("mcp-session-id"), Some("s2"));
    assert!(matches!(notices.try_recv(), Ok(Notice::Ready)), "what was listed may have changed");
    until(&|| fake.saw("resources/subscribe").len() == 2).await;
    assert_eq!(fake.saw("resources/subscribe")[1].header("mcp-session-id"), Some("s2"));
    drop(held);
    end(&server).await;
}

#[tokio::test]
async fn a_session_outlives_a_404_to_a_stream_that_it_never_had() {
    let fake = legacy(|seen| (seen.verb == "GET").then(|| Reply::empty(404))).await;
    let server = start(http_transport(&fake.url), QUICK);
    ready(&server).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        text(ask(&server, call("t", &client("{}"), "p")).await);
    }
    assert_eq!(fake.saw("initialize").len(), 1);
    end(&server).await;
}
