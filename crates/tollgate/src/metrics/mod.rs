//! What is counted beside the ledger: requests that never become calls. Fixed labels only: no peer can add a series.
//! *Never* on the way of a call: one relaxed atomic a request.

use std::sync::atomic::{AtomicU64, Ordering};

/// The labels that are counted, and nothing else.
const LABELS: [&str; 10] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "malformed",
    "refused",
    "batch",
    "no_session",
    "too_large",
    "too_slow",
    "other",
];

/// Counters by label.
#[derive(Debug, Default)]
pub struct Counters {
    counts: [AtomicU64; LABELS.len()],
}

impl Counters {
    /// Counts one; an unlisted label counts as `other`.
    pub fn request(&self, label: &str) {
        let at = LABELS.iter().position(|l| *l == label).unwrap_or(LABELS.len() - 1);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All counts that are not zero.
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        LABELS
            .iter()
            .zip(&self.counts)
            .map(|(label, count)| (*label, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
