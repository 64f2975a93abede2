//! A task of ours and all of them. *Never* outlives the process: what it waits for does, in the inbox.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tollgate_mcp::error::RpcError;
use tollgate_mcp::object::Object;
use tollgate_mcp::translate::InputRequest;
use uuid::Uuid;

use crate::call::Canceller;

/// How many tasks one principal may have, ended ones that are kept among them.
const EACH: usize = 64;
/// How many there may be.
const ALL: usize = 4_096;
/// The most bytes of results that are kept to be fetched.
const KEPT: usize = 64 * 1024 * 1024;

/// The tasks whose calls wait for operators.
#[derive(Debug)]
pub struct HeldTasks {
    known: Mutex<HashMap<Uuid, Arc<Held>>>,
    running: watch::Sender<usize>,
    /// They outlive the connections that they were asked for on, and their threads.
    runtime: Handle,
}

/// One task.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: Uuid,
    pub(super) principal: Arc<str>,
    /// `server/tool`.
    pub(super) label: Arc<str>,
    /// The question that it waits for.
    pub(super) question: String,
    /// What it waits for, in words.
    pub(super) message: String,
    pub(super) created_ms: u64,
    /// From then on it is forgotten.
    pub(super) expires_ms: u64,
    pub(super) canceller: Canceller,
    pub(super) told: Notify,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    stage: Stage,
    changed_ms: u64,
    /// A key is never used twice in a task.
    keys: HashSet<String>,
}

/// Where a task stands.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// People or its server are waited for.
    Works,
    /// The agent is asked; the questions under the keys that the agent knows, beside their own, and what was answered so far.
    Asks(Vec<(String, InputRequest)>, Vec<(String, Object)>),
    /// Its server runs it as a task, under this handle.
    Server(String),
    /// A result.
    Done(Object),
    /// An error.
    Failed(RpcError),
    /// Given up by its agent.
    Cancelled,
}

impl Stage {
    fn is_over(&self) -> bool {
        match self {
            Self::Works | Self::Asks(..) => false,
            Self::Server(_) | Self::Done(_) | Self::Failed(_) | Self::Cancelled => true,
        }
    }
}

impl HeldTasks {
    /// None yet. They will run on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self { known: Mutex::default(), running: watch::Sender::new(0), runtime }
    }

    /// Waits until none runs, so long at most; `false` = some still do.
    pub async fn idle(&self, patience: Duration) -> bool {
        let mut running = self.running.subscribe();
        tokio::time::timeout(patience, running.wait_for(|running| *running == 0)).await.is_ok()
    }

    /// Forgets what is over its time.
    pub fn prune(&self, now_ms: u64) {
        lock(&self.known).retain(|_, held| {
            let keep = held.expires_ms > now_ms;
            if !keep {
                held.canceller.fire();
            }
            keep
        });
    }

    /// Whether a principal may have one more; the oldest of its ended ones makes room.
    pub(super) fn has_room(&self, principal: &str) -> bool {
        let mut known = lock(&self.known);
        let mine: Vec<&Arc<Held>> = known.values().filter(|held| *held.principal == *principal).collect();
        if mine.len() < EACH && known.len() < ALL {
            return true;
        }
        let ended = mine.iter().filter(|held| held.stage().is_over()).min_by_key(|held| held.created_ms);
        let ended = ended.map(|held| held.id);
        ended.is_some_and(|id| known.remove(&id).is_some())
    }

    pub(super) fn get(&self, id: Uuid) -> Option<Arc<Held>> {
        lock(&self.known).get(&id).map(Arc::clone)
    }

    /// Whether another task waits for the same question.
    pub(super) fn shares(&self, held: &Held) -> bool {
        lock(&self.known)
            .values()
            .any(|other| other.id != held.id && other.question == held.question && !other.stage().is_over())
    }

    /// Begins one. The work is the whole rest of its call.
    pub(super) fn begin(&self, held: &Arc<Held>, work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) {
        lock(&self.known).insert(held.id, Arc::clone(held));
        let counted = Counted::new(&self.running);
        self.runtime.spawn(async move {
            work.await;
            drop(counted);
        });
    }

    /// Drops the oldest results where too much is kept.
    pub(super) fn make_room(&self) {
        let mut known = lock(&self.known);
        let size = |held: &Held| match held.stage() {
            Stage::Done(result) => result.text().len(),
            Stage::Works | Stage::Asks(..) | Stage::Server(_) | Stage::Failed(_) | Stage::Cancelled => 0,
        };
        let mut sizes: Vec<(u64, Uuid, usize)> =
            known.values().map(|held| (held.created_ms, held.id, size(held))).filter(|s| s.2 > 0).collect();
        sizes.sort_unstable();
        let mut kept: usize = sizes.iter().map(|s| s.2).sum();
        for (_, id, size) in sizes {
            if kept <= KEPT {
                return;
            }
            kept -= size;
            known.remove(&id);
        }
    }
}

/// One that runs.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(running: &watch::Sender<usize>) -> Self {
        running.send_modify(|running| *running += 1);
        Self(running.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// What a task is begun with.
pub(super) struct Begun<'a> {
    pub(super) principal: &'a Arc<str>,
    pub(super) label: &'a Arc<str>,
    pub(super) question: String,
    pub(super) message: String,
    pub(super) now_ms: u64,
    pub(super) ttl_ms: u64,
}

impl Held {
    pub(super) fn new(begun: Begun<'_>) -> Arc<Self> {
        Arc::new(Self {
            id: Uuid::new_v4(),
            principal: Arc::clone(begun.principal),
            label: Arc::clone(begun.label),
            question: begun.question,
            message: begun.message,
            created_ms: begun.now_ms,
            expires_ms: begun.now_ms.saturating_add(begun.ttl_ms),
            canceller: Canceller::new(),
            told: Notify::new(),
            now: Mutex::new(Now { stage: Stage::Works, changed_ms: begun.now_ms, keys: HashSet::new() }),
        })
    }

    pub(super) fn stage(&self) -> Stage {
        lock(&self.now).stage.clone()
    }

    pub(super) fn changed_ms(&self) -> u64 {
        lock(&self.now).changed_ms
    }

    /// Goes on to another stage; what is over stays as it ended.
    pub(super) fn becomes(&self, stage: Stage, now_ms: u64) -> bool {
        let mut now = lock(&self.now);
        if now.stage.is_over() {
            return false;
        }
        now.stage = stage;
        now.changed_ms = now_ms;
        true
    }

    /// Asks the agent.
    pub(super) fn asks(&self, requests: Vec<InputRequest>, now_ms: u64) {
        let mut now = lock(&self.now);
        if now.stage.is_over() {
            return;
        }
        let mut asked = Vec::with_capacity(requests.len());
        for request in requests {
            let mut key = request.key.clone();
            let mut n = 2;
            while !now.keys.insert(key.clone()) {
                key = format!("{}-{n}", request.key);
                n += 1;
            }
            asked.push((key, request));
        }
        now.stage = Stage::Asks(asked, Vec::new());
        now.changed_ms = now_ms;
    }

    /// Takes answers, by the keys that the agent knows; others are left alone.
    pub(super) fn answered(&self, responses: &Object) {
        let mut now = lock(&self.now);
        if let Stage::Asks(asked, given) = &mut now.stage {
            asked.retain(|(key, request)| match responses.object(key) {
                Some(response) => {
                    given.push((request.key.clone(), response));
                    false
                }
                None => true,
            });
        }
        drop(now);
        self.told.notify_one();
    }

    /// The answers by the questions' own keys, once all are there.
    pub(super) fn take_answers(&self, now_ms: u64) -> Option<Vec<(String, Object)>> {
        let mut now = lock(&self.now);
        let given = match &mut now.stage {
            Stage::Asks(asked, given) if asked.is_empty() => std::mem::take(given),
            Stage::Asks(..)
            | Stage::Works
            | Stage::Server(_)
            | Stage::Done(_)
            | Stage::Failed(_)
            | Stage::Cancelled => return None,
        };
        now.stage = Stage::Works;
        now.changed_ms = now_ms;
        Some(given)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
