//! The time limits of one call. *Never* counts the time that a question waits for a human.

use std::time::{Duration, Instant};

use crate::config::Timeout;

/// A call may take `call`; signs of life let it go on beyond that while none is further apart than `idle`, up to ten times `call`.
#[derive(Clone, Copy, Debug)]
pub(in crate::servers) struct Limit {
    start: Instant,
    alive: Option<Instant>,
    call: Duration,
    idle: Duration,
    paused: Option<Instant>,
}

impl Limit {
    pub(in crate::servers) fn new(start: Instant, timeout: Timeout) -> Self {
        Self { start, alive: None, call: timeout.call, idle: timeout.idle, paused: None }
    }

    /// When it ends; `None` while it is paused.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.paused.is_some() {
            return None;
        }
        let silent = self.start + self.call;
        let alive = self.alive.map_or(silent, |alive| (alive + self.idle).max(silent));
        Some(alive.min(self.start + self.call.saturating_mul(10)))
    }

    /// A sign of life.
    pub(super) fn touch(&mut self, now: Instant) {
        self.alive = Some(now);
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    pub(super) fn resume(&mut self, now: Instant) {
        if let Some(since) = self.paused.take() {
            let waited = now.saturating_duration_since(since);
            self.start += waited;
            self.alive = self.alive.map(|alive| alive + waited);
        }
    }
}
