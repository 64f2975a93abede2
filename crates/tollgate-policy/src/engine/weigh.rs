//! Which statements apply, and what follows. *Never* lets an error count as "does not apply", as Cedar's own authorizer does.

use std::sync::Arc;

use smallvec::SmallVec;

use super::cedar::Question;
use super::{Indices, Policy, Rules, Verdict};
use crate::compile::{Force, Reads};
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
    /// The permits that apply.
    pub(super) permits: Indices,
}

/// What is left to evaluate of some statements.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    /// Anything.
    pub(super) open: bool,
    /// What that reads of entities.
    pub(super) entities: Reads,
    /// What the shorthand's part of it reads of what stands for entities, and of the call.
    pub(super) flat: Reads,
    /// The heaviest one's.
    pub(super) weight: usize,
}

impl Left {
    /// What either takes.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            open: self.open || other.open,
            entities: self.entities.and(other.entities),
            flat: self.flat.and(other.flat),
            weight: self.weight.max(other.weight),
        }
    }

    /// What any of it reads.
    pub(super) fn reads(self) -> Reads {
        self.entities.and(self.flat)
    }
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
        let mut weighed = Weighed::default();
        let left = self.left(indices);
        if left.open {
            let frame = self.cedar.frame(&left, caller, action, target, path);
            let question = frame.as_ref().map_err(Clone::clone).and_then(|frame| frame.question(Vec::new()));
            self.put(indices, left.weight, question.as_ref().map_err(String::as_str), &mut weighed);
        } else {
            for index in indices {
                self.applies(*index, &mut weighed);
            }
        }
        weighed.sort();
        weighed
    }

    /// What evaluating these statements takes.
    pub(super) fn left(&self, indices: &Indices) -> Left {
        let statements = indices.iter().filter_map(|index| self.statement(*index));
        statements.filter(|statement| statement.open.is_some()).fold(Left::default(), |left, statement| {
            let (of_file, of_rule) = match statement.words.file {
                Some(_) => (statement.reads, Reads::default()),
                None => (Reads::default(), statement.reads),
            };
            left.and(Left { open: true, entities: of_file, flat: of_rule, weight: statement.weight })
        })
    }

    /// Puts a question to Cedar, about each of these statements that has to be evaluated; one that can't be put is an error of each.
    pub(super) fn put(
        &self,
        indices: &Indices,
        weight: usize,
        question: Result<&Question<'_>, &str>,
        weighed: &mut Weighed,
    ) {
        with_room(weight, || {
            for index in indices {
                let held = match self.statement(*index).and_then(|statement| statement.open.as_ref()) {
                    None => Ok(true),
                    Some(condition) => {
                        question.map_err(ToOwned::to_owned).and_then(|question| question.holds(condition))
                    }
                };
                match held {
                    Ok(true) => self.applies(*index, weighed),
                    Ok(false) => {}
                    Err(why) => weighed.errors.push((*index, why)),
                }
            }
        });
    }

    fn applies(&self, index: u32, weighed: &mut Weighed) {
        let Some(statement) = self.statement(index) else {
            // Unreachable; if not, nothing may pass.
            weighed.errors.push((index, "there is no such statement".into()));
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
