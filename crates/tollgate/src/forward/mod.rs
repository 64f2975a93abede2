//! The per-call use of a server: sends what a `Permit` holds, parks calls whose server asks, resumes them.
//! *Never* forwards anything without a `Permit`, and never sends anything twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::{self, Answer, InputRequest, input_required};
use uuid::Uuid;

use crate::call::{Arrival, Code, Endpoint, LogLevel, Part, PartKind, Refused};
use crate::clock::Clock;
use crate::decide::Permit;
use crate::resolve::{Approved, Target, Waiting};
use crate::seal::{Purpose, Sealer};
use crate::servers::{Event, Exchange, Failure, Outbound, Question, Reaction, Servers};
use crate::transform::Prepared;

mod consent;
mod park;
mod poll;
mod task;
#[cfg(test)]
mod tests;

pub use consent::consent;
use task::Task;

pub use park::{Kept, Parked, Parking};
pub use poll::{Streams, Told};

/// How long a call stays parked.
pub const PARK_TTL: Duration = Duration::from_mins(5);
/// How long a task's handle stands.
const TASK_TTL: Duration = Duration::from_hours(7 * 24);

/// Forwards calls.
#[derive(Debug)]
pub struct Forwarder {
    servers: Arc<Servers>,
    sealer: Arc<Sealer>,
    clock: Clock,
    /// The parked calls.
    pub parking: Parking,
    /// The streams of tasks.
    pub streams: Streams,
}

/// A call at its server.
#[derive(Debug)]
pub struct Flight {
    exchange: Exchange,
    /// What was learnt before the first look.
    early: Option<Box<Event>>,
    call: Box<Prepared>,
    approved: Option<Approved>,
    server: Arc<str>,
    /// The task that its server runs it as.
    task: Option<Task>,
}

/// A flight that is over.
#[derive(Debug)]
pub struct Landed {
    /// The call.
    pub call: Box<Prepared>,
    /// The approval it went out under.
    pub approved: Option<Approved>,
    /// The server's alias.
    pub server: Arc<str>,
    /// The server's revision.
    pub revision: Revision,
}

/// What comes out of a [`Flight`].
#[derive(Debug)]
pub enum Step {
    /// A notification (or a pause) for the agent.
    Part(Part),
    /// The server asks something in mid-call; each question is still to be decided.
    Asked(Vec<Question>),
    /// The end: the server's answer, or its error in its own revision's codes.
    End(Result<Answer, tollgate_mcp::error::RpcError>),
    /// The end: nothing to pass on.
    Failed(Refused),
}

impl Forwarder {
    /// A forwarder over these servers.
    pub fn new(servers: Arc<Servers>, sealer: Arc<Sealer>, clock: Clock) -> Self {
        Self { servers, sealer, parking: Parking::new(), streams: Streams::default(), clock }
    }

    /// Sends what the permit holds, or resumes its parked call.
    pub async fn send(&self, permit: Permit) -> Result<Flight, Refused> {
        let (mut prepared, approved) = permit.into_parts();
        let server = Arc::clone(prepared.call.target.server());
        if let Some(Waiting::Parked { id }) = prepared.call.state.as_ref().map(|s| &s.waiting) {
            return Box::pin(self.resume(*id, prepared, approved)).await;
        }
        if let Some(declined) = consent::declined(&prepared) {
            return Err(declined);
        }
        let Some(at) = self.servers.get(&server) else {
            return Err(unavailable(&prepared, "the server is no longer configured"));
        };
        let mut outbound = outbound(&mut prepared);
        let task = if Task::concerns(&prepared, &outbound) {
            Box::pin(Task::wanted(&prepared, &at, &mut outbound)).await
        } else {
            None
        };
        match at.send(outbound).await {
            Ok(exchange) => Ok(Flight { exchange, early: None, call: prepared, approved, server, task }),
            Err(failure) => Err(refuse(&prepared, &failure)),
        }
    }

    async fn resume(
        &self,
        id: Uuid,
        prepared: Box<Prepared>,
        approved: Option<Approved>,
    ) -> Result<Flight, Refused> {
        let kept = match self.parking.take(id) {
            Some(parked) => parked.resume().await,
            None => None,
        };
        let Some(Kept { mut exchange, ended }) = kept else {
            let why = "the interaction was lost (it expired, or the gateway restarted); it may have had effects, so check before calling again";
            return Err(unavailable(&prepared, why));
        };
        if ended.is_none() {
            let answers = prepared.responses.as_ref().map(|responses| {
                exchange
                    .open_questions()
                    .iter()
                    .filter_map(|q| Some((q.key.clone(), Reaction::Result(responses.object(&q.key)?))))
                    .collect::<Vec<_>>()
            });
            exchange.answer(answers.unwrap_or_default()).await;
        }
        let server = Arc::clone(prepared.call.target.server());
        // A question that is still open is put again, with those that came meanwhile.
        let open = if ended.is_none() { exchange.open_questions() } else { Vec::new() };
        let early = ended.or_else(|| (!open.is_empty()).then_some(Event::Asked(open))).map(Box::new);
        Ok(Flight { exchange, early, call: prepared, approved, server, task: None })
    }

    /// Parks a flight whose server asked, and makes the answer that asks the agent.
    pub fn park(&self, flight: Flight, questions: &[Question]) -> Answer {
        let id = Uuid::new_v4();
        let Flight { exchange, call, approved, task, .. } = flight;
        // A parked task is awaited by what is parked.
        if let Some(mut task) = task {
            task.over();
        }
        let token = call.seal_state(&self.sealer, self.clock.now_ms(), approved, Waiting::Parked { id });
        let merged = !matches!(call.call.arrival.endpoint, Endpoint::Server(_));
        let asker = merged.then_some(call.call.target.server());
        let requests: Vec<InputRequest> = questions.iter().map(|q| request(q, asker)).collect();
        let expires_ms = self.clock.now_ms() + millis(PARK_TTL);
        let principal = Arc::clone(&call.call.arrival.caller.principal);
        self.parking.put(id, Parked::new(exchange, expires_ms, principal, call.call.interaction));
        input_required(&requests, Some(&token))
    }

    /// A modern server's `input_required`, its state wrapped in ours; or what a legacy server's -32042 asks.
    pub fn relay_question(
        &self,
        call: &Prepared,
        server: Revision,
        approved: Option<Approved>,
        answer: &Answer,
        requests: &[InputRequest],
    ) -> Answer {
        let waiting = match server.era() {
            Era::Modern => {
                let inner = answer.object.string("requestState").map(std::borrow::Cow::into_owned);
                Waiting::Server { state: inner }
            }
            Era::Legacy => Waiting::Consent,
        };
        let token = call.seal_state(&self.sealer, self.clock.now_ms(), approved, waiting);
        let mut edit = answer.object.edit();
        edit.set("requestState", Bytes::from(quote(&token)));
        if let Some(named) = named_requests(call, requests) {
            edit.set("inputRequests", named);
        }
        match edit.object() {
            Ok(object) => Answer { object, ..answer.clone() },
            Err(_) => answer.clone(),
        }
    }

    /// What a task asks, named after its server where the agent knows only us.
    pub fn named_questions(&self, call: &Prepared, answer: Answer, requests: &[InputRequest]) -> Answer {
        let Some(named) = named_requests(call, requests) else { return answer };
        let mut edit = answer.object.edit();
        edit.set("inputRequests", named);
        match edit.object() {
            Ok(object) => Answer { object, ..answer },
            Err(_) => answer,
        }
    }

    /// Seals a server's task id into the handle that agents see.
    pub fn seal_task(&self, principal: &str, target: &Target, id: &str) -> String {
        let plain = format!("{}\n{id}", target.label());
        let expires = self.clock.now_ms() + millis(TASK_TTL);
        self.sealer.seal(Purpose::Task, principal, plain.as_bytes(), expires)
    }
}

impl Flight {
    /// What happens next. After `End` or `Failed` it must not be called again. Cancel-safe.
    pub async fn next(&mut self) -> Step {
        loop {
            let asked = match &mut self.task {
                None => None,
                Some(task) => task.asked().await,
            };
            let event = match (asked, self.early.take()) {
                (Some(Ok(exchange)), early) => {
                    let made = std::mem::replace(&mut self.exchange, exchange);
                    self.exchange.awaits_for(&made);
                    self.early = early;
                    continue;
                }
                (Some(Err(failure)), _) => Event::Failed(failure),
                (None, Some(event)) => *event,
                (None, None) => self.exchange.next().await,
            };
            let event = match &mut self.task {
                None => event,
                Some(task) => match task.then(event, &mut self.exchange) {
                    Some(event) => {
                        task.handed(&event, &self.exchange);
                        event
                    }
                    None => continue,
                },
            };
            match event {
                Event::Progress(params) => {
                    if let Some(part) = progress(&self.call.call.arrival, &params) {
                        return Step::Part(part);
                    }
                }
                Event::Log(params) => {
                    if wanted(self.call.call.arrival.log_level, &params) {
                        return Step::Part(Part {
                            kind: PartKind::Message,
                            params: Rope::from(params.text().clone()),
                        });
                    }
                }
                Event::Asked(questions) => return Step::Asked(questions),
                Event::Withdrew => {}
                Event::Paused(retry) => {
                    // Nobody else resumes streams.
                    if self.call.call.arrival.client.revision == Revision::V2025_11_25 {
                        let kind = PartKind::Paused { retry_ms: millis(retry) };
                        return Step::Part(Part { kind, params: Rope::new() });
                    }
                }
                Event::Done(outcome) => return Step::End(outcome),
                Event::Failed(failure) => return Step::Failed(refuse(&self.call, &failure)),
            }
        }
    }

    /// Answers a question without the agent: refused by policy.
    pub async fn withdraw(&mut self, keys: Vec<String>) {
        self.exchange.answer(keys.into_iter().map(|k| (k, Reaction::Withdrawn)).collect()).await;
    }

    /// The server's revision.
    pub fn revision(&self) -> Revision {
        self.exchange.revision()
    }

    /// The call.
    pub fn call(&self) -> &Prepared {
        &self.call
    }

    /// The flight is over: what is left of it.
    pub fn land(self) -> Landed {
        let Self { exchange, call, approved, server, .. } = self;
        Landed { revision: exchange.revision(), call, approved, server }
    }
}

fn request(question: &Question, asker: Option<&Arc<str>>) -> InputRequest {
    let params = translate::question(&question.method, &question.params, Revision::LATEST).into_bytes();
    let params = Object::scan(params).unwrap_or_else(|_| Object::empty());
    InputRequest {
        key: question.key.clone(),
        method: question.method.clone(),
        params: named(&question.method, &params, asker),
    }
}

/// A server's `inputRequests` for an agent that knows only us; `None` = as they are.
fn named_requests(call: &Prepared, requests: &[InputRequest]) -> Option<Bytes> {
    if matches!(call.call.arrival.endpoint, Endpoint::Server(_)) || requests.is_empty() {
        return None;
    }
    let server = call.call.target.server();
    let named: Vec<InputRequest> = requests
        .iter()
        .map(|r| InputRequest { params: named(&r.method, &r.params, Some(server)), ..r.clone() })
        .collect();
    input_required(&named, None).object.get("inputRequests")
}

/// The agent only knows the gateway, yet its human must see who asks.
fn named(method: &str, params: &Object, asker: Option<&Arc<str>>) -> Object {
    let (Some(asker), "elicitation/create", Some(message)) = (asker, method, params.string("message")) else {
        return params.clone();
    };
    let mut edit = params.edit();
    edit.set("message", Bytes::from(quote(&format!("[{asker}] {message}"))));
    edit.object().unwrap_or_else(|_| params.clone())
}

fn outbound(prepared: &mut Prepared) -> Outbound {
    let arrival = &prepared.call.arrival;
    Outbound {
        method: arrival.method,
        params: std::mem::replace(&mut prepared.outbound, Object::empty()),
        client: Arc::clone(&arrival.client),
        principal: Arc::clone(&arrival.caller.principal),
        progress: arrival.progress.is_some(),
        log_level: arrival.log_level,
        marks: match &prepared.call.target {
            Target::Tool(_, item) => Arc::clone(&item.marks),
            Target::Prompt(..)
            | Target::Resource { .. }
            | Target::Completion { .. }
            | Target::Task { .. } => Arc::default(),
        },
    }
}

fn progress(arrival: &Arrival, params: &Object) -> Option<Part> {
    let token = arrival.progress.clone()?;
    let mut edit = params.edit();
    edit.set("progressToken", token);
    Some(Part { kind: PartKind::Progress, params: edit.finish() })
}

fn wanted(threshold: Option<LogLevel>, params: &Object) -> bool {
    let Some(threshold) = threshold else { return false };
    params.string("level").and_then(|l| LogLevel::parse(&l)).is_some_and(|level| level >= threshold)
}

fn unavailable(prepared: &Prepared, why: &str) -> Refused {
    Refused::new(Code::ServerUnavailable, Arc::clone(prepared.call.target.label()), why)
}

fn refuse(prepared: &Prepared, failure: &Failure) -> Refused {
    let what = Arc::clone(prepared.call.target.label());
    match failure {
        Failure::Unavailable { server, why, sent } => {
            // The reason is the operator's: it may hold addresses or a server's own words.
            tracing::warn!(%server, %why, sent, "a call failed");
            let because = if *sent {
                format!(
                    "server `{server}` went away in mid-call; it may have run, so check before calling it again"
                )
            } else {
                format!("server `{server}` is unavailable; it did not run")
            };
            let mut refused = Refused::new(Code::ServerUnavailable, what, because);
            refused.retry_after_ms = (!sent).then_some(1_000);
            refused
        }
        Failure::Timeout { server } => {
            Refused::new(Code::ServerTimeout, what, format!("server `{server}` did not answer in time"))
        }
        Failure::NoRoom { .. } => {
            let because = "it is large, and too many large ones are being read just now";
            let mut refused = Refused::new(Code::ResultTooLarge, what, because);
            refused.retry_after_ms = Some(1_000);
            refused
        }
        Failure::TooLarge { limit, .. } => {
            Refused::new(Code::ResultTooLarge, what, format!("the answer is larger than {limit} bytes"))
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
