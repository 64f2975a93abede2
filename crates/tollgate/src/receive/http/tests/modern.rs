use std::sync::atomic::Ordering;

use serde_json::json;

use super::{modern_body, modern_body_of, modern_headers, until, world, world_with};

/// Checklist 3–10, 12, 16, 17, 23, 54: what is refused, with which status and code.
#[tokio::test]
async fn what_is_refused() {
    let world = world().await;
    let call = modern_body("tools/call", r#""name":"echo","#);
    let unknown = modern_body_of("v999", "tools/list", "");
    let legacy_version = modern_body_of("2025-11-25", "tools/list", "");
    let list = modern_body("tools/list", "");
    let no_meta = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    let no_capabilities = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let no_version = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let level = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"loud"}}}"#;
    let token = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":{}}}}"#;
    let version = "mcp-protocol-version";
    for (why, method, name, change, body, status, code) in [
        ("no version header", "tools/list", "", (version, ""), &*list, 400, -32020),
        ("other version header", "tools/list", "", (version, "2025-11-25"), &*list, 400, -32020),
        ("body of an unknown version", "tools/list", "", (version, "2026-07-28"), &*unknown, 400, -32020),
        ("unknown version", "tools/list", "", (version, "v999"), &*unknown, 400, -32022),
        (
            "legacy version in `_meta`",
            "tools/list",
            "",
            (version, "2025-11-25"),
            &*legacy_version,
            400,
            -32022,
        ),
        ("no `_meta`", "tools/list", "", ("x", "y"), no_meta, 400, -32602),
        ("no capabilities", "tools/list", "", ("x", "y"), no_capabilities, 400, -32602),
        ("no version in `_meta`", "tools/list", "", ("x", "y"), no_version, 400, -32602),
        ("no method header", "", "", ("x", "y"), &*list, 400, -32020),
        ("method header of another case", "Tools/List", "", ("x", "y"), &*list, 400, -32020),
        ("method header twice", "tools/list", "", ("Mcp-Method", "tools/list"), &*list, 400, -32020),
        ("no name header", "tools/call", "", ("x", "y"), &*call, 400, -32020),
        ("other name header", "tools/call", "other", ("x", "y"), &*call, 400, -32020),
        ("encoded name", "tools/call", "=?base64?ZWNobw==?=", ("x", "y"), &*call, 200, 0),
        ("badly encoded name", "tools/call", "=?base64?ZWNobw?=", ("x", "y"), &*call, 400, -32020),
        ("unknown log level", "tools/list", "", ("x", "y"), level, 200, -32602),
        ("odd progress token", "tools/list", "", ("x", "y"), token, 200, -32602),
    ] {
        let mut headers = modern_headers(method, name);
        headers.retain(|(name, _)| *name != change.0);
        headers.push(change);
        let got = world.post(&headers, body).await;
        assert_eq!((got.status, got.code()), (status, code), "{why}: {got:?}");
        assert_eq!(got.json()["id"], 7, "{why}");
    }
}

#[tokio::test]
async fn unsupported_versions_name_the_supported_ones() {
    let world = world().await;
    let mut headers = modern_headers("tools/list", "");
    headers[0].1 = "v999";
    let got = world.post(&headers, &modern_body_of("v999", "tools/list", "")).await;
    assert_eq!(got.json()["error"]["data"], json!({"supported": ["2026-07-28"], "requested": "v999"}));
}

/// Checklist 16, 17: unknown and legacy-only methods.
#[tokio::test]
async fn methods_that_are_not_of_2026_07_28() {
    let world = world().await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/result",
        "tasks/list",
        "tools/List",
        "nope",
    ] {
        let got = world.post(&modern_headers(method, ""), &modern_body(method, "")).await;
        assert_eq!((got.status, got.code()), (404, -32601), "{method}");
        assert_eq!(got.json()["id"], 7);
    }
}

/// Checklist 8, 19, 20, 27, 29.
#[tokio::test]
async fn what_is_served() {
    let world = world().await;
    let bare = r#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let mut headers = modern_headers("tools/list", "");
    headers.extend([("mcp-session-id", "0123456789abcdef0123456789abcdef"), ("last-event-id", "1-1")]);
    let got = world.post(&headers, bare).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.header("content-length").is_some());
    assert_eq!(got.header("mcp-session-id"), None);
    assert_eq!(got.json()["id"], "a");
    assert_eq!(got.json()["result"]["resultType"], "complete");
    assert_eq!(got.json()["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "fake");
    assert_eq!(world.fake.last().session, None);

    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    for headers in [vec![], modern_headers("notifications/cancelled", "")] {
        let got = world.post(&headers, note).await;
        assert_eq!((got.status, got.text.as_str()), (202, ""));
    }
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(world.post(&modern_headers("x", ""), response).await.status, 400);
}

#[tokio::test]
async fn an_error_keeps_its_status_and_a_large_answer_its_length() {
    let world = world().await;
    let got = world.call("nothing").await;
    assert_eq!((got.status, got.code()), (200, -32602));
    let got = world.call("big").await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-length"), Some(got.text.len().to_string().as_str()));
    assert_eq!(got.json()["result"]["content"][0]["text"].as_str().map(str::len), Some(300_000));
}

#[tokio::test]
async fn param_headers_are_handed_on() {
    let world = world().await;
    let mut headers = modern_headers("tools/call", "echo");
    headers.extend([("Mcp-Param-Region", "eu"), ("mcp-param-twice", "a"), ("mcp-param-twice", "b")]);
    world.post(&headers, &modern_body("tools/call", r#""name":"echo","#)).await;
    let seen = world.fake.last().param_headers.unwrap();
    assert!(seen.contains(&("region".into(), "eu".into())), "{seen:?}");
    assert!(seen.contains(&("twice".into(), "a, b".into())), "{seen:?}");
}

/// Checklist 45, 46, 51: a stream has its notifications, then the answer, and no ids.
#[tokio::test]
async fn notifications_make_a_stream() {
    let world = world().await;
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"progress","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":"tok"}}}"#;
    let mut open = world.post_open(&modern_headers("tools/call", "progress"), body).await;
    assert_eq!(open.status, 200);
    assert_eq!(open.headers["content-type"], "text/event-stream");
    assert_eq!(open.headers["x-accel-buffering"], "no");
    for step in 1..=3 {
        let (id, data) = open.event().await.unwrap();
        assert_eq!(id, None);
        assert_eq!(data["method"], "notifications/progress");
        assert_eq!(data["params"], json!({"progressToken": "tok", "progress": step}));
    }
    let last = open.data().await;
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!(7), &json!("complete")));
    assert!(open.event().await.is_none());
}

/// Checklist 47: a closed connection cancels, before and after the answer became a stream.
#[tokio::test]
async fn a_disconnect_cancels() {
    let world = world().await;
    let body = modern_body("tools/call", r#""name":"hang","#);
    let headers = modern_headers("tools/call", "hang");
    let hanging = world.post_open(&headers, &body);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), hanging).await.is_err());
    until("the silent call is cancelled", || world.fake.cancelled.load(Ordering::SeqCst) == 1).await;

    let body = modern_body("tools/call", r#""name":"started","#);
    let mut open = world.post_open(&modern_headers("tools/call", "started"), &body).await;
    open.data().await;
    drop(open);
    until("the streaming call is cancelled", || world.fake.cancelled.load(Ordering::SeqCst) == 2).await;
    assert_eq!(world.fake.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_silent_request_becomes_a_stream_that_is_kept_alive() {
    let world =
        world_with(|settings| settings.limits.keep_alive = std::time::Duration::from_millis(40)).await;
    let body = modern_body("tools/call", r#""name":"slow","#);
    let got = world.post(&modern_headers("tools/call", "slow"), &body).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    assert!(got.text.matches(":\r\n").count() >= 2, "{:?}", got.text);
    assert!(got.text.contains("\"slow\""));
}

#[tokio::test]
async fn a_client_is_described_per_request() {
    let world = world().await;
    world.call("echo").await;
    assert_eq!(world.fake.last().client.as_deref(), Some("t/1"));
    assert_eq!(world.fake.last().principal, "anonymous");
    let other = modern_body("tools/list", "").replace(r#""name":"t""#, r#""name":"other""#);
    world.post(&modern_headers("tools/list", ""), &other).await;
    assert_eq!(world.fake.last().client.as_deref(), Some("other/1"));
}
