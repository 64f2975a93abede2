use http::Method;

use super::{modern_body, modern_headers, send, world, world_with};
use crate::call::Peer;

/// Checklist 25, 26; host, origin and CORS.
#[tokio::test]
async fn hosts_and_origins() {
    let world = world_with(|settings| settings.origins = vec!["https://app.example".into()]).await;
    let body = modern_body("tools/list", "");
    for (header, value, expected) in [
        ("host", "localhost:8750", 200),
        ("host", "127.0.0.1:1", 200),
        ("host", "[::1]:8750", 200),
        ("host", "evil.example", 403),
        ("host", "evil.example:8750", 403),
        ("origin", "http://localhost:3000", 200),
        ("origin", "https://app.example", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ] {
        let mut headers = modern_headers("tools/list", "");
        headers.push((header, value));
        let got = world.post(&headers, &body).await;
        assert_eq!(got.status, expected, "{header}: {value}");
        let cors = got.header("access-control-allow-origin");
        assert_eq!(cors, (header == "origin" && expected == 200).then_some(value), "{header}: {value}");
    }
}

#[tokio::test]
async fn preflights_are_for_allowed_origins_only() {
    let world = world().await;
    let ask = |origin: &'static str| {
        let headers = [("origin", origin), ("access-control-request-headers", "mcp-param-region, x-evil")];
        async move { send(world.address(), Method::OPTIONS, "/mcp", &headers, "").await }
    };
    let got = ask("http://localhost:1").await;
    assert_eq!(got.status, 204);
    let allowed = got.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("mcp-param-region") && allowed.contains("authorization"), "{allowed}");
    assert!(!allowed.contains("x-evil"), "{allowed}");
}

#[tokio::test]
async fn evil_preflights_are_refused() {
    let world = world().await;
    let got = send(world.address(), Method::OPTIONS, "/mcp", &[("origin", "https://evil.example")], "").await;
    assert_eq!(got.status, 403);
    assert_eq!(got.header("access-control-allow-origin"), None);
    assert_eq!(send(world.address(), Method::OPTIONS, "/mcp", &[], "").await.status, 405);
}

#[tokio::test]
async fn paths_and_methods() {
    let world = world().await;
    let body = modern_body("tools/list", "");
    for (method, path, expected) in [
        (Method::POST, "/mcp/view/support", 200),
        (Method::POST, "/mcp/server/files", 200),
        (Method::POST, "/mcp/server/missing", 404),
        (Method::POST, "/nope", 404),
        (Method::PUT, "/mcp", 405),
        (Method::GET, "/mcp", 405),
        (Method::DELETE, "/mcp", 405),
    ] {
        let mut headers = modern_headers("tools/list", "");
        headers.retain(|_| method == Method::POST);
        headers.extend_from_slice(&super::MEDIA);
        let got = send(world.address(), method.clone(), path, &headers, &body).await;
        assert_eq!(got.status, expected, "{method} {path}");
        if expected == 405 {
            assert!(got.header("allow").is_some());
        }
        if expected >= 400 {
            assert!(got.json()["hint"].is_string(), "{got:?}");
        }
    }
}

#[tokio::test]
async fn credentials_are_judged_before_the_body() {
    let world = world().await;
    for (value, expected, challenge) in [
        ("Bearer alice", 200, None),
        ("bearer alice", 200, None),
        ("Bearer none", 401, Some("Bearer")),
        ("Bearer wrong", 401, Some(r#"Bearer error="invalid_token""#)),
        ("Basic YTpi", 401, Some(r#"Bearer error="invalid_token""#)),
        ("alice", 401, Some(r#"Bearer error="invalid_token""#)),
    ] {
        let mut headers = modern_headers("tools/list", "");
        headers.push(("authorization", value));
        let body = if expected == 200 { modern_body("tools/list", "") } else { "not JSON".into() };
        let got = world.post(&headers, &body).await;
        assert_eq!((got.status, got.header("www-authenticate")), (expected, challenge), "{value}");
    }
    let twice = [("authorization", "Bearer alice"), ("Authorization", "Bearer alice")];
    assert_eq!(world.post(&twice, "{}").await.status, 401);
}

#[tokio::test]
async fn media_types_sizes_and_shapes() {
    let world = world_with(|settings| settings.limits.body_bytes = 2000).await;
    let list = modern_body("tools/list", "");
    let large = modern_body("tools/list", &format!(r#""x":"{}","#, "x".repeat(2000)));
    let deep = modern_body("tools/list", &format!(r#""x":{}{},"#, "[".repeat(70), "]".repeat(70)));
    for (changes, body, status, code) in [
        (("content-type", "text/plain"), list.as_str(), 415, 0),
        (("content-type", ""), &list, 415, 0),
        (("content-encoding", "gzip"), &list, 415, 0),
        (("accept", "application/json"), &list, 406, 0),
        (("accept", "text/event-stream"), &list, 406, 0),
        (("accept", ""), &list, 406, 0),
        (("accept", "*/*"), &list, 200, 0),
        (("accept", "application/json, text/event-stream"), &large, 413, 0),
        (("accept", "*/*"), "{", 400, -32700),
        (("accept", "*/*"), &deep, 400, -32600),
        (("accept", "*/*"), r#"{"jsonrpc":"2.0"}"#, 400, -32600),
        (("accept", "*/*"), r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, 400, -32600),
        (("accept", "*/*"), "[]", 400, -32600),
        (("accept", "*/*"), r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#, 400, -32600),
    ] {
        let mut headers = modern_headers("tools/list", "");
        headers.push(changes);
        let got = world.post(&headers, body).await;
        assert_eq!(got.status, status, "{changes:?} {body} {got:?}");
        if code != 0 {
            // A text that breaks a rule of ours and not of JSON may be either.
            assert!([-32700, -32600].contains(&got.code()), "{body}: {got:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_makes_a_peer_not_local() {
    let world = world().await;
    for (name, value, local) in [
        ("x-nothing", "1", true),
        ("forwarded", "for=1.2.3.4", false),
        ("x-forwarded-for", "1.2.3.4", false),
        ("x-forwarded-proto", "https", false),
        ("via", "1.1 proxy", false),
    ] {
        let mut headers = modern_headers("tools/list", "");
        headers.push((name, value));
        world.post(&headers, &modern_body("tools/list", "")).await;
        let peer: Peer = world.fake.peers.lock().unwrap().last().unwrap().clone();
        assert_eq!(peer.local, local, "{name}");
    }
}
