//! A call that someone has to say yes to first.

use std::sync::Arc;

use tollgate_policy::Audience;

use super::Asks;
use crate::call::{Code, Refused};
use crate::resolve::Approved;
use crate::transform::Prepared;

/// A call that waits for an approval. Only `decide` makes one.
#[derive(Debug)]
pub struct Question {
    prepared: Box<Prepared>,
    audience: Audience,
    rules: Arc<[Arc<str>]>,
    rule: Arc<str>,
    because: Option<Arc<str>>,
    prior: Option<Approved>,
}

impl Question {
    pub(super) fn make(prepared: Box<Prepared>, asks: &Asks, prior: Option<Approved>) -> Self {
        let Asks { audience, rules, rule, because } = asks.clone();
        Self { prepared, audience, rules, rule, because, prior }
    }

    /// Who is asked.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Every rule that asks somebody who has not approved.
    pub fn rules(&self) -> &[Arc<str>] {
        &self.rules
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
            retry_after_ms: None,
            approval: None,
        }
    }
}
