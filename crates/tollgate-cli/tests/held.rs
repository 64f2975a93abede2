//! Calls that wait for operators as tasks, through the real program: 2026-07-28 agents that declare the Tasks extension.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::time::Duration;

use hyper::Method;
use serde_json::json;
use tollgate_testkit::agent::{Agent, Outcome, Setup};
use tollgate_testkit::fake::{Kind, Script, Server};
use tollgate_testkit::gateway::Running;
use tollgate_testkit::json::Json;
use tollgate_testkit::wire::http;

const ALICE: &str = "tgk_scenario_alice_0123456789abcdef0123456789abcdef";
const BOB: &str = "tgk_scenario_bob_0123456789abcdef0123456789abcdefab";
const PATIENCE: Duration = Duration::from_secs(10);

struct Bench {
    gateway: Running,
    server: Server,
    agent: Agent,
}

fn setup(key: &str, tasks: bool) -> Setup {
    let extensions = if tasks { json!({ "io.modelcontextprotocol/tasks": {} }) } else { json!({}) };
    let capabilities = json!({ "elicitation": { "form": {} }, "extensions": extensions });
    Setup { key: Some(key.to_owned()), capabilities: Json::from(capabilities), ..Setup::modern() }
}

async fn bench(kind: Kind, expire: &str) -> Bench {
    let script = json!({ "tools": ["echo", "delete_file", "ask", "slow", "once_more"] });
    let server = Server::start(kind, Script::read(&Json::from(script)).unwrap()).await.unwrap();
    let config = json!({
        "servers": { "files": { "url": server.url() } },
        "agents": { "alice": { "keys": ["${env:ALICE}"] }, "bob": { "keys": ["${env:BOB}"] } },
        "policy": { "default": "allow", "rules": [
            { "id": "deletes", "ask": "files/delete_*", "of": "operators" },
            { "id": "asks", "ask": "files/ask", "of": "operators" },
            { "id": "more", "ask": "files/once_more", "of": "operators" },
            { "id": "slowly", "ask": "files/slow", "of": "operators" },
        ] },
        "reason": { "optional": ["files/*"] },
        "approvals": { "hold": "1s", "expire": expire },
    });
    let env = [("ALICE".to_owned(), ALICE.to_owned()), ("BOB".to_owned(), BOB.to_owned())];
    let gateway =
        Running::start(env!("CARGO_BIN_EXE_tollgate").as_ref(), Json::from(config), &env).await.unwrap();
    let agent = Agent::http(&gateway.url("/mcp"), setup(ALICE, true)).await.unwrap();
    Bench { gateway, server, agent }
}

impl Bench {
    async fn send(&self, agent: &Agent, method: &str, params: serde_json::Value) -> Outcome {
        agent.start(method, Json::from(params)).reply(PATIENCE).await.unwrap().outcome
    }

    async fn call(&self, tool: &str, arguments: serde_json::Value) -> Json {
        let params = json!({ "name": tool, "arguments": arguments });
        let Outcome::Result(result) = self.send(&self.agent, "tools/call", params).await else {
            panic!("no result")
        };
        result
    }

    async fn get(&self, task: &str) -> Json {
        let Outcome::Result(result) = self.send(&self.agent, "tasks/get", json!({ "taskId": task })).await
        else {
            panic!("no such task")
        };
        assert_eq!(result.text("resultType"), Some("complete"));
        assert_eq!(result.text("taskId").map(str::len), Some(task.len()));
        result
    }

    /// The task, as soon as it is in this status.
    async fn becomes(&self, task: &str, status: &str) -> Json {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let got = self.get(task).await;
            if got.text("status") == Some(status) {
                return got;
            }
            assert!(tokio::time::Instant::now() < deadline, "{got}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn questions(&self) -> Vec<Json> {
        let (_, text) =
            self.gateway.admin(None, Method::GET, "/api/v1/approvals", String::new()).await.unwrap();
        Json::parse(&text).unwrap().elements().to_vec()
    }

    async fn operator(&self, verb: &str, body: serde_json::Value) -> u16 {
        let questions = self.questions().await;
        let id = questions.first().unwrap().text("id").unwrap().to_owned();
        let path = format!("/api/v1/approvals/{id}/{verb}");
        self.gateway.admin(None, Method::POST, &path, body.to_string()).await.unwrap().0
    }

    async fn received(&self) -> Vec<String> {
        let calls = self.server.take_calls(0, Duration::from_millis(200)).await;
        calls.iter().map(|call| call.summary().to_string()).collect()
    }

    /// The outcomes in the ledger, as soon as there are so many.
    async fn outcomes(&self, count: usize) -> Vec<Json> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let entries = self.gateway.ledger().await.unwrap();
            if entries.len() >= count || tokio::time::Instant::now() >= deadline {
                return entries;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A call of the tool that asks operators, which is a task now; its handle.
    async fn task(&self, path: &str) -> String {
        let task =
            self.call("files_delete_file", json!({ "path": path, "tollgate_reason": "it is old" })).await;
        assert_eq!(task.text("resultType"), Some("task"), "{task}");
        assert_eq!(task.text("status"), Some("working"));
        assert_eq!(task.text("statusMessage"), Some("waits for an approval by operators (rule `deletes`)"));
        for key in ["createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"] {
            assert!(task.get(key).is_some(), "{task}");
        }
        task.text("taskId").unwrap().to_owned()
    }
}

fn text_of(task: &Json) -> String {
    let result = task.get("result").unwrap();
    result.get("content").unwrap().elements().first().unwrap().text("text").unwrap().to_owned()
}

fn refused_with(task: &Json) -> String {
    let refusal = task.at(&["result", "_meta", "dev.tollgate/refusal"]).unwrap();
    assert_eq!(task.at(&["result", "isError"]), Some(&Json::Bool(true)));
    refusal.text("code").unwrap().to_owned()
}

#[tokio::test]
async fn an_approved_task_runs_once() {
    for kind in [Kind::ModernHttp, Kind::LegacyHttp] {
        let bench = bench(kind, "10m").await;
        let task = bench.task("/tmp/a").await;
        assert_eq!(bench.get(&task).await.text("status"), Some("working"));
        assert_eq!(bench.questions().await.first().unwrap().text("reason"), Some("it is old"));
        // Longer than calls are held.
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert!(bench.received().await.is_empty());
        assert_eq!(bench.get(&task).await.text("status"), Some("working"));

        assert_eq!(bench.operator("approve", json!({})).await, 200);
        let done = bench.becomes(&task, "completed").await;
        assert_eq!(text_of(&done), "deleted");
        assert_eq!(bench.get(&task).await.get("result"), done.get("result"));
        assert_eq!(bench.received().await, [r#"{"name":"delete_file","arguments":{"path":"/tmp/a"}}"#]);

        let entries = bench.outcomes(2).await;
        let told: Vec<_> = entries.iter().map(|e| (e.text("verdict"), e.text("outcome"))).collect();
        assert_eq!(told, [(Some("ask"), Some("asked")), (Some("ask"), Some("ok"))]);
        let (first, second) = (entries.first().unwrap(), entries.last().unwrap());
        assert_eq!(second.at(&["approval", "by"]).and_then(Json::as_str), Some("operator"));
        assert_eq!(first.text("interaction"), second.text("interaction"));
        assert_eq!(second.get("round").and_then(Json::as_u64), Some(2));
    }
}

#[tokio::test]
async fn an_agent_that_could_show_the_status_page_too_gets_the_task() {
    let mut bench = bench(Kind::ModernHttp, "10m").await;
    let capabilities = json!({
        "elicitation": { "form": {}, "url": {} }, "extensions": { "io.modelcontextprotocol/tasks": {} },
    });
    let both = Setup { capabilities: Json::from(capabilities), ..setup(ALICE, true) };
    bench.agent = Agent::http(&bench.gateway.url("/mcp"), both).await.unwrap();
    let task = bench.task("/tmp/a").await;
    assert_eq!(bench.get(&task).await.text("status"), Some("working"));
    assert_eq!(bench.operator("approve", json!({})).await, 200);
    assert_eq!(text_of(&bench.becomes(&task, "completed").await), "deleted");
    assert_eq!(bench.received().await, [r#"{"name":"delete_file","arguments":{"path":"/tmp/a"}}"#]);
}

#[tokio::test]
async fn edited_arguments_are_what_runs() {
    let bench = bench(Kind::ModernHttp, "10m").await;
    let task = bench.task("/tmp/a").await;
    assert_eq!(bench.operator("approve", json!({ "args": { "path": "/tmp/b" } })).await, 200);
    assert_eq!(text_of(&bench.becomes(&task, "completed").await), "deleted");
    assert_eq!(bench.received().await, [r#"{"name":"delete_file","arguments":{"path":"/tmp/b"}}"#]);
}

#[tokio::test]
async fn a_no_and_silence_are_its_result() {
    let denied = bench(Kind::ModernHttp, "10m").await;
    let task = denied.task("/tmp/a").await;
    assert_eq!(denied.operator("deny", json!({ "note": "not now" })).await, 200);
    let done = denied.becomes(&task, "completed").await;
    assert_eq!(refused_with(&done), "approval.declined");
    assert!(text_of(&done).contains("not now"), "{done}");
    assert!(denied.received().await.is_empty());

    let silent = bench(Kind::ModernHttp, "1s").await;
    let task = silent.task("/tmp/a").await;
    assert_eq!(refused_with(&silent.becomes(&task, "completed").await), "approval.expired");
    assert!(silent.received().await.is_empty());
}

#[tokio::test]
async fn a_cancelled_task_withdraws_its_question() {
    let bench = bench(Kind::ModernHttp, "10m").await;
    let task = bench.task("/tmp/a").await;
    // The same call twice waits for one answer, which is for both as long as one of them wants it.
    let twin = bench.task("/tmp/a").await;
    let cancel = async |task: String| {
        let outcome = bench.send(&bench.agent, "tasks/cancel", json!({ "taskId": task })).await;
        assert!(matches!(outcome, Outcome::Result(_)), "{outcome:?}");
    };
    cancel(twin.clone()).await;
    assert_eq!(bench.get(&twin).await.text("status"), Some("cancelled"));
    assert_eq!(bench.questions().await.len(), 1);
    cancel(task.clone()).await;
    assert_eq!(bench.get(&task).await.text("status"), Some("cancelled"));
    assert!(bench.questions().await.is_empty());
    // Once more changes nothing.
    cancel(task.clone()).await;
    assert!(bench.received().await.is_empty());
    let entries = bench.outcomes(4).await;
    let outcomes: Vec<_> = entries.iter().filter_map(|e| e.text("outcome")).collect();
    assert_eq!(outcomes.iter().filter(|o| **o == "cancelled").count(), 2, "{outcomes:?}");
}

#[tokio::test]
async fn a_task_at_its_server_is_cancelled_there() {
    let bench = bench(Kind::ModernHttp, "10m").await;
    let task = bench.call("files_slow", json!({})).await.text("taskId").unwrap().to_owned();
    assert_eq!(bench.operator("approve", json!({})).await, 200);
    assert_eq!(bench.server.take_calls(1, PATIENCE).await.len(), 1);
    let running = bench.get(&task).await;
    assert_eq!((running.text("status"), running.text("statusMessage")), (Some("working"), Some("it runs")));
    bench.send(&bench.agent, "tasks/cancel", json!({ "taskId": task })).await;
    assert_eq!(bench.get(&task).await.text("status"), Some("cancelled"));
    assert_eq!(bench.outcomes(2).await.last().unwrap().text("outcome"), Some("cancelled"));
}

#[tokio::test]
async fn a_task_is_its_principals_and_ends_with_the_process() {
    let mut bench = bench(Kind::ModernHttp, "10m").await;
    let task = bench.task("/tmp/a").await;
    let code = |outcome: Outcome| {
        let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
        error.get("code").map(ToString::to_string).unwrap()
    };
    let bob = Agent::http(&bench.gateway.url("/mcp"), setup(BOB, true)).await.unwrap();
    let plain = Agent::http(&bench.gateway.url("/mcp"), setup(ALICE, false)).await.unwrap();
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let params = json!({ "taskId": task });
        assert_eq!(code(bench.send(&bob, method, params.clone()).await), "-32602");
        assert_eq!(code(bench.send(&plain, method, params).await), "-32021");
    }
    assert_eq!(bench.questions().await.len(), 1);
    // Who declares no tasks is held, and told that the question waits.
    let params = json!({ "name": "files_delete_file", "arguments": { "path": "/tmp/b" } });
    let Outcome::Result(held) = bench.send(&plain, "tools/call", params).await else { panic!("an error") };
    assert_eq!(
        held.at(&["_meta", "dev.tollgate/refusal", "code"]).and_then(Json::as_str),
        Some("approval.pending")
    );

    bench.gateway.stop(PATIENCE).await.unwrap();
    bench.gateway.restart(PATIENCE).await.unwrap();
    bench.agent = Agent::http(&bench.gateway.url("/mcp"), setup(ALICE, true)).await.unwrap();
    assert_eq!(code(bench.send(&bench.agent, "tasks/get", json!({ "taskId": task })).await), "-32602");
    // The question is still there, and the same call finds its answer.
    assert_eq!(bench.questions().await.len(), 2);
    assert_eq!(bench.operator("approve", json!({})).await, 200);
    let params = json!({ "path": "/tmp/a", "tollgate_reason": "other words" });
    let done = bench.call("files_delete_file", params).await;
    assert_eq!(done.text("resultType"), Some("complete"), "{done}");
    assert_eq!(bench.received().await.len(), 1);
}

#[tokio::test]
async fn what_its_server_asks_the_task_asks() {
    for kind in [Kind::ModernHttp, Kind::LegacyHttp] {
        let bench = bench(kind, "10m").await;
        let task = bench.call("files_ask", json!({})).await.text("taskId").unwrap().to_owned();
        assert_eq!(bench.operator("approve", json!({})).await, 200);
        let asked = bench.becomes(&task, "input_required").await;
        let (key, question) = asked.get("inputRequests").unwrap().members().first().unwrap().clone();
        assert_eq!(question.text("method"), Some("elicitation/create"));
        // What was not asked is no answer.
        let stray = json!({ "taskId": task, "inputResponses": { "other": { "action": "accept" } } });
        bench.send(&bench.agent, "tasks/update", stray).await;
        assert_eq!(bench.get(&task).await.text("status"), Some("input_required"));
        let answer = json!({ "action": "accept", "content": { "name": "Ann" } });
        let update = json!({ "taskId": task, "inputResponses": { key: answer } });
        assert!(matches!(bench.send(&bench.agent, "tasks/update", update).await, Outcome::Result(_)));
        let done = bench.becomes(&task, "completed").await;
        assert!(text_of(&done).contains("Ann"), "{done}");
        assert_eq!(
            bench.server.take_calls(1, PATIENCE).await.first().unwrap().summary().text("name"),
            Some("ask")
        );
    }
}

#[tokio::test]
async fn tasks_are_declared_and_served_on_a_pipe_too() {
    let bench = bench(Kind::ModernHttp, "10m").await;
    let Outcome::Result(about) = bench.send(&bench.agent, "server/discover", json!({})).await else {
        panic!("an error")
    };
    assert!(about.at(&["capabilities", "extensions", "io.modelcontextprotocol/tasks"]).is_some(), "{about}");

    let env = [("TOLLGATE_KEY".to_owned(), ALICE.to_owned())];
    let env: Vec<_> = bench.gateway.env().iter().cloned().chain(env).collect();
    let pipe = Agent::stdio(&bench.gateway.stdio_command(), &env, setup(ALICE, true)).await.unwrap();
    let params = json!({ "name": "files_delete_file", "arguments": { "path": "/tmp/a" } });
    let Outcome::Result(task) = bench.send(&pipe, "tools/call", params).await else { panic!("an error") };
    let task = task.text("taskId").unwrap().to_owned();
    assert_eq!(bench.operator("approve", json!({})).await, 200);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let outcome = bench.send(&pipe, "tasks/get", json!({ "taskId": task })).await;
        let Outcome::Result(got) = outcome else { panic!("{outcome:?}") };
        if got.text("status") == Some("completed") {
            assert_eq!(text_of(&got), "deleted");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{got}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bench.received().await.len(), 1);
}

#[tokio::test]
async fn an_approval_frees_no_tool_whose_definition_has_changed_meanwhile() {
    let bench = bench(Kind::ModernHttp, "10m").await;
    let task = bench.task("/tmp/a").await;
    let changed = json!({ "tools": ["echo", { "name": "delete_file", "description": "Deletes all" }] });
    bench.server.rescript(Script::read(&Json::from(changed)).unwrap());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let Outcome::Result(list) = bench.send(&bench.agent, "tools/list", json!({})).await else {
            panic!("no list")
        };
        if !list.to_string().contains("files_delete_file") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bench.operator("approve", json!({})).await, 200);
    let done = bench.becomes(&task, "completed").await;
    assert!(done.to_string().contains("tool.quarantined"), "{done}");
    assert_eq!(bench.received().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_wants_to_be_called_again_and_again_is_called_ever_more_slowly() {
    let bench = bench(Kind::ModernHttp, "10m").await;
    let task = bench.call("files_once_more", json!({})).await.text("taskId").unwrap().to_owned();
    assert_eq!(bench.operator("approve", json!({})).await, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = bench.received().await.len();
    assert!((2..=8).contains(&calls), "{calls}");
    bench.send(&bench.agent, "tasks/cancel", json!({ "taskId": task })).await;
    bench.becomes(&task, "cancelled").await;
}

/// One 2026-07-28 request as it is written, without what the scripted agent adds.
async fn post(gateway: &Running, params: &serde_json::Value) -> Json {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
    });
    let mut params = params.clone();
    params.as_object_mut().unwrap().insert("_meta".to_owned(), meta);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let name = params.get("name").and_then(serde_json::Value::as_str).unwrap().to_owned();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("authorization", format!("Bearer {ALICE}")),
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", "tools/call".to_owned()),
        ("mcp-name", name),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let url = gateway.url("/mcp");
    let mut answer = http::send(Method::POST, &url, &headers, body.to_string()).await.unwrap();
    if !answer.is_events() {
        return Json::parse(&answer.text().await.unwrap()).unwrap();
    }
    loop {
        let message = Json::parse(&answer.event().await.unwrap().unwrap().data).unwrap();
        if message.get("id").is_some() {
            return message;
        }
    }
}

#[tokio::test]
async fn a_state_that_is_used_again_counts_as_another_call() {
    let script = Script::read(&Json::from(json!({ "tools": ["ask"] }))).unwrap();
    let server = Server::start(Kind::ModernHttp, script).await.unwrap();
    let config = json!({
        "servers": { "files": { "url": server.url() } },
        "agents": { "alice": { "keys": ["${env:ALICE}"] } },
        "policy": { "default": "allow", "rules": [
            { "id": "enough", "deny": "files/ask", "when": "session.calls >= 2" },
        ] },
    });
    let env = [("ALICE".to_owned(), ALICE.to_owned())];
    let gateway =
        Running::start(env!("CARGO_BIN_EXE_tollgate").as_ref(), Json::from(config), &env).await.unwrap();
    let first = post(&gateway, &json!({ "name": "files_ask", "arguments": {} })).await;
    let asked = first.get("result").unwrap();
    let (key, _) = asked.get("inputRequests").unwrap().members().first().unwrap().clone();
    let again = json!({
        "name": "files_ask", "arguments": {},
        "requestState": asked.text("requestState").unwrap(),
        "inputResponses": { key: { "action": "accept", "content": { "name": "Ann" } } },
    });
    let round = post(&gateway, &again).await;
    assert!(round.to_string().contains("Ann"), "{round}");
    // The second use is a second call, whatever its server says to it; the third is one too many.
    let second = post(&gateway, &again).await;
    assert!(!second.to_string().contains("rule.denied"), "{second}");
    let third = post(&gateway, &again).await;
    assert!(third.to_string().contains("rule.denied"), "{third}");
}
