//! The tools that are asked for a reason, held against the tools that there are.

use std::sync::Arc;

use tollgate_mcp::name::glob;

use crate::catalog::{Item, REASON, has_own_reason};
use crate::config::{Config, Problem, nearest};
use crate::servers::Listing;

/// What is questionable in `reason`: patterns that mean no tool of a server whose tools are known, and tools that have a property of
/// that name themselves.
pub(super) fn check(config: &Config, items: &[Arc<Item>]) -> Vec<Problem> {
    let tools: Vec<&Arc<Item>> = items.iter().filter(|item| item.listing == Listing::Tools).collect();
    let globs = |key: &str, globs: &[String]| -> Vec<(String, String)> {
        let place = |(n, glob): (usize, &String)| (format!("reason.{key}[{n}]"), glob.clone());
        globs.iter().enumerate().map(place).collect()
    };
    let mut globs_of = globs("optional", &config.reason.optional);
    globs_of.extend(globs("required", &config.reason.required));
    let mut problems = Vec::new();
    for (path, pattern) in &globs_of {
        let mut meant = tools.iter().filter(|tool| glob(pattern, &tool.label)).peekable();
        if meant.peek().is_none() {
            problems.extend(unknown(config, path, pattern, &tools));
        }
        for tool in meant.filter(|tool| has_own_reason(tool)) {
            let message = format!("`{}` has an argument `{REASON}` of its own, which it keeps", tool.label);
            let hint = "its calls can state a reason in `_meta[\"dev.tollgate/reason\"]` only";
            problems.push(Problem {
                hint: Some(hint.to_owned()),
                ..config.source.problem(path, message).warning()
            });
        }
    }
    problems
}

fn unknown(config: &Config, path: &str, pattern: &str, tools: &[&Arc<Item>]) -> Option<Problem> {
    let (server, name) = pattern.split_once('/')?;
    let mut known = tools.iter().filter(|tool| *tool.server == *server).peekable();
    known.peek()?;
    let message = format!("`{server}` has no tool like `{name}`");
    let hint = match nearest(name, known.map(|tool| &*tool.original)) {
        Some(tool) => format!("did you mean `{server}/{tool}`"),
        None => "this asks nobody until there is one".to_owned(),
    };
    Some(Problem { hint: Some(hint), ..config.source.problem(path, message).warning() })
}
