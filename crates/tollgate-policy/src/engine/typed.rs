//! Rules against the tools that there are: a name that no tool has, an argument that is misspelt, a text compared with a number.
//! *Never* on a call's path: what is found is kept for each rule and schema.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Policy;
use crate::compile::{Statement, findings, place, quoted};
use crate::condition::{Arg, Test, written};
use crate::glob::Glob;
use crate::path::Select;
use crate::problem::{Problem, meant};
use crate::request::{Action, Kind, Target};
use crate::shape::{Look, Shape, Types};
use crate::source::Source;

/// The most findings kept.
const KEPT_MAX: usize = 4_096;

/// A tool, prompt or resource that a server lists.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    /// It.
    pub target: Target<'a>,
    /// What its schema says; `None` for prompts and resources.
    pub shape: Option<Arc<Shape>>,
}

/// What is wrong with a policy's rules, given the tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rules that can't do what they say.
    pub errors: Vec<Problem>,
    /// Rules that do nothing.
    pub warnings: Vec<Problem>,
}

/// The texts that problems point into, and what was found before.
#[derive(Debug, Default)]
pub(super) struct Known {
    files: HashMap<String, String>,
    found: RwLock<HashMap<(u32, u64), Option<Misfit>>>,
}

impl Known {
    pub(super) fn of(source: &Source) -> Self {
        let files = source.include.iter().map(|file| (file.name.clone(), file.text.clone())).collect();
        Self { files, found: RwLock::default() }
    }
}

/// A rule that does not fit a schema.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) message: String,
    hint: Option<String>,
    /// In a rule's `when`.
    column: Option<usize>,
    /// In a file.
    offset: Option<usize>,
    /// It is that the tool has no such argument.
    missing: bool,
}

impl Policy {
    /// Why a statement can't be evaluated for this tool, whatever its arguments. That a rule for many tools reads what this one does
    /// not have is no reason.
    pub(super) fn misfit(
        &self,
        index: u32,
        target: &Target<'_>,
        shape: Option<&Arc<Shape>>,
    ) -> Option<Misfit> {
        let shape = shape.filter(|_| target.kind == Kind::Tool)?;
        let statement = self.statement(index)?;
        let key = (index, shape.id);
        if let Some(found) = self.typed.found.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return found.clone();
        }
        let exact = is_exact(&statement.scope.target);
        let found = misfits(statement, shape).into_iter().find(|misfit| exact || !misfit.missing);
        let mut kept = self.typed.found.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.insert(key, found.clone());
        }
        found
    }

    /// Everything that is wrong with the rules, given what servers list. `listed`: whether a server's lists are known.
    pub fn check(&self, tools: &[Tool<'_>], listed: &dyn Fn(&str) -> bool) -> Checked {
        let mut checked = Checked::default();
        for statement in self.statements.iter().filter(|statement| !statement.implied) {
            check_target(statement, tools, listed, &mut checked);
            self.check_arguments(statement, tools, &mut checked);
        }
        self.check_facts(tools, listed, &mut checked);
        checked
    }

    fn check_arguments(&self, statement: &Statement, tools: &[Tool<'_>], checked: &mut Checked) {
        let exact = is_exact(&statement.scope.target);
        let scope = &statement.scope;
        if !scope.actions.action(Action::Call) || !statement.reads.context() {
            return;
        }
        // A name that one of the tools has is no mistake; one that none has is.
        let mut missing: Vec<(Misfit, usize)> = Vec::new();
        let mut looked = 0;
        for tool in tools.iter().filter(|tool| tool.target.kind == Kind::Tool) {
            let path = tool.target.path();
            let Some(shape) = tool.shape.as_ref().filter(|_| scope.target.matches(&path)) else { continue };
            looked += 1;
            for misfit in misfits(statement, shape) {
                if misfit.missing && !exact {
                    match missing
                        .iter_mut()
                        .find(|(known, _)| known.column == misfit.column && known.message == misfit.message)
                    {
                        Some((_, times)) => *times += 1,
                        None => missing.push((misfit, 1)),
                    }
                    continue;
                }
                let message = format!("{} (`{path}`)", misfit.message);
                self.tell(statement, Misfit { message, ..misfit }, checked);
            }
        }
        for (misfit, times) in missing {
            if times == looked {
                let message = format!("{} (any tool of this rule)", misfit.message);
                self.tell(statement, Misfit { message, ..misfit }, checked);
            }
        }
    }

    fn tell(&self, statement: &Statement, misfit: Misfit, checked: &mut Checked) {
        let mut problem =
            Problem { message: misfit.message, hint: misfit.hint, column: misfit.column, ..told(statement) };
        let file = statement.words.file.as_deref().and_then(|file| self.typed.files.get(file));
        if let (Some(text), Some(offset)) = (file, misfit.offset) {
            let (line, column) = place(text, offset);
            problem.line = line;
            problem.column = Some(column);
        }
        if !checked.errors.contains(&problem) {
            checked.errors.push(problem);
        }
    }

    fn check_facts(&self, tools: &[Tool<'_>], listed: &dyn Fn(&str) -> bool, checked: &mut Checked) {
        for fact in &self.facts {
            let problem = |message: String, hint: Option<String>| Problem {
                fact: Some(fact.name.clone()),
                line: fact.line,
                message: format!("fact `{}`: {message}", fact.name),
                hint,
                ..Problem::default()
            };
            let of: Vec<_> = tools.iter().filter(|tool| fact.of.matches(&tool.target.path())).collect();
            if of.is_empty() && fact.of.before_slash().is_some_and(listed) {
                checked.warnings.push(problem("its `of` matches no tool that is listed".into(), None));
            }
            let shapes: Vec<_> =
                of.iter().filter_map(|tool| Some((tool.target.path(), tool.shape.as_ref()?))).collect();
            for leads in fact.paths() {
                let lost: Vec<_> =
                    shapes.iter().map(|(path, shape)| (path, fact_misfit(fact, leads, shape))).collect();
                let everywhere =
                    lost.iter().all(|(_, misfit)| misfit.as_ref().is_some_and(|misfit| misfit.missing));
                for (path, misfit) in lost {
                    let Some(misfit) = misfit else { continue };
                    if !misfit.missing || everywhere {
                        checked.errors.push(problem(format!("{} (`{path}`)", misfit.message), misfit.hint));
                        break;
                    }
                }
            }
        }
    }
}

fn check_target(
    statement: &Statement,
    tools: &[Tool<'_>],
    listed: &dyn Fn(&str) -> bool,
    checked: &mut Checked,
) {
    let target = &statement.scope.target;
    let Some(server) = target.before_slash().filter(|server| listed(server)) else { return };
    if tools.iter().any(|tool| target.matches(&tool.target.path())) {
        return;
    }
    match target {
        // A URI need not be listed to be read.
        Glob::Exact(path) if path.contains(':') => {}
        Glob::Exact(path) => {
            let hint = near(path, tools).unwrap_or_else(|| {
                let names: Vec<&str> = tools
                    .iter()
                    .filter(|tool| tool.target.server == server)
                    .map(|tool| tool.target.name)
                    .collect();
                if names.is_empty() {
                    format!("`{server}` lists nothing")
                } else {
                    format!("there are {}", quoted(&names))
                }
            });
            checked.errors.push(Problem {
                message: format!("there is no `{path}`"),
                hint: Some(hint),
                ..told(statement)
            });
        }
        Glob::All | Glob::Pieces { .. } => checked
            .warnings
            .push(Problem { message: "this rule matches nothing that is listed".into(), ..told(statement) }),
    }
}

fn told(statement: &Statement) -> Problem {
    Problem {
        rule: Some(statement.id.to_string()),
        file: statement.words.file.as_deref().map(Into::into),
        line: statement.words.line,
        ..Problem::default()
    }
}

fn is_exact(glob: &Glob) -> bool {
    match glob {
        Glob::Exact(_) => true,
        Glob::All | Glob::Pieces { .. } => false,
    }
}

/// A known path that was probably meant.
fn near(path: &str, tools: &[Tool<'_>]) -> Option<String> {
    let paths: Vec<String> = tools.iter().map(|tool| tool.target.path()).collect();
    let known: Vec<&str> = paths.iter().map(String::as_str).collect();
    meant(path, &known).map(|meant| format!("did you mean `{meant}`?"))
}

fn missing(name: &str, known: &[&str], column: Option<usize>) -> Misfit {
    let hint = match meant(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "it takes none".into(),
        None => format!("there are {}", quoted(known)),
    };
    let message = format!("there is no argument `{}`", name.escape_debug());
    Misfit { message, hint: Some(hint), column, offset: None, missing: true }
}

/// Everything that does not fit.
fn misfits(statement: &Statement, shape: &Shape) -> Vec<Misfit> {
    if statement.words.file.is_none() {
        return statement.uses.tested.iter().filter_map(|arg| tested(arg, shape)).collect();
    }
    let Some(names) = statement.uses.args.as_ref().filter(|names| !names.is_empty()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut known = true;
    // Testing that it is there and reading it are two uses of one name.
    let names: std::collections::BTreeSet<&String> = names.iter().collect();
    for name in names {
        match shape.look(std::slice::from_ref(name)) {
            Look::Missing { name, known } => {
                found.push(missing(&name, &known, None));
            }
            Look::Open => known = false,
            Look::Typed(node) if node.types.has(Types::NUMBER) => found.push(Misfit {
                message: format!(
                    "`context.args.{name}` is a number that may have a fraction, and Cedar has none"
                ),
                hint: Some("use a fact with `min` or `max`, or the shorthand".into()),
                column: None,
                offset: None,
                missing: false,
            }),
            Look::Typed(_) => {}
        }
    }
    if !known || !found.is_empty() {
        return found;
    }
    let told = findings(std::iter::once(&statement.policy), &shape.cedar()).unwrap_or_default();
    let told = told.into_iter().filter(|finding| !finding.impossible).map(|finding| Misfit {
        message: finding.message,
        hint: finding.hint,
        column: None,
        offset: finding.offset,
        missing: false,
    });
    told.collect()
}

/// Why a test can't be made of the argument that the schema speaks of.
fn tested(arg: &Arg, shape: &Shape) -> Option<Misfit> {
    let node = match shape.look(&arg.path) {
        Look::Missing { name, known } => return Some(missing(&name, &known, Some(arg.column))),
        Look::Open => return None,
        Look::Typed(node) => node,
    };
    let (fits, wanted) = match &arg.test {
        Test::There => (true, ""),
        Test::Truth(_) => (node.types.has(Types::BOOL), "true or false"),
        Test::Is(_) | Test::Like(_) => (node.types.has(Types::TEXT), "a text"),
        Test::Contains(_) => (node.types.has(Types::LIST), "a list"),
        Test::Number(..) => (node.types.has(Types::INTEGER), "a number"),
    };
    let hint = match (&arg.test, node.types.has(Types::LIST)) {
        (Test::Is(_) | Test::Like(_), true) => Some("write `.contains(\"x\")`, or use a fact".to_owned()),
        (Test::Number(_, number), _) if node.types.has(Types::TEXT) => {
            Some(format!("write the number as a text: `{} == \"{number}\"`", written(&arg.path)))
        }
        (Test::Is(_) | Test::Like(_), _) if node.types.has(Types::INTEGER) => {
            Some("write the number without quotes".to_owned())
        }
        (
            Test::There | Test::Truth(_) | Test::Is(_) | Test::Like(_) | Test::Contains(_) | Test::Number(..),
            _,
        ) => None,
    };
    (!fits).then(|| Misfit {
        message: format!("`{}` is {}, not {wanted}", written(&arg.path), node.types.present().words()),
        hint,
        column: Some(arg.column),
        offset: None,
        missing: false,
    })
}

/// Why a fact's path leads to nothing that the schema knows, or to what its tests can't test.
fn fact_misfit(fact: &crate::facts::Matcher, path: &crate::path::Path, shape: &Shape) -> Option<Misfit> {
    let mut at = shape.root();
    for step in path.plain()? {
        at = match step {
            Select::Key(name) => match at.member(name) {
                Look::Typed(node) => node,
                Look::Open => return None,
                Look::Missing { name, known } => return Some(missing(&name, &known, None)),
            },
            Select::Every | Select::At(_) => {
                if at.is_open() || at.types.has(Types::OBJECT) {
                    return None;
                }
                if !at.types.has(Types::LIST) {
                    let message =
                        format!("its path wants a list where there is {}", at.types.present().words());
                    return Some(Misfit { message, hint: None, column: None, offset: None, missing: false });
                }
                at.items.as_deref()?
            }
        };
    }
    if at.is_open() {
        return None;
    }
    let wrong = if fact.wants_number() && !at.types.has(Types::INTEGER) {
        "`min` and `max` want a number"
    } else if fact.wants_text()
        && !at.types.has(Types::TEXT)
        && !at.types.has(Types::INTEGER)
        && !at.types.has(Types::BOOL)
    {
        "its tests want a text"
    } else {
        return None;
    };
    let hint = at.types.has(Types::LIST).then(|| "end the path with `[*]`".to_owned());
    let message = format!("{wrong}, and its path leads to {}", at.types.present().words());
    Some(Misfit { message, hint, column: None, offset: None, missing: false })
}
