use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, duplex};
use tokio::task::JoinHandle;
use tollgate_mcp::method::Method;

use super::{Broken, Settings, run};
use crate::call::{Canceller, Credential, Endpoint, PartKind};
use crate::receive::fake::Fake;
use crate::secret::Secret;

struct Agent {
    fake: Arc<Fake>,
    input: Option<DuplexStream>,
    output: Lines<BufReader<DuplexStream>>,
    server: JoinHandle<Result<(), Broken>>,
}

fn agent() -> Agent {
    agent_with(Credential::None, |_| {})
}

fn agent_with(credential: Credential, change: impl FnOnce(&mut Settings)) -> Agent {
    let fake = Fake::new();
    let (input, reader) = duplex(1 << 20);
    let (writer, output) = duplex(1 << 20);
    let mut settings = Settings::new(Endpoint::Whole);
    change(&mut settings);
    let server = tokio::spawn(run(Arc::clone(&fake), reader, writer, credential, settings, Canceller::new()));
    Agent { fake, input: Some(input), output: BufReader::new(output).lines(), server }
}

impl Agent {
    async fn say(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).await.unwrap();
        input.write_all(b"\n").await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(5), self.output.next_line())
            .await
            .expect("nothing came");
        serde_json::from_str(&line.unwrap().expect("the output has ended")).unwrap()
    }

    async fn ask(&mut self, text: &str) -> Value {
        self.say(text).await;
        self.hear().await
    }

    async fn silent(&mut self) {
        let line = tokio::time::timeout(Duration::from_millis(150), self.output.next_line()).await;
        assert!(line.is_err(), "expected silence, got {line:?}");
    }

    async fn initialize(&mut self, version: &str, capabilities: &str) {
        let answer = self
            .ask(&legacy(
                0,
                "initialize",
                &format!(r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"o","version":"1"}}}}"#),
            ))
            .await;
        assert_eq!(answer["result"]["protocolVersion"], version, "{answer}");
    }

    /// Ends the input and waits for the server's end.
    async fn end(mut self) -> Vec<String> {
        drop(self.input.take());
        let mut rest = Vec::new();
        while let Some(line) = self.output.next_line().await.unwrap() {
            rest.push(line);
        }
        tokio::time::timeout(Duration::from_secs(8), self.server).await.unwrap().unwrap().unwrap();
        rest
    }
}

fn modern(id: &str, method: &str, rest: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{rest}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

fn legacy(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

#[tokio::test]
async fn both_eras_share_a_pipe() {
    let mut agent = agent();
    let answer = agent.ask(&modern("\"d\"", "server/discover", "")).await;
    assert_eq!((&answer["id"], &answer["result"]["resultType"]), (&json!("d"), &json!("complete")));
    assert_eq!(agent.ask(&legacy(1, "tools/list", "{}")).await["error"]["code"], -32600);
    assert_eq!(agent.ask(&legacy(2, "ping", "{}")).await["result"], json!({}));
    agent.initialize("2025-06-18", "{}").await;
    let answer = agent.ask(&legacy(3, "tools/list", "{}")).await;
    assert_eq!(answer["result"], json!({"tools": []}));
    assert!(agent.fake.last().session.is_some());
    let answer = agent.ask(&modern("4", "tools/list", "")).await;
    assert_eq!(answer["result"]["resultType"], "complete");
    assert!(agent.fake.last().session.is_none() && agent.fake.last().param_headers.is_none());
    for (text, code) in [
        (modern("5", "ping", ""), -32601),
        (modern("5", "initialize", ""), -32601),
        (legacy(5, "server/discover", "{}"), -32602),
        (legacy(5, "nope", "{}"), -32601),
        ("{".to_owned(), -32700),
        (r#"{"jsonrpc":"2.0","id":5}"#.to_owned(), -32600),
        (modern("5", "tools/list", "").replace("2026-07-28", "v999"), -32022),
        ("[]".to_owned(), -32600),
    ] {
        assert_eq!(agent.ask(&text).await["error"]["code"], code, "{text}");
    }
    assert!(agent.end().await.is_empty());
}

#[tokio::test]
async fn requests_run_side_by_side_and_finish_after_the_input() {
    let mut agent = agent();
    agent.say(&modern("1", "tools/call", r#""name":"slow","#)).await;
    let answer = agent.ask(&modern("2", "tools/call", r#""name":"echo","#)).await;
    assert_eq!(answer["id"], 2);
    let rest = agent.end().await;
    assert_eq!(rest.len(), 1);
    assert!(rest[0].contains("slow"), "{rest:?}");
}

#[tokio::test]
async fn progress_then_the_answer() {
    let mut agent = agent();
    agent.initialize("2025-11-25", "{}").await;
    agent.say(&legacy(1, "tools/call", r#"{"name":"progress","_meta":{"progressToken":"p"}}"#)).await;
    for step in 1..=3 {
        assert_eq!(agent.hear().await["params"], json!({"progressToken": "p", "progress": step}));
    }
    assert_eq!(agent.hear().await["id"], 1);
}

#[tokio::test]
async fn cancelled_requests_get_no_answer() {
    let mut agent = agent();
    agent.initialize("2025-11-25", "{}").await;
    agent.say(&modern("\"a\"", "tools/call", r#""name":"hang","#)).await;
    agent.say(&legacy(2, "tools/call", r#"{"name":"hang"}"#)).await;
    for id in ["\"a\"", "2", "3"] {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        agent.say(&text).await;
    }
    agent.silent().await;
    assert_eq!(agent.fake.cancelled.load(Ordering::SeqCst), 2);
}

/// Checklist 55, 56, 59.
#[tokio::test]
async fn subscriptions_end_with_a_notification_and_a_result() {
    const ID: &str = "io.modelcontextprotocol/subscriptionId";
    let mut agent = agent();
    let listen = |id| modern(id, "subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#);
    let ack = agent.ask(&listen("\"l\"")).await;
    assert_eq!(ack["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(ack["params"]["_meta"][ID], "l");
    agent.fake.news.send((PartKind::ToolsChanged, "{}".into())).unwrap();
    assert_eq!(agent.hear().await["params"]["_meta"][ID], "l");
    agent.fake.over.send(()).unwrap();
    let cancelled = agent.hear().await;
    assert_eq!(
        (&cancelled["method"], &cancelled["params"]["requestId"]),
        (&json!("notifications/cancelled"), &json!("l"))
    );
    let last = agent.hear().await;
    assert_eq!((&last["id"], &last["result"]["_meta"][ID]), (&json!("l"), &json!("l")));

    // Cancelled by the agent: nothing more.
    agent.ask(&listen("9")).await;
    agent.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#).await;
    agent.silent().await;
    // Still open when the input ends: the server does not wait for it.
    agent.ask(&listen("10")).await;
    agent.end().await;
}

#[tokio::test]
async fn legacy_agents_are_asked_on_the_pipe() {
    let mut agent = agent();
    agent.initialize("2025-11-25", r#"{"elicitation":{}}"#).await;
    let question = agent.ask(&legacy(1, "tools/call", r#"{"name":"ask"}"#)).await;
    assert_eq!(question["method"], "elicitation/create");
    agent
        .say(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"decline"}}}}"#, question["id"]))
        .await;
    let answer = agent.hear().await;
    assert_eq!(answer["result"]["content"][0]["text"], r#"{"k\"1":{"action":"decline"}} state-1"#);
    // Nobody is left to answer: the question counts as cancelled, and the call ends.
    agent.ask(&legacy(2, "tools/call", r#"{"name":"ask"}"#)).await;
    let rest = agent.end().await;
    assert!(rest.last().unwrap().contains("cancel"), "{rest:?}");
}

#[tokio::test]
async fn news_come_after_initialized() {
    let mut agent = agent();
    agent.initialize("2025-06-18", "{}").await;
    assert_eq!(
        agent.ask(&legacy(1, "resources/subscribe", r#"{"uri":"known:a"}"#)).await["result"],
        json!({})
    );
    assert_eq!(
        agent.ask(&legacy(2, "resources/subscribe", r#"{"uri":"other:a"}"#)).await["error"]["code"],
        -32002
    );
    let before = agent.fake.arrivals(Method::Listen).len();
    agent.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    agent.silent().await;
    assert_eq!(agent.fake.arrivals(Method::Listen).len(), before + 1);
    agent.fake.news.send((PartKind::ResourceUpdated, r#"{"uri":"known:a"}"#.into())).unwrap();
    assert_eq!(agent.hear().await["method"], "notifications/resources/updated");
    agent.end().await;
}

#[tokio::test]
async fn batches_are_of_2025_03_26() {
    let mut agent = agent();
    let batch = format!("[{},{}]", legacy(1, "ping", "{}"), legacy(2, "nope", "{}"));
    agent.initialize("2025-06-18", "{}").await;
    assert_eq!(agent.ask(&batch).await["error"]["code"], -32600);
    agent.initialize("2025-03-26", "{}").await;
    let answers = agent.ask(&batch).await;
    assert_eq!((&answers[0]["id"], &answers[1]["error"]["code"]), (&json!(1), &json!(-32601)));
}

#[tokio::test]
async fn limits_are_kept() {
    let mut agent = agent_with(Credential::None, |settings| {
        settings.line_bytes = 1000;
        settings.in_flight = 1;
    });
    assert_eq!(agent.ask(&"x".repeat(2000)).await["error"]["code"], -32600);
    agent.say(&modern("1", "tools/call", r#""name":"hang","#)).await;
    assert_eq!(agent.ask(&modern("2", "tools/list", "")).await["error"]["code"], -32603);
}

#[tokio::test]
async fn a_bad_credential_ends_it_at_once() {
    let agent = agent_with(Credential::Bearer(Secret::new("wrong".into())), |_| {});
    assert!(matches!(agent.server.await.unwrap(), Err(Broken::NotAdmitted(_))));
}
