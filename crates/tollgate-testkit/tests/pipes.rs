//! Agents and fakes against each other over a real child's pipes.

#![expect(clippy::unwrap_used, reason = "a test's helper may fall over")]

use serde_json::json;
use tollgate_testkit::agent::{Agent, PATIENCE, Setup};
use tollgate_testkit::fake::{Kind, Script, Server};
use tollgate_testkit::json::Json;

async fn round(kind: Kind, revision: &str) {
    let server = Server::start(kind, Script::default()).await.unwrap();
    let carrier = [env!("CARGO_BIN_EXE_fake-server").to_owned()];
    let agent = Agent::stdio(&server.command(&carrier), &[], Setup::of(revision)).await.unwrap();

    let listed = agent.request("tools/list", Json::object()).await.unwrap();
    assert_eq!(listed.result().unwrap().get("tools").unwrap().elements().len(), 13);
    assert_eq!(server.children().len(), 1);

    let mut call = agent.call("ask", json!({}));
    let question = call.question(PATIENCE).await.unwrap();
    assert_eq!(question.method, "elicitation/create");
    question.answer(json!({ "action": "decline" }).into()).unwrap();
    assert_eq!(call.reply(PATIENCE).await.unwrap().text().unwrap(), r#"answered {"action":"decline"}"#);

    let mut call = agent.call("progress", json!({}));
    call.reply(PATIENCE).await.unwrap();
    assert_eq!(call.notified().len(), 3);

    let call = agent.call("slow", json!({}));
    assert_eq!(server.take_calls(3, PATIENCE).await.len(), 3);
    call.cancel().await.unwrap();
    let cancelled = server.take_calls(1, PATIENCE).await;
    assert_eq!(cancelled.first().unwrap().summary(), json!({ "cancelled": "slow" }).into());

    let mut call = agent.call("slow", json!({}));
    server.take_calls(1, PATIENCE).await;
    server.crash();
    assert!(call.reply(PATIENCE).await.is_err(), "a dead child ends its calls");
    assert_eq!(server.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_legacy_child_plays_a_whole_round() {
    round(Kind::LegacyStdio, "2025-06-18").await;
}

#[tokio::test]
async fn a_modern_child_plays_a_whole_round() {
    round(Kind::ModernStdio, "2026-07-28").await;
}
