//! One conversation in several processes: what each adds is joined in the file they share, and comes back from there. Labels and
//! narrowings are united; calls and sums are added up, each process's own part once.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::talk::{Key, Saved, Talk, Tally};
use super::{Conversations, lock};

/// A conversation to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As this process knows it.
    pub saved: Saved,
    /// What the file was told of its calls and sums before.
    pub before: Tally,
}

impl Change {
    /// As it should be kept, given what is: other processes may have added to it.
    pub fn onto(&self, kept: Option<Saved>, idle_ms: u64) -> Saved {
        let mut saved = self.saved.clone();
        // A window that began after a long silence is another one, though it has the same key.
        let Some(kept) = kept.filter(|kept| saved.goes_on(kept, idle_ms)) else { return saved };
        saved.tally = kept.tally.plus(&saved.tally, &self.before);
        unite(&mut saved.labels, kept.labels);
        unite(&mut saved.narrow, kept.narrow);
        saved.task = saved.task.or(kept.task);
        saved.last_ms = saved.last_ms.max(kept.last_ms);
        saved
    }
}

fn unite<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

impl Conversations {
    /// What changed since the last time, to be kept.
    pub fn take_changed(&self) -> Vec<Change> {
        let changed = std::mem::take(&mut *lock(&self.changed));
        changed.iter().filter_map(|talk| talk.to_change()).collect()
    }

    /// Forgets whom nobody heard of for long.
    pub fn forget(&self, now_ms: u64) {
        let kept_ms = self.kept_ms();
        let stale = |talk: &Talk| talk.is_idle(kept_ms, now_ms);
        self.callers.write().unwrap_or_else(PoisonError::into_inner).retain(|_, known| {
            known.sessions.retain(|_, talk| !stale(talk));
            known.chosen.retain(|_, talk| !stale(talk));
            !(stale(&known.window) && known.sessions.is_empty() && known.chosen.is_empty())
        });
        lock(&self.recalled).retain(|_, saved| now_ms.saturating_sub(saved.last_ms) <= kept_ms);
    }

    /// Takes what the file says now: what other processes added to conversations of ours, and theirs that we may hear of.
    pub fn absorb(&self, rows: Vec<Saved>) {
        let idle_ms = self.idle_ms();
        let mut rows: HashMap<Key, Saved> = rows.into_iter().map(|saved| (saved.key, saved)).collect();
        if rows.is_empty() {
            return;
        }
        // Held until the end: who is met for the first time is recalled under the same lock.
        let callers = self.callers.read().unwrap_or_else(PoisonError::into_inner);
        let known = callers.values().flat_map(|known| known.chosen.values().chain([&known.window]));
        for talk in known {
            if let Some(key) = talk.key()
                && rows.get(&key).is_some_and(|row| talk.absorb(row, idle_ms))
            {
                rows.remove(&key);
            }
        }
        lock(&self.recalled).extend(rows);
    }
}
