//! What a legacy agent needs beyond one request, on any transport: who it is, what it set, what it was asked, what it subscribed to.
//! *Never* knows how messages travel: that is an [`Outlet`]'s.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tollgate_mcp::message::{Id, Notification, Outcome, Response};
use tollgate_mcp::object::Object;
use tollgate_mcp::rope::Rope;

use crate::call::{Canceller, Client, Endpoint, LogLevel};

pub(super) mod ask;
pub(super) mod batch;
pub(super) mod call;
mod follow;
pub(super) mod initialize;
pub(super) mod listen;
mod task_list;
mod tasks;

/// Where the messages of one call, or of a session, go. Sending waits while a connected reader is behind, and never fails: what can't be
/// delivered is dropped by the transport.
pub(super) trait Outlet: Send + Sync + 'static {
    /// Sends one message.
    fn send(&self, message: Rope) -> impl Future<Output = ()> + Send;

    /// The server ended its stream in mid-call, to be asked for the rest in `retry_ms`: where streams can be resumed, ours ends too.
    fn pause(&self, _retry_ms: u64) {}
}

/// How long and how often a legacy agent is asked in the middle of a call.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long the answers to one round's questions may take.
    pub answers: Duration,
    /// How many rounds of questions one call may have.
    pub rounds: u32,
    /// How long a call with questions may take altogether.
    pub wall: Duration,
    /// How long a subscription may wait for its acknowledgement.
    pub subscribe: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answers: Duration::from_mins(10),
            rounds: 10,
            wall: Duration::from_mins(30),
            subscribe: Duration::from_secs(2),
        }
    }
}

/// How many questions may wait for one agent at a time.
const QUESTIONS_MAX: usize = 64;

/// A legacy session, without its transport.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) client: Arc<Client>,
    pub(super) endpoint: Endpoint,
    /// For the conversation; never the session's id on the wire.
    pub(super) identity: Arc<str>,
    pub(super) patience: Patience,
    pub(super) flights: Arc<Flights>,
    /// Fires when the session ends.
    pub(super) ended: Canceller,
    level: AtomicU8,
    next: AtomicU64,
    questions: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
    wanted: watch::Sender<listen::Wanted>,
    acknowledged: watch::Sender<listen::Acknowledged>,
    listening: std::sync::atomic::AtomicBool,
    /// Where tasks were offered.
    tasks: std::sync::OnceLock<Box<tasks::Tasks>>,
}

impl Core {
    pub(super) fn new(
        client: Client,
        endpoint: Endpoint,
        identity: Arc<str>,
        patience: Patience,
    ) -> Arc<Self> {
        Arc::new(Self {
            client: Arc::new(client),
            endpoint,
            identity,
            patience,
            flights: Arc::default(),
            ended: Canceller::new(),
            level: AtomicU8::new(0),
            next: AtomicU64::new(1),
            questions: Mutex::default(),
            wanted: watch::Sender::default(),
            acknowledged: watch::Sender::default(),
            listening: std::sync::atomic::AtomicBool::new(false),
            tasks: std::sync::OnceLock::new(),
        })
    }

    /// Takes a client's notification. `true` = it was `notifications/initialized`.
    pub(super) fn notified(&self, notification: &Notification) -> bool {
        match notification.method.as_str() {
            "notifications/cancelled" => {
                if let Some(id) = notification.params.get("requestId").and_then(Id::parse) {
                    self.flights.cancel(&id);
                }
                false
            }
            "notifications/initialized" => true,
            // Progress on our questions, changed roots and what we do not know: nothing waits for them.
            _ => false,
        }
    }

    /// Takes a client's answer to a question. One that nobody waits for is dropped.
    pub(super) fn answered(&self, response: Response) {
        let Some(id) = response.id.as_ref().and_then(Id::as_u64) else { return };
        let waiting = self.questions().remove(&id);
        if let Some(waiting) = waiting {
            // The asker may have left in the meantime.
            drop(waiting.send(response.outcome));
        }
    }

    /// Ends the session: cancels what runs, leaves no question open.
    pub(super) fn end(&self) {
        self.ended.fire();
        self.flights.cancel_all();
        self.questions().clear();
    }

    /// Nobody is left to answer questions; what runs may finish.
    pub(super) fn deserted(&self) {
        self.questions().clear();
    }

    pub(super) fn log_level(&self) -> Option<LogLevel> {
        let set = usize::from(self.level.load(Ordering::Relaxed));
        set.checked_sub(1).and_then(|at| LEVELS.get(at)).copied()
    }

    fn set_log_level(&self, level: LogLevel) {
        let at = LEVELS.iter().position(|known| *known == level).unwrap_or_default();
        self.level.store(u8::try_from(at + 1).unwrap_or_default(), Ordering::Relaxed);
    }

    /// A question's id and where its answer comes. `None` = too many wait already.
    fn question(self: &Arc<Self>) -> Option<Pending> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let mut questions = self.questions();
        if questions.len() >= QUESTIONS_MAX {
            return None;
        }
        questions.insert(id, sender);
        drop(questions);
        Some(Pending { core: Arc::clone(self), id, answer })
    }

    fn questions(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LEVELS: [LogLevel; 8] = [
    LogLevel::Debug,
    LogLevel::Info,
    LogLevel::Notice,
    LogLevel::Warning,
    LogLevel::Error,
    LogLevel::Critical,
    LogLevel::Alert,
    LogLevel::Emergency,
];

/// A question that waits for its answer; forgotten when dropped.
#[derive(Debug)]
struct Pending {
    core: Arc<Core>,
    id: u64,
    answer: oneshot::Receiver<Outcome>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.core.questions().remove(&self.id);
    }
}

/// The requests of one agent that are being answered, for `notifications/cancelled`.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flying: Mutex<Vec<(u64, Id, Canceller)>>,
    serial: AtomicU64,
}

/// One request that is being answered; forgotten when dropped.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    serial: u64,
    /// Cancels it.
    pub(super) canceller: Canceller,
}

impl Flights {
    /// Notes a request. `None` = `max` are in flight already.
    pub(super) fn start(self: &Arc<Self>, id: &Id, max: usize) -> Option<Flight> {
        let mut flying = self.lock();
        if flying.len() >= max {
            return None;
        }
        let canceller = Canceller::new();
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        flying.push((serial, id.clone(), canceller.clone()));
        drop(flying);
        Some(Flight { flights: Arc::clone(self), serial, canceller })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Fires the canceller of the request `id`; unknown ones are ignored.
    pub(super) fn cancel(&self, id: &Id) {
        for (_, flying, canceller) in self.lock().iter() {
            if flying == id {
                canceller.fire();
            }
        }
    }

    pub(super) fn cancel_all(&self) {
        for (_, _, canceller) in self.lock().iter() {
            canceller.fire();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Id, Canceller)>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().retain(|(serial, _, _)| *serial != self.serial);
    }
}

/// An empty JSON object, as a result.
fn empty() -> Rope {
    Object::empty().text().clone().into()
}
