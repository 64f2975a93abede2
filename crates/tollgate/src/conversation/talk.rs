//! One conversation's memory. Labels are read without a lock; what changes seldom stands behind one that is held for no longer than a
//! copy takes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tollgate_mcp::error::RpcError;

use super::exchange::Change;
use super::hints::bad;
use super::{Moment, lock};

/// A keyed digest of a conversation's identity.
pub(super) type Key = [u8; 16];

/// The most labels of one conversation: a configuration has fewer.
const LABELS_MAX: usize = 1_000;

/// How often a host may narrow one conversation.
const NARROW_MAX: usize = 16;

/// A conversation as it is kept: over a restart, and for other processes on the same state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// A keyed digest of its identity.
    pub key: [u8; 16],
    /// Its name in the ledger.
    pub name: String,
    /// The labels of what it touched.
    pub labels: Vec<String>,
    /// Its calls and sums.
    pub tally: Tally,
    /// What its host left in it: globs, each list narrowing further.
    pub narrow: Vec<Vec<String>>,
    /// The user's own words.
    pub task: Option<String>,
    /// When it was last spoken in, in milliseconds since the Unix epoch.
    pub last_ms: u64,
}

/// Calls and sums: what only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many calls.
    pub calls: u64,
    /// The sums, by name.
    pub sums: Vec<(String, i64)>,
}

impl Tally {
    fn sum(&self, name: &str) -> i64 {
        self.sums.iter().find(|(known, _)| known == name).map_or(0, |(_, sum)| *sum)
    }

    /// With what came between `before` and `now`.
    #[must_use]
    pub fn plus(&self, now: &Self, before: &Self) -> Self {
        let mut sums = self.sums.clone();
        for (name, sum) in &now.sums {
            let more = sum.saturating_sub(before.sum(name)).max(0);
            match sums.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(more),
                None => sums.push((name.clone(), more)),
            }
        }
        Self { calls: self.calls.saturating_add(now.calls.saturating_sub(before.calls)), sums }
    }
}

impl Saved {
    /// Whether `kept`, which has the same key, is the same conversation: a window ends when it was idle.
    pub fn goes_on(&self, kept: &Self, idle_ms: u64) -> bool {
        self.name == kept.name || self.last_ms.abs_diff(kept.last_ms) <= idle_ms
    }
}

#[derive(Debug)]
pub(super) struct Talk {
    key: Option<Key>,
    pub(super) name: Arc<str>,
    last: Moment,
    calls: AtomicU64,
    labels: ArcSwap<Vec<Arc<str>>>,
    rest: Mutex<Rest>,
    dirty: AtomicBool,
}

#[derive(Debug, Default)]
struct Rest {
    counters: Vec<(Arc<str>, i64)>,
    narrow: Vec<Arc<[String]>>,
    task: Option<Arc<str>>,
    /// What the file knows of calls and sums.
    told: Tally,
}

impl Rest {
    fn count(&mut self, name: &Arc<str>, more: i64) {
        match self.counters.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(more),
            None => self.counters.push((Arc::clone(name), more)),
        }
    }
}

impl Talk {
    /// One that begins. Without a `key` it is not kept.
    pub(super) fn new(key: Option<Key>, name: Arc<str>, now_ms: u64) -> Self {
        Self {
            key,
            name,
            last: Moment(AtomicU64::new(now_ms)),
            calls: AtomicU64::new(0),
            labels: ArcSwap::default(),
            rest: Mutex::default(),
            dirty: AtomicBool::new(false),
        }
    }

    /// One that goes on.
    pub(super) fn recall(saved: Saved) -> Self {
        let texts = |texts: Vec<String>| texts.into_iter().map(Arc::from).collect::<Vec<Arc<str>>>();
        let talk = Self::new(Some(saved.key), Arc::from(saved.name), saved.last_ms);
        talk.calls.store(saved.tally.calls, Ordering::Relaxed);
        talk.labels.store(Arc::new(texts(saved.labels)));
        *lock(&talk.rest) = Rest {
            counters: saved.tally.sums.iter().map(|(name, sum)| (Arc::from(name.as_str()), *sum)).collect(),
            narrow: saved.narrow.into_iter().map(Arc::from).collect(),
            task: saved.task.map(Arc::from),
            told: saved.tally,
        };
        talk
    }

    pub(super) const fn key(&self) -> Option<Key> {
        self.key
    }

    /// As it is to be kept; `None` if it is not.
    pub(super) fn to_change(&self) -> Option<Change> {
        self.dirty.store(false, Ordering::Release);
        let key = self.key?;
        let mut rest = lock(&self.rest);
        let sums = rest.counters.iter().map(|(name, sum)| (name.to_string(), *sum)).collect();
        let tally = Tally { calls: self.calls(), sums };
        let before = std::mem::replace(&mut rest.told, tally.clone());
        let saved = Saved {
            key,
            name: self.name.to_string(),
            labels: self.labels.load().iter().map(ToString::to_string).collect(),
            tally,
            narrow: rest.narrow.iter().map(|globs| globs.to_vec()).collect(),
            task: rest.task.as_deref().map(ToOwned::to_owned),
            last_ms: self.last_ms(),
        };
        Some(Change { saved, before })
    }

    /// Takes what other processes added to it; `false` = that is another window.
    pub(super) fn absorb(&self, row: &Saved, idle_ms: u64) -> bool {
        let own = self.last_ms();
        if *row.name != *self.name && own.abs_diff(row.last_ms) > idle_ms {
            return false;
        }
        let labels: Vec<Arc<str>> = row.labels.iter().map(|label| Arc::from(label.as_str())).collect();
        self.add(&labels);
        let mut rest = lock(&self.rest);
        let none = Tally::default();
        let more = none.plus(&row.tally, &rest.told);
        self.calls.fetch_add(more.calls, Ordering::Relaxed);
        for (name, more) in more.sums {
            rest.count(&Arc::from(name), more);
        }
        rest.told = row.tally.clone();
        for globs in row.narrow.iter().map(|globs| Arc::<[String]>::from(globs.as_slice())) {
            if !rest.narrow.contains(&globs) {
                rest.narrow.push(globs);
            }
        }
        if let Some(task) = row.task.as_deref().filter(|_| rest.task.is_none() || row.last_ms > own) {
            rest.task = Some(Arc::from(task));
        }
        drop(rest);
        self.seen(row.last_ms);
        true
    }

    pub(super) fn seen(&self, now_ms: u64) {
        self.last.set(now_ms);
    }

    pub(super) fn last_ms(&self) -> u64 {
        self.last.get()
    }

    pub(super) fn is_idle(&self, idle_ms: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_ms()) > idle_ms
    }

    /// Whether it was clean before.
    pub(super) fn becomes_dirty(&self) -> bool {
        !self.dirty.swap(true, Ordering::AcqRel)
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn labels(&self) -> Arc<Vec<Arc<str>>> {
        self.labels.load_full()
    }

    pub(super) fn counters(&self) -> Vec<(Arc<str>, i64)> {
        lock(&self.rest).counters.clone()
    }

    /// Whether a label is new.
    pub(super) fn touch(&self, labels: &[Arc<str>], first: bool, sums: &[(Arc<str>, i64)]) -> bool {
        if first {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        if first && !sums.is_empty() {
            let mut rest = lock(&self.rest);
            for (name, more) in sums {
                rest.count(name, *more);
            }
        }
        self.add(labels)
    }

    /// Whether a label is new.
    fn add(&self, labels: &[Arc<str>]) -> bool {
        let fresh = |known: &[Arc<str>]| labels.iter().any(|label| !known.contains(label));
        if !fresh(&self.labels.load()) {
            return false;
        }
        self.labels.rcu(|known| {
            let mut all = known.to_vec();
            for label in labels {
                if !all.contains(label) && all.len() < LABELS_MAX {
                    all.push(Arc::clone(label));
                }
            }
            all
        });
        true
    }

    /// Takes what its host says; whether that is new. Narrowing too often is refused.
    pub(super) fn said(
        &self,
        allow: Option<&Arc<[String]>>,
        task: Option<&Arc<str>>,
    ) -> Result<bool, RpcError> {
        if allow.is_none() && task.is_none() {
            return Ok(false);
        }
        let mut rest = lock(&self.rest);
        let mut new = false;
        if let Some(allow) = allow
            && !rest.narrow.iter().any(|known| known == allow)
        {
            if rest.narrow.len() >= NARROW_MAX {
                return Err(bad("dev.tollgate/allow", "narrows this conversation too often"));
            }
            rest.narrow.push(Arc::clone(allow));
            new = true;
        }
        if let Some(task) = task
            && rest.task.as_ref() != Some(task)
        {
            rest.task = Some(Arc::clone(task));
            new = true;
        }
        Ok(new)
    }

    pub(super) fn hints(&self) -> (Vec<Arc<[String]>>, Option<Arc<str>>) {
        let rest = lock(&self.rest);
        (rest.narrow.clone(), rest.task.clone())
    }
}
