//! What policies can speak of, and Cedar's own judgement of them. *Never* lets a policy pass that can't apply to anything.

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator};
use miette::Diagnostic;

use super::include::{place, said};
use super::{Draft, Part, Statement};
use crate::problem::Problem;
use crate::source::Source;

/// The Cedar schema (contract.md, "What policy sees"). `path` is `server/name`, which globs match.
pub(crate) const SCHEMA: &str = r"entity Agent = {
    name: String,
    user?: String,
    tenant?: String,
    groups: Set<String>,
};

entity Tool, Prompt, Resource = {
    server: String,
    name: String,
    path: String,
    destructive: Bool,
    read_only: Bool,
    idempotent: Bool,
    open_world: Bool,
    hinted: Bool,
    pinned: Bool,
    labels: Set<String>,
};

type Context = {
  args: {},
  reason?: String,
  client?: String,
  facts: Set<String>,
  findings: Set<String>,
  session: { labels: Set<String>, calls: Long, counters: {} },
  time: { date: String, weekday: String, hour: Long, minute: Long },
};

action call appliesTo { principal: Agent, resource: Tool, context: Context };
action get appliesTo { principal: Agent, resource: Prompt, context: Context };
action read, subscribe appliesTo { principal: Agent, resource: Resource, context: Context };
action complete appliesTo { principal: Agent, resource: [Prompt, Resource], context: Context };
action see, list, sample, elicit appliesTo { principal: Agent, resource: [Tool, Prompt, Resource], context: Context };
";

/// The schema with these arguments: a Cedar record type.
fn with_args(args: &str) -> String {
    SCHEMA.replacen("args: {},", &format!("args: {args},"), 1)
}

/// Checks every statement so far against the schema. What reads arguments is checked again for each tool, with that tool's.
pub(super) fn validate(source: &Source, draft: &mut Draft) {
    // What shorthand reads of a call was checked where it was parsed; Cedar would miss arguments and counters here.
    let parsed = [Part::Args, Part::Tests, Part::Session];
    let judged = |statement: &&Statement| {
        statement.words.file.is_some() || !parsed.iter().any(|part| statement.reads.part(*part))
    };
    let policies = draft.statements.iter().filter(judged).map(|statement| &statement.policy);
    let found = match findings(policies, "{}") {
        Ok(found) => found,
        Err(message) => return draft.problems.push(Problem { message, ..Problem::default() }),
    };
    for finding in found.into_iter().filter(|finding| !finding.of_args()) {
        let statement = finding.index.and_then(|index| draft.statements.get(index));
        // Whether it can apply is only known with the arguments.
        if finding.impossible && statement.is_some_and(|statement| statement.reads.context()) {
            continue;
        }
        let problem = finding.problem(source, draft);
        draft.problems.push(problem);
    }
}

/// What Cedar's validator finds in these policies, where the arguments are of this type.
pub(crate) fn findings<'a>(
    policies: impl Iterator<Item = &'a cedar_policy::Policy>,
    args: &str,
) -> Result<Vec<Finding>, String> {
    let broken = |error: &dyn std::error::Error| format!("the compiled policy is not valid: {error}");
    let set = PolicySet::from_policies(policies.cloned()).map_err(|error| broken(&error))?;
    let (schema, _) = Schema::from_cedarschema_str(&with_args(args)).map_err(|error| broken(&error))?;
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| Finding::new(error.policy_id(), error, false));
    // The other warnings are about spelling: names in two scripts are legitimate.
    let warnings = result
        .validation_warnings()
        .filter(|warning| {
            matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
            )
        })
        .map(|warning| Finding::new(warning.policy_id(), warning, true));
    let mut found: Vec<Finding> = errors.chain(warnings).collect();
    // Cedar checks a policy once for each kind of action and resource, in no order: one mistake is told once.
    found.sort_by(|a, b| (a.index, a.offset, &a.message).cmp(&(b.index, b.offset, &b.message)));
    found.dedup_by_key(|finding| (finding.index, finding.offset));
    Ok(found)
}

/// What Cedar's validator says of a statement.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The statement's index.
    pub(crate) index: Option<usize>,
    /// Where, in bytes of its text.
    pub(crate) offset: Option<usize>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Only that it can never apply.
    pub(crate) impossible: bool,
}

impl Finding {
    fn new(id: &PolicyId, diagnostic: &dyn Diagnostic, impossible: bool) -> Self {
        let (offset, message, hint) = said(diagnostic);
        let message = match message.strip_prefix(&format!("for policy `{id}`, ")) {
            Some(rest) => rest.to_owned(),
            None => message,
        };
        Self { index: AsRef::<str>::as_ref(id).parse().ok(), offset, message, hint, impossible }
    }

    /// Whether it is about what no schema but a tool's own can tell.
    fn of_args(&self) -> bool {
        ["`args.", "`session.counters."].iter().any(|open| self.message.contains(open))
            && self.message.contains("in context for")
    }

    fn problem(self, source: &Source, draft: &Draft) -> Problem {
        let mut problem = Problem { message: self.message, hint: self.hint, ..Problem::default() };
        let Some(index) = self.index else { return problem };
        if let Some(statement) = draft.statements.get(index) {
            problem.rule = Some(statement.id.to_string());
            problem.file = statement.words.file.as_deref().map(Into::into);
            problem.line = statement.words.line;
        }
        let file = draft.files.get(&index).and_then(|at| source.include.get(*at));
        if let (Some(file), Some(offset)) = (file, self.offset) {
            let (line, column) = place(&file.text, offset);
            problem.line = line;
            problem.column = Some(column);
        }
        problem
    }
}
