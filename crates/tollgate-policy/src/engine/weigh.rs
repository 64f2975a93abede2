//! Which statements apply, and what follows. *Never* lets an error count as "does not apply": Cedar does, so its errors are read
//! before its decision.

use std::sync::Arc;

use cedar_policy::{AuthorizationError, Context, Decision, PolicyId, Response};
use smallvec::SmallVec;

use super::cedar::Question;
use super::slice::Slice;
use super::{Indices, Policy, Rules, Verdict};
use crate::compile::Force;
use crate::request::{Action, Caller, Target};
use crate::room::with_room;
use crate::source::{Audience, DEFAULT, Demand, Effect};

/// What applies to a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Weighed {
    /// What could not be evaluated, and why.
    pub(super) errors: Vec<(u32, String)>,
    /// The forbids that apply.
    pub(super) forbids: Indices,
    /// The asks that apply.
    pub(super) asks: Indices,
    /// The permits that apply. All of them when nothing stands against the call; else perhaps only enough to know that there are some.
    pub(super) permits: Indices,
}

impl Weighed {
    /// Whether something stands against the call that no approval lifts.
    pub(super) fn stands(&self) -> bool {
        !self.errors.is_empty() || !self.forbids.is_empty()
    }

    /// Everything that applies, and what could not be evaluated.
    pub(super) fn all(self) -> Indices {
        let errors = self.errors.into_iter().map(|(index, _)| index);
        errors.chain(self.forbids).chain(self.asks).chain(self.permits).collect()
    }

    /// What applies beside this.
    pub(super) fn add(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.forbids.extend(other.forbids);
        self.asks.extend(other.asks);
        self.permits.extend(other.permits);
        self.sort();
    }

    fn sort(&mut self) {
        self.forbids.sort_unstable();
        self.asks.sort_unstable();
        self.permits.sort_unstable();
        self.errors.sort_by_key(|(index, _)| *index);
        self.errors.dedup_by_key(|(index, _)| *index);
    }
}

impl Policy {
    /// Finds out what applies among these statements, which read nothing of a call.
    pub(super) fn weigh(
        &self,
        indices: &Indices,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        path: &str,
    ) -> Weighed {
        let Some(slice) = self.slices.slice(&self.statements, indices) else {
            let broken = |index: &u32| (*index, "Cedar refuses the policies together".to_owned());
            return Weighed { errors: indices.iter().map(broken).collect(), ..Weighed::default() };
        };
        self.weigh_slice(&slice, caller, action, target, path)
    }

    /// Finds out what applies in a slice.
    pub(super) fn weigh_slice(
        &self,
        slice: &Slice,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        path: &str,
    ) -> Weighed {
        let mut weighed = Weighed::default();
        for index in &slice.certain {
            self.applies(*index, &mut weighed);
        }
        if !slice.open.is_empty() {
            let frame = self.cedar.frame(slice.reads, caller, action, target, path);
            match frame
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|frame| self.cedar.question(frame, Context::empty()))
            {
                Err(error) => {
                    weighed.errors.extend(slice.open.iter().map(|index| (*index, error.clone())));
                }
                Ok(question) => self.put(slice, &question, &mut weighed),
            }
        }
        weighed.sort();
        weighed
    }

    /// Puts a question to Cedar, about the statements of a slice that have to be evaluated.
    pub(super) fn put(&self, slice: &Slice, question: &Question<'_>, weighed: &mut Weighed) {
        if slice.open.is_empty() {
            return;
        }
        let response = with_room(slice.weight, || question.ask(&slice.policies));
        self.read(&response, weighed);
        // Asks hide the permits beneath them: Cedar names those only where it denies nothing.
        let denied = response.decision() == Decision::Deny;
        let hidden = denied && response.diagnostics().reason().next().is_some();
        // Of shadow rules all that apply are told, whatever one of them would have decided.
        let shadows = slice.open.iter().any(|index| self.statement(*index).is_some_and(|s| s.shadow));
        if hidden && (shadows || !weighed.stands()) {
            let response = with_room(slice.weight, || question.ask(&slice.permits));
            self.read(&response, weighed);
        }
    }

    fn read(&self, response: &Response, weighed: &mut Weighed) {
        let diagnostics = response.diagnostics();
        for error in diagnostics.errors() {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            weighed.errors.push((index(error.policy_id()), error.inner().to_string()));
        }
        for id in diagnostics.reason() {
            self.applies(index(id), weighed);
        }
    }

    fn applies(&self, index: u32, weighed: &mut Weighed) {
        let Some(statement) = self.statement(index) else {
            // Unreachable while ids are indices; if not, nothing may pass.
            weighed.errors.push((index, "Cedar named an unknown policy".into()));
            return;
        };
        match statement.force {
            Force::Permit => weighed.permits.push(index),
            Force::Forbid => weighed.forbids.push(index),
            Force::Ask(_) => {
                weighed.asks.push(index);
                weighed.permits.extend(statement.permit);
            }
        }
    }

    fn lifted(&self, ask: u32, approved: &[Audience]) -> bool {
        self.demand(ask).is_some_and(|demand| approved.contains(&demand.audience))
    }

    fn demand(&self, index: u32) -> Option<&Demand> {
        match &self.statement(index)?.force {
            Force::Ask(demand) => Some(demand),
            Force::Permit | Force::Forbid => None,
        }
    }

    /// Deny beats ask beats allow; what is not permitted is denied, or asked if the default says so.
    pub(super) fn conclude(&self, weighed: &Weighed, approved: &[Audience]) -> Verdict {
        if let Some(refused) = self.refused(weighed) {
            return refused;
        }
        let asks_by_default = weighed.permits.is_empty() && self.default == Effect::Ask;
        if weighed.permits.is_empty() && !asks_by_default {
            // Nobody is asked about what would be denied afterwards.
            return Verdict::Deny {
                rule: DEFAULT.into(),
                because: Some("no rule permits it".into()),
                rules: Rules::from_iter([DEFAULT.into()]),
                error: false,
            };
        }
        let default_lifted = approved.contains(&Audience::Agent);
        let outstanding = || weighed.asks.iter().copied().filter(|ask| !self.lifted(*ask, approved));
        if let Some((first, demand)) = outstanding().find_map(|ask| Some((ask, self.demand(ask)?))) {
            let mut rules = self.ids(outstanding());
            let mut demands = distinct(outstanding().filter_map(|ask| self.demand(ask)));
            if asks_by_default && !default_lifted {
                rules.push(DEFAULT.into());
                demands = distinct(demands.iter().chain([&BY_DEFAULT]));
            }
            return Verdict::Ask {
                audience: demand.audience.clone(),
                demands,
                rule: self.id(first),
                because: self.because(first),
                rules,
            };
        }
        if asks_by_default && !default_lifted {
            return Verdict::Ask {
                audience: Audience::Agent,
                demands: distinct([&BY_DEFAULT].into_iter()),
                rule: DEFAULT.into(),
                because: Some("no rule permits it unasked".into()),
                rules: Rules::from_iter([DEFAULT.into()]),
            };
        }
        let mut rules = self.ids(weighed.asks.iter().chain(&weighed.permits).copied());
        if asks_by_default {
            rules.push(DEFAULT.into());
        } else if rules.len() > 1 {
            // The default speaks where no rule does.
            rules.retain(|id| **id != *DEFAULT);
        }
        Verdict::Allow { rules }
    }

    /// The refusal that errors and forbids are, if there are any.
    pub(super) fn refused(&self, weighed: &Weighed) -> Option<Verdict> {
        if let Some((first, _)) = weighed.errors.first() {
            return Some(Verdict::Deny {
                rule: self.id(*first),
                because: Some("this rule could not be evaluated".into()),
                rules: self.ids(weighed.errors.iter().map(|(index, _)| *index)),
                error: true,
            });
        }
        let first = *weighed.forbids.first()?;
        Some(Verdict::Deny {
            rule: self.id(first),
            because: self.because(first),
            rules: self.ids(weighed.forbids.iter().copied()),
            error: false,
        })
    }

    fn id(&self, index: u32) -> Arc<str> {
        self.statement(index).map_or_else(|| DEFAULT.into(), |statement| Arc::clone(&statement.id))
    }

    fn because(&self, index: u32) -> Option<Arc<str>> {
        self.statement(index)?.because.clone()
    }

    /// The ids of these statements, each once, in the order of the source.
    pub(super) fn ids(&self, indices: impl Iterator<Item = u32>) -> Rules {
        let mut indices: Indices = indices.collect();
        indices.sort_unstable();
        let mut rules = Rules::new();
        for index in indices {
            let id = self.id(index);
            if !rules.contains(&id) {
                rules.push(id);
            }
        }
        rules
    }
}

/// Whom `default: ask` asks.
const BY_DEFAULT: Demand = Demand { audience: Audience::Agent, count: 1 };

/// Each audience once, in order, with the largest count.
fn distinct<'a>(demands: impl Iterator<Item = &'a Demand>) -> SmallVec<[Demand; 1]> {
    let mut distinct: SmallVec<[Demand; 1]> = SmallVec::new();
    for demand in demands {
        match distinct.iter_mut().find(|known| known.audience == demand.audience) {
            Some(known) => known.count = known.count.max(demand.count),
            None => distinct.push(demand.clone()),
        }
    }
    distinct
}

/// What has no index is none of ours.
fn index(id: &PolicyId) -> u32 {
    AsRef::<str>::as_ref(id).parse().unwrap_or(u32::MAX)
}
