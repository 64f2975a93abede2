use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method as Verb;
use serde_json::{Value, json};
use tollgate_mcp::method::Method;

use super::{Got, Open, World, open, request, send, until, world, world_with};
use crate::call::PartKind;

const JSON: (&str, &str) = ("content-type", "application/json");
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// An agent of HTTP+SSE: its stream, and where its messages go.
struct Agent<'a> {
    world: &'a World,
    who: &'static str,
    stream: Open,
    messages: String,
}

async fn stream(world: &World, path: &str, who: &str) -> Open {
    let headers = [("accept", "text/event-stream"), ("authorization", who)];
    open(world.address(), Verb::GET, path, &headers, "").await
}

impl<'a> Agent<'a> {
    async fn connect(world: &'a World, path: &str, who: &'static str) -> Self {
        let mut stream = stream(world, path, who).await;
        assert_eq!(
            (stream.status, &stream.headers["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        let messages = stream.data().await.as_str().unwrap().to_owned();
        assert!(messages.starts_with(&format!("{path}?session=")), "{messages}");
        Self { world, who, stream, messages }
    }

    async fn initialized(world: &'a World, version: &str, capabilities: &str) -> Self {
        let mut agent = Self::connect(world, "/sse", "").await;
        let params = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"old","version":"1"}}}}"#
        );
        agent.post(&request(0, "initialize", &params)).await;
        let answer = agent.stream.data().await;
        assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&json!(0), &json!(version)));
        agent.post(INITIALIZED).await;
        agent
    }

    async fn send(&self, body: &str) -> Got {
        let headers = [JSON, ("authorization", self.who)];
        send(self.world.address(), Verb::POST, &self.messages, &headers, body).await
    }

    async fn post(&self, body: &str) {
        let got = self.send(body).await;
        assert_eq!((got.status, got.text.as_str()), (202, ""), "{body}");
    }

    async fn request(&mut self, id: u64, method: &str, params: &str) -> Value {
        self.post(&request(id, method, params)).await;
        let answer = self.stream.data().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }
}

/// Checklist 109, 113.
#[tokio::test]
async fn the_first_event_says_where_messages_go_and_answers_come_on_the_stream() {
    let world = world().await;
    let mut agent = Agent::initialized(&world, "2024-11-05", "{}").await;
    assert_eq!(agent.request(1, "ping", "{}").await["result"], json!({}));
    assert_eq!(agent.request(2, "tools/list", "{}").await["result"], json!({ "tools": [] }));
    assert_eq!(agent.request(3, "logging/setLevel", r#"{"level":"error"}"#).await["result"], json!({}));
    let call = agent.request(4, "tools/call", r#"{"name":"echo"}"#).await;
    assert_eq!(call["result"]["content"][0]["text"], "echo");
    assert_eq!(world.fake.last().log_level, Some("error"));
    for (method, code) in
        [("initialize", -32600), ("server/discover", -32601), ("tasks/get", -32601), ("nothing", -32601)]
    {
        assert_eq!(agent.request(5, method, "{}").await["error"]["code"], code, "{method}");
    }
    agent.post(&request(6, "tools/call", r#"{"name":"progress","_meta":{"progressToken":"t"}}"#)).await;
    for step in 1..=3 {
        let said = agent.stream.data().await;
        assert_eq!(said["params"], json!({ "progressToken": "t", "progress": step }));
    }
    assert_eq!(agent.stream.data().await["id"], 6);
    agent.stream.silent().await;
}

#[tokio::test]
async fn nothing_but_ping_is_answered_before_the_handshake() {
    let world = world().await;
    let mut agent = Agent::connect(&world, "/sse", "").await;
    assert_eq!(agent.request(1, "ping", "{}").await["result"], json!({}));
    assert_eq!(agent.request(2, "tools/list", "{}").await["error"]["code"], -32600);
    assert_eq!(agent.request(3, "server/discover", "{}").await["error"]["code"], -32601);
    assert_eq!(agent.request(4, "initialize", "{}").await["error"]["code"], -32602);
    assert!(world.fake.arrivals(Method::ToolsList).is_empty());
}

#[tokio::test]
async fn a_question_comes_on_the_stream_and_its_answer_by_post() {
    let world = world().await;
    let mut agent = Agent::initialized(&world, "2025-06-18", r#"{"elicitation":{}}"#).await;
    agent.post(&request(1, "tools/call", r#"{"name":"ask"}"#)).await;
    let question = agent.stream.data().await;
    assert_eq!(question["method"], "elicitation/create");
    agent
        .post(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"decline"}}}}"#, question["id"]))
        .await;
    let answer = agent.stream.data().await;
    assert_eq!(answer["result"]["content"][0]["text"], r#"{"k\"1":{"action":"decline"}} state-1"#);
}

#[tokio::test]
async fn lists_that_change_are_told_after_the_handshake() {
    let world = world().await;
    let mut agent = Agent::initialized(&world, "2024-11-05", "{}").await;
    until("listening", || !world.fake.arrivals(Method::Listen).is_empty()).await;
    until("heard", || world.fake.news.receiver_count() > 0).await;
    world.fake.news.send((PartKind::ToolsChanged, String::new())).unwrap();
    assert_eq!(agent.stream.data().await["method"], "notifications/tools/list_changed");
    agent.request(1, "resources/subscribe", r#"{"uri":"known:a"}"#).await;
    world.fake.news.send((PartKind::ResourceUpdated, r#"{"uri":"known:a"}"#.into())).unwrap();
    assert_eq!(agent.stream.data().await["params"]["uri"], "known:a");
    assert_eq!(
        agent.request(2, "resources/subscribe", r#"{"uri":"other:a"}"#).await["error"]["code"],
        -32002
    );
}

/// Whoever has the session's URI is still nobody without its principal and its endpoint.
#[tokio::test]
async fn a_stream_is_its_principals_own() {
    let world = world().await;
    let alice = Agent::connect(&world, "/sse/view/a", "Bearer alice").await;
    let (path, query) = alice.messages.split_once('?').unwrap();
    assert_eq!(path, "/sse/view/a");
    let ping = request(1, "ping", "{}");
    let at = |path: String, who: &'static str| {
        let ping = ping.clone();
        let address = world.address();
        async move { send(address, Verb::POST, &path, &[JSON, ("authorization", who)], &ping).await.status }
    };
    assert_eq!(at(alice.messages.clone(), "Bearer alice").await, 202);
    assert_eq!(at(alice.messages.clone(), "Bearer bob").await, 404);
    assert_eq!(at(alice.messages.clone(), "").await, 404);
    assert_eq!(at(alice.messages.clone(), "Bearer wrong").await, 401);
    assert_eq!(at(format!("/sse/view/b?{query}"), "Bearer alice").await, 404);
    assert_eq!(at(format!("/sse?{query}"), "Bearer alice").await, 404);
    assert_eq!(at(format!("/sse/view/a?session={}", "0".repeat(32)), "Bearer alice").await, 404);
    // A client that tries the newer transport first goes on with GET.
    assert_eq!(at("/sse".to_owned(), "Bearer alice").await, 405);
    assert_eq!(stream(&world, "/sse", "Bearer wrong").await.status, 401);
    assert_eq!(stream(&world, "/sse/server/missing", "").await.status, 404);
    assert_eq!(stream(&world, "/sse/other/a", "").await.status, 404);
}

#[tokio::test]
async fn hosts_origins_and_media_are_judged_as_everywhere() {
    let world = world().await;
    let agent = Agent::connect(&world, "/sse", "").await;
    for (bad, status) in [
        (("origin", "https://evil.example"), 403),
        (("host", "evil.example"), 403),
        (("content-type", "text/plain"), 415),
        (("content-encoding", "gzip"), 415),
    ] {
        let mut headers = vec![JSON];
        headers.retain(|(name, _)| *name != bad.0);
        headers.push(bad);
        let got =
            send(world.address(), Verb::POST, &agent.messages, &headers, &request(1, "ping", "{}")).await;
        assert_eq!(got.status, status, "{bad:?}");
        let get = [("accept", "text/event-stream"), bad];
        let expected = if status == 403 { 403 } else { 200 };
        assert_eq!(open(world.address(), Verb::GET, "/sse", &get, "").await.status, expected, "{bad:?}");
    }
    let not_events = [("accept", "application/json")];
    assert_eq!(send(world.address(), Verb::GET, "/sse", &not_events, "").await.status, 406);
    assert_eq!(send(world.address(), Verb::DELETE, "/sse", &[], "").await.status, 405);
    for (body, code) in
        [("nonsense", -32700), (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, -32600)]
    {
        let got = agent.send(body).await;
        assert_eq!(got.status, 400, "{got:?}");
        assert_eq!(got.code(), code, "{body}");
    }
}

/// Checklist 110.
#[tokio::test]
async fn batches_are_of_one_revision_only() {
    let world = world().await;
    let batch = format!("[{},{}]", request(1, "ping", "{}"), request(2, "tools/list", "{}"));
    let mut agent = Agent::initialized(&world, "2025-03-26", "{}").await;
    agent.post(&batch).await;
    let answers = agent.stream.data().await;
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!(1), &json!(2)));
    let older = Agent::initialized(&world, "2024-11-05", "{}").await;
    assert_eq!(older.send(&batch).await.status, 400);
}

#[tokio::test]
async fn streams_are_bounded_and_given_back() {
    let world = world_with(|settings| {
        settings.sessions.max_per_principal = 2;
        settings.sessions.max = 3;
        settings.sessions.in_flight = 1;
    })
    .await;
    let first = Agent::connect(&world, "/sse", "Bearer alice").await;
    let _second = Agent::connect(&world, "/sse", "Bearer alice").await;
    assert_eq!(stream(&world, "/sse", "Bearer alice").await.status, 429);
    let _third = Agent::connect(&world, "/sse", "Bearer bob").await;
    assert_eq!(stream(&world, "/sse", "").await.status, 503);
    drop(first);
    let mut status = 429;
    for _ in 0..100 {
        status = stream(&world, "/sse", "Bearer alice").await.status;
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_session_has_a_bound_of_calls_and_a_cancel_ends_one() {
    let world = world_with(|settings| settings.sessions.in_flight = 1).await;
    let mut agent = Agent::initialized(&world, "2024-11-05", "{}").await;
    agent.post(&request(1, "tools/call", r#"{"name":"hang"}"#)).await;
    until("the call has arrived", || !world.fake.arrivals(Method::ToolsCall).is_empty()).await;
    assert_eq!(agent.send(&request(2, "ping", "{}")).await.status, 429);
    agent.post(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
    until("cancelled", || world.fake.cancelled.load(Ordering::SeqCst) == 1).await;
    until("over", || world.fake.finished.load(Ordering::SeqCst) > 0).await;
    agent.stream.silent().await;
}

/// Checklist 48: a disconnect is not a cancellation, but nobody is left to answer.
#[tokio::test]
async fn what_runs_when_the_stream_breaks_is_finished() {
    let world = world().await;
    let agent = Agent::initialized(&world, "2024-11-05", "{}").await;
    agent.post(&request(1, "tools/call", r#"{"name":"slow"}"#)).await;
    until("the call has arrived", || !world.fake.arrivals(Method::ToolsCall).is_empty()).await;
    let (messages, before) = (agent.messages.clone(), world.fake.finished.load(Ordering::SeqCst));
    drop(agent);
    until("the call has ended", || world.fake.finished.load(Ordering::SeqCst) > before).await;
    let got = send(world.address(), Verb::POST, &messages, &[JSON], &request(2, "ping", "{}")).await;
    assert_eq!(got.status, 404);
}

#[tokio::test]
async fn draining_answers_what_runs_and_ends_the_streams() {
    let world = world().await;
    let mut busy = Agent::initialized(&world, "2024-11-05", "{}").await;
    let mut idle = Agent::initialized(&world, "2024-11-05", "{}").await;
    busy.post(&request(1, "tools/call", r#"{"name":"slow"}"#)).await;
    until("the call has arrived", || !world.fake.arrivals(Method::ToolsCall).is_empty()).await;
    let (mut busy, mut idle) = (
        std::mem::replace(&mut busy.stream, stream(&world, "/sse", "").await),
        std::mem::replace(&mut idle.stream, stream(&world, "/sse", "").await),
    );
    assert!(world.server.drain(Duration::from_secs(3)).await);
    assert!(idle.event().await.is_none());
    assert_eq!(busy.data().await["result"]["content"][0]["text"], "slow");
    assert!(busy.event().await.is_none());
}

#[tokio::test]
async fn a_forced_end_cancels_what_runs() {
    let world = world().await;
    let agent = Agent::initialized(&world, "2024-11-05", "{}").await;
    agent.post(&request(1, "tools/call", r#"{"name":"hang"}"#)).await;
    until("the call has arrived", || !world.fake.arrivals(Method::ToolsCall).is_empty()).await;
    let fake = std::sync::Arc::clone(&world.fake);
    drop(agent);
    assert!(!world.server.drain(Duration::from_millis(100)).await);
    until("the call is cancelled", || fake.cancelled.load(Ordering::SeqCst) >= 1).await;
}
