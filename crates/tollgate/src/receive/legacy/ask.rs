//! The in-request loop: a canonical `input_required` becomes requests to a legacy agent on the call's own stream, and its answers become
//! `inputResponses`. *Never* asks for what the agent did not declare.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::time::Instant;
use tollgate_mcp::message::{self, Id, Outcome};
use tollgate_mcp::object::{self, Object};
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate;

use super::{Core, Outlet, Pending};
use crate::call::Cancel;
use crate::receive::edge;

const CANCEL: &[u8] = br#"{"action":"cancel"}"#;
const DECLINE: &[u8] = br#"{"action":"decline"}"#;
const ACCEPT: &[u8] = br#"{"action":"accept"}"#;

/// What follows a round.
#[derive(Debug)]
pub(super) enum Round {
    /// Walk again with these params.
    Again(Box<Object>),
    /// The agent cancelled the call.
    Cancelled,
    /// It can't go on; why.
    Stop(String),
}

/// What a round's questions brought.
#[derive(Debug)]
pub(super) enum Collected {
    /// `inputResponses`, as an object's text, and whether the agent was asked anything.
    Answers {
        responses: Option<Rope>,
        asked: bool,
    },
    Cancelled,
    Stop(String),
}

/// What was asked by url: an accepted url is not opened twice, the server is polled instead.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The task that asks.
    task: Option<String>,
    /// The url and the `elicitationId`'s JSON text.
    accepted: Vec<(Bytes, Bytes)>,
}

impl Memory {
    /// Of what a task asks (2025-11-25): each question names it.
    pub(super) fn of_task(id: &str) -> Self {
        Self { task: Some(id.to_owned()), ..Self::default() }
    }

    /// The `elicitationId`s, as JSON text.
    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        self.accepted.iter().filter_map(|(_, id)| std::str::from_utf8(id).ok())
    }

    fn knows(&self, url: &[u8]) -> bool {
        self.accepted.iter().any(|(known, _)| known == url)
    }
}

/// One entry of `inputRequests`.
#[derive(Debug)]
struct Question {
    /// The key's JSON text.
    key: Bytes,
    method: String,
    params: Object,
}

/// Where a question's answer comes from.
#[derive(Debug)]
enum Source {
    Known(&'static [u8]),
    Agent(Pending, Option<(Bytes, Bytes)>),
}

/// Asks the agent what `input_required` asks for, all at once, and waits for its answers.
pub(super) async fn collect(
    core: &Arc<Core>,
    out: &impl Outlet,
    required: &Object,
    memory: &mut Memory,
    cancel: &Cancel,
) -> Collected {
    let Some(questions) = questions(required) else {
        return Collected::Stop("the server asked a malformed question".to_owned());
    };
    if let Some(beyond) = questions.iter().find(|q| !core.client.capabilities.allows(&q.method, &q.params)) {
        return Collected::Stop(format!(
            "the server needs `{}`, which this client did not declare",
            mode(&beyond.method, &beyond.params)
        ));
    }
    if questions.is_empty() {
        return Collected::Answers { responses: None, asked: false };
    }
    let mut answers: Vec<Option<Bytes>> = Vec::with_capacity(questions.len());
    let mut waiting = Vec::new();
    for (at, question) in questions.iter().enumerate() {
        match put(core, out, question, memory).await {
            Some(Source::Known(answer)) => answers.push(Some(Bytes::from_static(answer))),
            Some(Source::Agent(pending, url)) => {
                answers.push(None);
                waiting.push(Waiting { at, pending, url });
            }
            None => {
                withdraw(out, &waiting).await;
                return Collected::Stop("too many questions wait for this client".to_owned());
            }
        }
    }
    // Where everything was accepted before, the server is only polled.
    let asked = answers.iter().any(|answer| answer.as_deref() != Some(ACCEPT));
    let until = Instant::now() + core.patience.answers;
    while !waiting.is_empty() {
        let (one, outcome) = match first(&mut waiting, until, cancel).await {
            First::Answer(one, outcome) => (one, outcome.map(|outcome| *outcome)),
            First::Late => {
                withdraw(out, &waiting).await;
                let Some(one) = waiting.pop() else { break };
                // The others are as late.
                for other in &mut waiting {
                    other.pending.answer.close();
                }
                (one, None)
            }
            First::Cancelled => {
                withdraw(out, &waiting).await;
                return Collected::Cancelled;
            }
        };
        let Some(question) = questions.get(one.at) else { continue };
        match answer(question, outcome) {
            Ok(answer) => {
                memory.accepted.extend(one.url.filter(|_| is_accept(&answer)));
                if let Some(slot) = answers.get_mut(one.at) {
                    *slot = Some(answer);
                }
            }
            Err(text) => {
                withdraw(out, &waiting).await;
                return Collected::Stop(text);
            }
        }
    }
    Collected::Answers { responses: Some(responses(&questions, answers)), asked }
}

/// `inputResponses`, as an object's text.
fn responses(questions: &[Question], answers: Vec<Option<Bytes>>) -> Rope {
    let mut text = Rope::new();
    for (at, (question, answer)) in questions.iter().zip(answers).enumerate() {
        text.push(Bytes::from_static(if at == 0 { b"{" } else { b"," }));
        text.push(question.key.clone());
        text.push(Bytes::from_static(b":"));
        text.push(answer.unwrap_or_else(|| Bytes::from_static(CANCEL)));
    }
    text.push(Bytes::from_static(b"}"));
    text
}

/// The original params with the round's answers and the server's exact state; none where it gave none.
pub(super) fn next_params(params: &Object, responses: Option<Rope>, required: &Object) -> Round {
    let mut edit = params.edit();
    if let Some(responses) = responses {
        edit.set("inputResponses", responses);
    }
    if let Some(state) = required.get("requestState") {
        edit.set("requestState", state);
    }
    match edit.object() {
        Ok(params) => Round::Again(Box::new(params)),
        Err(_) => Round::Stop("the answers could not be put together".to_owned()),
    }
}

fn questions(required: &Object) -> Option<Vec<Question>> {
    let Some(requests) = required.get("inputRequests") else { return Some(Vec::new()) };
    let requests = Object::scan(requests).ok()?;
    let mut questions = Vec::with_capacity(requests.members().len());
    for member in requests.members() {
        let entry = Object::scan(requests.text().slice(member.value.clone())).ok()?;
        questions.push(Question {
            key: requests.text().slice(member.key.clone()),
            method: entry.string("method")?.into_owned(),
            params: entry.object("params").unwrap_or_else(Object::empty),
        });
    }
    Some(questions)
}

/// Sends one question, unless its answer is known. `None` = too many wait.
async fn put(core: &Arc<Core>, out: &impl Outlet, question: &Question, memory: &Memory) -> Option<Source> {
    let revision = core.client.revision;
    if !expressible(question, revision) {
        return Some(Source::Known(DECLINE));
    }
    let mut text = translate::question(&question.method, &question.params, revision);
    if let Some(task) = &memory.task {
        text = translate::related_to_task(text, task);
    }
    let mut asked_by_url = None;
    if question.params.string("mode").as_deref() == Some("url") {
        let url = question.params.get("url").unwrap_or_default();
        if memory.knows(&url) {
            return Some(Source::Known(ACCEPT));
        }
        let (with_id, id) = with_elicitation_id(text)?;
        text = with_id;
        asked_by_url = Some((url, id));
    }
    let pending = core.question()?;
    out.send(message::write_request(&Id::number(pending.id), &question.method, text)).await;
    Some(Source::Agent(pending, asked_by_url))
}

/// 2025-11-25 wants every url elicitation named.
fn with_elicitation_id(text: Rope) -> Option<(Rope, Bytes)> {
    let params = Object::scan(text.into_bytes()).ok()?;
    if let Some(id) = params.get("elicitationId") {
        return Some((params.text().clone().into(), id));
    }
    let id = Bytes::from(object::quote(&edge::identity()?));
    let mut edit = params.edit();
    edit.set("elicitationId", id.clone());
    Some((edit.finish(), id))
}

/// Whether the agent's revision has words for the question: lists of choices came with 2025-11-25.
fn expressible(question: &Question, revision: Revision) -> bool {
    if question.method != "elicitation/create" || revision >= Revision::V2025_11_25 {
        return true;
    }
    let Some(properties) = question.params.object("requestedSchema").and_then(|s| s.object("properties"))
    else {
        return true;
    };
    properties.members().iter().all(|member| {
        let schema = Object::scan(properties.text().slice(member.value.clone()));
        schema.is_ok_and(|schema| schema.string("type").as_deref() != Some("array"))
    })
}

/// A question that the agent has not answered.
struct Waiting {
    /// Which of the round's questions.
    at: usize,
    pending: Pending,
    /// What was asked by url: the url and the `elicitationId`.
    url: Option<(Bytes, Bytes)>,
}

enum First {
    /// `None` = nobody is left to answer: the session has ended.
    Answer(Waiting, Option<Box<Outcome>>),
    Late,
    Cancelled,
}

/// Waits for whichever answer comes first.
async fn first(waiting: &mut Vec<Waiting>, until: Instant, cancel: &Cancel) -> First {
    let answered = std::future::poll_fn(|cx| {
        for (index, one) in waiting.iter_mut().enumerate() {
            if let Poll::Ready(answer) = Pin::new(&mut one.pending.answer).poll(cx) {
                return Poll::Ready((index, answer.ok().map(Box::new)));
            }
        }
        Poll::Pending
    });
    let (index, outcome) = tokio::select! {
        biased;
        answered = answered => answered,
        () = cancel.fired() => return First::Cancelled,
        () = tokio::time::sleep_until(until) => return First::Late,
    };
    First::Answer(waiting.swap_remove(index), outcome)
}

/// Tells the agent that nobody waits for its answers any more.
async fn withdraw(out: &impl Outlet, waiting: &[Waiting]) {
    for one in waiting {
        let params = format!(r#"{{"requestId":{},"reason":"no longer needed"}}"#, one.pending.id);
        out.send(message::write_notification("notifications/cancelled", Bytes::from(params).into())).await;
    }
}

/// The `inputResponses` entry for what the agent said; the reason where none can be made (an error can't be passed on).
fn answer(question: &Question, outcome: Option<Outcome>) -> Result<Bytes, String> {
    let elicitation = question.method == "elicitation/create";
    match outcome {
        Some(Outcome::Result(result)) => Ok(result.text().clone()),
        Some(Outcome::Error(_)) | None if elicitation => Ok(Bytes::from_static(CANCEL)),
        Some(Outcome::Error(error)) => {
            let shown: String = error.message.chars().take(200).collect();
            Err(format!("the client refused `{}`: {shown}", question.method))
        }
        None => Err(format!("the client did not answer `{}`", question.method)),
    }
}

fn is_accept(answer: &Bytes) -> bool {
    Object::scan(answer.clone()).is_ok_and(|answer| answer.string("action").as_deref() == Some("accept"))
}

fn mode(method: &str, params: &Object) -> String {
    match params.string("mode") {
        Some(mode) if method == "elicitation/create" => format!("{method} ({mode})"),
        Some(_) | None => method.to_owned(),
    }
}
