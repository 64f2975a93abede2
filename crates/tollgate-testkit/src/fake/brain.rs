use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::script::Tool;
use super::{Session, State, ask, lock, task};
use crate::json::Json;
use crate::wire::{LEGACY, MODERN, RESERVED, rpc};

/// How a request ended.
pub(crate) enum Ended {
    Result(Json),
    /// The error object, and its HTTP status in 2026-07-28.
    Error(Json, u16),
    Cancelled,
}

/// Where a request's own messages go while it runs.
pub(crate) struct Port {
    pub(crate) out: mpsc::UnboundedSender<Json>,
    /// Whether a closed `out` cancels (2026-07-28 over HTTP, and any pipe).
    pub(crate) closing_cancels: bool,
    pub(crate) cancel: watch::Receiver<bool>,
}

impl Port {
    pub(super) async fn cancelled(&self) {
        let mut cancel = self.cancel.clone();
        let told = async {
            if cancel.wait_for(|told| *told).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let closed = async {
            if self.closing_cancels {
                self.out.closed().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! { () = told => {}, () = closed => {} }
    }

    pub(crate) fn notify(&self, method: &str, params: Json) {
        // Nobody there to read it is the reader's business.
        drop(self.out.send(rpc::notification(method, params)));
    }
}

/// Whether the answer to this request comes as a stream.
pub(crate) fn streams(state: &State, method: &str, params: &Json) -> bool {
    let script = lock(&state.script);
    let tool = find(&script.tools, params);
    let streaming = |tool: &Tool| {
        let like = tool.like.as_str();
        let talks = ["ask", "sample", "roots"].iter().any(|talks| like.starts_with(talks));
        talks || matches!(like, "progress" | "log" | "levels" | "slow" | "tasked_ask")
    };
    script.events
        || matches!(method, "subscriptions/listen" | "tasks/result")
        || (method == "tools/call" && tool.is_some_and(streaming))
}

fn find<'a>(tools: &'a [Tool], params: &Json) -> Option<&'a Tool> {
    let name = params.text("name")?;
    tools.iter().find(|tool| tool.name() == name)
}

/// Answers one request.
pub(crate) async fn answer(
    state: &Arc<State>,
    session: &Session,
    method: &str,
    params: &Json,
    port: &Port,
) -> Ended {
    let delay = lock(&state.script).delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let modern = state.kind.is_modern();
    let ended = match method {
        "logging/setLevel" if !modern => {
            *lock(&session.log_level) = params.text("level").map(ToOwned::to_owned);
            Ended::Result(Json::object())
        }
        "ping" if !modern => Ended::Result(Json::object()),
        "resources/subscribe" | "resources/unsubscribe" if !modern => {
            let uri = params.text("uri").unwrap_or_default().to_owned();
            if method == "resources/subscribe" {
                lock(&session.subscribed).insert(uri);
            } else {
                lock(&session.subscribed).remove(&uri);
            }
            Ended::Result(Json::object())
        }
        "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update"
            if if modern { task::offers(state) } else { task::has(session) } =>
        {
            task::about(state, session, method, params, port).await
        }
        "server/discover" if modern => Ended::Result(discover(state)),
        "tools/list" => {
            let tools = lock(&state.script).tools.iter().map(|tool| tool.definition.clone()).collect();
            page(state, "tools", tools, params)
        }
        "prompts/list" => page(state, "prompts", vec![prompt()], params),
        "resources/list" => {
            let named = |uri: &String| Json::object().with("uri", uri.as_str()).with("name", uri.as_str());
            let resources = lock(&state.script).resources.iter().map(named).collect();
            page(state, "resources", resources, params)
        }
        "resources/templates/list" => {
            let template = json!({ "uriTemplate": "note:{id}", "name": "note" }).into();
            page(state, "resourceTemplates", vec![template], params)
        }
        "prompts/get" => get_prompt(params),
        "resources/read" => read(state, params),
        "completion/complete" => {
            let typed = params.at(&["argument", "value"]).and_then(Json::as_str).unwrap_or_default();
            let mut values = vec![format!("{typed}-one"), format!("{typed}-two")];
            let context = params.at(&["context", "arguments"]).map(Json::members).unwrap_or_default();
            values.extend(context.iter().filter_map(|(_, value)| value.as_str().map(ToOwned::to_owned)));
            Ended::Result(json!({ "completion": { "values": values } }).into())
        }
        "tools/call" => {
            let tool = find(&lock(&state.script).tools, params).cloned();
            match tool {
                Some(tool) => {
                    tokio::select! {
                        ended = call(state, session, &tool, params, port) => ended,
                        () = port.cancelled() => Ended::Cancelled,
                    }
                }
                None => Ended::Error(rpc::error_object(-32602, "unknown tool"), 200),
            }
        }
        _ => Ended::Error(rpc::error_object(-32601, "method not found"), 404),
    };
    if matches!(ended, Ended::Cancelled) {
        state.receive("cancelled", params, &[]);
    }
    match ended {
        Ended::Result(result) if modern => Ended::Result(stamp(method, result)),
        Ended::Result(_) | Ended::Error(..) | Ended::Cancelled => ended,
    }
}

/// What every modern result carries.
fn stamp(method: &str, result: Json) -> Json {
    let complete = result.get("resultType").is_none();
    let mut result = if complete { result.with("resultType", "complete") } else { result };
    let cacheable = method.ends_with("/list") || matches!(method, "server/discover" | "resources/read");
    if complete && cacheable {
        result = result.with("ttlMs", 0_u64).with("cacheScope", "private");
    }
    let meta = result.get("_meta").cloned().unwrap_or_default();
    result.with("_meta", meta.with(&format!("{RESERVED}serverInfo"), info()))
}

fn info() -> Json {
    json!({ "name": "fake", "version": "1" }).into()
}

fn capabilities() -> serde_json::Value {
    json!({
        "tools": { "listChanged": true }, "prompts": { "listChanged": true },
        "resources": { "listChanged": true, "subscribe": true }, "completions": {}, "logging": {}
    })
}

/// What a legacy session is told.
fn with_tasks(session: &Session) -> Json {
    let all = Json::from(capabilities());
    let tasks = json!({ "cancel": {}, "requests": { "tools": { "call": {} } } });
    if task::has(session) { all.with("tasks", Json::from(tasks)) } else { all }
}

fn discover(state: &State) -> Json {
    let mut all = Json::from(capabilities());
    if task::offers(state) {
        all.set("extensions", Json::object().with(&format!("{RESERVED}tasks"), Json::object()));
    }
    Json::from(json!({ "supportedVersions": [MODERN], "instructions": "a fake" })).with("capabilities", all)
}

/// Answers a handshake, and keeps what was agreed.
pub(crate) fn initialize(state: &State, session: &Session, params: &Json) -> Json {
    let newest = lock(&state.script).revision.clone();
    let asked = params.text("protocolVersion").unwrap_or_default();
    let agreed = if LEGACY.contains(&asked) && asked <= newest.as_str() { asked.to_owned() } else { newest };
    session.revision.lock().map_or_else(|_| (), |mut revision| revision.clone_from(&agreed));
    *lock(&session.capabilities) = params.get("capabilities").cloned().unwrap_or_default();
    Json::object()
        .with("protocolVersion", agreed)
        .with("capabilities", with_tasks(session))
        .with("serverInfo", info())
        .with("instructions", "a fake")
}

fn page(state: &State, list: &str, all: Vec<Json>, params: &Json) -> Ended {
    let size = lock(&state.script).page;
    let from = match params.text("cursor").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(from)) => from,
        Some(Err(_)) => return Ended::Error(rpc::error_object(-32602, "bad cursor"), 200),
    };
    let total = all.len();
    let size = if size == 0 { total } else { size };
    let result = Json::object().with(list, Json::Array(all.into_iter().skip(from).take(size).collect()));
    let more = from + size < total;
    Ended::Result(if more { result.with("nextCursor", (from + size).to_string()) } else { result })
}

fn prompt() -> Json {
    json!({ "name": "greet", "description": "Greets", "arguments": [{ "name": "name", "required": true }] })
        .into()
}

fn get_prompt(params: &Json) -> Ended {
    let name = params.at(&["arguments", "name"]).and_then(Json::as_str).unwrap_or("you");
    if params.text("name") != Some("greet") {
        return Ended::Error(rpc::error_object(-32602, "unknown prompt"), 200);
    }
    let text = format!("Say hello to {name}");
    let embedded = json!({ "type": "resource", "resource": { "uri": "note:1", "text": "a note" } });
    Ended::Result(
        json!({ "messages": [
            { "role": "user", "content": { "type": "text", "text": text } },
            { "role": "user", "content": embedded }
        ] })
        .into(),
    )
}

fn read(state: &State, params: &Json) -> Ended {
    let uri = params.text("uri").unwrap_or_default();
    let known = lock(&state.script).resources.iter().any(|known| known == uri) || uri.starts_with("note:");
    if known {
        let text = format!("what {uri} says");
        return Ended::Result(
            json!({ "contents": [{ "uri": uri, "mimeType": "text/plain", "text": text }] }).into(),
        );
    }
    let code = if state.kind.is_modern() { -32602 } else { -32002 };
    let data = Json::object().with("uri", uri);
    Ended::Error(rpc::error_object(code, "resource not found").with("data", data), 200)
}

/// A result with one text.
pub(crate) fn text(text: &str) -> Ended {
    Ended::Result(json!({ "content": [{ "type": "text", "text": text }] }).into())
}

/// Content of every kind.
fn rich() -> Ended {
    Ended::Result(
        json!({
            "content": [
                { "type": "image", "data": "AAAA", "mimeType": "image/png" },
                { "type": "audio", "data": "AAAA", "mimeType": "audio/wav" },
                { "type": "resource_link", "uri": "file:///readme.md", "name": "readme" },
                { "type": "resource", "resource": { "uri": "file:///readme.md", "text": "# Read me" } }
            ],
            "structuredContent": { "n": 1 }
        })
        .into(),
    )
}

/// Wants its user to sign in first (-32042 of 2025-11-25), once.
fn url_needed(state: &State, session: &Session) -> Ended {
    let first = lock(&state.signed_in).insert(session.id.clone());
    if state.kind.is_modern() || !first {
        lock(&state.signed_in).remove(&session.id);
        return text("signed in");
    }
    let elicitation = json!([{ "mode": "url", "elicitationId": "e-9", "url": "https://x.example/in", "message": "Sign in." }]);
    let data = Json::object().with("elicitations", Json::from(elicitation));
    Ended::Error(rpc::error_object(-32042, "sign in first").with("data", data), 400)
}

async fn call(state: &Arc<State>, session: &Session, tool: &Tool, params: &Json, port: &Port) -> Ended {
    let arguments = params.get("arguments").cloned().unwrap_or_default();
    let number = |key: &str, default| arguments.get(key).and_then(Json::as_u64).unwrap_or(default);
    match tool.like.as_str() {
        "delete_file" => text(tool.says.as_deref().unwrap_or("deleted")),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(number("ms", 60_000))).await;
            text("waited")
        }
        "ask" | "ask_url" | "ask_several" | "ask_again" | "sample" | "sample_tools" | "roots" => {
            ask::ask(state, session, tool, params, port).await
        }
        "once_more" => {
            Ended::Result(json!({ "resultType": "input_required", "requestState": "more" }).into())
        }
        "ask_withdrawn" => ask::withdraw(state, session, params, port).await,
        "url_needed" => url_needed(state, session),
        "tasked_ask" => match task::call(state, session, tool, params) {
            Some(made) => made,
            None => ask::ask(state, session, tool, params, port).await,
        },
        "tasked_slow" => {
            if let Some(made) = task::call(state, session, tool, params) {
                return made;
            }
            tokio::time::sleep(Duration::from_millis(number("ms", 60_000))).await;
            text("waited")
        }
        like if like.starts_with("tasked") => {
            task::call(state, session, tool, params).unwrap_or(Ended::Cancelled)
        }
        "rich" => rich(),
        "levels" => {
            let asked = params.at(&["_meta", &format!("{RESERVED}logLevel")]).is_some();
            if asked || lock(&session.log_level).is_some() {
                for (level, data) in [("debug", "noise"), ("error", "trouble")] {
                    let params = json!({ "level": level, "logger": "fake", "data": data });
                    port.notify("notifications/message", params.into());
                }
            }
            text("logged")
        }
        "progress" => {
            if let Some(token) = params.at(&["_meta", "progressToken"]) {
                for step in 1..=3_u64 {
                    let params = Json::object().with("progressToken", token.clone()).with("progress", step);
                    port.notify(
                        "notifications/progress",
                        params.with("total", 3_u64).with("message", "working"),
                    );
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            text("done")
        }
        "log" => {
            let asked = params.at(&["_meta", &format!("{RESERVED}logLevel")]).is_some();
            if asked || lock(&session.log_level).is_some() {
                let params = json!({ "level": "warning", "logger": "fake", "data": "careful" });
                port.notify("notifications/message", params.into());
            }
            text("logged")
        }
        "fail" => Ended::Result(
            json!({ "content": [{ "type": "text", "text": "it failed" }], "isError": true }).into(),
        ),
        "error" => {
            let code = arguments.get("code").cloned().unwrap_or(Json::Number("-32603".to_owned()));
            Ended::Error(Json::object().with("code", code).with("message", "the server broke"), 200)
        }
        "big" => text(&"x".repeat(usize::try_from(number("bytes", 1024)).unwrap_or_default())),
        "link" => Ended::Result(
            json!({ "content": [
                { "type": "resource_link", "uri": "file:///readme.md", "name": "readme" },
                { "type": "resource", "resource": { "uri": "file:///readme.md", "text": "# Read me" } }
            ] })
            .into(),
        ),
        "structured" => {
            let content = json!([{ "type": "text", "text": "{}" }, { "type": "x-hologram", "depth": 3 }]);
            let result = Json::object().with("content", content).with("structuredContent", arguments.clone());
            let meta =
                Json::object().with("com.example/kept", Json::Number("1.0000000000000000001".to_owned()));
            Ended::Result(result.with("x-future", arguments).with("_meta", meta))
        }
        _ => match (&tool.says, arguments.get("text").and_then(Json::as_str)) {
            (Some(says), _) => text(says),
            (None, Some(said)) => text(said),
            (None, None) => text(&arguments.to_string()),
        },
    }
}
