//! Leaves out what can't matter before Cedar is asked, since Cedar evaluates every policy it is given. A slice is made once for each
//! combination of statements and kept. *Never* keeps more than a bounded number, whatever names servers invent.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::PolicySet;

use super::Indices;
use crate::compile::{Force, Reads, Statement};
use crate::request::{Action, Caller, Kind};

/// The most slices kept. Beyond, a slice is made for each decision: some microseconds more.
const KEPT_MAX: usize = 4096;

/// The statements that matter for some targets.
#[derive(Debug)]
pub(super) struct Slice {
    /// These apply; nothing is left to evaluate.
    pub(super) certain: Indices,
    /// These Cedar evaluates.
    pub(super) open: Indices,
    /// They.
    pub(super) policies: PolicySet,
    /// The permits among them.
    pub(super) permits: PolicySet,
    /// What they read.
    pub(super) reads: Reads,
    /// The heaviest one's.
    pub(super) weight: usize,
}

impl Slice {
    /// Of these statements. `None` if Cedar refuses them together, which distinct ids exclude.
    pub(super) fn of<'a>(statements: impl Iterator<Item = (u32, &'a Statement)>) -> Option<Self> {
        let mut slice = Self {
            certain: Indices::new(),
            open: Indices::new(),
            policies: PolicySet::new(),
            permits: PolicySet::new(),
            reads: Reads::default(),
            weight: 0,
        };
        for (index, statement) in statements {
            if statement.certain {
                slice.certain.push(index);
                continue;
            }
            slice.open.push(index);
            slice.policies.add(statement.policy.clone()).ok()?;
            match statement.force {
                Force::Permit => slice.permits.add(statement.policy.clone()).ok()?,
                Force::Forbid | Force::Ask(_) => {}
            }
            slice.reads = slice.reads.and(statement.reads);
            slice.weight = slice.weight.max(statement.weight);
        }
        Some(slice)
    }
}

/// Finds the statements for a target, and keeps slices.
#[derive(Debug)]
pub(super) struct Slices {
    /// Statements whose target begins with this and a `/`.
    by_server: HashMap<Box<str>, Indices>,
    /// The others.
    anywhere: Indices,
    kept: RwLock<HashMap<Indices, Arc<Slice>>>,
}

impl Slices {
    /// Indexes the statements.
    pub(super) fn new(statements: &[Statement]) -> Self {
        let mut slices =
            Self { by_server: HashMap::new(), anywhere: Indices::new(), kept: RwLock::default() };
        for (index, statement) in (0..).zip(statements) {
            match statement.scope.target.before_slash() {
                Some(server) => slices.by_server.entry(server.into()).or_default().push(index),
                None => slices.anywhere.push(index),
            }
        }
        slices
    }

    /// The statements whose scope has this action, kind and path, for this caller or for any. A permit that its ask implies is
    /// left out.
    pub(super) fn matching(
        &self,
        statements: &[Statement],
        action: Action,
        kind: Kind,
        path: &str,
        caller: Option<&Caller<'_>>,
    ) -> Indices {
        let server = path.split_once('/').and_then(|(server, _)| self.by_server.get(server));
        let mut found: Indices = self
            .anywhere
            .iter()
            .chain(server.into_iter().flatten())
            .copied()
            .filter(|index| {
                usize::try_from(*index).ok().and_then(|index| statements.get(index)).is_some_and(
                    |statement| {
                        let scope = &statement.scope;
                        !statement.implied
                            && scope.actions.action(action)
                            && scope.kinds.has(kind)
                            && scope.target.matches(path)
                            && match (&scope.callers, caller) {
                                (Some(callers), Some(caller)) => callers.mean(caller),
                                (None, _) | (_, None) => true,
                            }
                    },
                )
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// The slice of these statements.
    pub(super) fn slice(&self, statements: &[Statement], indices: &Indices) -> Option<Arc<Slice>> {
        // A poisoned map is whole: nothing here panics between two changes of it.
        if let Some(slice) = self.kept.read().unwrap_or_else(PoisonError::into_inner).get(indices) {
            return Some(Arc::clone(slice));
        }
        let members =
            indices.iter().filter_map(|index| Some((*index, statements.get(usize::try_from(*index).ok()?)?)));
        let slice = Arc::new(Slice::of(members)?);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.insert(indices.clone(), Arc::clone(&slice));
        }
        Some(slice)
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
