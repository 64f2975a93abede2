//! The legacy sessions: made, found, ended, forgotten. An id is 128 random bits and opens nothing for another principal.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc;
use tollgate_mcp::revision::Revision;

use super::outbox::Outbox;
use crate::call::{Caller, Endpoint};
use crate::clock::Clock;
use crate::receive::edge;
use crate::receive::http::Sessions;
use crate::receive::http::full::Full;
use crate::receive::legacy::{Core, listen};

/// How long a session goes on listening for changed lists after its last GET stream was lost: long enough to reconnect.
const LINGER_MS: u64 = 60_000;

/// One legacy session over HTTP.
#[derive(Debug)]
pub(in crate::receive::http) struct Session {
    pub(in crate::receive::http) core: Arc<Core>,
    pub(super) outbox: Outbox,
    pub(super) clock: Clock,
    id: [u8; 16],
    principal: Arc<str>,
    seen_ms: AtomicU64,
}

impl Session {
    pub(super) fn touch(&self) {
        self.seen_ms.store(self.clock.now_ms(), Ordering::Relaxed);
    }

    fn is_active(&self) -> bool {
        !self.core.flights.is_empty() || self.outbox.is_read()
    }

    fn is_expired(&self, limits: &Sessions, now_ms: u64) -> bool {
        let idle_ms = u64::try_from(limits.idle.as_millis()).unwrap_or(u64::MAX);
        self.seen_ms.load(Ordering::Relaxed).saturating_add(idle_ms) < now_ms && !self.is_active()
    }

    pub(super) fn end(&self) {
        self.core.end();
        self.outbox.end();
    }
}

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<[u8; 16], Arc<Session>>,
    /// How many there are of each principal.
    counts: HashMap<Arc<str>, usize>,
}

impl Known {
    fn insert(&mut self, session: Arc<Session>) {
        *self.counts.entry(Arc::clone(&session.principal)).or_default() += 1;
        self.sessions.insert(session.id, session);
    }

    fn remove(&mut self, id: &[u8; 16]) -> Option<Arc<Session>> {
        let session = self.sessions.remove(id)?;
        if let Some(count) = self.counts.get_mut(&session.principal) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&session.principal);
            }
        }
        Some(session)
    }

    /// The principal's session that has been unused for longest.
    fn unused(&self, principal: &str) -> Option<[u8; 16]> {
        let own =
            self.sessions.values().filter(|session| *session.principal == *principal && !session.is_active());
        own.min_by_key(|session| session.seen_ms.load(Ordering::Relaxed)).map(|session| session.id)
    }
}

/// All sessions.
#[derive(Debug)]
pub(in crate::receive::http) struct Store {
    known: RwLock<Known>,
    limits: Sessions,
    clock: Clock,
    events_bytes: Arc<AtomicUsize>,
}

impl Store {
    pub(in crate::receive::http) fn new(limits: Sessions, clock: Clock) -> Self {
        Self { known: RwLock::default(), limits, clock, events_bytes: Arc::default() }
    }

    /// Makes a session, and its id.
    pub(super) fn make(&self, core: Arc<Core>, caller: &Caller) -> Result<String, Full> {
        let id = edge::random().ok_or(Full::NoId)?;
        let primed = core.client.revision >= Revision::V2025_11_25;
        let session = Arc::new(Session {
            core,
            outbox: Outbox::new(self.limits, primed, Arc::clone(&self.events_bytes)),
            clock: self.clock.clone(),
            id,
            principal: Arc::clone(&caller.principal),
            seen_ms: AtomicU64::new(self.clock.now_ms()),
        });
        let mut known = self.write();
        // Most clients never end their sessions, so the longest unused one gives way.
        let own = known.counts.get(&caller.principal).copied().unwrap_or_default();
        if own >= self.limits.max_per_principal {
            let oldest = known.unused(&caller.principal).ok_or(Full::Principal)?;
            if let Some(old) = known.remove(&oldest) {
                old.end();
            }
        }
        if known.sessions.len() >= self.limits.max {
            return Err(Full::All);
        }
        known.insert(session);
        drop(known);
        Ok(format!("{:032x}", u128::from_be_bytes(id)))
    }

    /// The session of this id, for its own principal and at its own endpoint only.
    pub(in crate::receive::http) fn find(
        &self,
        id: &[u8],
        caller: &Caller,
        endpoint: &Endpoint,
    ) -> Option<Arc<Session>> {
        let key = key(id)?;
        let session = Arc::clone(self.read().sessions.get(&key)?);
        let ours = session.principal == caller.principal
            && session.core.endpoint == *endpoint
            && !session.is_expired(&self.limits, self.clock.now_ms());
        ours.then(|| {
            session.touch();
            session
        })
    }

    /// Ends a session.
    pub(super) fn remove(&self, session: &Arc<Session>) {
        self.write().remove(&session.id);
        session.end();
    }

    /// Ends what is unused and forgets what can't be resumed any more.
    pub(in crate::receive::http) fn sweep(&self) {
        let now_ms = self.clock.now_ms();
        for session in self.all() {
            if session.is_expired(&self.limits, now_ms) {
                self.remove(&session);
            }
        }
        let resumable_ms = u64::try_from(self.limits.resumable.as_millis()).unwrap_or(u64::MAX);
        for session in self.all() {
            session.outbox.forget(now_ms.saturating_sub(resumable_ms));
            let unheard = session.outbox.unheard_since_ms();
            if unheard.is_some_and(|since| since.saturating_add(LINGER_MS) < now_ms) {
                listen::lists(&session.core, false);
            }
        }
    }

    /// Ends all streams that wait for news.
    pub(in crate::receive::http) fn end_listening(&self) {
        for session in self.all() {
            session.outbox.end_listening();
        }
    }

    /// Ends all sessions.
    pub(in crate::receive::http) fn end_all(&self) {
        for session in self.all() {
            session.end();
        }
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.read().sessions.values().map(Arc::clone).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(id: &[u8]) -> Option<[u8; 16]> {
    let text = std::str::from_utf8(id).ok().filter(|text| text.len() == 32)?;
    // `from_str_radix` takes a sign, which would make a second name for a session.
    if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

/// The walks that go on without a connection, so that draining can wait for them.
#[derive(Debug)]
pub(in crate::receive::http) struct Detached {
    sender: Mutex<Option<mpsc::Sender<()>>>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl Default for Detached {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self { sender: Mutex::new(Some(sender)), receiver: tokio::sync::Mutex::new(receiver) }
    }
}

impl Detached {
    /// Held by a walk while it goes on.
    pub(in crate::receive::http) fn hold(&self) -> Option<mpsc::Sender<()>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets no further walk go on without its connection.
    pub(in crate::receive::http) fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Waits until no walk holds on.
    pub(in crate::receive::http) async fn finished(&self) {
        self.close();
        self.receiver.lock().await.recv().await;
    }
}
