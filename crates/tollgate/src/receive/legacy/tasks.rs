//! Tasks as 2025-11-25 has them (basic/utilities/tasks), made of the Tasks extension's: `tasks/result` waits and asks, a cancelled task
//! stays cancelled, and a call that its server answers at once is a task that is over. *Never* asks the agent the same question twice.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_PARAMS, RpcError};
use tollgate_mcp::message;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::{self, Answer, ResultType};

use super::ask::{self, Collected};
use super::call::{Call, relay};
use super::{Core, Outlet, follow};
use crate::call::{Arrival, Caller, Client, Ending, Handle};
use crate::receive::edge;

/// How long a finished task is kept, unless its agent says otherwise; and the longest it can say.
const KEPT: Duration = Duration::from_mins(5);
const KEPT_MAX: Duration = Duration::from_mins(10);

/// The most finished tasks of one session, and the bytes of all sessions' results.
const FINISHED_MAX: usize = 32;
const FINISHED_BYTES: usize = 64 * 1024 * 1024;

/// The bytes of all sessions' finished results.
static FINISHED: AtomicUsize = AtomicUsize::new(0);

/// How many cancelled tasks, and how many questions, a session remembers.
const REMEMBERED: usize = 1_000;

/// How often a task that runs is looked at while its result is awaited: at first, and at most at last.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What a session that was offered tasks knows of them.
#[derive(Debug)]
pub(super) struct Tasks {
    /// The session's client on requests that are about tasks.
    pub(super) client: Arc<Client>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    finished: VecDeque<Finished>,
    cancelled: VecDeque<String>,
    /// Tasks and the keys of their questions.
    asked: HashSet<(String, String)>,
}

/// A call that was answered at once.
#[derive(Debug)]
struct Finished {
    id: Arc<str>,
    task: Object,
    result: Rope,
    until: Instant,
    _room: Room,
}

/// Room for a finished result, until it is dropped.
#[derive(Debug)]
struct Room(usize);

impl Room {
    fn take(bytes: usize) -> Option<Self> {
        let fits = |all: usize| all.checked_add(bytes).filter(|all| *all <= FINISHED_BYTES);
        FINISHED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok().map(|_| Self(bytes))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        FINISHED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl Tasks {
    pub(super) fn new(client: &Client) -> Self {
        let client = Client { capabilities: client.capabilities.with_tasks(), ..client.clone() };
        Self { client: Arc::new(client), known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the result of a call that was answered at once: the task that it is. `wish` is the agent's `task`.
    fn finish(&self, result: Rope, wish: &Object, now_ms: u64) -> Option<Object> {
        let id = edge::identity()?;
        let wanted = wish.slice("ttl").and_then(|ttl| std::str::from_utf8(ttl).ok()?.parse().ok());
        let ttl = wanted.map_or(KEPT, Duration::from_millis).min(KEPT_MAX);
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now_ms) * 1_000_000).ok()?;
        let at = quote(&at.format(&Rfc3339).ok()?);
        let whole = Object::scan(result.clone().into_bytes()).ok()?;
        let status = if translate::is_tool_error(&whole) { "failed" } else { "completed" };
        let text = format!(
            r#"{{"taskId":{},"status":"{status}","createdAt":{at},"lastUpdatedAt":{at},"ttl":{}}}"#,
            quote(&id),
            ttl.as_millis()
        );
        let task = Object::scan(Bytes::from(text)).ok()?;
        let now = Instant::now();
        let mut known = self.lock();
        known.finished.retain(|finished| finished.until > now);
        if known.finished.len() >= FINISHED_MAX {
            known.finished.pop_front();
        }
        // The oldest of the same session give way; other sessions' do not.
        let room = loop {
            match Room::take(result.len()) {
                Some(room) => break room,
                None => known.finished.pop_front().map(drop)?,
            }
        };
        known.finished.push_back(Finished { id, task: task.clone(), result, until: now + ttl, _room: room });
        Some(task)
    }

    /// The tasks that were over when they were made.
    pub(super) fn all_finished(&self) -> Vec<Rope> {
        let now = Instant::now();
        let known = self.lock();
        let kept = known.finished.iter().filter(|finished| finished.until > now);
        kept.map(|finished| finished.task.text().clone().into()).collect()
    }

    /// A task as the session's agent is told of it.
    pub(super) fn shown(&self, id: &str, task: &Object) -> Rope {
        let task = translate::task_to_legacy(task);
        if !self.is_cancelled(id) {
            return task.text().clone().into();
        }
        let mut edit = task.edit();
        edit.set("status", quote("cancelled"));
        edit.finish()
    }

    /// A task that was over when it was made, and its result.
    fn finished(&self, id: &str) -> Option<(Object, Rope)> {
        let now = Instant::now();
        let known = self.lock();
        let found = known.finished.iter().find(|finished| *finished.id == *id && finished.until > now)?;
        Some((found.task.clone(), found.result.clone()))
    }

    pub(super) fn is_cancelled(&self, id: &str) -> bool {
        self.lock().cancelled.iter().any(|cancelled| cancelled == id)
    }

    fn cancelled(&self, id: &str) {
        let mut known = self.lock();
        if known.cancelled.len() >= REMEMBERED {
            known.cancelled.pop_front();
        }
        known.cancelled.push_back(id.to_owned());
    }

    /// Whether this question is to be put: nobody else has.
    fn begin(&self, id: &str, key: &str) -> bool {
        let mut known = self.lock();
        if known.asked.len() >= REMEMBERED {
            known.asked.clear();
        }
        known.asked.insert((id.to_owned(), key.to_owned()))
    }

    /// It was not answered: it may be put again.
    fn unasked(&self, id: &str, key: &str) {
        self.lock().asked.remove(&(id.to_owned(), key.to_owned()));
    }
}

impl Core {
    /// Says that tasks were offered.
    pub(super) fn offer_tasks(&self) {
        self.tasks.get_or_init(|| Box::new(Tasks::new(&self.client)));
    }

    /// What a call that asked for a task ends with: the task that its server made, or one that is over. `token`: its progress token.
    pub(super) fn created(
        &self,
        answer: &Answer,
        wish: &Object,
        token: Option<Bytes>,
        now_ms: u64,
    ) -> Result<Rope, RpcError> {
        let made = match answer.kind {
            ResultType::Task => {
                let task = translate::task_to_legacy(&answer.object);
                if let Some(id) = task.string("taskId") {
                    follow::begin(self, &id, token);
                }
                Some(task)
            }
            ResultType::Complete | ResultType::InputRequired => {
                let result = translate::to_legacy(answer, Method::ToolsCall, self.client.revision);
                self.tasks.get().and_then(|tasks| tasks.finish(result, wish, now_ms))
            }
        };
        let made =
            made.ok_or_else(|| RpcError::new(INTERNAL_ERROR, "no room to keep the result of a task"))?;
        let mut task = made.edit();
        task.remove("_meta");
        let mut out = Rope::from("{\"task\":");
        out.append(task.finish());
        if let Some(meta) = made.get("_meta") {
            out.push(Bytes::from_static(b",\"_meta\":"));
            out.push(meta);
        }
        out.push(Bytes::from_static(b"}"));
        Ok(out)
    }
}

/// One request about a task.
pub(super) struct About<H, O> {
    call: Call<H, O>,
    tasks: Arc<Client>,
    id: String,
}

impl<H: Handle, O: Outlet> About<H, O> {
    pub(super) fn new(call: Call<H, O>, tasks: &Tasks) -> Result<Self, RpcError> {
        let id = call.request.params.string("taskId");
        let id = id.ok_or_else(|| RpcError::new(INVALID_PARAMS, "`taskId` must be a string"))?.into_owned();
        Ok(Self { tasks: Arc::clone(&tasks.client), id, call })
    }

    fn known(&self) -> Option<&Tasks> {
        self.call.core.tasks.get().map(|tasks| &**tasks)
    }

    /// `tasks/get`. `Ok(None)` = cancelled, here and below.
    pub(super) async fn get(self) -> Result<Option<Rope>, RpcError> {
        self.call.handle.count("tasks/get");
        if let Some((task, _)) = self.known().and_then(|tasks| tasks.finished(&self.id)) {
            return Ok(Some(task.text().clone().into()));
        }
        let Some(answer) = self.look().await? else { return Ok(None) };
        if is_over(&answer) {
            follow::end(&self.call.core, &self.id);
        }
        Ok(Some(self.shown(&answer)))
    }

    /// `tasks/cancel`: the task is cancelled from here on, whatever becomes of it at its server.
    pub(super) async fn cancel(self) -> Result<Option<Rope>, RpcError> {
        let over = || RpcError::new(INVALID_PARAMS, "the task is over already");
        let known = self.known();
        if known.is_some_and(|tasks| tasks.finished(&self.id).is_some() || tasks.is_cancelled(&self.id)) {
            return Err(over());
        }
        let Some(answer) = self.look().await? else { return Ok(None) };
        if is_over(&answer) {
            return Err(over());
        }
        if self.walk(Method::TasksCancel, self.params(None)).await?.is_none() {
            return Ok(None);
        }
        if let Some(tasks) = known {
            tasks.cancelled(&self.id);
        }
        follow::end(&self.call.core, &self.id);
        Ok(Some(self.shown(&answer)))
    }

    /// `tasks/result`: waits for the end, and asks what the task asks.
    pub(super) async fn result(self) -> Result<Option<Rope>, RpcError> {
        self.call.handle.count("tasks/result");
        if let Some((_, result)) = self.known().and_then(|tasks| tasks.finished(&self.id)) {
            return Ok(Some(translate::related_to_task(result, &self.id)));
        }
        let until = Instant::now() + self.call.core.patience.wall;
        let mut memory = ask::Memory::of_task(&self.id);
        let mut pause = LOOK.0;
        loop {
            let Some(answer) = self.look().await? else { return Ok(None) };
            if self.known().is_some_and(|tasks| tasks.is_cancelled(&self.id)) {
                return Err(RpcError::new(INTERNAL_ERROR, "the task was cancelled"));
            }
            if is_over(&answer) {
                follow::end(&self.call.core, &self.id);
                return self.end(&answer).map(Some);
            }
            match self.answer_questions(&answer, &mut memory).await? {
                Asked::Cancelled => return Ok(None),
                Asked::Something => pause = LOOK.0,
                Asked::Nothing => {}
            }
            if Instant::now() >= until {
                return Err(RpcError::new(INTERNAL_ERROR, "the task still runs: ask for its result again"));
            }
            let cancel = self.call.flight.canceller.cancel();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancel.fired() => return Ok(None),
            }
            pause = (pause * 3 / 2).min(interval(&answer)).min(LOOK.1);
        }
    }

    /// What the task's call ended with.
    fn end(&self, answer: &Answer) -> Result<Rope, RpcError> {
        let task = &answer.object;
        match (task.object("result"), task.object("error")) {
            (Some(object), _) => {
                let result = Answer { object, kind: ResultType::Complete, cache: None };
                let result = translate::to_legacy(&result, Method::ToolsCall, self.call.core.client.revision);
                Ok(translate::related_to_task(result, &self.id))
            }
            (None, Some(error)) => Err(message::read_error_object(&error)
                .unwrap_or_else(|| RpcError::new(INTERNAL_ERROR, "its server does not say why it failed"))),
            (None, None) => Err(RpcError::new(INTERNAL_ERROR, "the task was cancelled")),
        }
    }

    /// Asks what is asked and was not asked before, and takes the answers to the task.
    async fn answer_questions(&self, answer: &Answer, memory: &mut ask::Memory) -> Result<Asked, RpcError> {
        let Some(tasks) = self.known().filter(|_| answer.object.find("inputRequests").is_some()) else {
            return Ok(Asked::Nothing);
        };
        let mut open = translate::input_requests(&answer.object).unwrap_or_default();
        open.retain(|request| tasks.begin(&self.id, &request.key));
        if open.is_empty() {
            return Ok(Asked::Nothing);
        }
        let required = translate::input_required(&open, None).object;
        let cancel = self.call.flight.canceller.cancel();
        let collected = ask::collect(&self.call.core, &self.call.out, &required, memory, &cancel).await;
        let failed = match collected {
            Collected::Answers { responses, .. } => {
                let updated = self.walk(Method::TasksUpdate, self.params(responses)).await;
                match updated {
                    Ok(Some(_)) => return Ok(Asked::Something),
                    Ok(None) => Ok(Asked::Cancelled),
                    Err(error) => Err(error),
                }
            }
            Collected::Cancelled => Ok(Asked::Cancelled),
            Collected::Stop(text) => Err(RpcError::new(INTERNAL_ERROR, text)),
        };
        for request in &open {
            tasks.unasked(&self.id, &request.key);
        }
        failed
    }

    fn shown(&self, answer: &Answer) -> Rope {
        match self.known() {
            Some(tasks) => tasks.shown(&self.id, &answer.object),
            None => translate::task_to_legacy(&answer.object).text().clone().into(),
        }
    }

    async fn look(&self) -> Result<Option<Answer>, RpcError> {
        self.walk(Method::TasksGet, self.params(None)).await
    }

    fn params(&self, responses: Option<Rope>) -> Object {
        let mut text = Rope::from(format!(r#"{{"taskId":{}"#, quote(&self.id)));
        if let Some(responses) = responses {
            text.push(Bytes::from_static(b",\"inputResponses\":"));
            text.append(responses);
        }
        text.push(Bytes::from_static(b"}"));
        Object::scan(text.into_bytes()).unwrap_or_else(|_| Object::empty())
    }

    async fn walk(&self, method: Method, params: Object) -> Result<Option<Answer>, RpcError> {
        let call = &self.call;
        let arrival = arrival(&call.core, &call.caller, &self.tasks, method, params, call.bytes_in);
        let cancel = call.flight.canceller.cancel();
        let outgoing = call.handle.handle(arrival, cancel.clone());
        match relay(outgoing, &call.out, &cancel).await {
            Some(Ending::Answer(answer)) => Ok(Some(answer)),
            Some(Ending::Error(error)) => Err(error),
            None => Ok(None),
        }
    }
}

/// A request of a session that is about tasks.
pub(super) fn arrival(
    core: &Core,
    caller: &Arc<Caller>,
    client: &Arc<Client>,
    method: Method,
    params: Object,
    bytes_in: u64,
) -> Arrival {
    Arrival {
        caller: Arc::clone(caller),
        client: Arc::clone(client),
        endpoint: core.endpoint.clone(),
        method,
        params,
        progress: None,
        log_level: None,
        session: Some(Arc::clone(&core.identity)),
        param_headers: None,
        bytes_in,
    }
}

enum Asked {
    Nothing,
    Something,
    Cancelled,
}

fn is_over(answer: &Answer) -> bool {
    matches!(answer.object.string("status").as_deref(), Some("completed" | "failed" | "cancelled"))
}

/// How often its server wants a task to be looked at.
fn interval(answer: &Answer) -> Duration {
    let wanted = answer.object.slice("pollIntervalMs");
    let wanted = wanted.and_then(|ms| std::str::from_utf8(ms).ok()?.parse().ok());
    wanted.map_or(Duration::from_secs(1), Duration::from_millis).max(LOOK.0)
}
