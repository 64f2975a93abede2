//! One open request at a server: what happens on it, in order, with its time limits.
//! *Never* shows an agent a question that it did not declare to answer, or another call's message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RpcError};
use tollgate_mcp::message::{self, Id, Message, Notification, Outcome, Request, Response};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::{Answer, answer_to_server, read_answer};

use super::bulletin::Bulletin;
use super::carrier::{Carried, Carrier};
use super::registry::{Made, Registry};
use super::server::Flight;
use super::{Failure, Outbound, may_be_asked};
use crate::call::{Client, LogLevel};
use crate::clock::Clock;

mod limit;
#[cfg(test)]
mod tests;

pub(super) use limit::Limit;

/// Questions that arrive within this time come together (`protocol.md` §3.4).
const COALESCE: Duration = Duration::from_millis(50);

/// How many questions may be open on one call.
const OPEN_MAX: usize = 16;

/// A legacy server's question in the middle of a call.
#[derive(Clone, Debug)]
pub struct Question {
    /// Unique within the exchange.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its params.
    pub params: Object,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug)]
pub enum Reaction {
    /// A result, as the agent gave it.
    Result(Object),
    /// No answer: elicitation is cancelled, sampling and roots get an error.
    Withdrawn,
}

/// What happens on an open exchange.
#[derive(Debug)]
pub enum Event {
    /// `notifications/progress`: its params; the token in them is ours.
    Progress(Object),
    /// `notifications/message`: its params.
    Log(Object),
    /// A legacy server asks; the call stays open until [`Exchange::answer`]. Questions arriving within 50 ms come together.
    Asked(Vec<Question>),
    /// The server withdrew its open questions.
    Withdrew,
    /// The server ended its stream in mid-call, having said when to come back for the rest (SEP-1699). It is resumed by itself.
    Paused(Duration),
    /// The end: an answer, or the server's own error in its revision's codes.
    Done(Result<Answer, RpcError>),
    /// The end: no answer.
    Failed(Failure),
}

#[derive(Debug)]
struct Open {
    id: Id,
    question: Question,
    /// Not shown yet.
    fresh: bool,
}

/// An open request at a server. Dropped before its end, it cancels (stream closed, or `notifications/cancelled`).
#[derive(Debug)]
pub struct Exchange {
    server: Arc<str>,
    revision: Revision,
    method: Method,
    client: Arc<Client>,
    progress: bool,
    log_level: Option<LogLevel>,
    id: u64,
    /// The request whose task it awaits: what is said of that is said of this.
    made_by: Option<u64>,
    carrier: Carrier,
    bulletin: Arc<Bulletin>,
    clock: Clock,
    limit: Limit,
    open: Vec<Open>,
    asked: u64,
    flush_at: Option<Instant>,
    over: bool,
    flight: Flight,
}

/// What [`Exchange::new`] needs beside the request.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) server: Arc<str>,
    pub(super) revision: Revision,
    pub(super) id: u64,
    pub(super) carrier: Carrier,
    pub(super) bulletin: Arc<Bulletin>,
    pub(super) clock: Clock,
    pub(super) limit: Limit,
    pub(super) flight: Flight,
}

impl Exchange {
    pub(super) fn new(opening: Opening, outbound: &Outbound) -> Self {
        let Opening { server, revision, id, carrier, bulletin, clock, limit, flight } = opening;
        Self {
            server,
            revision,
            method: outbound.method,
            client: Arc::clone(&outbound.client),
            progress: outbound.progress,
            log_level: outbound.log_level,
            id,
            made_by: None,
            carrier,
            bulletin,
            clock,
            limit,
            open: Vec::new(),
            asked: 0,
            flush_at: None,
            over: false,
            flight,
        }
    }

    /// This one awaits the task that `made` made, or awaited: its progress token is good until the task is over (2025-11-25, tasks,
    /// "Progress Notifications").
    pub fn awaits_for(&mut self, made: &Self) {
        let by = made.made_by.unwrap_or(made.id);
        self.made_by = Some(by);
        self.carrier.hears_for(by);
    }

    /// It ended with this task, which its agent looks after: progress that is still said under its token is told as
    /// [`Notice::Progress`](super::Notice::Progress).
    pub fn ended_with(&self, principal: &Arc<str>, task: &str) {
        if let Some(calls) = self.carrier.calls() {
            calls.ended_with(self.id, Made { principal: Arc::clone(principal), task: Arc::from(task) });
        }
    }

    /// Where calls take turns, the next one need not wait for the end of this.
    pub fn give_turn(&mut self) {
        self.carrier.give_turn();
    }

    /// The server's revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What happens next. Cancel-safe. After `Done` or `Failed` it must not be called again.
    pub async fn next(&mut self) -> Event {
        loop {
            let until = self.flush_at.or_else(|| self.limit.deadline());
            let carried = match until {
                Some(until) => match tokio::time::timeout_at(until.into(), self.carrier.next()).await {
                    Ok(carried) => carried,
                    Err(_elapsed) => {
                        if let Some(asked) = self.flush() {
                            return asked;
                        }
                        self.flight.missed(self.clock.instant());
                        // Not `over`: being dropped, it cancels at the server.
                        return Event::Failed(Failure::Timeout { server: Arc::clone(&self.server) });
                    }
                },
                None => self.carrier.next().await,
            };
            let event = match carried {
                Ok(Carried::Message(Message::Response(response))) => self.response(response),
                Ok(Carried::Message(Message::Notification(notification))) => self.notification(notification),
                Ok(Carried::Message(Message::Request(request))) => self.request(request),
                Ok(Carried::Paused(retry)) => Some(Event::Paused(retry)),
                Err(failure) => {
                    self.over = true;
                    Some(Event::Failed(failure))
                }
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// Answers open questions by key; unknown keys are ignored, open ones without an answer stay open.
    pub async fn answer(&mut self, answers: Vec<(String, Reaction)>) {
        let replier = self.carrier.replier();
        for (key, reaction) in answers {
            let Some(at) = self.open.iter().position(|open| open.question.key == key) else { continue };
            let Open { id, question, fresh: _ } = self.open.remove(at);
            let reply = match reaction {
                Reaction::Result(result) => {
                    let result = answer_to_server(&question.method, &result, self.revision);
                    message::write_result(&id, result)
                }
                Reaction::Withdrawn => withdrawn(&id, &question.method),
            };
            if let Err(why) = replier.send(reply).await {
                // The server goes on waiting; the call's own limits end it.
                tracing::warn!(server = %self.server, why, "an answer to a question could not be sent");
            }
        }
        self.settle();
    }

    /// The questions that are still open.
    pub fn open_questions(&self) -> Vec<Question> {
        self.open.iter().map(|open| open.question.clone()).collect()
    }

    fn response(&mut self, Response { id, outcome }: Response) -> Option<Event> {
        let ours = match (&id, &outcome) {
            (Some(id), _) => id.as_u64() == Some(self.id),
            // Only an error may come without an id, and only where nothing else can be meant.
            (None, Outcome::Error(_)) => self.carrier.carries_one(),
            (None, Outcome::Result(_)) => false,
        };
        if !ours {
            tracing::warn!(server = %self.server, "an answer to nothing that was asked is ignored");
            return None;
        }
        self.over = true;
        self.flight.answered();
        self.carrier.finish();
        let tasks = self.client.capabilities.tasks;
        Some(Event::Done(match outcome {
            Outcome::Result(result) => read_answer(self.method, result, self.revision, tasks),
            Outcome::Error(error) => {
                self.carrier.contradicted(&error);
                Err(error)
            }
        }))
    }

    fn notification(&mut self, notification: Notification) -> Option<Event> {
        match notification.method.as_str() {
            "notifications/progress" => {
                let token = notification.params.slice("progressToken").and_then(number);
                if token != Some(self.id) && (token.is_none() || token != self.made_by) {
                    // A server may tell how far a task is on whichever stream is open.
                    let made = token.and_then(|token| self.carrier.calls()?.made_by(token));
                    if let Some(made) = made {
                        self.bulletin.progressed(made, notification.params);
                    }
                    return None;
                }
                self.limit.touch(self.clock.instant());
                self.progress.then_some(Event::Progress(notification.params))
            }
            "notifications/message" => {
                self.limit.touch(self.clock.instant());
                let wanted = self.log_level?;
                let level = notification.params.string("level").and_then(|level| LogLevel::parse(&level))?;
                (level >= wanted).then_some(Event::Log(notification.params))
            }
            "notifications/cancelled" => {
                let id = Id::parse(notification.params.get("requestId")?)?;
                self.withdrawn(&id)
            }
            _ => {
                self.bulletin.take(&notification);
                None
            }
        }
    }

    /// A request of the server's own. Only legacy servers may send any.
    fn request(&mut self, request: Request) -> Option<Event> {
        let Request { id, method, params } = request;
        let error = match method.as_str() {
            _ if self.revision.era() == Era::Modern => {
                tracing::warn!(server = %self.server, method = %method.escape_debug(), "a request from a modern server is ignored");
                return None;
            }
            "ping" => {
                self.reply(message::write_result(&id, Rope::from(bytes::Bytes::from_static(b"{}"))));
                return None;
            }
            "elicitation/create" | "sampling/createMessage" | "roots/list" => {
                match (may_be_asked(self.method), self.client.capabilities.allows(&method, &params)) {
                    (true, true) if self.open.len() < OPEN_MAX => {
                        self.asked += 1;
                        let key = format!("q{}", self.asked);
                        self.open.push(Open { id, question: Question { key, method, params }, fresh: true });
                        let now = self.clock.instant();
                        self.limit.pause(now);
                        self.flush_at.get_or_insert(now + COALESCE);
                        return None;
                    }
                    (true, true) => RpcError::new(INTERNAL_ERROR, "too many open questions"),
                    (false, _) => RpcError::new(INTERNAL_ERROR, "no request in flight can carry this"),
                    // A mode that was not declared is a bad param; all else was never offered.
                    (true, false)
                        if method == "elicitation/create" && self.client.capabilities.interactive() =>
                    {
                        RpcError::new(INVALID_PARAMS, "not declared by the client")
                    }
                    (true, false) => RpcError::new(METHOD_NOT_FOUND, "not declared by the client"),
                }
            }
            _ => RpcError::new(METHOD_NOT_FOUND, "method not found"),
        };
        self.reply(message::write_error(Some(&id), &error));
        None
    }

    /// Sends a reply that nobody has to wait for, unless too many of them wait to be taken.
    fn reply(&self, reply: Rope) {
        let Some(room) = self.carrier.calls().and_then(Registry::room) else {
            tracing::debug!(server = %self.server, "a reply is dropped: it does not take those before");
            return;
        };
        let replier = self.carrier.replier();
        tokio::spawn(async move {
            drop(replier.send(reply).await);
            drop(room);
        });
    }

    fn withdrawn(&mut self, id: &Id) -> Option<Event> {
        let at = self.open.iter().position(|open| open.id.text() == id.text())?;
        let shown = !self.open.remove(at).fresh;
        self.settle();
        (shown && self.open.is_empty()).then_some(Event::Withdrew)
    }

    /// Time runs on once nothing is open.
    fn settle(&mut self) {
        if self.open.is_empty() {
            self.flush_at = None;
            self.limit.resume(self.clock.instant());
        } else if !self.open.iter().any(|open| open.fresh) {
            self.flush_at = None;
        }
    }

    fn flush(&mut self) -> Option<Event> {
        self.flush_at.take()?;
        let mut questions = Vec::new();
        for open in self.open.iter_mut().filter(|open| open.fresh) {
            open.fresh = false;
            questions.push(open.question.clone());
        }
        Some(Event::Asked(questions))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            self.carrier.cancel();
        }
    }
}

/// An id or a token of ours, as a server gives it back.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// How a server learns that nobody answers its question.
fn withdrawn(id: &Id, method: &str) -> Rope {
    match method {
        "elicitation/create" => {
            message::write_result(id, Rope::from(bytes::Bytes::from_static(br#"{"action":"cancel"}"#)))
        }
        // What the specification gives for a sampling request that the user rejected.
        "sampling/createMessage" => message::write_error(Some(id), &RpcError::new(-1, "rejected")),
        _ => message::write_error(Some(id), &RpcError::new(INTERNAL_ERROR, "no answer")),
    }
}
