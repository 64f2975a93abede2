//! Statements to verdicts. *Never* allows what it could not evaluate.

use std::fmt;

use smallvec::SmallVec;

use crate::compile::{self, Compiled, SCHEMA, Statement};
use crate::problem::Problems;
use crate::request::{Action, Caller, Target};
use crate::source::{Audience, Effect, Source};

mod cedar;
mod explain;
mod slice;
mod verdict;
mod weigh;

pub use explain::{Explanation, Reason};
pub use verdict::{Rules, Verdict};

/// Statements by index, ascending.
type Indices = SmallVec<[u32; 16]>;

/// A compiled policy. Immutable but for a bounded cache of slices; share it.
pub struct Policy {
    statements: Vec<Statement>,
    default: Effect,
    shown: String,
    slices: slice::Slices,
    cedar: cedar::Cedar,
}

impl Policy {
    /// Compiles a source, or tells everything that is wrong with it.
    pub fn compile(source: &Source) -> Result<Self, Problems> {
        let Compiled { statements, shown } = compile::compile(source)?;
        Ok(Self {
            slices: slice::Slices::new(&statements),
            cedar: cedar::Cedar::new()?,
            statements,
            default: source.default,
            shown,
        })
    }

    /// The compiled policy as Cedar text, for `tollgate policy show`.
    pub fn show(&self) -> &str {
        &self.shown
    }

    /// The Cedar schema that policies are checked against.
    pub const fn schema() -> &'static str {
        SCHEMA
    }

    /// Whether `caller` may do `action` with `target`, given who approved this very call already.
    ///
    /// The verdict depends on nothing else, so it may be kept for equal caller, action, target and approvals.
    /// `list`, `subscribe` and `see` are allowed if using the target (call, get,
    /// read) is allowed or asked, and no policy forbids them; they are never asked about.
    pub fn decide(
        &self,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        approved: &[Audience],
    ) -> Verdict {
        let path = target.path();
        if !action.follows() {
            let indices = self.slices.matching(&self.statements, action, target.kind, &path, Some(caller));
            return self.conclude(&self.weigh(&indices, caller, action, target, &path, approved), approved);
        }
        let used_by = target.kind.used_by();
        let indices = self.slices.matching(&self.statements, used_by, target.kind, &path, Some(caller));
        match self.conclude(&self.weigh(&indices, caller, used_by, target, &path, &[]), &[]) {
            verdict @ Verdict::Deny { .. } => verdict,
            Verdict::Allow { rules } | Verdict::Ask { rules, .. } => {
                let mut indices =
                    self.slices.matching(&self.statements, action, target.kind, &path, Some(caller));
                indices.retain(|index| self.forbids(*index));
                self.refused(&self.weigh(&indices, caller, action, target, &path, &[]))
                    .unwrap_or(Verdict::Allow { rules })
            }
        }
    }

    /// Whether any arguments could make using `target` allowed or asked: if not, it is not listed to `caller`. Hiding never replaces
    /// deciding.
    pub fn visible(&self, caller: &Caller<'_>, target: &Target<'_>) -> bool {
        match self.decide(caller, Action::See, target, &[]) {
            Verdict::Allow { .. } | Verdict::Ask { .. } => true,
            Verdict::Deny { .. } => false,
        }
    }

    fn statement(&self, index: u32) -> Option<&Statement> {
        self.statements.get(usize::try_from(index).ok()?)
    }

    fn forbids(&self, index: u32) -> bool {
        self.statement(index).is_some_and(|statement| match statement.force {
            compile::Force::Forbid => true,
            compile::Force::Permit | compile::Force::Ask(_) => false,
        })
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("statements", &self.statements.len())
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
