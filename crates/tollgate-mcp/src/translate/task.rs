//! Tasks: those of 2025-11-25 (basic/utilities/tasks) and those of the Tasks extension of 2026-07-28.

use super::{Answer, ResultType, meta};
use crate::meta::RELATED_TASK;
use crate::object::{Edit, Object, quote};
use crate::rope::Rope;

/// How a tool can be called as a task (2025-11-25, `execution.taskSupport`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSupport {
    /// Not at all.
    #[default]
    Forbidden,
    /// As a task, or plainly.
    Optional,
    /// Only as a task.
    Required,
}

impl TaskSupport {
    /// What a tool's definition says.
    pub fn of_tool(tool: &Object) -> Self {
        match tool
            .object("execution")
            .as_ref()
            .and_then(|execution| execution.string("taskSupport"))
            .as_deref()
        {
            Some("required") => Self::Required,
            Some("optional") => Self::Optional,
            Some(_) | None => Self::Forbidden,
        }
    }
}

/// What 2025-11-25 calls differently: `(there, in the extension)`. Both are milliseconds.
const NAMES: [(&str, &str); 2] = [("ttl", "ttlMs"), ("pollInterval", "pollIntervalMs")];

/// A task of 2025-11-25 as the extension has it. All other members stay as they are.
pub fn task_to_modern(task: &Object) -> Object {
    let mut edit = task.edit();
    meta::strip(task, &[RELATED_TASK], &mut edit);
    for (legacy, modern) in NAMES {
        rename(task, &mut edit, legacy, modern);
    }
    // It may not be missing: null is "no limit".
    if task.find("ttl").is_none() {
        edit.set("ttlMs", "null".to_owned());
    }
    scan(edit.finish())
}

/// A task of the extension as 2025-11-25 has it: what comes with it (`result`, `error`, `inputRequests`) is asked for by other ways
/// there, and one whose result is a tool's error has failed.
pub fn task_to_legacy(task: &Object) -> Object {
    let mut edit = task.edit();
    edit.remove("resultType");
    for key in ["result", "error", "inputRequests"] {
        edit.remove(key);
    }
    meta::strip(task, meta::HOP_OWNED, &mut edit);
    for (legacy, modern) in NAMES {
        rename(task, &mut edit, modern, legacy);
    }
    if task.find("ttlMs").is_none() {
        edit.set("ttl", "null".to_owned());
    }
    let failed = task.object("result").is_some_and(|result| super::is_tool_error(&result));
    if failed && task.string("status").as_deref() == Some("completed") {
        edit.set("status", quote("failed"));
    }
    scan(edit.finish())
}

/// The answer that says that a task of 2025-11-25 was made; `None` if `result` does not.
pub fn task_made(result: &Object) -> Option<Answer> {
    let task = result.object("task").filter(|task| task.string("taskId").is_some())?;
    Some(Answer { object: task_to_modern(&task), kind: ResultType::Task, cache: None })
}

/// A message's params or result with the task that it belongs to (2025-11-25): `id` is the task's.
pub fn related_to_task(message: Rope, id: &str) -> Rope {
    let object = scan(message);
    let related = format!("{{\"taskId\":{}}}", quote(id));
    let inner = object.object(meta::KEY).unwrap_or_else(Object::empty);
    let mut inner = inner.edit();
    inner.set(RELATED_TASK, related);
    let inner = inner.finish();
    let mut edit = object.edit();
    edit.set(meta::KEY, inner);
    edit.finish()
}

/// A result of 2025-11-25's `tasks/result` as the call that made the task would have had it.
pub fn unrelated_to_task(result: &Object) -> Rope {
    let mut edit = result.edit();
    meta::strip(result, &[RELATED_TASK], &mut edit);
    edit.finish()
}

fn rename(task: &Object, edit: &mut Edit<'_>, from: &'static str, to: &'static str) {
    edit.remove(from);
    if let Some(value) = task.get(from) {
        edit.set(to, value);
    }
}

fn scan(text: Rope) -> Object {
    Object::scan(text.into_bytes()).unwrap_or_else(|_| Object::empty())
}
