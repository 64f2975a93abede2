//! Scenarios: one Markdown file, one promise, run as a test (`scenarios/README.md` says how to write one).
//!
//! The blocks of a file act (an agent calls, a server crashes) or are checked (what a server receives, what an agent gets, the ledger);
//! with *bless* the checked ones are rewritten. *Never* lets a fault pass that a fake noticed, checked or not.

use std::path::{Path, PathBuf};

use crate::json::Json;
use crate::{Failure, Result};

/// What stands in a file.
mod parse;

/// Which agents and servers a file is played with.
mod over;

/// What was expected against what came.
mod compare;

/// What an agent got, as a person writes it.
mod told;

/// The players of one run.
mod seat;

/// Its operators.
mod desk;

/// Plays a file.
mod run;

#[cfg(test)]
mod tests;

pub use over::{Speaks, Variant};
pub use parse::{Act, Block, Check, Request, Scenario, Step};
pub use run::play;

/// What a run needs beside the file.
#[derive(Clone, Debug)]
pub struct Options {
    /// The gateway's binary; `None` = no gateway: agents talk to the only server themselves, and the ledger and metrics can't be checked.
    pub binary: Option<PathBuf>,
    /// The program that carries a stdio fake's lines (see [`crate::fake::stdio::carrier`]).
    pub carrier: Vec<String>,
    /// Whether checked blocks are rewritten instead of compared.
    pub bless: bool,
}

/// Every scenario under `root`, by path.
pub fn discover(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .map_err(|e| Failure::from(e).while_doing(folder.display()))?
            .collect::<std::io::Result<Vec<_>>>()?;
        for path in entries.into_iter().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") && folder != root {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// One test: a file, played with one kind of agent and server.
#[derive(Clone, Debug)]
pub struct Case {
    /// `stage/promise`, and the variant where there are several.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// With whom.
    pub variant: Variant,
    /// Whether it is the variant that bless rewrites from.
    pub first: bool,
}

/// Every case under `root`; a file that can't be read is a failure that names it and the line.
pub fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in discover(root)? {
        let scenario = Scenario::load(&path)?;
        let name = path.strip_prefix(root).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
        let several = scenario.variants.len() > 1;
        for (place, variant) in scenario.variants.iter().enumerate() {
            let name = if several { format!("{name} ({variant})") } else { name.clone() };
            cases.push(Case { name, path: path.clone(), variant: variant.clone(), first: place == 0 });
        }
    }
    Ok(cases)
}

/// Plays one case from start to end on a runtime of its own; with bless, rewrites the file if it is the first variant.
pub fn run_case(case: &Case, options: &Options) -> Result<()> {
    let scenario = Scenario::load(&case.path)?;
    let bless = options.bless && case.first;
    let options = Options { bless, ..options.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let source = runtime.block_on(play(&scenario, &case.variant, &options))?;
    if bless && source != scenario.source {
        std::fs::write(&case.path, source)?;
    }
    Ok(())
}

/// Reads a block's YAML.
fn yaml(text: &str) -> Result<Json> {
    let value: serde_json::Value = serde_saphyr::from_str(text).map_err(|e| Failure::new(e.to_string()))?;
    Ok(Json::from(value))
}
