//! Tasks of ours: where a call waits for operators and its agent declares the Tasks extension, the agent gets a task at once, and the
//! call goes on by itself, along the path of every call, when its question is answered. *Never* runs a call twice, and never answers for
//! another principal's task. A restart forgets the task and not its question: the same call finds the answer then.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tollgate_mcp::capability::TASKS;
use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_PARAMS, RpcError};
use tollgate_mcp::message;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::translate::{self, Answer, ResultType};
use uuid::Uuid;

use super::{Gate, refused_with};
use crate::approve::inbox::Standing;
use crate::approve::{Patience, moment};
use crate::call::{Arrival, Ending, Reply as _};
use crate::decide::Question;
use crate::record::{Close, Entry, Outcome, Reply};
use crate::resolve::Waiting;
use crate::seal::Purpose;

mod task;

pub use task::HeldTasks;
use task::{Begun, Held, Stage};

/// How a call is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// For an agent that waits.
    Request,
    /// For a task: people may take as long as their question stands.
    Task,
}

/// How long a task is kept beyond the time of its question: for its call, and for its agent to fetch what came of it.
const KEPT_MS: u64 = 3_600_000;
/// How often its agent should look.
const POLL_MS: u64 = 2_000;
/// How often the time is looked at while an agent is asked: the clock is handed in.
const LOOK: Duration = Duration::from_secs(1);
/// A server that asks for nothing but to be called again: the pause before that, at first and at most, and for how long in a row.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const AGAIN_FOR: Duration = Duration::from_mins(5);
/// How many rounds of questions a call may have.
const ROUNDS_MAX: u32 = 16;

impl Gate {
    /// The call as it was sent, where its agent can be given a task.
    pub(super) fn may_be_task(arrival: &Arrival, walk: Walk) -> Option<Bytes> {
        let able =
            walk == Walk::Request && arrival.method == Method::ToolsCall && arrival.client.capabilities.tasks;
        able.then(|| arrival.params.text().clone())
    }

    /// How long a call waits for people.
    pub(super) fn patience(&self, walk: Walk, may_be_task: bool, question: &Question) -> Patience {
        let principal = &question.prepared().call.arrival.caller.principal;
        match walk {
            Walk::Task => Patience::Endless,
            Walk::Request if may_be_task && self.held.has_room(principal) => Patience::Task,
            Walk::Request => Patience::Held,
        }
    }

    /// Makes a task of a call whose question `id` waits for operators.
    pub(super) async fn hand_task(
        self: &Arc<Self>,
        entry: Entry,
        question: Question,
        id: String,
        sent: Bytes,
    ) -> Reply {
        let prepared = question.prepared();
        let (mut arrival, now_ms) = (prepared.call.arrival.clone(), self.clock.now_ms());
        let waiting = Waiting::Inbox { id: id.clone() };
        let token = prepared.seal_state(&self.sealer, now_ms, question.prior().cloned(), waiting);
        let Some(params) = going_on(sent, Some(&token), &[]) else {
            let error = RpcError::new(INTERNAL_ERROR, "the request could not be prepared");
            return entry.close(refused_with(&error), Ending::Error(error)).await;
        };
        arrival.params = params;
        let expire = u64::try_from(self.config.load().ask_expire.as_millis()).unwrap_or(u64::MAX);
        let held = Held::new(Begun {
            principal: &arrival.caller.principal,
            label: prepared.call.target.label(),
            message: format!("waits for an approval by {} (rule `{}`)", question.audience(), question.rule()),
            question: id,
            now_ms,
            ttl_ms: expire.saturating_add(KEPT_MS),
        });
        self.held.begin(&held, run(Arc::clone(self), Arc::clone(&held), arrival));
        let answer = Answer { object: self.told(&held), kind: ResultType::Task, cache: None };
        self.keep_task(&held.principal, &answer.object).await;
        entry.close(Close::of(Outcome::Asked), Ending::Answer(answer)).await
    }

    /// Answers `tasks/get`, `tasks/update` and `tasks/cancel` for a task of ours; gives the request back if it is none.
    pub(super) async fn of_held(self: &Arc<Self>, arrival: Arrival) -> Result<Reply, Arrival> {
        let Some(handle) = self.is_held(&arrival) else { return Err(arrival) };
        let Some(held) = handle.and_then(|id| self.held.get(id)) else {
            return Ok(self.unknown(&arrival).await);
        };
        if let Stage::Server(inner) = held.stage() {
            return Ok(self.of_server(arrival, &held, &inner).await);
        }
        if self.denies(&arrival, &held).await {
            return Ok(self.unknown(&arrival).await);
        }
        let object = if arrival.method == Method::TasksGet { self.told(&held) } else { Object::empty() };
        if arrival.method == Method::TasksCancel {
            self.give_up_task(&held).await;
        } else if let Some(responses) = arrival.params.object("inputResponses") {
            held.answered(&responses);
        }
        let answer = Answer { object, kind: ResultType::Complete, cache: None };
        Ok(self.polled(&arrival, Ending::Answer(answer)).await)
    }

    /// Polls leave no entry: the call has its own.
    async fn polled(&self, arrival: &Arrival, ending: Ending) -> Reply {
        match crate::record::unrecorded(Method::TasksGet, ending) {
            Ok(reply) => reply,
            Err(error) => self.begin(arrival).close(Close::of(Outcome::Ok), *error.ending).await,
        }
    }

    /// `None` = no task of ours; `Some(None)` = one of ours that makes no sense.
    #[expect(clippy::option_option, reason = "whose it is, and then which")]
    fn is_held(&self, arrival: &Arrival) -> Option<Option<Uuid>> {
        if !arrival.client.capabilities.tasks {
            return None;
        }
        let handle = arrival.params.string("taskId")?;
        let principal = &arrival.caller.principal;
        let plain = self.sealer.open(Purpose::Task, principal, &handle, self.clock.now_ms()).ok()?;
        let id = std::str::from_utf8(&plain).ok()?.strip_prefix(OURS)?;
        Some(Uuid::parse_str(id).ok())
    }

    fn handle_of(&self, held: &Held) -> String {
        let plain = format!("{OURS}{}", held.id);
        // The same one whenever it is told of.
        self.sealer.seal_same(Purpose::Task, &held.principal, plain.as_bytes(), held.expires_ms)
    }

    async fn unknown(&self, arrival: &Arrival) -> Reply {
        let error = RpcError::new(INVALID_PARAMS, "unknown task");
        self.begin(arrival).close(refused_with(&error), Ending::Error(error)).await
    }

    /// Its tool may have been denied to its caller since.
    async fn denies(self: &Arc<Self>, arrival: &Arrival, held: &Held) -> bool {
        let caller = &arrival.caller;
        let snapshot = self.catalog.snapshot(&arrival.client, &caller.principal, None).await;
        snapshot
            .labelled_tool(&held.label)
            .is_some_and(|(_, item)| self.decider.would(caller, item).0 == "deny")
    }

    async fn give_up_task(&self, held: &Held) {
        if !held.becomes(Stage::Cancelled, self.clock.now_ms()) {
            return;
        }
        held.canceller.fire();
        if self.held.shares(held) {
            return;
        }
        match self.approver.inbox.withdraw(&held.question).await {
            Ok(true) => {
                let about = [("question", held.question.as_str()), ("tool", &*held.label)];
                if let Err(error) = self.ledger.note("question_withdrawn", &about) {
                    tracing::error!(?error, "a withdrawn question is not in the ledger");
                }
            }
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "a question could not be withdrawn"),
        }
    }

    /// Its server has made a task of it: that one is asked, under our handle.
    async fn of_server(self: &Arc<Self>, mut arrival: Arrival, held: &Held, inner: &str) -> Reply {
        let mut edit = arrival.params.edit();
        edit.set("taskId", Bytes::from(quote(inner)));
        if let Ok(params) = edit.object() {
            arrival.params = params;
        }
        let (out, parts) = mpsc::channel(1);
        drop(parts);
        let cancel = crate::call::Cancel::never();
        let method = arrival.method;
        let reply = Box::pin(self.call(arrival.clone(), cancel, out, Walk::Task)).await;
        if method != Method::TasksGet {
            return reply;
        }
        let ending = match reply.into_ending() {
            Ending::Answer(answer) => {
                let mut edit = answer.object.edit();
                edit.set("taskId", Bytes::from(quote(&self.handle_of(held))));
                let object = edit.object();
                Ending::Answer(Answer { object: object.unwrap_or_else(|_| Object::empty()), ..answer })
            }
            error @ Ending::Error(_) => error,
        };
        self.polled(&arrival, ending).await
    }

    /// The task as its agent is told of it.
    fn told(&self, held: &Held) -> Object {
        let stage = held.stage();
        let (status, message, rest) = match &stage {
            Stage::Works => {
                let slip = self.approver.inbox.slip(&held.question);
                let over = slip.is_some_and(|slip| slip.standing(self.clock.now_ms()) == Standing::Approved);
                let message = if over { "it runs" } else { held.message.as_str() };
                ("working", Some(message), None)
            }
            Stage::Asks(asked, _) => {
                let named = asked.iter().map(|(key, request)| tollgate_mcp::translate::InputRequest {
                    key: key.clone(),
                    ..request.clone()
                });
                let requests = translate::input_required(&named.collect::<Vec<_>>(), None);
                let requests = requests.object.get("inputRequests").map(|r| ("inputRequests", r));
                ("input_required", None, requests)
            }
            // It is asked itself.
            Stage::Server(_) => ("working", Some("its server runs it as a task"), None),
            Stage::Done(result) => ("completed", None, Some(("result", result.text().clone()))),
            Stage::Failed(error) => (
                "failed",
                Some(error.message.as_str()),
                Some(("error", message::write_error_object(error).into_bytes())),
            ),
            Stage::Cancelled => ("cancelled", None, None),
        };
        let empty = Object::empty();
        let mut edit = empty.edit();
        edit.set("taskId", Bytes::from(quote(&self.handle_of(held))));
        edit.set("status", Bytes::from(quote(status)));
        if let Some(message) = message {
            edit.set("statusMessage", Bytes::from(quote(message)));
        }
        edit.set("createdAt", Bytes::from(quote(&moment(held.created_ms))));
        edit.set("lastUpdatedAt", Bytes::from(quote(&moment(held.changed_ms()))));
        edit.set("ttlMs", Bytes::from((held.expires_ms - held.created_ms).to_string()));
        edit.set("pollIntervalMs", Bytes::from(POLL_MS.to_string()));
        if let Some((key, value)) = rest {
            edit.set(key, value);
        }
        edit.object().unwrap_or_else(|_| Object::empty())
    }
}

/// What begins the plain text of our handles; a server's task begins with `server/tool`.
const OURS: &str = "\ntollgate\n";

/// What we say of ourselves, with the Tasks extension.
pub(super) fn declared(discovered: Object) -> Object {
    let capabilities = discovered.object("capabilities").unwrap_or_else(Object::empty);
    let extensions = capabilities.object("extensions").unwrap_or_else(Object::empty);
    if extensions.find(TASKS).is_some() {
        return discovered;
    }
    let (mut inner, mut outer, mut edit) = (extensions.edit(), capabilities.edit(), discovered.edit());
    inner.set(TASKS, Bytes::from_static(b"{}"));
    outer.set("extensions", inner.finish());
    edit.set("capabilities", outer.finish());
    edit.object().unwrap_or_else(|_| discovered.clone())
}

/// The rest of a call: boxed, since a call can begin one.
fn run(gate: Arc<Gate>, held: Arc<Held>, arrival: Arrival) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let ends = Ends { gate, held };
        let end = walk(&ends.gate, &ends.held, arrival).await;
        ends.held.becomes(end, ends.gate.clock.now_ms());
        ends.gate.held.make_room();
    })
}

/// A task never waits for work that is gone.
struct Ends {
    gate: Arc<Gate>,
    held: Arc<Held>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        let error = RpcError::new(INTERNAL_ERROR, "the call ended without an answer");
        self.held.becomes(Stage::Failed(error), self.gate.clock.now_ms());
    }
}

async fn walk(gate: &Arc<Gate>, held: &Held, mut arrival: Arrival) -> Stage {
    let sent = arrival.params.text().clone();
    let (mut rounds, mut pause, mut waited) = (0, AGAIN.0, Duration::ZERO);
    loop {
        // Nobody reads a task's progress.
        let (out, parts) = mpsc::channel(1);
        drop(parts);
        let reply = Box::pin(gate.call(arrival.clone(), held.canceller.cancel(), out, Walk::Task)).await;
        let answer = match reply.into_ending() {
            Ending::Answer(answer) => answer,
            Ending::Error(error) => return Stage::Failed(error),
        };
        match answer.kind {
            ResultType::Complete => return Stage::Done(answer.object),
            ResultType::Task => {
                let handle = answer.object.string("taskId").map(std::borrow::Cow::into_owned);
                return Stage::Server(handle.unwrap_or_default());
            }
            ResultType::InputRequired => {}
        }
        let requests = translate::input_requests(&answer.object).unwrap_or_default();
        let state = answer.object.string("requestState");
        let stop = |why: &str| Stage::Failed(RpcError::new(INTERNAL_ERROR, why));
        let given = if requests.is_empty() {
            if waited >= AGAIN_FOR || *gate.draining.borrow() {
                return stop("the server kept asking to be called again");
            }
            let cancel = held.canceller.cancel();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancel.fired() => return Stage::Cancelled,
            }
            waited += pause;
            pause = (pause * 2).min(AGAIN.1);
            Vec::new()
        } else {
            rounds += 1;
            if rounds > ROUNDS_MAX {
                return stop("the server asked too many rounds of questions");
            }
            (pause, waited) = (AGAIN.0, Duration::ZERO);
            held.asks(requests, gate.clock.now_ms());
            match answers(gate, held).await {
                Some(given) => given,
                None => return Stage::Cancelled,
            }
        };
        match going_on(sent.clone(), state.as_deref(), &given) {
            Some(params) => arrival.params = params,
            None => return Stage::Failed(RpcError::new(INTERNAL_ERROR, "the request could not be prepared")),
        }
    }
}

/// What the agent answers; `None` = nothing, in time.
async fn answers(gate: &Gate, held: &Held) -> Option<Vec<(String, Object)>> {
    let cancel = held.canceller.cancel();
    loop {
        if let Some(given) = held.take_answers(gate.clock.now_ms()) {
            return Some(given);
        }
        tokio::select! {
            biased;
            () = cancel.fired() => return None,
            () = held.told.notified() => {}
            () = tokio::time::sleep(LOOK) => {
                if gate.clock.now_ms() >= held.expires_ms || *gate.draining.borrow() {
                    return None;
                }
            }
        }
    }
}

/// The call as it was sent, with what an earlier round hands on.
fn going_on(sent: Bytes, state: Option<&str>, given: &[(String, Object)]) -> Option<Object> {
    let sent = Object::scan(sent).ok()?;
    let mut edit = sent.edit();
    match state {
        Some(state) => edit.set("requestState", Bytes::from(quote(state))),
        None => edit.remove("requestState"),
    };
    if given.is_empty() {
        edit.remove("inputResponses");
    } else {
        let empty = Object::empty();
        let mut responses = empty.edit();
        for (key, response) in given {
            responses.set(key.clone(), response.text().clone());
        }
        edit.set("inputResponses", responses.finish());
    }
    edit.object().ok()
}
