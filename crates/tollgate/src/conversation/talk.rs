//! One conversation's memory. Labels are read without a lock; what changes seldom stands behind one that is held for no longer than a
//! copy takes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tollgate_mcp::error::RpcError;

use super::hints::bad;
use super::{Moment, lock};

/// A keyed digest of a conversation's identity.
pub(super) type Key = [u8; 16];

/// The most labels of one conversation: a configuration has fewer.
const LABELS_MAX: usize = 1_000;

/// How often a host may narrow one conversation.
const NARROW_MAX: usize = 16;

/// A conversation as it is kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// A keyed digest of its identity.
    pub key: [u8; 16],
    /// Its name in the ledger.
    pub name: String,
    /// The labels of what it touched.
    pub labels: Vec<String>,
    /// Its calls.
    pub calls: u64,
    /// Its sums.
    pub counters: Vec<(String, i64)>,
    /// What its host left in it: globs, each list narrowing further.
    pub narrow: Vec<Vec<String>>,
    /// The user's own words.
    pub task: Option<String>,
    /// When it was last spoken in, in milliseconds since the Unix epoch.
    pub last_ms: u64,
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
        talk.calls.store(saved.calls, Ordering::Relaxed);
        talk.labels.store(Arc::new(texts(saved.labels)));
        *lock(&talk.rest) = Rest {
            counters: saved.counters.into_iter().map(|(name, sum)| (Arc::from(name), sum)).collect(),
            narrow: saved.narrow.into_iter().map(Arc::from).collect(),
            task: saved.task.map(Arc::from),
        };
        talk
    }

    /// As it is kept; `None` if it is not.
    pub(super) fn to_saved(&self) -> Option<Saved> {
        self.dirty.store(false, Ordering::Release);
        let key = self.key?;
        let rest = lock(&self.rest);
        Some(Saved {
            key,
            name: self.name.to_string(),
            labels: self.labels.load().iter().map(ToString::to_string).collect(),
            calls: self.calls(),
            counters: rest.counters.iter().map(|(name, sum)| (name.to_string(), *sum)).collect(),
            narrow: rest.narrow.iter().map(|globs| globs.to_vec()).collect(),
            task: rest.task.as_deref().map(ToOwned::to_owned),
            last_ms: self.last_ms(),
        })
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
                match rest.counters.iter_mut().find(|(known, _)| known == name) {
                    Some((_, sum)) => *sum = sum.saturating_add(*more),
                    None => rest.counters.push((Arc::clone(name), *more)),
                }
            }
        }
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
