use serde_json::json;

use super::{request, world};

const EVENTS_FIRST: (&str, &str) = ("accept", "text/event-stream, application/json");

/// SEP-1699: a server that ends its stream in the middle of a call lets the agent go too.
#[tokio::test]
async fn a_pause_is_passed_on() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let got = session.post(&request(1, "tools/call", r#"{"name":"pause"}"#)).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    let (primer, rest) = got.text.split_once("\n\n").unwrap();
    let id = primer.strip_prefix("id: ").unwrap().strip_suffix("\nretry: 1000\ndata:").unwrap();
    assert_eq!(rest, "retry: 70\n\n");
    let mut resumed = session.get(id).await;
    let answer = resumed.data().await;
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(1), &json!("paused")));
    assert!(resumed.event().await.is_none());
    assert_eq!(world.fake.cancelled.load(std::sync::atomic::Ordering::SeqCst), 0);
}

/// Neither the session's older revision, nor one that a request names, knows pauses or empty events.
#[tokio::test]
async fn older_agents_are_not_sent_away() {
    let world = world().await;
    for (agreed, named) in [("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-06-18"), ("2025-03-26", "")] {
        let session = world.session(agreed, "{}").await;
        let body = request(1, "tools/call", r#"{"name":"pause"}"#);
        let mut headers = session.headers();
        headers[1].1 = named;
        let got = world.post(&headers, &body).await;
        assert_eq!(got.header("content-type"), Some("application/json"), "{agreed} {named}");
        assert_eq!(got.json()["result"]["content"][0]["text"], "paused");
        headers.push(EVENTS_FIRST);
        let mut open = world.post_open(&headers, &body).await;
        assert_eq!(open.headers["content-type"], "text/event-stream");
        assert_eq!(open.data().await["id"], 1);
        assert!(open.event().await.is_none());
    }
    // Nor does a modern one.
    assert_eq!(world.call("pause").await.status, 200);
}

/// What `Accept` names first is what a legacy agent gets, even where the answer is there at once.
#[tokio::test]
async fn events_come_where_they_are_named_first() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let body = request(1, "tools/list", "{}");
    let at_once = session.post(&body).await;
    assert_eq!(at_once.header("content-type"), Some("application/json"));
    let mut headers = session.headers();
    headers.push(EVENTS_FIRST);
    let mut open = world.post_open(&headers, &body).await;
    assert_eq!(open.headers["content-type"], "text/event-stream");
    let (id, empty) = open.event().await.unwrap();
    assert!(empty.is_null());
    assert_eq!(open.data().await, at_once.json());
    assert!(open.event().await.is_none());
    assert_eq!(session.get(&id.unwrap()).await.data().await, at_once.json());
}

/// An answer that nothing precedes comes in one piece, however long it takes (up to the keep-alive): clients take larger JSON than events.
#[tokio::test]
async fn a_slow_answer_alone_is_no_stream() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let got = session.request(1, "tools/call", r#"{"name":"slow"}"#).await;
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.json()["result"]["content"][0]["text"], "slow");
}
