//! A call that someone has to say yes to first.

use std::sync::Arc;

use tollgate_policy::Demand;

use crate::call::{Code, Refused};
use crate::transform::Prepared;

/// A call that waits for an approval. Only `decide` makes one.
#[derive(Debug)]
pub struct Question {
    prepared: Box<Prepared>,
    demands: Arc<[Demand]>,
    rule: Arc<str>,
    because: Option<Arc<str>>,
}

impl Question {
    pub(super) fn make(
        prepared: Box<Prepared>,
        demands: Arc<[Demand]>,
        rule: Arc<str>,
        because: Option<Arc<str>>,
    ) -> Self {
        Self { prepared, demands, rule, because }
    }

    /// Everyone who has to approve, each audience once.
    pub fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// The call.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The call, given up.
    pub fn into_prepared(self) -> Box<Prepared> {
        self.prepared
    }

    /// The rule that asks.
    pub fn rule(&self) -> &Arc<str> {
        &self.rule
    }

    /// Its reason.
    pub fn because(&self) -> Option<&Arc<str>> {
        self.because.as_ref()
    }

    /// No approval: what the agent is told.
    pub fn refuse(self, code: Code, because: Option<String>) -> Refused {
        Refused {
            code,
            what: Arc::clone(self.prepared.call.target.label()),
            rule: Some(self.rule),
            because: because.map(Arc::from).or(self.because),
            change: None,
            retry_after_ms: None,
        }
    }
}
