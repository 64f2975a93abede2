use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;

use super::brain::{Ended, Port, text};
use super::script::Tool;
use super::{Session, State, lock};
use crate::json::Json;
use crate::wire::{RESERVED, rpc};

/// One question: method, params, and the path of the client capability it needs.
pub(super) struct Question {
    pub(super) method: &'static str,
    pub(super) params: Json,
    needs: &'static [&'static str],
}

pub(super) fn form(message: &str, property: &str) -> Question {
    let schema =
        json!({ "type": "object", "properties": { property: { "type": "string" } }, "required": [property] });
    let params = json!({ "message": message, "requestedSchema": schema });
    Question { method: "elicitation/create", params: params.into(), needs: &["elicitation"] }
}

fn sample() -> Question {
    let message = json!({ "role": "user", "content": { "type": "text", "text": "One word, please." } });
    let params = json!({ "messages": [message], "maxTokens": 10 });
    Question { method: "sampling/createMessage", params: params.into(), needs: &["sampling"] }
}

/// What a tool asks, round by round.
fn rounds(tool: &Tool) -> Vec<Vec<Question>> {
    let roots = || Question { method: "roots/list", params: Json::object(), needs: &["roots"] };
    match tool.like.as_str() {
        "sample" => vec![vec![sample()]],
        "sample_tools" => {
            let word = json!([{ "name": "word", "inputSchema": { "type": "object" } }]);
            let mut question = sample();
            question.params.set("tools", Json::from(word));
            question.needs = &["sampling", "tools"];
            vec![vec![question]]
        }
        "roots" => vec![vec![roots()]],
        "ask_url" => {
            let params = json!({ "mode": "url", "message": "Sign in.", "url": "https://x.example/in", "elicitationId": "e-1" });
            let needs = &["elicitation", "url"];
            vec![vec![Question { method: "elicitation/create", params: params.into(), needs }]]
        }
        "ask_several" => vec![vec![sample(), roots()]],
        "ask_again" => vec![vec![sample()], vec![roots()]],
        _ => vec![vec![form("What is your name?", "name")]],
    }
}

/// What the tool says in the end.
fn answered(mut answers: Vec<Json>) -> Ended {
    match (answers.pop(), answers.is_empty()) {
        (Some(only), true) => text(&format!("answered {only}")),
        (last, _) => {
            answers.extend(last);
            text(&format!("answered {}", Json::Array(answers)))
        }
    }
}

/// Asks what the tool asks, as the era does.
pub(super) async fn ask(
    state: &Arc<State>,
    session: &Session,
    tool: &Tool,
    params: &Json,
    port: &Port,
) -> Ended {
    let rounds = rounds(tool);
    if state.kind.is_modern() {
        return by_result(state, params, &rounds);
    }
    let declared = lock(&session.capabilities).clone();
    let mut answers = Vec::new();
    for round in rounds {
        if round.iter().any(|question| declared.at(question.needs).is_none()) {
            let nobody =
                json!({ "content": [{ "type": "text", "text": "there is nobody to ask" }], "isError": true });
            return Ended::Result(nobody.into());
        }
        let mut waiting = Vec::new();
        for question in round {
            waiting.push(put(state, question, port).1);
        }
        for wait in waiting {
            let Ok(response) = wait.await else { return Ended::Cancelled };
            state.receive("answer", &response, &[]);
            match response.get("result") {
                Some(result) => answers.push(result.clone()),
                None => {
                    return text(&format!(
                        "refused {}",
                        response.get("error").cloned().unwrap_or(Json::Null)
                    ));
                }
            }
        }
    }
    answered(answers)
}

/// Sends one request of a legacy server's own: its id, and where the response comes.
pub(super) fn put(state: &State, question: Question, port: &Port) -> (u64, oneshot::Receiver<Json>) {
    let id = state.next_id();
    let (tx, rx) = oneshot::channel();
    lock(&state.asks).insert(id, tx);
    // Whoever has gone does not answer.
    drop(port.out.send(rpc::request(id, question.method, question.params)));
    (id, rx)
}

/// Asks, and takes the question back before anybody can have answered. 2026-07-28 has no way to.
pub(super) async fn withdraw(state: &Arc<State>, session: &Session, params: &Json, port: &Port) -> Ended {
    if lock(&session.capabilities).get("elicitation").is_none() {
        return text("there is nobody to ask");
    }
    let (id, wait) = put(state, form("Never mind?", "mind"), port);
    // After a while, or when a test says so.
    match params.at(&["arguments", "mark"]).and_then(Json::as_str) {
        None => tokio::time::sleep(Duration::from_millis(300)).await,
        Some(mark) => {
            while !lock(&state.taken_back).remove(mark) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    let params = Json::object().with("requestId", id).with("reason", "changed my mind");
    port.notify("notifications/cancelled", params);
    // Whether an answer comes after all does not matter any more.
    lock(&state.asks).remove(&id);
    drop(wait);
    tokio::time::sleep(Duration::from_millis(50)).await;
    text("took it back")
}

/// The modern way: an `input_required` result, whose state comes back exactly once and byte for byte.
fn by_result(state: &State, params: &Json, rounds: &[Vec<Question>]) -> Ended {
    let declared =
        params.at(&["_meta", &format!("{RESERVED}clientCapabilities")]).cloned().unwrap_or_default();
    for question in rounds.iter().flatten() {
        if declared.at(question.needs).is_none() {
            let needed = question
                .needs
                .iter()
                .rev()
                .fold(Json::object(), |inner, key| Json::object().with(key, inner));
            let data = Json::object().with("requiredCapabilities", needed);
            return Ended::Error(
                rpc::error_object(-32021, "a capability is missing").with("data", data),
                400,
            );
        }
    }
    let mut answers = Vec::new();
    if let Some(sent) = params.text("requestState") {
        if !lock(&state.open_states).remove(sent) {
            state.fault(format!("requestState `{sent}` was never issued, or came twice"));
            return Ended::Error(rpc::error_object(-32602, "bad requestState"), 200);
        }
        // The state holds the earlier rounds' answers.
        let (_, earlier) = sent.split_once('[').unwrap_or_default();
        answers = Json::parse(&format!("[{earlier}")).map(|all| all.elements().to_vec()).unwrap_or_default();
    } else if params.get("requestState").is_some() {
        state.fault("requestState is not a string");
    }
    let keys = |round: &[Question]| -> Vec<String> {
        (0..round.len()).map(|n| if round.len() == 1 { "q".to_owned() } else { format!("q{n}") }).collect()
    };
    let open = |answers: &[Json]| {
        let mut asked = 0;
        rounds.iter().find(|round| {
            asked += round.len();
            answers.len() < asked
        })
    };
    if params.get("requestState").is_some()
        && let Some(round) = open(&answers)
    {
        let given: Vec<_> =
            keys(round).iter().filter_map(|key| params.at(&["inputResponses", key]).cloned()).collect();
        if given.len() == round.len() {
            for answer in given {
                state.receive("answer", &answer, &[]);
                answers.push(answer);
            }
        }
    }
    let Some(round) = open(&answers) else { return answered(answers) };
    let mut requests = Json::object();
    for (key, question) in keys(round).iter().zip(round) {
        let mut params = question.params.clone().without("elicitationId");
        if question.method == "elicitation/create" && params.get("mode").is_none() {
            params.set("mode", "form");
        }
        requests.set(key, Json::object().with("method", question.method).with("params", params));
    }
    let token = format!("state +/= é {} {}", state.next_id(), Json::Array(answers));
    lock(&state.open_states).insert(token.clone());
    Ended::Result(
        Json::object()
            .with("resultType", "input_required")
            .with("inputRequests", requests)
            .with("requestState", token),
    )
}
