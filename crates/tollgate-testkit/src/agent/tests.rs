//! Agents and fakes against each other, without a gateway: both ends hold the protocol before the middle is tested.

use std::time::Duration;

use serde_json::json;

use super::{Agent, Outcome, PATIENCE, Setup};
use crate::fake::{Kind, Script, Server};
use crate::json::Json;

async fn both(kind: Kind) -> (Server, Agent) {
    let server = Server::start(kind, Script::default()).await.unwrap();
    let revision = if kind.is_modern() { "2026-07-28" } else { "2025-11-25" };
    let mut setup = Setup::of(revision);
    setup.log_level = Some("info".to_owned());
    let agent = if kind.is_stdio() {
        let carrier = crate::fake::stdio::carrier().unwrap();
        Agent::stdio(&server.command(&carrier), &[], setup).await.unwrap()
    } else {
        Agent::http(&server.url(), setup).await.unwrap()
    };
    (server, agent)
}

async fn round(kind: Kind) {
    let (server, agent) = both(kind).await;
    let listed = agent.request("tools/list", Json::object()).await.unwrap();
    assert_eq!(listed.result().unwrap().get("tools").unwrap().elements().len(), 13);

    let big = Json::parse(r#"{"n":123456789012345678901234567890}"#).unwrap();
    let echoed = agent.call("echo", big.clone()).reply(PATIENCE).await.unwrap();
    assert_eq!(echoed.text().unwrap(), big.to_string());

    let mut call = agent.call("ask", json!({}));
    let question = call.question(PATIENCE).await.unwrap();
    assert_eq!(question.params.text("message"), Some("What is your name?"));
    question.answer(json!({ "action": "accept", "content": { "name": "Ana" } }).into()).unwrap();
    let answered = call.reply(PATIENCE).await.unwrap();
    assert_eq!(answered.text().unwrap(), r#"answered {"action":"accept","content":{"name":"Ana"}}"#);

    let mut call = agent.call("progress", json!({}));
    call.reply(PATIENCE).await.unwrap();
    assert_eq!(call.notified().len(), 3);

    let mut call = agent.call("log", json!({}));
    call.reply(PATIENCE).await.unwrap();
    assert_eq!(call.notified().first().unwrap().0, "notifications/message");

    let calls = server.take_calls(4, PATIENCE).await;
    assert_eq!(
        calls.first().unwrap().summary(),
        Json::parse(&format!(r#"{{"name":"echo","arguments":{big}}}"#)).unwrap()
    );

    let call = agent.call("slow", json!({}));
    assert_eq!(server.take_calls(1, PATIENCE).await.len(), 1);
    call.cancel().await.unwrap();
    let cancelled = server.take_calls(1, PATIENCE).await;
    assert_eq!(cancelled.first().unwrap().summary(), json!({ "cancelled": "slow" }).into());

    assert!(matches!(
        agent.call("nothing", json!({})).reply(PATIENCE).await.unwrap().outcome,
        Outcome::Error(_)
    ));
    assert_eq!(server.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_legacy_agent_and_server_over_http_play_a_whole_round() {
    round(Kind::LegacyHttp).await;
}

#[tokio::test]
async fn a_modern_agent_and_server_over_http_play_a_whole_round() {
    round(Kind::ModernHttp).await;
}

#[tokio::test]
async fn a_modern_answer_without_headers_is_a_fault() {
    let server = Server::start(Kind::ModernHttp, Script::default()).await.unwrap();
    let mut setup = Setup::modern();
    setup.headers = vec![("mcp-name".to_owned(), "fail".to_owned())];
    let agent = Agent::http(&server.url(), setup).await.unwrap();
    let reply = agent.call("echo", json!({})).reply(PATIENCE).await.unwrap();
    assert_eq!(reply.http, 400);
    assert_eq!(server.faults().len(), 1);
}

#[tokio::test]
async fn a_crashed_server_comes_back_at_the_same_place() {
    let (server, agent) = both(Kind::ModernHttp).await;
    server.crash();
    assert!(agent.call("echo", json!({})).reply(Duration::from_secs(2)).await.is_err());
    server.restart().await.unwrap();
    assert!(agent.call("echo", json!({})).reply(PATIENCE).await.is_ok());
}
