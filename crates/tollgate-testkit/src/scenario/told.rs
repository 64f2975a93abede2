use crate::agent::{Outcome, Reply};
use crate::json::Json;
use crate::wire::RESERVED;

/// The `_meta` key of a refusal.
const REFUSAL: &str = "dev.tollgate/refusal";

/// What an agent got, as a person writes it: the same words whatever the revision carried it in.
pub(super) fn reply(reply: &Reply, names: bool) -> Json {
    match &reply.outcome {
        Outcome::Result(result) => self::result(result, names),
        Outcome::Error(error) => Json::object().with("error", error.clone()),
        Outcome::Other(_) => Json::object().with("http", u64::from(reply.http)),
    }
}

/// The task that a result tells of.
pub(super) fn task(result: &Json) -> Option<&Json> {
    let inner = result.get("task").filter(|task| task.get("taskId").is_some());
    inner.or_else(|| result.get("taskId").map(|_| result))
}

/// A result without what belongs to the hop or the revision. One text block is written as `text`; a list as its names; a task as its
/// status, with what came of it; a list of tasks as their statuses.
fn result(result: &Json, names: bool) -> Json {
    if let Some(task) = task(result) {
        let told = Json::object().with("task", task.get("status").cloned().unwrap_or(Json::Null));
        return match (task.get("result"), task.get("error")) {
            (Some(inner), _) => told.with("result", self::result(inner, names)),
            (None, Some(error)) => told.with("error", error.clone()),
            (None, None) => told,
        };
    }
    let meta: Vec<_> = result.get("_meta").map(Json::members).unwrap_or_default().to_vec();
    let refusal = meta.iter().find(|(key, _)| key == REFUSAL).map(|(_, value)| value.clone());
    let own = |key: &String| !key.starts_with(RESERVED) && key != REFUSAL;
    let meta: Vec<_> = meta.into_iter().filter(|(key, _)| own(key)).collect();
    let mut rest = result.clone();
    for hop in ["_meta", "resultType", "ttlMs", "cacheScope"] {
        rest = rest.without(hop);
    }
    if rest.get("isError") == Some(&Json::Bool(false)) {
        rest = rest.without("isError");
    }
    if let [content] = rest.get("content").map(Json::elements).unwrap_or_default()
        && let [(_, kind), (_, text)] = content.members()
        && kind.as_str() == Some("text")
    {
        let text = text.clone();
        rest = rest.without("content").with("text", text);
    }
    for (list, key) in
        [("tools", "name"), ("prompts", "name"), ("resources", "uri"), ("resourceTemplates", "uriTemplate")]
    {
        if let (true, Some(items)) = (names, rest.get(list)) {
            let names = items.elements().iter().filter_map(|item| item.get(key).cloned()).collect::<Vec<_>>();
            rest.set(list, names);
        }
    }
    if let Some(tasks) = rest.get("tasks") {
        let told = tasks.elements().iter().map(|task| task.get("status").cloned().unwrap_or(Json::Null));
        let told = told.collect::<Vec<_>>();
        rest.set("tasks", told);
    }
    if let Some(refusal) = refusal {
        rest.set("refusal", refusal);
    }
    if meta.is_empty() { rest } else { rest.with("_meta", Json::Object(meta)) }
}

/// A notification without what belongs to the hop; its method only where it is neither progress nor a log line.
pub(super) fn notification(method: &str, params: &Json) -> Json {
    let params = params.clone().without("progressToken").without("_meta");
    match method {
        "notifications/progress" | "notifications/message" => params,
        _ => Json::object().with("method", method).with("params", params),
    }
}

/// A question, its method only where it is no elicitation.
pub(super) fn question(method: &str, params: &Json) -> Json {
    if method == "elicitation/create" { params.clone() } else { params.clone().with("method", method) }
}
