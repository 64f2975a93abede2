use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_mcp::method::Method;

use super::{modern_body, modern_headers, request, until, world, world_with};
use crate::call::PartKind;

/// Checklist 102: what `initialize` negotiates.
#[tokio::test]
async fn versions_are_negotiated() {
    let world = world().await;
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let session = world.session(asked, "{}").await;
        assert_eq!(session.version, answered, "{asked}");
        assert_eq!(session.id.len(), 32);
        assert_eq!(world.fake.last().method, Method::Discover);
    }
    let body = request(
        1,
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#,
    );
    let got = world.post(&[], &body).await;
    assert_eq!(got.json()["result"]["serverInfo"]["name"], "fake");
    assert_eq!(got.json()["result"]["instructions"], "hi");
    assert!(got.json()["result"].get("resultType").is_none());
    let broken = world.post(&[], &request(1, "initialize", "{}")).await;
    assert_eq!((broken.status, broken.code()), (200, -32602));
}

/// Checklist 103, 104, 105, 112, 113.
#[tokio::test]
async fn a_session_lives_and_ends() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let note = |method: &str| format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#);
    for body in [
        note("notifications/initialized"),
        note("notifications/roots/list_changed"),
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#
            .into(),
        r#"{"jsonrpc":"2.0","id":99,"result":{}}"#.into(),
    ] {
        let got = session.post(&body).await;
        assert_eq!((got.status, got.text.as_str()), (202, ""), "{body}");
    }
    for (method, params, code) in [
        ("ping", "{}", 0),
        ("tools/list", "{}", 0),
        ("logging/setLevel", r#"{"level":"warning"}"#, 0),
        ("logging/setLevel", r#"{"level":"loud"}"#, -32602),
        ("logging/setLevel", "{}", -32602),
        ("resources/read", r#"{"uri":"x:y"}"#, -32602),
        ("initialize", "{}", -32600),
        ("server/nothing", "{}", -32601),
        ("tasks/list", "{}", -32601),
        ("tasks/result", "{}", -32601),
        ("tasks/get", "{}", -32601),
        ("server/discover", "{}", -32601),
        ("subscriptions/listen", "{}", -32601),
    ] {
        let got = session.request(5, method, params).await;
        assert_eq!((got.status, got.code()), (200, code), "{method}: {got:?}");
        assert_eq!(got.json()["id"], 5);
    }
    session.request(6, "tools/call", r#"{"name":"echo"}"#).await;
    assert_eq!(world.fake.last().log_level, Some("warning"));
    assert_eq!(world.fake.last().client.as_deref(), Some("old/2"));
    let identity = world.fake.last().session.unwrap();
    assert_ne!(identity, session.id);

    let mut headers = session.headers();
    let ping = request(1, "ping", "{}");
    for (version, status) in [("", 200), ("2025-06-18", 200), ("1999-01-01", 400), ("nonsense", 400)] {
        headers[1].1 = version;
        assert_eq!(world.post(&headers, &ping).await.status, status, "{version}");
    }
    assert_eq!(world.post(&[], &ping).await.status, 400);
    assert_eq!(world.post(&[("mcp-protocol-version", "2025-06-18")], &ping).await.status, 400);
    assert_eq!(world.post(&[], &note("notifications/initialized")).await.status, 400);
    assert_eq!(world.post(&[("mcp-session-id", "nope")], &ping).await.status, 404);
    assert_eq!(session.delete().await, 204);
    assert_eq!(session.delete().await, 404);
    assert_eq!(session.post(&ping).await.status, 404);
    assert_eq!(session.get("").await.status, 404);
}

/// Checklist 111: somebody else's session is an unknown one, and so is one of another endpoint.
#[tokio::test]
async fn a_session_id_opens_nothing_for_others() {
    let world = world().await;
    let session = world.session_of("Bearer alice", "2025-11-25", "{}").await;
    let ping = request(1, "ping", "{}");
    assert_eq!(session.post(&ping).await.status, 200);
    let mut headers = session.headers();
    for (who, status) in [("Bearer bob", 404), ("", 404), ("Bearer alice", 200), ("Bearer wrong", 401)] {
        headers[2].1 = who;
        assert_eq!(world.post(&headers, &ping).await.status, status, "{who}");
    }
    headers.extend_from_slice(&super::MEDIA);
    headers[2].1 = "Bearer alice";
    let got = super::send(world.address(), http::Method::POST, "/mcp/view/v", &headers, &ping).await;
    assert_eq!(got.status, 404);
    headers[2].1 = "Bearer bob";
    let unknown = [("mcp-session-id", "00000000000000000000000000000000"), ("authorization", "Bearer bob")];
    let unknown = world.post(&unknown, &ping).await;
    let stolen = world.post(&headers, &ping).await;
    assert_eq!((stolen.status, stolen.text), (unknown.status, unknown.text));
}

#[tokio::test]
async fn sessions_are_bounded_and_expire() {
    let world = world_with(|settings| settings.sessions.max_per_principal = 2).await;
    let first = world.session_of("Bearer alice", "2025-11-25", "{}").await;
    let ping = request(1, "ping", "{}");
    world.clock.advance(Duration::from_secs(1));
    let second = world.session_of("Bearer alice", "2025-11-25", "{}").await;
    world.clock.advance(Duration::from_secs(1));
    let _third = world.session_of("Bearer alice", "2025-11-25", "{}").await;
    assert_eq!(first.post(&ping).await.status, 404);
    assert_eq!(second.post(&ping).await.status, 200);
    world.clock.advance(Duration::from_secs(3601));
    assert_eq!(second.post(&ping).await.status, 404);
}

#[tokio::test]
async fn sessions_in_use_do_not_give_way() {
    let body = request(
        1,
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#,
    );
    for (own, all, status) in [(1, 10, 429), (10, 1, 503)] {
        let world = world_with(|settings| {
            settings.sessions.max_per_principal = own;
            settings.sessions.max = all;
        })
        .await;
        let session = world.session("2025-11-25", "{}").await;
        let _open = session.get("").await;
        let got = world.post(&[], &body).await;
        assert_eq!(got.status, status);
        assert!(got.header("retry-after").is_some());
        assert_eq!(session.delete().await, 204);
        assert_eq!(world.post(&[], &body).await.status, 200);
    }
}

/// The era is decided per message (`protocol.md` §3.1).
#[tokio::test]
async fn eras_mix_on_one_listener() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    // Stray reserved keys with a legacy version: the session's, and stripped.
    let got =
        session.post(&modern_body("tools/call", r#""name":"echo","requestState":"x","task":{},"#)).await;
    assert_eq!(got.status, 200);
    assert!(got.json()["result"].get("resultType").is_none());
    let params: Value = serde_json::from_str(&world.fake.last().params).unwrap();
    assert_eq!(params, json!({"name": "echo", "_meta": {}}));
    // A modern request is modern, whatever session it names.
    let mut headers = modern_headers("tools/list", "");
    headers.push(("mcp-session-id", &session.id));
    let got = world.post(&headers, &modern_body("tools/list", "")).await;
    assert_eq!(got.json()["result"]["resultType"], "complete");
    assert_eq!(world.fake.last().session, None);
}

/// Checklist 110: batches in 2025-03-26 sessions only.
#[tokio::test]
async fn batches() {
    let world = world().await;
    let old = world.session("2025-03-26", "{}").await;
    let new = world.session("2025-06-18", "{}").await;
    let batch = format!(
        r#"[{},{{"jsonrpc":"2.0","method":"notifications/initialized"}},{},{}]"#,
        request(1, "ping", "{}"),
        request(2, "tools/call", r#"{"name":"echo"}"#),
        request(3, "nope", "{}")
    );
    let got = old.post(&batch).await;
    let answers = got.json();
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), json!(3)]);
    assert_eq!(answers[2]["error"]["code"], -32601);
    assert_eq!((new.post(&batch).await.status, new.post(&batch).await.code()), (400, -32600));
    assert_eq!(world.post(&[], &batch).await.status, 400);
    for bad in
        ["[]".to_owned(), format!("[{}]", request(1, "initialize", "{}")), "[1]".to_owned(), "[".to_owned()]
    {
        assert_eq!(old.post(&bad).await.status, 400, "{bad}");
    }
    let notes = r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#;
    assert_eq!(old.post(notes).await.status, 202);
}

/// Checklist 108: the empty first event is for 2025-11-25 only.
#[tokio::test]
async fn streams_have_ids_and_only_the_newest_are_primed() {
    let world = world().await;
    for (version, primed) in [("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)] {
        let session = world.session(version, "{}").await;
        let mut open = session
            .post_open(&request(1, "tools/call", r#"{"name":"progress","_meta":{"progressToken":9}}"#))
            .await;
        assert_eq!(open.headers["content-type"], "text/event-stream");
        if primed {
            let (id, data) = open.event().await.unwrap();
            assert!(id.is_some() && data.is_null());
        }
        let mut ids = Vec::new();
        for step in 1..=3 {
            let (id, data) = open.event().await.unwrap();
            assert_eq!(data["params"], json!({"progressToken": 9, "progress": step}));
            ids.push(id.unwrap());
        }
        let (id, data) = open.event().await.unwrap();
        assert_eq!(data["id"], 1);
        ids.push(id.unwrap());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4);
        assert!(open.event().await.is_none());
    }
}

/// Checklist 48, 107: a lost connection cancels nothing, and its stream can be resumed, and only that stream.
#[tokio::test]
async fn a_lost_stream_is_resumed() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let mut broken = session.post_open(&request(1, "tools/call", r#"{"name":"started"}"#)).await;
    broken.event().await.unwrap();
    let (last, _) = broken.event().await.unwrap();
    let mut other = session.post_open(&request(2, "tools/call", r#"{"name":"progress"}"#)).await;
    other.event().await.unwrap();
    drop(broken);
    let last = last.unwrap();
    let mut resumed = session.get(&last).await;
    assert_eq!(resumed.status, 200);
    let answer = resumed.data().await;
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(1), &json!("late")));
    assert!(resumed.event().await.is_none());
    assert_eq!(world.fake.cancelled.load(Ordering::SeqCst), 0);
    // Once more, from the start, after the end.
    let stream = last.split_once('-').unwrap().0;
    let mut again = session.get(&format!("{stream}-0")).await;
    assert_eq!(again.data().await["method"], "notifications/progress");
    assert_eq!(again.data().await["id"], 1);
    assert!(again.event().await.is_none());
    for bad in ["x", "99-1", &format!("{stream}-99"), "-", "1", "1-1-1"] {
        assert_eq!(session.get(bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_call_without_a_stream_survives_its_connection() {
    let world = world().await;
    let session = world.session("2025-06-18", "{}").await;
    let body = request(1, "tools/call", r#"{"name":"slow"}"#);
    let lost = tokio::time::timeout(Duration::from_millis(100), session.post(&body)).await;
    assert!(lost.is_err());
    let finished = world.fake.finished.load(Ordering::SeqCst);
    until("the call has finished", || world.fake.finished.load(Ordering::SeqCst) > finished).await;
    assert_eq!(world.fake.cancelled.load(Ordering::SeqCst), 0);
}

/// A new reader takes the stream over, even where the old connection looks alive.
#[tokio::test]
async fn a_stream_has_one_reader() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let mut old = session.post_open(&request(1, "tools/call", r#"{"name":"started"}"#)).await;
    old.event().await.unwrap();
    let (last, _) = old.event().await.unwrap();
    let mut new = session.get(&last.unwrap()).await;
    assert!(old.event().await.is_none());
    assert_eq!(new.data().await["id"], 1);
}

#[tokio::test]
async fn cancelled_requests_get_no_answer() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let body = request(44, "tools/call", r#"{"name":"hang"}"#);
    let cancel = async {
        until("arrived", || world.fake.arrivals(Method::ToolsCall).len() == 1).await;
        let other = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":45}}"#;
        assert_eq!(session.post(other).await.status, 202);
        let text = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":44}}"#;
        assert_eq!(session.post(text).await.status, 202);
    };
    let (got, ()) = tokio::join!(session.post(&body), cancel);
    assert_eq!((got.status, got.text.as_str()), (202, ""));
    assert_eq!(world.fake.cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_end_of_a_session_cancels_its_calls() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let body = request(1, "tools/call", r#"{"name":"hang"}"#);
    let end = async {
        until("arrived", || world.fake.arrivals(Method::ToolsCall).len() == 1).await;
        assert_eq!(session.delete().await, 204);
    };
    let (got, ()) = tokio::join!(session.post(&body), end);
    assert_eq!(got.status, 202);
    assert_eq!(world.fake.cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn requests_of_a_session_are_bounded() {
    let world = world_with(|settings| settings.sessions.in_flight = 1).await;
    let session = world.session("2025-11-25", "{}").await;
    let (slow, next) = (request(1, "tools/call", r#"{"name":"slow"}"#), request(2, "ping", "{}"));
    let crowd = async {
        until("arrived", || world.fake.arrivals(Method::ToolsCall).len() == 1).await;
        session.post(&next).await
    };
    let (first, second) = tokio::join!(session.post(&slow), crowd);
    assert_eq!((first.status, second.status), (200, 429));
    assert!(second.header("retry-after").is_some());
    assert_eq!(session.post(&next).await.status, 200);
}

/// Checklist 106, 113: the GET stream has what belongs to no request, on one stream only.
#[tokio::test]
async fn news_come_on_one_stream() {
    let world = world().await;
    let session = world.session("2025-06-18", "{}").await;
    let mut first = session.get("").await;
    assert_eq!(first.status, 200);
    until("listening", || world.fake.arrivals(Method::Listen).len() == 1).await;
    world.fake.news.send((PartKind::ToolsChanged, "{}".into())).unwrap();
    let (id, data) = first.event().await.unwrap();
    assert!(id.is_some());
    assert_eq!(data["method"], "notifications/tools/list_changed");
    assert!(data.get("params").is_none_or(|params| params.get("_meta").is_none()));
    let mut second = session.get("").await;
    world.fake.news.send((PartKind::PromptsChanged, "{}".into())).unwrap();
    assert_eq!(second.data().await["method"], "notifications/prompts/list_changed");
    first.silent().await;
    drop((first, second));
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Nobody listens: it waits, once, for whoever comes next.
    world.fake.news.send((PartKind::ResourcesChanged, "{}".into())).unwrap();
    world.fake.news.send((PartKind::ResourcesChanged, "{}".into())).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut third = session.get("").await;
    assert_eq!(third.data().await["method"], "notifications/resources/list_changed");
    third.silent().await;
    assert_eq!(world.fake.arrivals(Method::Listen).len(), 1);
}

#[tokio::test]
async fn resources_are_subscribed_to() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let got = session.request(1, "resources/subscribe", r#"{"uri":"known:a"}"#).await;
    assert_eq!(got.json()["result"], json!({}), "{got:?}");
    let got = session.request(2, "resources/subscribe", r#"{"uri":"unknown:a"}"#).await;
    assert_eq!((got.status, got.code()), (200, -32002));
    assert_eq!(got.json()["error"]["data"]["uri"], "unknown:a");
    assert_eq!(session.request(3, "resources/subscribe", "{}").await.code(), -32602);
    let got = session.request(4, "resources/subscribe", r#"{"uri":"known:b"}"#).await;
    assert_eq!(got.json()["result"], json!({}));
    let listens = world.fake.arrivals(Method::Listen);
    assert!(
        listens.last().unwrap().params.contains(r#""resourceSubscriptions":["known:a","known:b"]"#),
        "{listens:?}"
    );

    let mut open = session.get("").await;
    assert!(open.event().await.unwrap().1.is_null());
    until("listening for lists", || world.fake.arrivals(Method::Listen).len() > listens.len()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.fake.news.send((PartKind::ResourceUpdated, r#"{"uri":"known:a"}"#.into())).unwrap();
    let updated = open.data().await;
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], "known:a");
    let got = session.request(5, "resources/unsubscribe", r#"{"uri":"known:a"}"#).await;
    assert_eq!(got.json()["result"], json!({}));
    until("restarted without it", || {
        world.fake.arrivals(Method::Listen).last().unwrap().params.contains(r#"["known:b"]"#)
    })
    .await;
}

#[tokio::test]
async fn draining_waits_for_calls_whose_agent_has_left() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let mut open = session.get("").await;
    open.event().await.unwrap();
    let body = request(1, "tools/call", r#"{"name":"slow"}"#);
    assert!(tokio::time::timeout(Duration::from_millis(100), session.post(&body)).await.is_err());
    let fake = std::sync::Arc::clone(&world.fake);
    assert!(world.server.drain(Duration::from_secs(5)).await);
    assert_eq!(fake.arrivals(Method::ToolsCall).len(), 1);
    assert!(fake.finished.load(Ordering::SeqCst) >= 2, "the call was dropped");
    assert!(open.event().await.is_none());
}
