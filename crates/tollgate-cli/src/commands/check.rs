//! `tollgate check`.

use tollgate::gateway;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::{config_file, load_file};

pub(super) fn run(common: &Common) -> Done {
    let Some(path) = config_file(common) else {
        printer::line("no tollgate.yaml here: `tollgate up` uses the embedded configuration");
        return Ok(());
    };
    let config = load_file(&path)?;
    if !config.warnings.is_empty() {
        printer::note(
            config.problems(config.warnings.clone()).render(printer::errors_to_terminal()).trim_end(),
        );
    }
    let unset = config.unresolved_env();
    if !unset.is_empty() {
        return Err(super::problems(&config.problems(unset)));
    }
    if let Err(problems) = gateway::compile(&config) {
        for problem in &problems {
            printer::note(format_args!("{}:{}: {problem}", path.display(), problem.line));
        }
        return Err(Stop::failed(format!(
            "{} problems in the policy of `{}`",
            problems.len(),
            path.display()
        )));
    }
    printer::line(format_args!(
        "{}: ok ({} servers, {} agents)",
        path.display(),
        config.servers.len(),
        config.agents.len()
    ));
    Ok(())
}
