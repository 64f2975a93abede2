//! Servers whose messages all share one channel: processes that we start, and the event streams of HTTP+SSE. Of processes, one shared by all who can't be asked, and one for each principal who can.
//! *Never* lets two principals share a process that could ask something, and leaves nothing running behind.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tollgate_mcp::message::{self, Id};
use tollgate_mcp::method::Method;
use tollgate_mcp::revision::Era;

use super::credential::Environment;
use super::http::Wire;
use super::introduction::Introduction;
use super::params::{self, Stamp, declared};
use super::registry::Place;
use super::server::Room;
use super::{Failure, Outbound, may_be_asked, nobody};
use crate::call::Client;
use crate::config::{Processes, Share, Transport};

mod child;
mod link;
mod process;

pub(super) use link::{Call, Link};

use child::Program;
use process::Process;

/// How often to look for a free process when all are in use.
const CROWDED: Duration = Duration::from_millis(50);

/// How many streams one server has at most: as many as sessions over streamable HTTP.
const STREAMS: Processes = Processes { share: Share::Auto, max: 256, idle: Duration::from_mins(10) };

/// Whose process it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    declared: Bytes,
    principal: Arc<str>,
}

type Slot = Arc<OnceCell<Arc<Process>>>;

/// How a channel comes about.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// The configured program's pipes.
    Program,
    /// An event stream, and POSTs.
    Events(Arc<Wire>),
}

/// A server behind such channels. What is called a process here may be an event stream.
#[derive(Debug)]
pub(super) struct Stdio {
    room: Arc<Room>,
    way: Way,
    processes: Processes,
    /// Always on; nothing is declared to it.
    base: Arc<Process>,
    /// Of the environment that it was started with.
    environment: [u8; 32],
    keyed: Mutex<HashMap<Key, Slot>>,
}

impl Stdio {
    /// Starts the base process and finds out what it speaks.
    pub(super) async fn connect(room: &Arc<Room>, way: Way, era: &mut Option<Era>) -> Result<Self, String> {
        let (processes, environment) = match (&way, program(room)) {
            (Way::Program, Some((program, processes))) => {
                (processes.clone(), Environment::of(&*room.resolve, program.env)?.digest())
            }
            (Way::Program, None) => return Err("it is not a program".to_owned()),
            (Way::Events(_), _) => (STREAMS, [0; 32]),
        };
        let client = nobody();
        let base = process::introduce(room, &way, &client, false, era).await?;
        Ok(Self {
            room: Arc::clone(room),
            way,
            processes,
            base: Arc::new(base),
            environment,
            keyed: Mutex::default(),
        })
    }

    /// Takes over the processes of principals: that the shared one ended is no reason to end theirs.
    pub(super) fn adopt(&self, old: &Self) {
        let theirs = std::mem::take(&mut *old.keyed.lock().unwrap_or_else(PoisonError::into_inner));
        self.keyed.lock().unwrap_or_else(PoisonError::into_inner).extend(theirs);
    }

    pub(super) fn introduction(&self) -> &Arc<Introduction> {
        &self.base.introduction
    }

    /// Opens one request in the process it needs: its id there, and the call.
    pub(super) async fn open(&self, outbound: &Outbound) -> Result<(u64, Call), Failure> {
        let declare = self.processes.share != Share::All;
        let logs = self.logs(outbound);
        let process = match self.key(outbound, logs) {
            None => Arc::clone(&self.base),
            Some(key) => self.lease(key, &outbound.client).await?,
        };
        process.used_ms.store(self.room.clock.now_ms(), Ordering::Relaxed);
        let turn = match &process.turn {
            Some(turn) if may_be_asked(outbound.method) => {
                let waiting =
                    tokio::time::timeout(self.room.config.timeout.call, Arc::clone(turn).acquire_owned());
                match waiting.await {
                    Ok(Ok(turn)) => Some(turn),
                    Ok(Err(_)) | Err(_) => {
                        return Err(process
                            .link
                            .unavailable("another call of the same caller is still open", false));
                    }
                }
            }
            Some(_) | None => None,
        };
        let era = self.base.introduction.revision.era();
        if era == Era::Legacy
            && let Some(level) = outbound.log_level.filter(|_| logs)
        {
            process.raise(level).await;
        }
        let id = process.link.mint();
        let logs = logs && process.link.calls.may_log(id, self.room.clock.instant());
        let stamp = Stamp {
            revision: process.introduction.revision,
            client: &outbound.client,
            declare,
            progress: outbound.progress.then_some(id),
            log_level: outbound.log_level.filter(|_| logs),
        };
        let params = params::outbound(outbound.method, &outbound.params, stamp);
        let request = message::write_request(&Id::number(id), outbound.method.as_str(), params);
        let place = Place {
            askable: process.turn.is_some() && may_be_asked(outbound.method),
            logs,
            standing: outbound.method == Method::Listen,
        };
        Ok((id, process.link.open(id, request, place, turn).await?))
    }

    /// Whether log messages can reach this call: a legacy server's only from a process of its principal's own.
    fn logs(&self, outbound: &Outbound) -> bool {
        let possible = match self.base.introduction.revision.era() {
            Era::Modern => true,
            Era::Legacy => self.processes.share != Share::All && !outbound.principal.is_empty(),
        };
        possible && outbound.log_level.is_some() && self.base.introduction.has("logging")
    }

    /// Whose process a request needs; `None` = the base will do.
    fn key(&self, outbound: &Outbound, logs: bool) -> Option<Key> {
        if outbound.principal.is_empty() {
            return None;
        }
        let revision = self.base.introduction.revision;
        let declared = match (revision.era(), outbound.client.capabilities.interactive()) {
            (Era::Legacy, true) => declared(&outbound.client.capabilities, revision),
            (Era::Legacy, false) | (Era::Modern, _) => Bytes::from_static(b"{}"),
        };
        let own = match self.processes.share {
            Share::All => false,
            Share::Caller => true,
            Share::Auto => declared.as_ref() != b"{}" || (logs && revision.era() == Era::Legacy),
        };
        own.then(|| Key { declared, principal: Arc::clone(&outbound.principal) })
    }

    /// The principal's process, started if there is none, within the bound.
    async fn lease(&self, key: Key, client: &Arc<Client>) -> Result<Arc<Process>, Failure> {
        let start = tokio::time::timeout(self.room.config.timeout.start, async {
            loop {
                if let Some(slot) = self.slot(&key) {
                    break slot.get_or_try_init(|| self.start(client, &key)).await.cloned();
                }
                // All are in use: rare, and ended by any call's end.
                tokio::time::sleep(CROWDED).await;
            }
        });
        match start.await {
            Ok(Ok(process)) => Ok(process),
            Ok(Err(why)) => {
                self.forget(&key);
                Err(self.base.link.unavailable(why, false))
            }
            Err(_elapsed) => Err(self
                .base
                .link
                .unavailable(format!("no process of its {} was free", self.processes.max), false)),
        }
    }

    /// A living or empty slot; `None` = all processes are in use.
    fn slot(&self, key: &Key) -> Option<Slot> {
        let mut keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
        keyed.retain(|_, slot| slot.get().is_none_or(|process| !process.is_over()));
        if let Some(slot) = keyed.get(key) {
            return Some(Arc::clone(slot));
        }
        // The base counts as one.
        if keyed.len() + 1 >= self.processes.max.max(2) {
            let unused = keyed
                .iter()
                .filter_map(|(key, slot)| Some((key, slot.get()?)))
                .filter(|(_, process)| Arc::strong_count(process) == 1 && process.link.calls.len() == 0)
                .min_by_key(|(_, process)| process.used_ms.load(Ordering::Relaxed))
                .map(|(key, _)| key.clone())?;
            keyed.remove(&unused);
        }
        let slot = Slot::default();
        keyed.insert(key.clone(), Arc::clone(&slot));
        Some(slot)
    }

    async fn start(&self, client: &Arc<Client>, key: &Key) -> Result<Arc<Process>, String> {
        let mut era = Some(self.base.introduction.revision.era());
        // A process that nothing interactive is declared to gets nothing interactive to answer.
        let client = match key.declared.as_ref() {
            b"{}" => {
                Arc::new(Client { capabilities: nobody().capabilities.clone(), ..Client::clone(client) })
            }
            _ => Arc::clone(client),
        };
        process::introduce(&self.room, &self.way, &client, true, &mut era).await.map(Arc::new)
    }

    fn forget(&self, key: &Key) {
        let mut keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
        if keyed.get(key).is_some_and(|slot| slot.get().is_none()) {
            keyed.remove(key);
        }
    }

    /// Why the base process ended.
    pub(super) async fn lost(&self) -> String {
        self.base.ended().await
    }

    /// Whether a secret in its environment is another one now.
    pub(super) fn is_outdated(&self) -> bool {
        if let Way::Events(wire) = &self.way {
            return wire.is_outdated(&self.room);
        }
        let now = program(&self.room).map(|(program, _)| Environment::of(&*self.room.resolve, program.env));
        matches!(now, Some(Ok(now)) if now.digest() != self.environment)
    }

    pub(super) fn is_over(&self) -> bool {
        self.base.is_over()
    }

    /// Ends processes of principals that have been unused for long.
    pub(super) fn reap(&self) {
        let idle = u64::try_from(self.processes.idle.as_millis()).unwrap_or(u64::MAX);
        let before = self.room.clock.now_ms().saturating_sub(idle);
        self.keyed.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, slot| {
            slot.get().is_none_or(|process| {
                Arc::strong_count(process) > 1
                    || process.link.calls.len() > 0
                    || process.used_ms.load(Ordering::Relaxed) > before
            })
        });
    }

    /// Ends all processes, and waits for their ends.
    pub(super) async fn close(&self) {
        let mut all: Vec<Arc<Process>> = {
            let mut keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
            keyed.drain().filter_map(|(_, slot)| slot.get().cloned()).collect()
        };
        all.push(Arc::clone(&self.base));
        for process in &all {
            process.stop();
        }
        for process in &all {
            process.ended().await;
        }
    }
}

fn program(room: &Room) -> Option<(Program<'_>, &Processes)> {
    match &room.config.transport {
        Transport::Stdio { command, cwd, env, processes } => {
            Some((Program { command, cwd: cwd.as_deref(), env }, processes))
        }
        Transport::Http { .. } => None,
    }
}
