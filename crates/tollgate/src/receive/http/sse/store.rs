//! The open streams. An id is 128 random bits and opens nothing for another principal, or at another endpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::mpsc;
use tollgate_mcp::rope::Rope;

use crate::call::{Caller, Endpoint};
use crate::receive::edge;
use crate::receive::http::Sessions;
use crate::receive::http::full::Full;
use crate::receive::legacy::Core;

/// One session: a stream, and what its client said of itself.
#[derive(Debug)]
pub(super) struct Session {
    id: Arc<str>,
    principal: Arc<str>,
    pub(super) endpoint: Endpoint,
    /// Once it is initialized.
    pub(super) core: OnceLock<Arc<Core>>,
    /// The stream; none when it is about to end. Calls hold on to it until they are answered.
    line: Mutex<Option<mpsc::Sender<Rope>>>,
    streams: Arc<Known>,
}

impl Session {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The stream, unless it is over.
    pub(super) fn line(&self) -> Option<mpsc::Sender<Rope>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes no more messages: the stream ends with the last answer.
    fn hang_up(&self) {
        drop(self.line.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The stream's reader has gone: nobody answers questions any more; what runs may finish.
    pub(super) fn desert(&self) {
        self.hang_up();
        if let Some(core) = self.core.get() {
            core.ended.fire();
            core.deserted();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut known = self.streams.lock();
        known.sessions.remove(&self.id);
        if let Some(count) = known.counts.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                known.counts.remove(&self.principal);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Arc<str>, Weak<Session>>,
    /// How many there are of each principal.
    counts: HashMap<Arc<str>, usize>,
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All open streams. A session is counted until its last call is over.
#[derive(Debug)]
pub(in crate::receive::http) struct Streams {
    known: Arc<Known>,
    limits: Sessions,
}

impl Streams {
    pub(in crate::receive::http) fn new(limits: Sessions) -> Self {
        Self { known: Arc::default(), limits }
    }

    /// Makes a session.
    pub(super) fn open(
        &self,
        caller: &Caller,
        endpoint: &Endpoint,
        line: mpsc::Sender<Rope>,
    ) -> Result<Arc<Session>, Full> {
        let id = edge::identity().ok_or(Full::NoId)?;
        let mut known = self.known.lock();
        if known.sessions.len() >= self.limits.max {
            return Err(Full::All);
        }
        let own = known.counts.entry(Arc::clone(&caller.principal)).or_default();
        if *own >= self.limits.max_per_principal {
            return Err(Full::Principal);
        }
        *own += 1;
        let session = Arc::new(Session {
            id: Arc::clone(&id),
            principal: Arc::clone(&caller.principal),
            endpoint: endpoint.clone(),
            core: OnceLock::new(),
            line: Mutex::new(Some(line)),
            streams: Arc::clone(&self.known),
        });
        known.sessions.insert(id, Arc::downgrade(&session));
        Ok(session)
    }

    /// The session of this id, for its own principal and at its own endpoint only.
    pub(super) fn find(&self, id: &str, caller: &Caller, endpoint: &Endpoint) -> Option<Arc<Session>> {
        let session = self.known.lock().sessions.get(id)?.upgrade()?;
        (session.principal == caller.principal && session.endpoint == *endpoint).then_some(session)
    }

    /// Ends all streams, each after the answers that are on their way.
    pub(in crate::receive::http) fn end_listening(&self) {
        for session in self.all() {
            session.hang_up();
        }
    }

    /// Ends all sessions, and cancels what still runs.
    pub(in crate::receive::http) fn end_all(&self) {
        for session in self.all() {
            session.hang_up();
            if let Some(core) = session.core.get() {
                core.end();
            }
        }
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.known.lock().sessions.values().filter_map(Weak::upgrade).collect()
    }
}
