//! A call that someone has to say yes to first.

use std::sync::Arc;

use tollgate_policy::{Audience, Demand};

use crate::call::{Code, Refused};
use crate::resolve::Approved;
use crate::transform::Prepared;

/// A call that waits for an approval. Only `decide` makes one.
#[derive(Debug)]
pub struct Question {
    prepared: Box<Prepared>,
    demand: Demand,
    rule: Arc<str>,
    because: Option<Arc<str>>,
    prior: Option<Approved>,
}

impl Question {
    pub(super) fn make(
        prepared: Box<Prepared>,
        demands: &[Demand],
        (rule, because): (Arc<str>, Option<Arc<str>>),
        prior: Option<Approved>,
    ) -> Self {
        // There is always one; were there none, the agent's own human is asked.
        let demand = demands.first().cloned().unwrap_or(Demand { audience: Audience::Agent, count: 1 });
        Self { prepared, demand, rule, because, prior }
    }

    /// Who is asked. Others may be asked next.
    pub fn audience(&self) -> &Audience {
        &self.demand.audience
    }

    /// How many of them must say yes, at least 1.
    pub fn count(&self) -> u32 {
        u32::from(self.demand.count.max(1))
    }

    /// What other audiences have approved before.
    pub fn prior(&self) -> Option<&Approved> {
        self.prior.as_ref()
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
            approval: None,
        }
    }
}
