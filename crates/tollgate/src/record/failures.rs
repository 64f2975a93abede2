//! Requests that failed authentication or framing, counted: one entry per (peer, reason, minute), so that a flood cannot fill
//! the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Beyond this many, a minute's peers are counted together.
const PEERS_MAX: usize = 1024;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Which {
    pub(super) minute_ms: u64,
    /// `None`: stdio, or the rest of a crowd.
    pub(super) peer: Option<IpAddr>,
    pub(super) reason: &'static str,
}

/// The counts of the minutes that are not yet written.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<Which, u64>>);

impl Failures {
    /// Counts one.
    pub(super) fn count(&self, now_ms: u64, peer: Option<IpAddr>, reason: &'static str) {
        self.add(Which { minute_ms: now_ms - now_ms % 60_000, peer, reason }, 1);
    }

    /// Puts counts in, or back.
    pub(super) fn add(&self, mut which: Which, more: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= PEERS_MAX && !counts.contains_key(&which) {
            which.peer = None;
        }
        *counts.entry(which).or_default() += more;
    }

    /// Takes what is over: the minutes before `now_ms`.
    pub(super) fn take(&self, now_ms: u64) -> Vec<(Which, u64)> {
        let minute_ms = now_ms - now_ms % 60_000;
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.extract_if(|which, _| which.minute_ms < minute_ms).collect()
    }
}
