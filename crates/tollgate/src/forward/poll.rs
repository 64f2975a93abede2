//! Tasks of 2025-11-25 servers whose agent has a handle of the Tasks extension: looked at, fed, cancelled. What a task asks comes on the
//! stream of its `tasks/result`, which is held open here between two looks. *Never* shows a task to another principal, and never gives
//! two questions of a task the same key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tollgate_mcp::error::{INVALID_PARAMS, METHOD_NOT_FOUND, RpcError};
use tollgate_mcp::message;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::translate::{self, Answer, ResultType, input_required, task_to_modern};

use super::task::about;
use super::{Forwarder, Kept, Landed, PARK_TTL, Parked, millis, refuse, request, unavailable};
use crate::call::Refused;
use crate::decide::Permit;
use crate::resolve::Target;
use crate::servers::{Event, Exchange, Failure, Outbound, Question, Reaction, Server};
use crate::transform::Prepared;

/// How long a task that waits for input may take to say for what.
const ASKS: Duration = Duration::from_secs(2);

/// How long a stream on which nothing is asked is held for what the task may ask next.
const QUIET: Duration = Duration::from_secs(20);

/// The most tasks of one principal whose streams are held.
const PER_PRINCIPAL: usize = 64;

/// What a look at a task came to.
#[derive(Debug)]
pub enum Told {
    /// What its agent gets.
    Answer(Answer),
    /// It waits for input: the task as its agent gets it, and each question, which is still to be decided.
    Asks(Object, Vec<Question>),
    /// The server's error, in its revision's codes.
    Error(RpcError),
}

/// Principal, server, and the server's id of the task.
type Key = (Arc<str>, Arc<str>, Arc<str>);

type Slot = Arc<tokio::sync::Mutex<Option<Held>>>;

/// The stream of one task's `tasks/result`.
#[derive(Debug)]
struct Held {
    parked: Parked,
    stream: u64,
}

/// The streams that are held, by task.
#[derive(Debug, Default)]
pub struct Streams(Mutex<HashMap<Key, Slot>>);

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task's place. One without a stream is gone within a second.
    fn slot(&self, key: Key) -> Slot {
        Arc::clone(self.lock().entry(key).or_default())
    }

    /// Whether this principal may have another stream held.
    fn has_room(&self, principal: &str) -> bool {
        let all = self.lock();
        let own = all.iter().filter(|(key, _)| *key.0 == *principal);
        own.filter(|(_, slot)| slot.try_lock().is_ok_and(|held| held.is_some())).count() < PER_PRINCIPAL
    }

    /// Lets go of what has been held for long enough, and of what is over.
    pub fn expire(&self, now_ms: u64) {
        self.lock().retain(|_, slot| {
            // One that is in use, or about to be, is no older than that.
            Arc::strong_count(slot) > 1
                || slot
                    .try_lock()
                    .map_or(true, |held| held.as_ref().is_some_and(|held| held.parked.expires_ms > now_ms))
        });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// A stream in use.
struct Stream {
    exchange: Exchange,
    /// When it was opened, in milliseconds since the Unix epoch: no two streams of a task are opened at once, so that keys that begin
    /// with it never come twice.
    opened: u64,
}

impl Stream {
    fn key(&self, question: &Question) -> String {
        format!("t{}-{}", self.opened, question.key)
    }

    /// The open questions, under the keys that the agent knows them by.
    fn questions(&self) -> Vec<Question> {
        let mut open = self.exchange.open_questions();
        for question in &mut open {
            question.key = self.key(question);
        }
        open
    }

    async fn answer(&mut self, react: impl Fn(&str) -> Option<Reaction>) {
        let open = self.exchange.open_questions();
        let answers = open.into_iter().filter_map(|q| Some((q.key.clone(), react(&self.key(&q))?)));
        let answers = answers.collect();
        self.exchange.answer(answers).await;
    }
}

/// How a task's call ended.
type End = Result<Answer, RpcError>;

impl Forwarder {
    /// The server of a task, if its tasks are those of 2025-11-25: then they are not forwarded as they are. Waits for a starting one.
    pub async fn translated(&self, target: &Target) -> Option<(Arc<Server>, Revision)> {
        let Target::Task { server, .. } = target else { return None };
        let server = self.servers.get(server)?;
        let introduction = server.introduction().await.ok()?;
        (introduction.revision.era() == Era::Legacy).then(|| (server, introduction.revision))
    }

    /// What the agent wants of a task at such a server.
    pub async fn task(
        &self,
        at: &Arc<Server>,
        revision: Revision,
        permit: Permit,
    ) -> Result<(Landed, Told), Refused> {
        let (call, approved) = permit.into_parts();
        let method = call.call.arrival.method;
        let told = if method == Method::TasksUpdate {
            self.feed(&call).await
        } else if method == Method::TasksCancel {
            self.cancel(at, &call).await?
        } else {
            self.look(at, &call).await?
        };
        let server = Arc::clone(call.call.target.server());
        Ok((Landed { call, approved, server, revision }, told))
    }

    /// Takes back what may not be asked.
    pub async fn withdraw(&self, call: &Prepared, keys: &[String]) {
        let slot = self.streams.slot(key(call));
        let mut held = slot.lock().await;
        if let (Some(mut stream), _) = up(held.take()).await {
            stream.answer(|key| keys.iter().any(|k| k == key).then_some(Reaction::Withdrawn)).await;
            *held = Some(self.down(stream, call));
        }
    }

    async fn look(&self, at: &Arc<Server>, call: &Prepared) -> Result<Told, Refused> {
        let failed = |failure: Failure| refuse(call, &failure);
        let slot = self.streams.slot(key(call));
        let mut held = slot.lock().await;
        let (mut stream, mut end) = up(held.take()).await;
        let task = match once(at, outbound(call, Method::TasksGet)).await.map_err(failed)? {
            Ok(answer) => task_to_modern(&answer.object),
            Err(error) => return Ok(Told::Error(error)),
        };
        let status = task.string("status").unwrap_or_default().into_owned();
        match status.as_str() {
            "completed" | "failed" if end.is_none() => {
                stream = None;
                end = Some(once(at, outbound(call, Method::TasksResult)).await.map_err(failed)?);
            }
            "input_required" if end.is_none() => {
                let open = match stream.take() {
                    Some(open) => open,
                    None if !self.streams.has_room(&call.call.arrival.caller.principal) => {
                        return Err(unavailable(
                            call,
                            "too many tasks of this caller wait for input at once",
                        ));
                    }
                    None => Stream {
                        exchange: at.send(outbound(call, Method::TasksResult)).await.map_err(failed)?,
                        opened: self.clock.now_ms(),
                    },
                };
                (stream, end) = asked(open).await;
            }
            "cancelled" => (stream, end) = (None, None),
            _ => {}
        }
        if let Some(end) = end {
            return Ok(Told::Answer(ended(&task, end, call)));
        }
        let Some(stream) = stream else { return Ok(Told::Answer(plain(&task, &status))) };
        let questions = stream.questions();
        *held = Some(self.down(stream, call));
        Ok(match (status.as_str(), questions.is_empty()) {
            ("input_required", false) => Told::Asks(task, questions),
            _ => Told::Answer(plain(&task, &status)),
        })
    }

    /// `tasks/update`: what is not open, or no longer, is ignored.
    async fn feed(&self, call: &Prepared) -> Told {
        let slot = self.streams.slot(key(call));
        let mut held = slot.lock().await;
        if let (Some(mut stream), _) = up(held.take()).await {
            let responses = call.outbound.object("inputResponses").unwrap_or_else(Object::empty);
            stream.answer(|key| responses.object(key).map(Reaction::Result)).await;
            *held = Some(self.down(stream, call));
        }
        Told::Answer(acknowledged())
    }

    /// `tasks/cancel`: acknowledged even where the task is over already, or its server cannot cancel. It is a wish.
    async fn cancel(&self, at: &Arc<Server>, call: &Prepared) -> Result<Told, Refused> {
        let gone = self.streams.lock().remove(&key(call));
        let done = once(at, outbound(call, Method::TasksCancel)).await;
        drop(gone);
        Ok(match done.map_err(|failure| refuse(call, &failure))? {
            Err(error) if ![INVALID_PARAMS, METHOD_NOT_FOUND].contains(&error.code) => Told::Error(error),
            Ok(_) | Err(_) => Told::Answer(acknowledged()),
        })
    }

    fn down(&self, stream: Stream, call: &Prepared) -> Held {
        let Stream { exchange, opened } = stream;
        let held = if exchange.open_questions().is_empty() { QUIET } else { PARK_TTL };
        let expires = self.clock.now_ms() + millis(held);
        let principal = Arc::clone(&call.call.arrival.caller.principal);
        Held { parked: Parked::new(exchange, expires, principal, call.call.interaction), stream: opened }
    }

    /// A task that waits for input as its agent gets it: `questions` are those that it may be asked.
    pub fn asking(&self, task: &Object, questions: &[Question]) -> Answer {
        let requests: Vec<_> = questions.iter().map(|question| request(question, None)).collect();
        let asks = input_required(&requests, None).object.get("inputRequests");
        let status = if asks.is_some() { "input_required" } else { "working" };
        let mut edit = task.edit();
        edit.set("status", quote(status));
        if let Some(asks) = asks {
            edit.set("inputRequests", asks);
        }
        complete(edit.object().unwrap_or_else(|_| Object::empty()))
    }
}

fn key(call: &Prepared) -> Key {
    let target = &call.call.target;
    let principal = &call.call.arrival.caller.principal;
    (Arc::clone(principal), Arc::clone(target.server()), Arc::clone(target.original()))
}

fn outbound(call: &Prepared, method: Method) -> Outbound {
    let arrival = &call.call.arrival;
    about(method, call.call.target.original(), &arrival.client, &arrival.caller.principal)
}

/// Takes a held stream up: it, or how the task's call ended meanwhile.
async fn up(held: Option<Held>) -> (Option<Stream>, Option<End>) {
    let Some(Held { parked, stream }) = held else { return (None, None) };
    match parked.resume().await {
        Some(Kept { exchange, ended: None }) => (Some(Stream { exchange, opened: stream }), None),
        Some(Kept { ended: Some(Event::Done(end)), .. }) => (None, Some(end)),
        // It broke, or took too long: there is another one.
        Some(Kept { ended: Some(_), .. }) | None => (None, None),
    }
}

/// Waits until something is asked, for a while; or how the task's call ended instead.
async fn asked(mut stream: Stream) -> (Option<Stream>, Option<End>) {
    let waited = tokio::time::timeout(ASKS, async {
        while stream.exchange.open_questions().is_empty() {
            match stream.exchange.next().await {
                Event::Done(end) => return Some(Some(end)),
                Event::Failed(_) => return Some(None),
                Event::Asked(_) | Event::Progress(_) | Event::Log(_) | Event::Withdrew | Event::Paused(_) => {
                }
            }
        }
        None
    });
    match waited.await {
        Ok(Some(end)) => (None, end),
        Ok(None) | Err(_) => (Some(stream), None),
    }
}

/// One request whose answer is all that it brings.
async fn once(at: &Arc<Server>, outbound: Outbound) -> Result<End, Failure> {
    let mut exchange = at.send(outbound).await?;
    loop {
        match exchange.next().await {
            Event::Done(end) => return Ok(end),
            Event::Failed(failure) => return Err(failure),
            Event::Asked(questions) => {
                // A task that is over has nothing to ask.
                let taken_back = questions.into_iter().map(|q| (q.key, Reaction::Withdrawn)).collect();
                exchange.answer(taken_back).await;
            }
            Event::Progress(_) | Event::Log(_) | Event::Withdrew | Event::Paused(_) => {}
        }
    }
}

/// A task with how its call ended: a tool's own error is a result.
fn ended(task: &Object, end: End, call: &Prepared) -> Answer {
    let mut edit = task.edit();
    match end {
        Ok(answer) => {
            edit.set("status", quote("completed"));
            edit.set("result", translate::unrelated_to_task(&answer.object));
        }
        Err(error) => {
            let agent = call.call.arrival.client.revision;
            let error = translate::error(error, Method::ToolsCall, Revision::V2025_11_25, agent);
            edit.set("status", quote("failed"));
            edit.set("error", message::write_error_object(&error));
        }
    }
    complete(edit.object().unwrap_or_else(|_| Object::empty()))
}

/// A task that shows nothing but itself: it asks nothing that could be shown.
fn plain(task: &Object, status: &str) -> Answer {
    if status != "input_required" {
        return complete(task.clone());
    }
    let mut edit = task.edit();
    edit.set("status", quote("working"));
    complete(edit.object().unwrap_or_else(|_| Object::empty()))
}

fn acknowledged() -> Answer {
    complete(Object::empty())
}

fn complete(object: Object) -> Answer {
    Answer { object, kind: ResultType::Complete, cache: None }
}
