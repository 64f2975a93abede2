use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::brain::{Ended, Port, text};
use super::script::Tool;
use super::{News, Session, State, ask, lock};
use crate::json::Json;
use crate::wire::{RESERVED, rpc};

/// How long a task that asks nothing takes.
const TAKES: Duration = Duration::from_millis(60);

/// How often one that takes long says how far it is.
const STEPS: u64 = 100;

/// One task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    like: String,
    made: Instant,
    cancelled: bool,
    answer: Option<Json>,
    /// Of the session that made it.
    session: String,
    /// The progress token of the call that made it.
    token: Option<Json>,
}

impl Task {
    fn status(&self) -> &'static str {
        match self.like.as_str() {
            _ if self.cancelled => "cancelled",
            "tasked_slow" => "working",
            "tasked_ask" if self.answer.is_none() => "input_required",
            _ if self.made.elapsed() < TAKES => "working",
            "tasked_error" => "failed",
            _ => "completed",
        }
    }

    /// How its call ended.
    fn end(&self) -> Ended {
        match (&self.answer, self.like.as_str()) {
            (Some(answer), _) => text(&format!("answered {answer}")),
            (None, "tasked_error") => Ended::Error(rpc::error_object(-32603, "the task broke"), 200),
            (None, "tasked_fail") => Ended::Result(
                json!({ "content": [{ "type": "text", "text": "it failed" }], "isError": true }).into(),
            ),
            (None, _) if self.cancelled => Ended::Error(rpc::error_object(-32603, "cancelled"), 200),
            (None, _) => Ended::Result(
                json!({ "content": [
                    { "type": "text", "text": "the task's result" },
                    { "type": "resource_link", "uri": "file:///readme.md", "name": "readme" }
                ] })
                .into(),
            ),
        }
    }
}

/// Whether a 2026-07-28 fake has the Tasks extension: where it has a tool that becomes a task.
pub(super) fn offers(state: &State) -> bool {
    lock(&state.script).tools.iter().any(|tool| tool.like.starts_with("tasked"))
}

/// Whether a legacy session is of 2025-11-25, which alone has tasks.
pub(super) fn has(session: &Session) -> bool {
    lock(&session.revision).as_str() == "2025-11-25"
}

fn declares(params: &Json) -> bool {
    let key = format!("{RESERVED}clientCapabilities");
    params.at(&["_meta", &key, "extensions", &format!("{RESERVED}tasks")]).is_some()
}

/// The call of a tool that can be a task; `None` = it is a plain call, which some can be.
pub(super) fn call(state: &State, session: &Session, tool: &Tool, params: &Json) -> Option<Ended> {
    let modern = state.kind.is_modern();
    let wanted = if modern { declares(params) } else { has(session) && params.get("task").is_some() };
    if !wanted {
        let required = tool.like == "tasked" && !modern && has(session);
        return match tool.like.as_str() {
            _ if required => {
                Some(Ended::Error(rpc::error_object(-32601, "this tool runs as a task only"), 200))
            }
            "tasked_ask" | "tasked_slow" => None,
            like => {
                let made = Instant::now();
                let (like, session) = (like.to_owned(), session.id.clone());
                Some(Task { like, made, cancelled: false, answer: None, session, token: None }.end())
            }
        };
    }
    if modern && params.get("task").is_some() {
        state.fault("`task` in a call of 2026-07-28");
    }
    let id = format!("task-{}", state.next_id());
    let (made, session) = (Instant::now(), session.id.clone());
    let token = params.at(&["_meta", "progressToken"]).cloned();
    if tool.like == "tasked_slow" && token.is_some() && !modern {
        let (announce, id) = (state.announce.clone(), id.clone());
        tokio::spawn(async move {
            for step in 1..=STEPS {
                tokio::time::sleep(TAKES).await;
                drop(announce.send(News::Progress(id.clone(), step)));
            }
        });
    }
    let task = Task { like: tool.like.clone(), made, cancelled: false, answer: None, session, token };
    let seed = shown(&id, "working", &task, modern);
    lock(&state.jobs).insert(id.clone(), task);
    if tool.like == "tasked_told" {
        let (announce, id) = (state.announce.clone(), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(2 * TAKES).await;
            // Nobody listening is fine.
            drop(announce.send(News::Task(id)));
        });
    }
    Some(Ended::Result(if modern {
        seed.with("resultType", "task")
    } else {
        Json::object().with("task", seed)
    }))
}

/// The `notifications/tasks/status` of a session's task that changed.
pub(super) fn told(state: &State, session: &Session, id: &str) -> Option<Json> {
    let task =
        lock(&state.jobs).get(id).cloned().filter(|task| task.session == session.id && has(session))?;
    let params = shown(id, legacy_status(&task), &task, false);
    Some(crate::wire::rpc::notification("notifications/tasks/status", params))
}

/// The progress of a session's task that is not over.
pub(super) fn progressed(state: &State, session: &Session, id: &str, step: u64) -> Option<Json> {
    let task = lock(&state.jobs).get(id).cloned()?;
    let token = task.token.filter(|_| task.session == session.id && !task.cancelled)?;
    let related = Json::object().with(&format!("{RESERVED}related-task"), Json::object().with("taskId", id));
    let params = Json::object()
        .with("progressToken", token)
        .with("progress", step)
        .with("total", STEPS)
        .with("message", "on it")
        .with("_meta", related);
    Some(rpc::notification("notifications/progress", params))
}

/// The params of the `notifications/tasks` of a task that changed.
pub(super) fn told_to_modern(state: &State, id: &str) -> Option<Json> {
    let task = lock(&state.jobs).get(id).cloned()?;
    let Ended::Result(whole) = modern_get(id, &task) else { return None };
    Some(whole)
}

/// Somebody subscribes to `asked`.
pub(super) fn listened(state: &State, params: &Json, asked: &Json) {
    if asked.get("taskIds").is_some() {
        state.receive("tasks followed", asked, &[]);
        if !declares(params) {
            state.fault("`taskIds` without the extension");
        }
    }
}

fn shown(id: &str, status: &str, task: &Task, modern: bool) -> Json {
    // Nobody looks at one in time that is told of.
    let every = if task.like == "tasked_told" { 600_000_u64 } else { 50 };
    let (ttl, poll) = if modern { ("ttlMs", "pollIntervalMs") } else { ("ttl", "pollInterval") };
    Json::object()
        .with("taskId", id)
        .with("status", status)
        .with("createdAt", "2026-01-01T00:00:00Z")
        .with("lastUpdatedAt", "2026-01-01T00:00:00Z")
        .with(ttl, 60_000_u64)
        .with(poll, every)
}

/// A request about a task.
pub(super) async fn about(
    state: &State,
    session: &Session,
    method: &str,
    params: &Json,
    port: &Port,
) -> Ended {
    let modern = state.kind.is_modern();
    if modern && !declares(params) {
        state.fault(format!("{method} without the extension"));
    }
    let id = params.text("taskId").unwrap_or_default();
    let Some(task) = lock(&state.jobs).get(id).cloned() else {
        return Ended::Error(rpc::error_object(-32602, "no such task"), 200);
    };
    match method {
        "tasks/get" if modern => modern_get(id, &task),
        "tasks/get" => Ended::Result(shown(id, legacy_status(&task), &task, false)),
        "tasks/update" if modern => {
            if let Some(answer) = params.at(&["inputResponses", "name-1"]) {
                answered(state, id, answer);
            }
            Ended::Result(Json::object())
        }
        "tasks/result" if !modern => result(state, session, id, port).await,
        "tasks/cancel" => {
            let over = ["completed", "failed", "cancelled"].contains(&task.status());
            if over && !modern {
                return Ended::Error(rpc::error_object(-32602, "the task is over"), 200);
            }
            if let Some(task) = lock(&state.jobs).get_mut(id) {
                task.cancelled |= !over;
            }
            Ended::Result(if modern { Json::object() } else { shown(id, "cancelled", &task, false) })
        }
        _ => Ended::Error(rpc::error_object(-32601, "method not found"), 404),
    }
}

/// There, a tool's own error is a failure.
fn legacy_status(task: &Task) -> &'static str {
    match task.status() {
        "completed" if task.like == "tasked_fail" => "failed",
        status => status,
    }
}

fn answered(state: &State, id: &str, answer: &Json) {
    state.receive("answer", answer, &[]);
    if let Some(task) = lock(&state.jobs).get_mut(id) {
        task.answer = Some(answer.clone());
    }
}

fn modern_get(id: &str, task: &Task) -> Ended {
    let status = task.status();
    let shown = shown(id, status, task, true);
    Ended::Result(match (status, task.end()) {
        ("completed", Ended::Result(result)) => shown.with("result", result),
        ("failed", Ended::Error(error, _)) => shown.with("error", error),
        ("input_required", _) => {
            let question = ask::form("What is your name?", "name");
            let params = question.params.with("mode", "form");
            let request = Json::object().with("method", question.method).with("params", params);
            shown.with("inputRequests", Json::object().with("name-1", request))
        }
        _ => shown,
    })
}

/// `tasks/result` of 2025-11-25: waits for the end, and asks on its stream.
async fn result(state: &State, session: &Session, id: &str, port: &Port) -> Ended {
    let related = Json::object().with(&format!("{RESERVED}related-task"), Json::object().with("taskId", id));
    let mut told = false;
    loop {
        let Some(task) = lock(&state.jobs).get(id).cloned() else { return Ended::Cancelled };
        if let (Some(token), false) = (&task.token, std::mem::replace(&mut told, true)) {
            let step = Json::object().with("progressToken", token.clone()).with("progress", 1_u64);
            port.notify("notifications/progress", step.with("_meta", related.clone()));
        }
        match task.status() {
            "working" => tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
                () = port.cancelled() => return Ended::Cancelled,
            },
            "input_required" => {
                if lock(&session.capabilities).get("elicitation").is_none() {
                    return Ended::Error(rpc::error_object(-32603, "there is nobody to ask"), 200);
                }
                let mut question = ask::form("What is your name?", "name");
                question.params.set("_meta", related.clone());
                let (_, wait) = ask::put(state, question, port);
                let response = tokio::select! {
                    response = wait => response,
                    () = port.cancelled() => return Ended::Cancelled,
                };
                let Ok(response) = response else { return Ended::Cancelled };
                let answer = response.get("result").or(response.get("error")).cloned();
                answered(state, id, &answer.unwrap_or_default());
            }
            _ => {
                return match task.end() {
                    Ended::Result(result) => Ended::Result(result.with("_meta", related)),
                    end @ (Ended::Error(..) | Ended::Cancelled) => end,
                };
            }
        }
    }
}
