//! Who is subscribed to which resource, and who follows which task: counted, so that each is subscribed at the server once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::server::Server;

/// One server's subscribed URIs, or the ids of its followed tasks.
#[derive(Debug)]
pub(super) struct Uris {
    counts: Mutex<BTreeMap<String, usize>>,
    /// Counts changes of the set.
    pub(super) changed: watch::Sender<u64>,
    /// What a modern server said it honours.
    pub(super) honoured: watch::Sender<BTreeSet<String>>,
    /// One change at a time is made at a legacy server.
    pub(super) changing: tokio::sync::Mutex<()>,
}

impl Uris {
    pub(super) fn new() -> Self {
        Self {
            counts: Mutex::default(),
            changed: watch::channel(0).0,
            honoured: watch::channel(BTreeSet::new()).0,
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Counts one more; true if it is the first.
    pub(super) fn add(&self, uri: &str) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(uri.to_owned()).or_default();
        *count += 1;
        let first = *count == 1;
        drop(counts);
        if first {
            self.changed.send_modify(|version| *version += 1);
        }
        first
    }

    /// Counts one less; true if it was the last.
    pub(super) fn remove(&self, uri: &str) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(uri) else { return false };
        *count = count.saturating_sub(1);
        let last = *count == 0;
        if last {
            counts.remove(uri);
        }
        drop(counts);
        if last {
            self.changed.send_modify(|version| *version += 1);
        }
        last
    }

    /// All that anyone is subscribed to.
    pub(super) fn all(&self) -> Vec<String> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    pub(super) fn has(&self, uri: &str) -> bool {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(uri)
    }
}

/// One subscriber of one URI; dropping it counts back.
#[derive(Debug)]
pub struct Subscription {
    server: Arc<Server>,
    uri: String,
}

impl Subscription {
    /// The URI must have been counted.
    pub(super) fn new(server: Arc<Server>, uri: String) -> Self {
        Self { server, uri }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.server.unsubscribe(std::mem::take(&mut self.uri));
    }
}

/// One follower of one task; dropping it counts back.
#[derive(Debug)]
pub struct Following {
    tasks: Arc<Uris>,
    id: String,
}

impl Following {
    pub(super) fn new(tasks: &Arc<Uris>, id: &str) -> Self {
        tasks.add(id);
        Self { tasks: Arc::clone(tasks), id: id.to_owned() }
    }

    /// Waits until a server of 2026-07-28 has said that it will tell: what changed before that, it has not told.
    pub async fn taken_up(&self) {
        let mut honoured = self.tasks.honoured.subscribe();
        if honoured.wait_for(|honoured| honoured.contains(&self.id)).await.is_err() {
            // The server is gone.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.tasks.remove(&self.id);
    }
}
