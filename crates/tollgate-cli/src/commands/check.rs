//! `tollgate check`.

use tollgate::config;
use tollgate::gateway;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::config_file;

pub(super) fn run(common: &Common) -> Done {
    let Some(path) = config_file(common) else {
        printer::line("no tollgate.yaml here: `tollgate up` uses the embedded configuration");
        return Ok(());
    };
    let text = std::fs::read_to_string(&path).map_err(|e| {
        Stop::unreadable(format!("cannot read `{}`: {e}", path.display()))
            .hint("`tollgate init --write` writes a first configuration")
    })?;
    let color = printer::errors_to_terminal();
    let config = config::load(&path, &text).map_err(|problems| {
        printer::note(problems.render(color).trim_end());
        Stop::failed(format!("{} problems in `{}`", problems.len(), path.display()))
    })?;
    for warning in &config.warnings {
        printer::note(format_args!("warning: {warning}"));
    }
    if let Err(problems) = gateway::compile(&config) {
        for problem in &problems {
            printer::note(format_args!("{}:{}: {problem}", path.display(), problem.line));
        }
        return Err(Stop::failed(format!("{} problems in the policy of `{}`", problems.len(), path.display())));
    }
    printer::line(format_args!(
        "{}: ok ({} servers, {} agents)",
        path.display(),
        config.servers.len(),
        config.agents.len()
    ));
    Ok(())
}
