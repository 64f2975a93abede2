//! What policies can speak of, and Cedar's own judgement of them. *Never* lets a policy pass that can't apply to anything.

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator};
use miette::Diagnostic;

use super::Draft;
use super::include::{place, said};
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

action call appliesTo { principal: Agent, resource: Tool, context: {} };
action get appliesTo { principal: Agent, resource: Prompt, context: {} };
action read, subscribe appliesTo { principal: Agent, resource: Resource, context: {} };
action complete appliesTo { principal: Agent, resource: [Prompt, Resource], context: {} };
action see, list, sample, elicit appliesTo { principal: Agent, resource: [Tool, Prompt, Resource], context: {} };
";

/// Checks every statement so far against the schema.
pub(super) fn validate(source: &Source, draft: &mut Draft) {
    let set = PolicySet::from_policies(draft.statements.iter().map(|statement| statement.policy.clone()));
    let schema = Schema::from_cedarschema_str(SCHEMA);
    let (set, schema) = match (set, schema) {
        (Ok(set), Ok((schema, _))) => (set, schema),
        (Err(error), _) => return broken(draft, &error),
        (_, Err(error)) => return broken(draft, &error),
    };
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| Finding::new(error.policy_id(), error));
    // The other warnings are about spelling: names in two scripts are legitimate.
    let warnings = result
        .validation_warnings()
        .filter(|warning| {
            matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
            )
        })
        .map(|warning| Finding::new(warning.policy_id(), warning));
    let mut found: Vec<Finding> = errors.chain(warnings).collect();
    // Cedar checks a policy once for each kind of action and resource, in no order: one mistake is told once.
    found.sort_by(|a, b| (a.index, a.offset, &a.message).cmp(&(b.index, b.offset, &b.message)));
    found.dedup_by_key(|finding| (finding.index, finding.offset));
    for finding in found {
        let problem = finding.problem(source, draft);
        draft.problems.push(problem);
    }
}

/// What Cedar's validator says of a statement.
struct Finding {
    /// The statement's index.
    index: Option<usize>,
    /// Where, in bytes of its text.
    offset: Option<usize>,
    message: String,
    hint: Option<String>,
}

fn broken(draft: &mut Draft, error: &dyn std::error::Error) {
    let message = format!("the compiled policy is not valid: {error}");
    draft.problems.push(Problem { message, ..Problem::default() });
}

impl Finding {
    fn new(id: &PolicyId, diagnostic: &dyn Diagnostic) -> Self {
        let (offset, message, hint) = said(diagnostic);
        let message = match message.strip_prefix(&format!("for policy `{id}`, ")) {
            Some(rest) => rest.to_owned(),
            None => message,
        };
        let hint = if message.contains("in context for") {
            Some("what a call carries (`context`) is not available in this version".into())
        } else {
            hint
        };
        Self { index: AsRef::<str>::as_ref(id).parse().ok(), offset, message, hint }
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
