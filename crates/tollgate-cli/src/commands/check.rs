//! `tollgate check`.

use tollgate::config::Config;
use tollgate::gateway;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::{config_file, gateway_inside, load_file, runtime};

pub(super) fn run(common: &Common, start: bool) -> Done {
    let Some(path) = config_file(common) else {
        printer::line("no tollgate.yaml here: `tollgate up` uses the embedded configuration");
        return Ok(());
    };
    let config = load_file(&path)?;
    warn(&config, config.warnings.clone());
    let unset = config.unresolved_env();
    if !unset.is_empty() {
        return Err(super::problems(&config.problems(unset)));
    }
    let policy = gateway::compile(&config).map_err(|problems| super::problems(&problems))?;
    if start {
        // Listing them is all that is wanted: what they list is remembered.
        runtime()?.block_on(async {
            gateway_inside(config.clone()).await?.drain().await;
            Ok::<_, super::Stop>(())
        })?;
    }
    let (items, unknown) = gateway::remembered(&config);
    let (errors, warnings) = gateway::check(&config, &policy, &items);
    warn(&config, warnings);
    if !errors.is_empty() {
        return Err(super::problems(&config.problems(errors)));
    }
    if !unknown.is_empty() && config.policy.is_some() {
        let names: Vec<String> = unknown.iter().map(|alias| format!("`{alias}`")).collect();
        let hint = if start { "see `tollgate servers`" } else { "`tollgate check --start` starts them" };
        printer::note(format_args!(
            "note: rules were not held against the tools of {}, never listed; {hint}",
            names.join(", ")
        ));
    }
    printer::line(format_args!(
        "{}: ok ({} servers, {} agents)",
        path.display(),
        config.servers.len(),
        config.agents.len()
    ));
    Ok(())
}

fn warn(config: &Config, warnings: Vec<tollgate::config::Problem>) {
    if !warnings.is_empty() {
        printer::note(config.problems(warnings).render(printer::errors_to_terminal()).trim_end());
    }
}

/// A policy that cannot be used.
pub(super) fn policy(config: &Config) -> Result<tollgate_policy::Policy, Stop> {
    gateway::compile(config).map_err(|problems| super::problems(&problems))
}
