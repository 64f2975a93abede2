//! The calls in flight on one shared channel: which answer is whose, and whose question it can be.
//! *Never* guesses: what cannot be attributed to exactly one call is refused or dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tollgate_mcp::message::{Message, Notification, Request, Response};

use super::Failure;

#[cfg(test)]
mod tests;

/// How many messages may wait for one slow call; what comes on top is dropped, so that one call never delays another.
const WAITING: usize = 72;
/// Of those, kept free for questions and the answer.
const FOR_QUESTIONS: usize = 8;
/// Of those, kept free for the answer.
const FOR_THE_ANSWER: usize = 2;
/// How long a server may still speak of a call that was given up.
const LATE: Duration = Duration::from_secs(1);
/// How many questions may wait for a call to be attached to.
const HELD_MAX: usize = 4;
/// Of how many tasks progress is told: those made or spoken of last.
const MADE_MAX: usize = 256;
/// How many replies that nobody waits for may be on their way: a server that asks and never listens gets no more.
const UNASKED_MAX: usize = 32;

/// What a call waits for. Boxed: a channel sets room aside for 32 of them, for each call.
pub(super) type Inbound = Box<Result<Message, Failure>>;

/// What became of a server's request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// The one call that can be asked has it.
    Delivered,
    /// `roots/list` before any call: kept for the next one.
    Held,
    /// There is no one, or not exactly one, to ask.
    Refused,
}

#[derive(Debug)]
struct Entry {
    to: mpsc::Sender<Inbound>,
    place: Place,
}

/// A task that an agent looks after.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Made {
    pub(super) principal: Arc<str>,
    /// The server's id of it.
    pub(super) task: Arc<str>,
}

/// How a call stands among the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// It can be asked something.
    pub(super) askable: bool,
    /// It asked for log messages.
    pub(super) logs: bool,
    /// It is a stream that stands beside the calls.
    pub(super) standing: bool,
}

#[derive(Debug, Default)]
struct Inner {
    calls: HashMap<u64, Entry>,
    /// Calls that are over, and those that hear what is still said of them.
    heirs: HashMap<u64, u64>,
    /// Calls that ended with a task whose progress is still theirs; what was spoken of last is at the back.
    made: VecDeque<(u64, Made)>,
    held: Vec<Request>,
    /// The one call that asked for log messages, where calls of several principals share the channel.
    logging: Option<Logging>,
    closed: Option<Failure>,
}

/// Who asked for log messages.
#[derive(Debug)]
struct Logging {
    id: u64,
    /// It was given up: what its server still says of it is for nobody.
    left: bool,
    /// When somebody else first wanted its place after that.
    wanted: Option<Instant>,
}

impl Inner {
    /// The call `id` is over: nothing more is said of it.
    fn told(&mut self, id: u64) {
        self.disinherit(id);
        if self.logging.as_ref().is_some_and(|logging| logging.id == id) {
            self.logging = None;
        }
    }

    fn disinherit(&mut self, id: u64) {
        if !self.heirs.is_empty() {
            self.heirs.retain(|_, heir| *heir != id);
        }
    }

    fn in_flight(&self) -> usize {
        self.calls.values().filter(|entry| !entry.place.standing).count()
    }
}

/// The calls in flight.
#[derive(Debug)]
pub(super) struct Registry {
    inner: Mutex<Inner>,
    /// Whether all calls are one principal's.
    private: bool,
    /// Room for replies that nobody waits for.
    unasked: Arc<Semaphore>,
}

impl Registry {
    pub(super) fn new(private: bool) -> Self {
        Self { inner: Mutex::default(), private, unasked: Arc::new(Semaphore::new(UNASKED_MAX)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a call; held questions become its own if it can be asked.
    pub(super) fn enter(&self, id: u64, place: Place) -> Result<mpsc::Receiver<Inbound>, Failure> {
        let (to, from) = mpsc::channel(WAITING);
        let mut inner = self.lock();
        if let Some(failure) = &inner.closed {
            return Err(failure.clone());
        }
        if place.askable {
            for request in inner.held.drain(..) {
                drop(to.try_send(Box::new(Ok(Message::Request(request)))));
            }
        }
        inner.calls.insert(id, Entry { to, place });
        Ok(from)
    }

    /// Whether the call `id`, about to be sent, may ask for log messages. They name no call (2026-07-28, `LoggingMessageNotification`), so
    /// that on a shared channel only one may at a time: what is said then can only be said of it. The others are sent without a level.
    pub(super) fn may_log(&self, id: u64, now: Instant) -> bool {
        if self.private {
            return true;
        }
        let mut inner = self.lock();
        let taken = inner.logging.as_mut().is_some_and(|logging| {
            !logging.left || now.saturating_duration_since(*logging.wanted.get_or_insert(now)) < LATE
        });
        if !taken {
            inner.logging = Some(Logging { id, left: false, wanted: None });
        }
        !taken
    }

    /// Takes a call out: cancelled, or over.
    pub(super) fn leave(&self, id: u64) {
        let mut inner = self.lock();
        inner.calls.remove(&id);
        inner.disinherit(id);
        if let Some(logging) = inner.logging.as_mut().filter(|logging| logging.id == id) {
            logging.left = true;
        }
    }

    /// What is said of `earlier` from now on is for the call `id`, for as long as that is here.
    pub(super) fn succeed(&self, earlier: u64, id: u64) {
        let mut inner = self.lock();
        if inner.calls.contains_key(&id) {
            inner.heirs.insert(earlier, id);
        }
    }

    /// Ends a call whose request was not taken; nothing if it is over already.
    pub(super) fn fail(&self, id: u64, failure: Failure) {
        let entry = {
            let mut inner = self.lock();
            inner.told(id);
            inner.calls.remove(&id)
        };
        if let Some(entry) = entry {
            drop(entry.to.try_send(Box::new(Err(failure))));
        }
    }

    /// Room for one more reply that nobody waits for, kept until it is sent; `None` = it is to be dropped.
    pub(super) fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.unasked).try_acquire_owned().ok()
    }

    /// How many calls are in flight.
    pub(super) fn len(&self) -> usize {
        self.lock().in_flight()
    }

    /// Hands an answer to its call; false if nobody waits for it.
    pub(super) fn answer(&self, response: Response) -> bool {
        let Some(id) = response.id.as_ref().and_then(tollgate_mcp::message::Id::as_u64) else { return false };
        let entry = {
            let mut inner = self.lock();
            inner.told(id);
            inner.calls.remove(&id)
        };
        entry.is_some_and(|entry| entry.to.try_send(Box::new(Ok(Message::Response(response)))).is_ok())
    }

    /// Hands a notification to the call with this id (its progress token, or its subscription); gives it back if there is none.
    pub(super) fn notify(&self, id: u64, notification: Notification) -> Option<Notification> {
        let inner = self.lock();
        let entry = inner.calls.get(&id).or_else(|| inner.calls.get(inner.heirs.get(&id)?));
        let Some(entry) = entry else { return Some(notification) };
        offer(entry, Message::Notification(notification), FOR_QUESTIONS);
        None
    }

    /// The call `id` ended with a task: its progress token is good until that is over (2025-11-25, tasks, "Progress Notifications").
    pub(super) fn ended_with(&self, id: u64, made: Made) {
        let mut inner = self.lock();
        if inner.made.len() >= MADE_MAX {
            inner.made.pop_front();
        }
        inner.made.push_back((id, made));
    }

    /// The task that the call `id` ended with. One that is spoken of keeps its place.
    pub(super) fn made_by(&self, id: u64) -> Option<Made> {
        let mut inner = self.lock();
        let at = inner.made.iter().position(|(by, _)| *by == id)?;
        let (by, made) = inner.made.remove(at)?;
        inner.made.push_back((by, made.clone()));
        Some(made)
    }

    /// Hands a log message to the call that it must stem from; drops it if there is none.
    pub(super) fn log(&self, notification: Notification) {
        let inner = self.lock();
        let from = match (&inner.logging, self.private) {
            // All are one principal's.
            (_, true) => inner.calls.values().find(|entry| entry.place.logs),
            (Some(logging), false) => inner.calls.get(&logging.id).filter(|entry| entry.place.logs),
            (None, false) => None,
        };
        if let Some(entry) = from {
            offer(entry, Message::Notification(notification), FOR_QUESTIONS);
        }
    }

    /// Hands a withdrawal of a question to the calls that can be asked.
    pub(super) fn withdraw(&self, notification: &Notification) {
        for entry in self.lock().calls.values().filter(|entry| entry.place.askable) {
            offer(entry, Message::Notification(notification.clone()), FOR_THE_ANSWER);
        }
    }

    /// Attaches a server's request that names no call.
    pub(super) fn ask(&self, request: Request) -> Attached {
        let mut inner = self.lock();
        let mut askable = inner.calls.values().filter(|entry| entry.place.askable);
        match (askable.next(), askable.next()) {
            (Some(only), None) if offer(only, Message::Request(request.clone()), FOR_THE_ANSWER) => {
                Attached::Delivered
            }
            (None, _) if request.method == "roots/list" && inner.held.len() < HELD_MAX => {
                inner.held.push(request);
                Attached::Held
            }
            (None | Some(_), _) => Attached::Refused,
        }
    }

    /// Gives up on a held question; false if a call took it in the meantime.
    pub(super) fn expire(&self, request: &Request) -> bool {
        let mut inner = self.lock();
        let before = inner.held.len();
        inner.held.retain(|held| held.id.text() != request.id.text());
        inner.held.len() < before
    }

    /// An answer was too large to read: if one call is in flight, it was its, and that call is over.
    pub(super) fn overflow(&self, failure: Failure) {
        let only = {
            let inner = self.lock();
            let mut calls = inner.calls.iter().filter(|(_, entry)| !entry.place.standing);
            match (calls.next(), calls.next()) {
                (Some((id, _)), None) => Some(*id),
                (None | Some(_), _) => None,
            }
        };
        if let Some(id) = only {
            self.fail(id, failure);
        }
    }

    /// The channel is gone: all calls end with `failure`, and so does whatever enters from now on (as not sent).
    pub(super) fn close(&self, failure: Failure) {
        let mut inner = self.lock();
        for (_, entry) in inner.calls.drain() {
            drop(entry.to.try_send(Box::new(Err(failure.clone()))));
        }
        inner.held.clear();
        inner.closed = Some(match failure {
            Failure::Unavailable { server, why, sent: _ } => {
                Failure::Unavailable { server, why, sent: false }
            }
            Failure::Timeout { .. } | Failure::NoRoom { .. } | Failure::TooLarge { .. } => failure,
        });
    }

    /// Whether the channel is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }
}

fn offer(entry: &Entry, message: Message, spare: usize) -> bool {
    entry.to.capacity() > spare && entry.to.try_send(Box::new(Ok(message))).is_ok()
}
