//! Statements to verdicts. *Never* allows what it could not evaluate.

use std::fmt;

use smallvec::SmallVec;

use crate::compile::{self, Compiled, Force, SCHEMA, Statement};
use crate::condition::Comparison;
use crate::evidence::{Evidence, Needs};
use crate::facts::Matcher;
use crate::problem::{Problem, Problems};
use crate::request::{Action, Caller, Target};
use crate::source::{Audience, Effect, Source};

mod cedar;
mod context;
mod explain;
mod outlook;
mod sight;
mod slice;
mod typed;
mod verdict;
mod weigh;

pub use explain::{Explanation, Reason};
pub use outlook::Outlook;
pub use typed::{Checked, Tool};
pub use verdict::{Decision, Rules, Verdict};

/// Statements by index, ascending.
type Indices = SmallVec<[u32; 16]>;

/// A compiled policy. Immutable but for a bounded cache of what fits which schema; share it.
pub struct Policy {
    statements: Vec<Statement>,
    default: Effect,
    shown: String,
    facts: Vec<Matcher>,
    tests: Vec<Comparison>,
    slices: slice::Slices,
    cedar: cedar::Cedar,
    typed: typed::Known,
}

impl Policy {
    /// Compiles a source, or tells everything that is wrong with it.
    pub fn compile(source: &Source) -> Result<Self, Problems> {
        let Compiled { statements, shown, facts, tests } = compile::compile(source)?;
        Ok(Self {
            slices: slice::Slices::new(&statements),
            cedar: cedar::Cedar::new()?,
            typed: typed::Known::of(source),
            statements,
            default: source.default,
            shown,
            facts,
            tests,
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

    /// Whether `caller` may do `action` with `target`, given what the call carries and who approved it already: an outlook, settled.
    ///
    /// `list`, `subscribe` and `see` are allowed if using the target (call, get, read) could be allowed or asked, and no policy
    /// forbids them; they are never asked about.
    pub fn decide(
        &self,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        evidence: &Evidence<'_>,
        approved: &[Audience],
    ) -> Verdict {
        if action.follows() {
            return self.follow(caller, action, target);
        }
        self.settle(&self.outlook(caller, action, target, None), evidence, approved).verdict
    }

    /// The rules that read this part of the evidence: id, file and line.
    pub fn readers(&self, part: Needs) -> Vec<Problem> {
        let reads = |statement: &&Statement| {
            let task = statement.uses.facts.iter().any(|fact| {
                usize::try_from(*fact)
                    .ok()
                    .and_then(|fact| self.facts.get(fact))
                    .is_some_and(Matcher::reads_task)
            });
            let task = if task { Needs::TASK } else { Needs::NONE };
            !statement.implied && statement.reads.needs().and(task).has(part)
        };
        let told = |statement: &Statement| Problem {
            rule: Some(statement.id.to_string()),
            file: statement.words.file.as_deref().map(Into::into),
            line: statement.words.line,
            ..Problem::default()
        };
        self.statements.iter().filter(reads).map(told).collect()
    }

    /// Whether any rule asks operators or a group of them.
    pub fn asks_operators(&self) -> bool {
        self.statements.iter().any(|statement| match &statement.force {
            Force::Ask(demand) => demand.audience != Audience::Agent,
            Force::Permit | Force::Forbid => false,
        })
    }

    fn statement(&self, index: u32) -> Option<&Statement> {
        self.statements.get(usize::try_from(index).ok()?)
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
