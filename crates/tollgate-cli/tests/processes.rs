//! Two processes on one state, through the real program: what one has seen of a caller, the other one knows.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use serde_json::json;
use tollgate_testkit::agent::{Agent, Setup};
use tollgate_testkit::fake::{Kind, Script, Server};
use tollgate_testkit::gateway::Running;
use tollgate_testkit::json::Json;

const PATIENCE: Duration = Duration::from_secs(10);

/// A caller with a way through each of two processes.
struct Twins {
    http: Agent,
    stdio: Agent,
}

async fn twins(gateway: &Running, key: &str) -> Twins {
    let setup = || Setup { key: Some(key.to_owned()), ..Setup::modern() };
    let own = ("TOLLGATE_KEY".to_owned(), key.to_owned());
    let env: Vec<_> = gateway.env().iter().cloned().chain([own]).collect();
    Twins {
        http: Agent::http(&gateway.url("/mcp"), setup()).await.unwrap(),
        stdio: Agent::stdio(&gateway.stdio_command(), &env, setup()).await.unwrap(),
    }
}

async fn text(agent: &Agent, tool: &str) -> String {
    let reply = agent.call(tool, Json::object().with("text", "passed")).reply(PATIENCE).await.unwrap();
    reply.text().unwrap().to_owned()
}

/// Reads strangers' words through `reader` and mails through `mailer` until it is denied: how often it was not.
async fn denied_after(reader: &Agent, mailer: &Agent) -> usize {
    assert_eq!(text(reader, "web_echo").await, "passed");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut passed = 0;
    while !text(mailer, "mail_echo").await.contains("no-mail") {
        assert!(tokio::time::Instant::now() < deadline, "the other process never heard of it");
        passed += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(text(mailer, "mail_echo").await.contains("no-mail"), "denied once, denied for good");
    passed
}

#[tokio::test]
async fn no_process_sheds_what_another_has_seen() {
    let keys = ["alice", "bob", "carol"]
        .map(|name| (name.to_uppercase(), format!("tgk_processes_{name}_0123456789abcdef0123456789abcdef")));
    let web = Server::start(Kind::ModernHttp, Script::default()).await.unwrap();
    let mail = Server::start(Kind::ModernHttp, Script::default()).await.unwrap();
    let config = json!({
        "servers": {
            "web": { "url": web.url(), "labels": ["untrusted"] },
            "mail": { "url": mail.url() },
        },
        "agents": {
            "alice": { "keys": ["${env:ALICE}"] },
            "bob": { "keys": ["${env:BOB}"] },
            "carol": { "keys": ["${env:CAROL}"] },
        },
        "policy": {
            "default": "allow",
            "rules": [{ "id": "no-mail", "deny": "mail/*", "when": "session.labels.contains(\"untrusted\")" }],
        },
    });
    let gateway =
        Running::start(env!("CARGO_BIN_EXE_tollgate").as_ref(), Json::from(config), &keys).await.unwrap();
    let [alice, bob, carol] = keys.each_ref().map(|(_, key)| twins(&gateway, key));
    let (alice, bob, carol) = tokio::join!(alice, bob, carol);
    // All processes know their callers before anything is read.
    for twins in [&alice, &bob, &carol] {
        assert_eq!(text(&twins.http, "mail_echo").await, "passed");
        assert_eq!(text(&twins.stdio, "mail_echo").await, "passed");
    }
    let passed = denied_after(&alice.http, &alice.stdio).await + denied_after(&bob.stdio, &bob.http).await;
    // Nobody else's are shared.
    assert_eq!(text(&carol.http, "mail_echo").await, "passed");
    assert_eq!(text(&carol.stdio, "mail_echo").await, "passed");
    // What was denied reached no server.
    assert_eq!(mail.take_calls(8 + passed, PATIENCE).await.len(), 8 + passed);
    assert_eq!(mail.faults(), Vec::<String>::new());
}
