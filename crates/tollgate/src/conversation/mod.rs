//! What a conversation has touched so far: labels, calls, sums. It is named by its host where the host may choose (`conversations: own`),
//! else by the legacy session, else by the caller within an idle window; what is touched counts for the caller's window too, so a new
//! session sheds nothing; nor does another process on the same state. *Never* holds a lock across an await, and never writes: what
//! changed is handed to who keeps it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tollgate_mcp::error::RpcError;
use tollgate_mcp::name::glob;

use crate::call::{Arrival, Caller};
use crate::config::{self, Config};
use crate::secret::{Mac, hex};

mod exchange;
mod hints;
mod sums;
mod talk;
#[cfg(test)]
mod tests;

pub use exchange::Change;
use hints::Hints;
use talk::{Key, Talk};
pub use talk::{Saved, Tally};

/// The most sessions and chosen ids of one caller that are told apart. Those beyond share the caller's window, which knows all labels.
const TALKS_MAX: usize = 1_000;

/// How long a session or a chosen id is remembered unused: what an agent has read stays in its context longer than a window.
const KEPT_MS: u64 = 24 * 3600 * 1000;

/// All conversations.
#[derive(Debug)]
pub struct Conversations {
    mac: Mac,
    settings: ArcSwap<Settings>,
    callers: RwLock<HashMap<Arc<str>, Known>>,
    /// From before the restart, and from other processes, until they are spoken of here.
    recalled: Mutex<HashMap<Key, Saved>>,
    changed: Mutex<Vec<Arc<Talk>>>,
}

#[derive(Debug)]
struct Settings {
    idle_ms: u64,
    meta: String,
    sums: Arc<[config::Sum]>,
    /// Something is labelled, or a rule reads what a conversation did: else nothing is remembered.
    remembers: bool,
}

/// One caller's conversations.
#[derive(Debug)]
struct Known {
    window: Arc<Talk>,
    sessions: HashMap<Arc<str>, Arc<Talk>>,
    chosen: HashMap<Arc<str>, Arc<Talk>>,
}

/// The conversation that a request is part of.
#[derive(Clone, Debug)]
pub struct Here {
    /// A session, or what the host calls it.
    own: Option<Arc<Talk>>,
    /// The caller's window.
    window: Arc<Talk>,
    /// Its host, which an operator trusts to tell its conversations apart, named it.
    chosen: bool,
    narrow: Vec<Arc<[String]>>,
    task: Option<Arc<str>>,
}

/// What rules may read of a conversation, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The labels of what it touched.
    pub labels: Arc<Vec<Arc<str>>>,
    /// Its calls so far, one for each interaction that was forwarded.
    pub calls: u64,
    /// Sums over arguments, by name.
    pub counters: Vec<(Arc<str>, i64)>,
    /// The user's own words for the task, where the host said them.
    pub task: Option<Arc<str>>,
}

impl Conversations {
    /// With a key for names, and what was saved before the restart. `reads`: a rule reads what a conversation did.
    pub fn new(key: &[u8; 32], config: &Config, reads: bool, saved: Vec<Saved>, now_ms: u64) -> Self {
        let all = Self {
            mac: Mac::new(key),
            settings: ArcSwap::from_pointee(Settings::of(config, reads)),
            callers: RwLock::default(),
            recalled: Mutex::default(),
            changed: Mutex::default(),
        };
        let kept_ms = all.kept_ms();
        let fresh = |saved: &Saved| now_ms.saturating_sub(saved.last_ms) <= kept_ms;
        *lock(&all.recalled) = saved.into_iter().filter(fresh).map(|saved| (saved.key, saved)).collect();
        all
    }

    /// Applies a new configuration.
    pub fn apply(&self, config: &Config, reads: bool) {
        self.settings.store(Arc::new(Settings::of(config, reads)));
    }

    /// The conversation of a request. Its hints are believed only from agents that may choose their conversations.
    pub fn of(&self, arrival: &Arrival, now_ms: u64) -> Result<Here, RpcError> {
        let settings = self.settings.load();
        let caller = &arrival.caller;
        if !caller.own_conversations {
            return Ok(self.here(caller, arrival.session.as_ref(), None, &settings, now_ms));
        }
        let hints = Hints::read(&arrival.params, &settings.meta)?;
        let mut here = self.here(caller, arrival.session.as_ref(), hints.id.as_deref(), &settings, now_ms);
        // What was said stays for a conversation that has a name; a window is many of them.
        if let Some(talk) = here.own.as_ref().map(Arc::clone) {
            if talk.said(hints.allow.as_ref(), hints.task.as_ref())? {
                self.mark(&talk);
            }
            (here.narrow, here.task) = talk.hints();
        } else {
            here.narrow = hints.allow.into_iter().collect();
            here.task = hints.task;
        }
        Ok(here)
    }

    /// What a call that is about to be forwarded touches: before anything of its answer can reach the agent. `first`: it is the
    /// first time for its interaction. Says whether a label is new: it should be kept before the call leaves.
    pub fn touch(&self, here: &Here, labels: &[Arc<str>], first: bool, sums: &[(Arc<str>, i64)]) -> bool {
        if !self.settings.load().remembers {
            return false;
        }
        let mut new = false;
        for talk in here.own.iter().chain([&here.window]) {
            new |= talk.touch(labels, first, sums);
            self.mark(talk);
        }
        new
    }

    /// What a call (`server/original`) with these arguments adds to its conversation's sums.
    pub fn sums(&self, label: &str, arguments: Option<&Bytes>) -> Vec<(Arc<str>, i64)> {
        let settings = self.settings.load();
        let Some(arguments) = arguments else { return Vec::new() };
        let matching = settings.sums.iter().filter(|sum| glob(&sum.of, label));
        matching.map(|sum| (Arc::clone(&sum.name), sums::sum(arguments, &sum.path))).collect()
    }

    /// Whether labels and calls are remembered at all.
    pub fn remembers(&self) -> bool {
        self.settings.load().remembers
    }

    /// How long one is remembered unused, in milliseconds.
    pub fn kept_ms(&self) -> u64 {
        KEPT_MS.max(self.settings.load().idle_ms)
    }

    /// After how long in silence a caller's window ends, in milliseconds.
    pub fn idle_ms(&self) -> u64 {
        self.settings.load().idle_ms
    }

    fn mark(&self, talk: &Arc<Talk>) {
        if talk.becomes_dirty() {
            lock(&self.changed).push(Arc::clone(talk));
        }
    }

    fn here(
        &self,
        caller: &Caller,
        session: Option<&Arc<str>>,
        id: Option<&str>,
        settings: &Settings,
        now_ms: u64,
    ) -> Here {
        let callers = self.callers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callers.get(&caller.principal)
            && let Some(here) = known.here(session, id, settings, now_ms)
        {
            return here;
        }
        drop(callers);
        self.meet(caller, session, id, settings, now_ms)
    }

    /// A conversation that was not heard of yet, or a window that begins.
    fn meet(
        &self,
        caller: &Caller,
        session: Option<&Arc<str>>,
        id: Option<&str>,
        settings: &Settings,
        now_ms: u64,
    ) -> Here {
        let principal = &caller.principal;
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        let known = callers.entry(Arc::clone(principal)).or_insert_with(|| Known {
            window: self.window(principal, settings, now_ms),
            sessions: HashMap::new(),
            chosen: HashMap::new(),
        });
        if known.window.is_idle(settings.idle_ms, now_ms) {
            known.window = self.window(principal, settings, now_ms);
        }
        let room = known.sessions.len() + known.chosen.len() < TALKS_MAX;
        match (id, session) {
            (Some(id), _) if room && !known.chosen.contains_key(id) => {
                let key = self.key("own", principal, id.as_bytes());
                let talk = self.recall(key).unwrap_or_else(|| Talk::new(Some(key), name_of(&key), now_ms));
                known.chosen.insert(Arc::from(id), Arc::new(talk));
            }
            (None, Some(session)) if room && !known.sessions.contains_key(session) => {
                // Not kept over a restart: a session ends with the process that holds it.
                let key = self.key("session", principal, session.as_bytes());
                known.sessions.insert(Arc::clone(session), Arc::new(Talk::new(None, name_of(&key), now_ms)));
            }
            (Some(_) | None, _) => {}
        }
        known.here(session, id, settings, now_ms).unwrap_or_else(|| known.plain(now_ms))
    }

    fn window(&self, principal: &str, settings: &Settings, now_ms: u64) -> Arc<Talk> {
        let key = self.key("windows", principal, b"");
        let kept = self.recall(key).filter(|talk| !talk.is_idle(settings.idle_ms, now_ms));
        Arc::new(kept.unwrap_or_else(|| {
            let name = name_of(&self.key("window", principal, &now_ms.to_be_bytes()));
            Talk::new(Some(key), name, now_ms)
        }))
    }

    fn recall(&self, key: Key) -> Option<Talk> {
        lock(&self.recalled).remove(&key).map(Talk::recall)
    }

    fn key(&self, kind: &str, principal: &str, rest: &[u8]) -> Key {
        let length = u64::try_from(principal.len()).unwrap_or(u64::MAX).to_be_bytes();
        let digest = self.mac.digest(&[kind.as_bytes(), &[0], &length, principal.as_bytes(), rest]);
        let mut key = [0; 16];
        key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        key
    }
}

impl Settings {
    fn of(config: &Config, reads: bool) -> Self {
        let labelled = config
            .servers
            .values()
            .any(|s| !s.labels.is_empty() || s.overrides.values().any(|o| !o.labels.is_empty()));
        Self {
            idle_ms: u64::try_from(config.conversation_idle.as_millis()).unwrap_or(u64::MAX),
            meta: config.conversation_meta.clone(),
            sums: Arc::clone(&config.sums),
            remembers: labelled || reads,
        }
    }
}

impl Known {
    /// `None`: something has to be made first.
    fn here(
        &self,
        session: Option<&Arc<str>>,
        id: Option<&str>,
        settings: &Settings,
        now_ms: u64,
    ) -> Option<Here> {
        if self.window.is_idle(settings.idle_ms, now_ms) {
            return None;
        }
        let own = match (id, session) {
            (Some(id), _) => Some(self.chosen.get(id)?),
            (None, Some(session)) => Some(self.sessions.get(session)?),
            (None, None) => None,
        };
        if let Some(own) = own {
            own.seen(now_ms);
        }
        Some(Here { own: own.map(Arc::clone), chosen: id.is_some(), ..self.plain(now_ms) })
    }

    /// The caller's window and nothing else.
    fn plain(&self, now_ms: u64) -> Here {
        self.window.seen(now_ms);
        Here { own: None, window: Arc::clone(&self.window), chosen: false, narrow: Vec::new(), task: None }
    }
}

impl Here {
    /// The ledger's `session`: a keyed hash of its identity.
    pub fn name(&self) -> &Arc<str> {
        self.own.as_ref().map_or(&self.window.name, |own| &own.name)
    }

    /// Whether its host has left this (`server/original`) in it. Anything, where the host said nothing.
    pub fn allows(&self, label: &str) -> bool {
        self.narrow.iter().all(|globs| globs.iter().any(|g| glob(g, label)))
    }

    /// Whether its host has narrowed it.
    pub fn is_narrowed(&self) -> bool {
        !self.narrow.is_empty()
    }

    /// What rules may read of it now.
    pub fn facts(&self) -> Facts {
        let labels = match &self.own {
            // A host that may name its conversations is believed that they are apart.
            Some(own) if self.chosen => own.labels(),
            Some(own) => union(own.labels(), &self.window.labels()),
            None => self.window.labels(),
        };
        let counted = self.own.as_ref().unwrap_or(&self.window);
        Facts { labels, calls: counted.calls(), counters: counted.counters(), task: self.task.clone() }
    }
}

fn union(own: Arc<Vec<Arc<str>>>, more: &Arc<Vec<Arc<str>>>) -> Arc<Vec<Arc<str>>> {
    if more.iter().all(|label| own.contains(label)) {
        return own;
    }
    let mut both = own.to_vec();
    both.extend(more.iter().filter(|label| !own.contains(label)).map(Arc::clone));
    Arc::new(both)
}

fn name_of(key: &Key) -> Arc<str> {
    Arc::from(hex::encode(key))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A moment that many threads move.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Moment {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, ms: u64) {
        self.0.fetch_max(ms, Ordering::Relaxed);
    }
}
