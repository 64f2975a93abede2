//! Takes out of JSON what rules say: fields by path, findings by detector, as masks, hashes, tokens, or not at all.
//!
//! Only what is taken out changes: every other byte stays. *Never* guesses: text that two readers could read differently, or that a
//! schema leaves no way to clean, is reported instead of passed on.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::detect::{Finder, Kind, Kinds, Pattern, Which};
use crate::glob::Glob;
use crate::path::Path;

/// How far paths have been followed.
mod trail;

/// JSON text as a tree of places.
mod tree;

/// Strings, with what each of their characters is written as.
mod text;

/// Whether a value's replacement suits a JSON Schema.
mod schema;

/// One walk over one document.
mod walk;
pub use walk::{Cleaned, Job, Shape, StandIn, Taken, Unclean};

#[cfg(test)]
mod tests;

/// What stands in for what was taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum With {
    /// `[redacted:email]`.
    #[default]
    Mask,
    /// Nothing.
    Drop,
    /// `[email:…]` with a keyed hash: equal values stay equal.
    Hash,
    /// A token that the same caller may give back.
    Token,
}

/// One rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// A glob over `server/original`.
    pub of: String,
    /// Whether it speaks of arguments.
    pub arguments: bool,
    /// Whether it speaks of results.
    pub results: bool,
    /// The fields it takes out.
    pub fields: Vec<Path>,
    /// The built-in detectors it uses.
    pub kinds: Kinds,
    /// Its own patterns.
    pub own: Vec<Arc<Pattern>>,
    /// What stands in.
    pub with: With,
}

/// The most rules there can be.
pub const RULES_MAX: usize = 64;

/// All rules, and what they come to for each set of them that some tool matches.
#[derive(Debug, Default)]
pub struct Redactor {
    rules: Vec<(Glob, Rule)>,
    plans: RwLock<HashMap<u64, Arc<Plan>>>,
}

/// What is taken out of one tool's calls.
#[derive(Debug, Default)]
pub struct Plan {
    /// Out of arguments; `None` = nothing.
    pub arguments: Option<Side>,
    /// Out of results; `None` = nothing.
    pub results: Option<Side>,
}

/// What is taken out on one side.
#[derive(Clone, Debug, Default)]
pub struct Side {
    finder: Finder,
    built: [With; 7],
    own: Vec<With>,
    fields: Vec<(Path, With)>,
}

impl Redactor {
    /// These rules, of which the first [`RULES_MAX`] count. Where several speak of one thing, the first says what stands in.
    pub fn new(rules: Vec<Rule>) -> Self {
        let rules = rules.into_iter().take(RULES_MAX).map(|rule| (Glob::new(&rule.of), rule)).collect();
        Self { rules, plans: RwLock::default() }
    }

    /// Whether there are no rules: then no call has a plan.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The plan for `server/original`; `None` where no rule speaks of it. Made once for each set of rules.
    pub fn plan(&self, label: &str) -> Option<Arc<Plan>> {
        let mut matched = 0_u64;
        for (place, (glob, _)) in self.rules.iter().enumerate() {
            matched |= u64::from(glob.matches(label)) << place;
        }
        if matched == 0 {
            return None;
        }
        if let Some(plan) = self.plans.read().unwrap_or_else(PoisonError::into_inner).get(&matched) {
            return Some(Arc::clone(plan));
        }
        let rules = || {
            let here = |place: usize| matched >> place & 1 == 1;
            self.rules.iter().enumerate().filter(move |(place, _)| here(*place)).map(|(_, (_, rule))| rule)
        };
        let plan = Arc::new(Plan {
            arguments: Side::of(rules().filter(|rule| rule.arguments)),
            results: Side::of(rules().filter(|rule| rule.results)),
        });
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(plans.entry(matched).or_insert(plan)))
    }
}

impl Side {
    /// Masks what these detectors find.
    pub fn masking(kinds: Kinds) -> Self {
        Self { finder: Finder::new(kinds, Vec::new()), ..Self::default() }
    }

    fn of<'a>(rules: impl Iterator<Item = &'a Rule>) -> Option<Self> {
        let mut side = Self::default();
        let mut kinds = Kinds::default();
        let mut own: Vec<Arc<Pattern>> = Vec::new();
        let mut any = false;
        for rule in rules {
            any = true;
            for kind in Kind::ALL.into_iter().filter(|kind| rule.kinds.has(*kind) && !kinds.has(*kind)) {
                if let Some(with) = side.built.get_mut(kind as usize) {
                    *with = rule.with;
                }
            }
            kinds = Kind::ALL.into_iter().filter(|kind| rule.kinds.has(*kind)).fold(kinds, Kinds::with);
            for pattern in &rule.own {
                own.push(Arc::clone(pattern));
                side.own.push(rule.with);
            }
            side.fields.extend(rule.fields.iter().map(|path| (path.clone(), rule.with)));
        }
        side.finder = Finder::new(kinds, own);
        any.then_some(side)
    }

    /// The same without paths: for what is not shaped like the data they speak of.
    #[must_use]
    pub fn without_fields(&self) -> Self {
        Self { fields: Vec::new(), ..self.clone() }
    }

    /// The detectors.
    pub fn finder(&self) -> &Finder {
        &self.finder
    }

    fn with(&self, which: Which) -> With {
        match which {
            Which::Built(kind) => self.built.get(kind as usize).copied().unwrap_or_default(),
            Which::Own(place) => self.own.get(place).copied().unwrap_or_default(),
        }
    }
}
