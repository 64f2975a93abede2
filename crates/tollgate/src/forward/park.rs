//! Parked calls: a legacy server asked in mid-call, and its agent has gone to find the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::servers::{Event, Exchange};

/// The most calls that one principal may have parked.
const PER_PRINCIPAL: usize = 64;

/// A call that waits for its agent. Its server is listened to all the while: it may ping, give up its question, or end the call.
#[derive(Debug)]
pub struct Parked {
    wake: oneshot::Sender<()>,
    keeper: JoinHandle<Kept>,
    /// When it is given up, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// Whose it is.
    pub principal: Arc<str>,
    /// The interaction.
    pub interaction: Uuid,
}

/// What comes out of a park.
#[derive(Debug)]
pub struct Kept {
    /// The call.
    pub exchange: Exchange,
    /// Its end, if that came meanwhile.
    pub ended: Option<Event>,
}

impl Parked {
    /// Parks a call.
    pub fn new(exchange: Exchange, expires_ms: u64, principal: Arc<str>, interaction: Uuid) -> Self {
        let (wake, woken) = oneshot::channel();
        Self { wake, keeper: tokio::spawn(keep(exchange, woken)), expires_ms, principal, interaction }
    }

    /// Takes the call up again; `None` if its keeper is gone.
    pub async fn resume(self) -> Option<Kept> {
        // A keeper that has ended needs no waking.
        self.wake.send(()).ok();
        self.keeper.await.ok()
    }

    /// Gives the call up: the server is told.
    pub fn abandon(self) {
        self.keeper.abort();
    }
}

async fn keep(mut exchange: Exchange, mut woken: oneshot::Receiver<()>) -> Kept {
    loop {
        let event = tokio::select! {
            biased;
            _ = &mut woken => return Kept { exchange, ended: None },
            event = exchange.next() => event,
        };
        match event {
            // Nobody is there to see them; further questions stay open and are put with the retry.
            Event::Progress(_) | Event::Log(_) | Event::Asked(_) | Event::Withdrew | Event::Paused(_) => {}
            ended @ (Event::Done(_) | Event::Failed(_)) => return Kept { exchange, ended: Some(ended) },
        }
    }
}

/// All parked calls.
#[derive(Debug, Default)]
pub struct Parking {
    calls: Mutex<HashMap<Uuid, Parked>>,
}

impl Parking {
    /// Nothing parked.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parks a call.
    pub fn put(&self, id: Uuid, parked: Parked) {
        self.lock().insert(id, parked);
    }

    /// Whether this principal may park another one.
    pub fn has_room(&self, principal: &str) -> bool {
        self.lock().values().filter(|p| *p.principal == *principal).count() < PER_PRINCIPAL
    }

    /// Takes a call out: each state resumes once. The seal has bound it to its principal.
    pub fn take(&self, id: Uuid) -> Option<Parked> {
        self.lock().remove(&id)
    }

    /// Takes out what has expired: dropping the exchange cancels at the server.
    pub fn expired(&self, now_ms: u64) -> Vec<Parked> {
        let mut calls = self.lock();
        let ids: Vec<Uuid> =
            calls.iter().filter(|(_, p)| p.expires_ms <= now_ms).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| calls.remove(&id)).collect()
    }

    /// Takes out everything, at shutdown.
    pub fn drain(&self) -> Vec<Parked> {
        self.lock().drain().map(|(_, parked)| parked).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Parked>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
