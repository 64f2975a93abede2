//! Leaves out what can't matter before Cedar is asked. *Never* looks at every statement for a target where servers tell them apart.

use std::collections::HashMap;

use super::Indices;
use crate::compile::Statement;
use crate::request::{Action, Caller, Kind};

/// Finds the statements for a target.
#[derive(Debug)]
pub(super) struct Slices {
    /// Statements whose target begins with this and a `/`.
    by_server: HashMap<Box<str>, Indices>,
    /// The others.
    anywhere: Indices,
}

impl Slices {
    /// Indexes the statements.
    pub(super) fn new(statements: &[Statement]) -> Self {
        let mut slices = Self { by_server: HashMap::new(), anywhere: Indices::new() };
        for (index, statement) in (0..).zip(statements) {
            match statement.scope.target.before_slash() {
                Some(server) => slices.by_server.entry(server.into()).or_default().push(index),
                None => slices.anywhere.push(index),
            }
        }
        slices
    }

    /// The statements whose scope has one of these actions, this kind and path, for this caller or for any. A permit that its ask implies is
    /// left out.
    pub(super) fn matching(
        &self,
        statements: &[Statement],
        actions: &[Action],
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
                            && actions.iter().any(|action| scope.actions.action(*action))
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
}
