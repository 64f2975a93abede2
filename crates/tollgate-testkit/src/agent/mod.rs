//! Scripted agents of every revision, over HTTP, HTTP+SSE and stdio. A call runs by itself: its questions come out one by one and wait for an answer,
//! its notifications are collected, its end is a `Reply`.
//! *Never* repairs what it receives: an answer of the wrong shape is the test's to see.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::json::Json;
use crate::wire::{LEGACY, MODERN, RESERVED};
use crate::{Failure, Result};

/// Over streamable HTTP.
mod http;

/// Over a child's pipes.
mod pipe;

/// Over HTTP+SSE.
mod sse;

/// What a pipe and an event stream share.
mod line;

/// How a task is awaited.
mod task;

#[cfg(test)]
mod tests;

/// Who an agent is and what it can do.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The revision it speaks: with a handshake (a legacy one), or 2026-07-28.
    pub revision: String,
    /// The capabilities it declares.
    pub capabilities: Json,
    /// The key it presents, if any.
    pub key: Option<String>,
    /// Further HTTP headers on every request; one called like a standard header replaces it.
    pub headers: Vec<(String, String)>,
    /// The log level it asks for (2026-07-28: on every request; before: once, after the handshake).
    pub log_level: Option<String>,
}

impl Setup {
    /// A 2026-07-28 agent that can be asked with a form and presents no key.
    pub fn modern() -> Self {
        Self::of(MODERN)
    }

    /// An agent of `revision` that can be asked with a form (where the revision has forms) and presents no key.
    pub fn of(revision: &str) -> Self {
        let forms = revision >= "2025-06-18";
        let capabilities =
            if forms { Json::object().with("elicitation", Json::object()) } else { Json::object() };
        Self { revision: revision.to_owned(), capabilities, key: None, headers: Vec::new(), log_level: None }
    }

    /// Whether it speaks 2026-07-28.
    pub fn is_modern(&self) -> bool {
        !LEGACY.contains(&self.revision.as_str())
    }

    /// The params of its handshake.
    fn initialize(&self) -> Json {
        Json::object()
            .with("protocolVersion", self.revision.as_str())
            .with("capabilities", self.capabilities.clone())
            .with("clientInfo", Self::info())
    }

    fn info() -> Json {
        Json::object().with("name", "scripted").with("version", "1")
    }

    /// The params with what 2026-07-28 wants in `_meta`; what the script put there stays.
    fn stamp(&self, params: &Json, progress: u64) -> Json {
        let mut meta = params.get("_meta").cloned().unwrap_or_default();
        if meta.get("progressToken").is_none() {
            meta.set("progressToken", progress);
        }
        if self.is_modern() {
            let mut own = |key: &str, value: Json| {
                let key = format!("{RESERVED}{key}");
                if meta.get(&key).is_none() {
                    meta.set(&key, value);
                }
            };
            own("protocolVersion", self.revision.as_str().into());
            own("clientCapabilities", self.capabilities.clone());
            own("clientInfo", Self::info());
            if let Some(level) = &self.log_level {
                own("logLevel", level.as_str().into());
            }
        }
        params.clone().with("_meta", meta)
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status; 200 on stdio.
    pub http: u16,
    /// What came in the body.
    pub outcome: Outcome,
    /// The rounds that were answered before it (questions asked by `input_required`).
    pub rounds: u64,
}

/// A result, an error, or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A result.
    Result(Json),
    /// An error object.
    Error(Json),
    /// Something else: a refusal at the socket, with its body.
    Other(String),
}

impl Reply {
    /// Reads a response's envelope.
    fn read(http: u16, message: &Json, rounds: u64) -> Self {
        let outcome = match (message.get("result"), message.get("error")) {
            (Some(result), _) => Outcome::Result(result.clone()),
            // An error object has a code; a refusal at the socket may be any JSON.
            (None, Some(error)) if error.get("code").is_some() => Outcome::Error(error.clone()),
            (None, _) => Outcome::Other(message.to_string()),
        };
        Self { http, outcome, rounds }
    }

    /// The result, or why there is none.
    pub fn result(&self) -> Result<&Json> {
        match &self.outcome {
            Outcome::Result(result) => Ok(result),
            Outcome::Error(error) => Err(Failure::new(format!("error {error}"))),
            Outcome::Other(body) => Err(Failure::new(format!("HTTP {}: {body}", self.http))),
        }
    }

    /// The first text block of a tool's result.
    pub fn text(&self) -> Result<&str> {
        let content = self.result()?.get("content").map(Json::elements).unwrap_or_default();
        content.first().and_then(|block| block.text("text")).ok_or_else(|| "a result without text".into())
    }
}

/// A question to the agent's human (or model), waiting.
#[derive(Debug)]
pub struct Question {
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its params.
    pub params: Json,
    answer: oneshot::Sender<Json>,
}

impl Question {
    /// Answers it with a result.
    pub fn answer(self, result: Json) -> Result<()> {
        self.answer.send(result).map_err(|_| "the call did not wait for the answer".into())
    }
}

/// What happens on a call before its end.
#[derive(Debug)]
enum Event {
    Asked(Question),
    Notified(String, Json),
}

/// Hands questions and notifications out of a running call.
#[derive(Clone, Debug)]
struct Sink(mpsc::UnboundedSender<Event>);

impl Sink {
    /// Asks, and waits for the script's answer.
    async fn ask(&self, method: &str, params: Json) -> Result<Json> {
        let (answer, wait) = oneshot::channel();
        let question = Question { method: method.to_owned(), params, answer };
        self.0.send(Event::Asked(question)).map_err(|_| Failure::new("nobody runs this call"))?;
        wait.await.map_err(|_| "the question was left unanswered".into())
    }

    fn notify(&self, method: &str, params: Json) {
        // A call that nobody watches any more has no use for it.
        drop(self.0.send(Event::Notified(method.to_owned(), params)));
    }
}

/// A call on its way.
#[derive(Debug)]
pub struct Pending {
    id: u64,
    events: mpsc::UnboundedReceiver<Event>,
    questions: std::collections::VecDeque<Question>,
    notified: Vec<(String, Json)>,
    task: JoinHandle<Result<Reply>>,
    carrier: Arc<Carrier>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pending {
    /// The next question, waiting up to `patience`; `None` if the call ends or stays silent.
    pub async fn question(&mut self, patience: Duration) -> Option<Question> {
        let deadline = tokio::time::Instant::now() + patience;
        while self.questions.is_empty() {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => self.keep(event),
                Ok(None) | Err(_) => return None,
            }
        }
        self.questions.pop_front()
    }

    /// The end, waiting up to `patience`. Questions left unanswered stay so.
    pub async fn reply(&mut self, patience: Duration) -> Result<Reply> {
        let reply = tokio::time::timeout(patience, &mut self.task)
            .await
            .map_err(|_| Failure::new(format!("no answer within {patience:?}")))?
            .map_err(|e| Failure::new(e.to_string()))?;
        while let Ok(event) = self.events.try_recv() {
            self.keep(event);
        }
        reply
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// The notifications so far: `(method, params)`.
    pub fn notified(&mut self) -> &[(String, Json)] {
        while let Ok(event) = self.events.try_recv() {
            self.keep(event);
        }
        &self.notified
    }

    /// The same, taken out: what was looked at once does not come again.
    pub fn take_notified(&mut self) -> Vec<(String, Json)> {
        self.notified();
        std::mem::take(&mut self.notified)
    }

    /// Takes out the first notification so far that is `wanted`.
    pub fn take_first(&mut self, wanted: impl Fn(&str, &Json) -> bool) -> Option<Json> {
        self.notified();
        let at = self.notified.iter().position(|(method, params)| wanted(method, params))?;
        Some(self.notified.remove(at).1)
    }

    /// Gives the call up, as its revision and transport do: closes the stream, or sends `notifications/cancelled`.
    pub async fn cancel(self) -> Result<()> {
        match &*self.carrier {
            Carrier::Http(agent) => agent.cancel(self.id).await,
            Carrier::Pipe(agent) => agent.line.cancel(self.id),
            Carrier::Sse(agent) => agent.line()?.cancel(self.id),
        }
    }

    fn keep(&mut self, event: Event) {
        match event {
            Event::Asked(question) => self.questions.push_back(question),
            Event::Notified(method, params) => self.notified.push((method, params)),
        }
    }
}

#[derive(Debug)]
enum Carrier {
    Http(http::Agent),
    Pipe(pipe::Agent),
    Sse(sse::Agent),
}

/// What an agent was told outside of its calls: changed lists and resources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<HeardInner>);

#[derive(Debug, Default)]
struct HeardInner {
    told: std::sync::Mutex<Vec<(String, Json)>>,
    more: tokio::sync::Notify,
}

impl Heard {
    /// Whether a notification belongs to no call.
    fn concerns(method: &str) -> bool {
        method.ends_with("/list_changed")
            || [
                "notifications/resources/updated",
                "notifications/elicitation/complete",
                "notifications/tasks/status",
            ]
            .contains(&method)
    }

    fn push(&self, method: &str, params: Json) {
        crate::fake::lock(&self.0.told).push((method.to_owned(), params));
        self.0.more.notify_waiters();
    }

    /// Takes the first notification that is `wanted`, waiting up to `patience`.
    async fn take(&self, wanted: impl Fn(&str, &Json) -> bool, patience: Duration) -> Option<Json> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let more = self.0.more.notified();
            {
                let mut told = crate::fake::lock(&self.0.told);
                if let Some(at) = told.iter().position(|(method, params)| wanted(method, params)) {
                    return Some(told.remove(at).1);
                }
            }
            tokio::time::timeout_at(deadline, more).await.ok()?;
        }
    }
}

/// A connected agent.
#[derive(Clone, Debug)]
pub struct Agent {
    carrier: Arc<Carrier>,
    /// What it declares in place of its setup's (2026-07-28).
    declares: Option<Arc<Json>>,
}

impl Agent {
    /// Connects to an endpoint; with a legacy revision it shakes hands.
    ///
    /// # Errors
    /// What was answered instead, as text: the handshake's reply is in [`Agent::knock`].
    pub async fn http(endpoint: &str, setup: Setup) -> Result<Self> {
        let agent = Self::over(Carrier::Http(http::Agent::new(endpoint, setup)));
        if let Some(reply) = agent.knock().await? {
            reply.result()?;
        }
        Ok(agent)
    }

    fn over(carrier: Carrier) -> Self {
        Self { carrier: Arc::new(carrier), declares: None }
    }

    /// An agent that has not said anything yet.
    pub fn silent(endpoint: &str, setup: Setup) -> Self {
        Self::over(Carrier::Http(http::Agent::new(endpoint, setup)))
    }

    /// Opens an event stream of 2024-11-05 at `url` and shakes hands.
    pub async fn sse(url: &str, setup: Setup) -> Result<Self> {
        let agent = Self::silent_sse(url, setup);
        if let Some(reply) = agent.knock().await? {
            reply.result()?;
        }
        Ok(agent)
    }

    /// The same, before it has opened its stream.
    pub fn silent_sse(url: &str, setup: Setup) -> Self {
        Self::over(Carrier::Sse(sse::Agent::new(url, setup)))
    }

    /// Starts a child and connects to its pipes, saying nothing yet.
    pub fn silent_stdio(command: &[String], env: &[(String, String)], setup: Setup) -> Result<Self> {
        Ok(Self::over(Carrier::Pipe(pipe::Agent::start(command, env, setup)?)))
    }

    /// Starts a child and connects to its pipes; with a legacy revision it shakes hands.
    pub async fn stdio(command: &[String], env: &[(String, String)], setup: Setup) -> Result<Self> {
        let agent = Self::silent_stdio(command, env, setup)?;
        if let Some(reply) = agent.knock().await? {
            reply.result()?;
        }
        Ok(agent)
    }

    /// The handshake of a legacy revision and its reply; nothing with 2026-07-28.
    pub async fn knock(&self) -> Result<Option<Reply>> {
        match &*self.carrier {
            Carrier::Http(agent) if !agent.setup.is_modern() => agent.initialize().await.map(Some),
            Carrier::Pipe(agent) if !agent.setup.is_modern() => {
                agent.line.initialize(&agent.setup, &agent.ids).await.map(Some)
            }
            Carrier::Sse(agent) => agent.initialize().await.map(Some),
            Carrier::Http(_) | Carrier::Pipe(_) => Ok(None),
        }
    }

    /// Starts a request. `params` are the script's: ids, tokens and what the revision wants in `_meta` are added.
    pub fn start(&self, method: &str, params: Json) -> Pending {
        let (agent, method, id) = (self.clone(), method.to_owned(), self.mint());
        let mut pending = self.pending(|sink| async move { agent.run_as(id, &method, params, &sink).await });
        pending.id = id;
        pending
    }

    /// Something that ends with a reply, and may ask and tell on its way.
    fn pending<F>(&self, run: impl FnOnce(Sink) -> F) -> Pending
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        let (tx, events) = mpsc::unbounded_channel();
        let (task, carrier) = (tokio::spawn(run(Sink(tx))), Arc::clone(&self.carrier));
        Pending {
            id: 0,
            events,
            questions: std::collections::VecDeque::new(),
            notified: Vec::new(),
            task,
            carrier,
        }
    }

    fn mint(&self) -> u64 {
        match &*self.carrier {
            Carrier::Http(agent) => agent.ids.next(),
            Carrier::Pipe(agent) => agent.ids.next(),
            Carrier::Sse(agent) => agent.ids.next(),
        }
    }

    async fn run(&self, method: &str, params: Json, sink: &Sink) -> Result<Reply> {
        self.run_as(self.mint(), method, params, sink).await
    }

    async fn run_as(&self, id: u64, method: &str, mut params: Json, sink: &Sink) -> Result<Reply> {
        if let Some(declares) = &self.declares {
            let meta = params.get("_meta").cloned().unwrap_or_default();
            let key = format!("{RESERVED}clientCapabilities");
            params.set("_meta", meta.with(&key, Json::clone(declares)));
        }
        match &*self.carrier {
            Carrier::Http(agent) => agent.run(id, method, params, sink).await,
            Carrier::Pipe(agent) => {
                agent.line.run((&agent.setup, &agent.ids), id, method, params, sink).await
            }
            Carrier::Sse(agent) => {
                agent.line()?.run((&agent.setup, &agent.ids), id, method, params, sink).await
            }
        }
    }

    /// Starts a tool call.
    pub fn call(&self, tool: &str, arguments: impl Into<Json>) -> Pending {
        self.start("tools/call", Json::object().with("name", tool).with("arguments", arguments.into()))
    }

    /// A request's reply, within ten seconds and without questions.
    pub async fn request(&self, method: &str, params: Json) -> Result<Reply> {
        self.start(method, params).reply(PATIENCE).await
    }

    /// Ends the session, where there is one.
    pub async fn leave(&self) -> Result<()> {
        match &*self.carrier {
            Carrier::Http(agent) => agent.leave().await,
            Carrier::Pipe(_) | Carrier::Sse(_) => Ok(()),
        }
    }

    /// Sends requests as one batch (2025-03-26); their replies in order.
    pub async fn batch(&self, requests: Vec<(&str, Json)>) -> Result<Vec<Reply>> {
        match &*self.carrier {
            Carrier::Http(agent) => agent.batch(requests).await,
            Carrier::Pipe(agent) => agent.line.batch(&agent.ids, requests).await,
            Carrier::Sse(agent) => agent.line()?.batch(&agent.ids, requests).await,
        }
    }

    /// Sends a request over streamable HTTP, breaks its stream off after the first message, and gets the rest with `Last-Event-ID`: all
    /// messages.
    pub async fn broken_off(&self, method: &str, params: Json) -> Result<Vec<Json>> {
        match &*self.carrier {
            Carrier::Http(agent) => agent.broken_off(method, params).await,
            Carrier::Pipe(_) | Carrier::Sse(_) => Err("only streamable HTTP has streams to resume".into()),
        }
    }

    /// Listens for what belongs to no call, where that needs a stream of its own (a session over streamable HTTP).
    pub async fn listen(&self) -> Result<()> {
        match &*self.carrier {
            Carrier::Http(agent) => agent.listen().await,
            Carrier::Pipe(_) | Carrier::Sse(_) => Ok(()),
        }
    }

    /// The params of the first notification outside of calls that is `wanted`, waiting up to `patience`.
    pub async fn hears(&self, wanted: impl Fn(&str, &Json) -> bool, patience: Duration) -> Option<Json> {
        let heard = match &*self.carrier {
            Carrier::Http(agent) => &agent.heard,
            Carrier::Pipe(agent) => &agent.heard,
            Carrier::Sse(agent) => &agent.heard,
        };
        heard.take(wanted, patience).await
    }
}

/// How long a scripted agent waits unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Mints request ids.
#[derive(Debug, Default)]
struct Ids(std::sync::atomic::AtomicU64);

impl Ids {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }
}

/// Answers every entry of an `input_required` result, one after another; the params of the retry.
async fn gather(result: &Json, params: &Json, sink: &Sink) -> Result<Json> {
    let mut responses = Json::object();
    for (key, request) in result.get("inputRequests").map(Json::members).unwrap_or_default() {
        let method = request.text("method").unwrap_or_default();
        let asked = request.get("params").cloned().unwrap_or_default();
        responses.set(key, sink.ask(method, asked).await?);
    }
    let mut params = params.clone().without("requestState").with("inputResponses", responses);
    if let Some(state) = result.get("requestState") {
        params.set("requestState", state.clone());
    }
    Ok(params)
}

/// Whether a reply asks for input first.
fn asks(reply: &Reply) -> Option<&Json> {
    match &reply.outcome {
        Outcome::Result(result) if result.text("resultType") == Some("input_required") => Some(result),
        Outcome::Result(_) | Outcome::Error(_) | Outcome::Other(_) => None,
    }
}
