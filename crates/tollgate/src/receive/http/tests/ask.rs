use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_mcp::method::Method;

use super::{Open, Session, request, until, world, world_with};

const ALL: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}"#;

/// The next message that is not the empty first event.
async fn message(open: &mut Open) -> Value {
    loop {
        let data = open.data().await;
        if !data.is_null() {
            return data;
        }
    }
}

async fn answer(session: &Session<'_>, question: &Value, rest: &str) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{},{rest}}}"#, question["id"]);
    assert_eq!(session.post(&body).await.status, 202);
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"))
}

fn call(tool: &str) -> String {
    request(1, "tools/call", &format!(r#"{{"name":"{tool}"}}"#))
}

/// Checklist 71, 76: asked on the call's own stream, retried with the exact answers and state.
#[tokio::test]
async fn a_question_goes_on_the_calls_own_stream() {
    let world = world().await;
    let session = world.session("2025-06-18", r#"{"elicitation":{}}"#).await;
    let mut news = session.get("").await;
    let mut open = session.post_open(&call("ask")).await;
    let question = message(&mut open).await;
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "m");
    assert!(question["params"].get("mode").is_none(), "2025-06-18 has no modes: {question}");
    answer(&session, &question, r#""result":{"action":"accept","content":{"n":12345678901234567890}}"#).await;
    let last = message(&mut open).await;
    assert_eq!(last["id"], 1);
    assert_eq!(text(&last), r#"{"k\"1":{"action":"accept","content":{"n":12345678901234567890}}} state-1"#);
    assert!(open.event().await.is_none());
    assert_eq!(world.fake.arrivals(Method::ToolsCall).len(), 2);
    news.silent().await;
}

#[tokio::test]
async fn several_questions_are_asked_at_once_and_no_state_is_made_up() {
    let world = world().await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("ask-two")).await;
    let (first, second) = (message(&mut open).await, message(&mut open).await);
    assert_ne!(first["id"], second["id"]);
    assert_eq!((&first["method"], &second["method"]), (&json!("elicitation/create"), &json!("roots/list")));
    answer(&session, &second, r#""result":{"roots":[]}"#).await;
    // An error on an elicitation is a cancelled one; there is no other way to say it.
    answer(&session, &first, r#""error":{"code":-1,"message":"no"}"#).await;
    assert_eq!(text(&message(&mut open).await), r#"{"a":{"action":"cancel"},"b":{"roots":[]}} None"#);
}

#[tokio::test]
async fn a_refused_sampling_ends_the_call_in_words() {
    let world = world().await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("sample")).await;
    let question = message(&mut open).await;
    answer(&session, &question, r#""error":{"code":-1,"message":"user said no"}"#).await;
    let last = message(&mut open).await;
    assert_eq!(last["result"]["isError"], true);
    assert!(text(&last).contains("user said no"), "{last}");

    let mut open = session.post_open(&request(2, "prompts/get", r#"{"name":"p"}"#)).await;
    let question = message(&mut open).await;
    assert_eq!(question["method"], "roots/list");
    answer(&session, &question, r#""error":{"code":-32601,"message":"none"}"#).await;
    assert_eq!(message(&mut open).await["error"]["code"], -32603);
}

/// One refusal ends the call at once; the other question is withdrawn.
#[tokio::test]
async fn a_refusal_withdraws_the_other_questions() {
    let world = world().await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("ask-two")).await;
    let (first, second) = (message(&mut open).await, message(&mut open).await);
    answer(&session, &second, r#""error":{"code":-32601,"message":"no roots"}"#).await;
    let withdrawn = message(&mut open).await;
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], first["id"]);
    assert_eq!(message(&mut open).await["result"]["isError"], true);
}

/// Checklist 64: never what was not declared.
#[tokio::test]
async fn nothing_is_asked_that_was_not_declared() {
    let world = world().await;
    for (version, capabilities, tool) in [
        ("2025-11-25", "{}", "ask"),
        ("2025-11-25", r#"{"elicitation":{}}"#, "ask-url"),
        ("2025-11-25", r#"{"elicitation":{}}"#, "sample"),
        ("2025-06-18", ALL, "ask-url"),
        ("2025-03-26", ALL, "ask"),
    ] {
        let session = world.session(version, capabilities).await;
        let got = session.post(&call(tool)).await;
        assert_eq!(got.header("content-type"), Some("application/json"), "{version} {capabilities} {tool}");
        assert_eq!(got.json()["result"]["isError"], true, "{version} {capabilities} {tool}");
    }
}

#[tokio::test]
async fn a_url_gets_an_id_and_is_completed() {
    let world = world().await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("ask-url")).await;
    let question = message(&mut open).await;
    let id = question["params"]["elicitationId"].as_str().expect("no id").to_owned();
    assert_eq!(question["params"]["url"], "https://x.example/");
    answer(&session, &question, r#""result":{"action":"accept"}"#).await;
    let done = message(&mut open).await;
    assert_eq!(done["method"], "notifications/elicitation/complete");
    assert_eq!(done["params"]["elicitationId"], id.as_str());
    assert_eq!(text(&message(&mut open).await), r#"{"u":{"action":"accept"}}"#);
}

#[tokio::test]
async fn an_accepted_url_is_not_opened_twice() {
    let world = world().await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("ask-url-twice")).await;
    let question = message(&mut open).await;
    answer(&session, &question, r#""result":{"action":"accept"}"#).await;
    assert_eq!(message(&mut open).await["method"], "notifications/elicitation/complete");
    assert_eq!(text(&message(&mut open).await), r#"{"u":{"action":"accept"}}"#);
    assert_eq!(world.fake.arrivals(Method::ToolsCall).len(), 3);
}

#[tokio::test]
async fn a_state_alone_is_retried() {
    let world = world().await;
    let session = world.session("2025-03-26", "{}").await;
    let got = session.post(&call("poll")).await;
    assert_eq!(text(&got.json()), "p1");
    let states: Vec<bool> = world
        .fake
        .arrivals(Method::ToolsCall)
        .iter()
        .map(|seen| seen.params.contains("requestState"))
        .collect();
    assert_eq!(states, [false, true, true]);
}

/// Checklist 78.
#[tokio::test]
async fn rounds_are_bounded() {
    let world = world_with(|settings| settings.patience.rounds = 3).await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("forever")).await;
    for _ in 0..3 {
        let question = message(&mut open).await;
        answer(&session, &question, r#""result":{"action":"decline"}"#).await;
    }
    let last = message(&mut open).await;
    assert_eq!((&last["id"], &last["result"]["isError"]), (&json!(1), &json!(true)));
    assert_eq!(world.fake.arrivals(Method::ToolsCall).len(), 4);
}

#[tokio::test]
async fn silence_is_a_cancelled_question() {
    let world = world_with(|settings| settings.patience.answers = Duration::from_millis(50)).await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("ask")).await;
    let question = message(&mut open).await;
    let withdrawn = message(&mut open).await;
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    assert_eq!(text(&message(&mut open).await), r#"{"k\"1":{"action":"cancel"}} state-1"#);
    // Too late now, and harmless.
    answer(&session, &question, r#""result":{"action":"accept"}"#).await;
}

#[tokio::test]
async fn cancelling_a_call_withdraws_its_questions() {
    let world = world().await;
    let session = world.session("2025-11-25", ALL).await;
    let mut open = session.post_open(&call("ask")).await;
    message(&mut open).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(session.post(cancel).await.status, 202);
    assert_eq!(message(&mut open).await["method"], "notifications/cancelled");
    assert!(open.event().await.is_none());
    assert_eq!(world.fake.arrivals(Method::ToolsCall).len(), 1);
}

/// Nobody else can answer, and an answer survives a lost stream.
#[tokio::test]
async fn answers_are_the_sessions_own() {
    let world = world().await;
    let alice = world.session_of("Bearer alice", "2025-11-25", ALL).await;
    let bob = world.session_of("Bearer bob", "2025-11-25", ALL).await;
    let mut open = alice.post_open(&call("ask")).await;
    let (first, _) = open.event().await.unwrap();
    let question = message(&mut open).await;
    answer(&bob, &question, r#""result":{"action":"accept","content":{"by":"bob"}}"#).await;
    let mut stolen = alice.headers();
    stolen[2].1 = "Bearer bob";
    let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept"}}}}"#, question["id"]);
    assert_eq!(world.post(&stolen, &body).await.status, 404);
    drop(open);
    answer(&alice, &question, r#""result":{"action":"decline"}"#).await;
    until("retried", || world.fake.arrivals(Method::ToolsCall).len() == 2).await;
    let mut resumed = alice.get(&first.unwrap()).await;
    assert_eq!(message(&mut resumed).await["id"], question["id"]);
    assert!(text(&message(&mut resumed).await).contains("decline"));
    assert_eq!(world.fake.cancelled.load(Ordering::SeqCst), 0);
}
