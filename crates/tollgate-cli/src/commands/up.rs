//! `tollgate up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tollgate::config;
use tollgate::gateway::Gateway;
use tollgate::servers::Health;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::{load, log, options, runtime, start_failed};

pub(super) fn run(common: &Common, listen: Option<SocketAddr>) -> Done {
    let (mut config, file) = load(common)?;
    if let Some(listen) = listen {
        listen_on(&mut config, listen)?;
    }
    log(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{} (line {})", warning.message, warning.line);
    }
    let unset = config.unresolved_env();
    if !unset.is_empty() {
        return Err(super::problems(&config.problems(unset)));
    }
    no_core_dumps();
    many_files();
    runtime()?.block_on(serve(config, file, listen))
}

fn listen_on(config: &mut config::Config, listen: SocketAddr) -> Done {
    config.listen_on(listen).map_err(|problem| {
        let stop = Stop::failed(problem.message);
        match problem.hint {
            Some(hint) => stop.hint(hint),
            None => stop,
        }
    })
}

/// A core dump would hold every credential.
fn no_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
}

/// Each agent's connection is an open file; the usual soft limit of 1024 is for programs that use `select`.
fn many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, ?current, "the limit of open files could not be raised");
    }
}

async fn serve(config: config::Config, file: Option<PathBuf>, listen: Option<SocketAddr>) -> Done {
    let failed = |e: std::io::Error| Stop::failed(format!("cannot listen for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut edits = file.as_deref().map(|_| config::watch(&config));
    let gateway = Gateway::start(config, options(true)?).await.map_err(|e| start_failed(&e))?;
    banner(&gateway, file.as_deref());
    loop {
        let edited = async {
            match &mut edits {
                Some(edits) => edits.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            read = edited => match read {
                Some(read) => reload(&gateway, read, listen),
                None => edits = None,
            },
        }
    }
    printer::note("draining: calls in flight finish; a second signal ends at once");
    tokio::select! {
        finished = gateway.drain() => {
            if !finished {
                printer::note("some calls did not finish in time and were cut off");
            }
            Ok(())
        }
        _ = interrupt.recv() => Err(Stop::failed("ended at once by a second signal")),
        _ = terminate.recv() => Err(Stop::failed("ended at once by a second signal")),
    }
}

/// A valid change applies; an invalid one is reported and the old one stays.
fn reload(gateway: &Gateway, read: Result<config::Config, config::Problems>, listen: Option<SocketAddr>) {
    let config = match read {
        Ok(config) => config,
        Err(problems) => {
            printer::note(problems.render(printer::errors_to_terminal()).trim_end());
            tracing::error!("the changed configuration has problems; the old one stays");
            return;
        }
    };
    let mut config = config;
    if let Some(listen) = listen
        && let Err(problem) = config.listen_on(listen)
    {
        tracing::error!("{}; the old configuration stays", problem.message);
        return;
    }
    match gateway.reload(config) {
        Ok(()) => tracing::info!("the changed configuration applies"),
        Err(error) => tracing::error!(%error, "the changed configuration cannot be used; the old one stays"),
    }
}

fn banner(gateway: &Gateway, file: Option<&std::path::Path>) {
    let Some(addr) = gateway.agents_addr() else { return };
    let url = format!("http://{addr}/mcp");
    match file {
        Some(file) => {
            printer::line(format_args!("tollgate {} · {}", env!("CARGO_PKG_VERSION"), file.display()));
        }
        None => printer::line(format_args!(
            "tollgate {} · no tollgate.yaml here: a sample server and the starter policy (`tollgate init` writes them out)",
            env!("CARGO_PKG_VERSION")
        )),
    }
    printer::line(format_args!("\n  agents connect to   {url}"));
    if let Some(admin) = gateway.admin_addr() {
        printer::line(format_args!("  operators           http://{admin}  (/healthz, /readyz, /metrics)"));
    }
    printer::line(format_args!("\n  Claude Code   claude mcp add --transport http tollgate {url}"));
    printer::line(format_args!(
        "  Cursor        {{ \"mcpServers\": {{ \"tollgate\": {{ \"url\": \"{url}\" }} }} }}   in ~/.cursor/mcp.json"
    ));
    printer::line(format_args!(
        "  VS Code       {{ \"servers\": {{ \"tollgate\": {{ \"type\": \"http\", \"url\": \"{url}\" }} }} }}   in .vscode/mcp.json"
    ));
    printer::line("  stdio only    command `tollgate`, arguments `stdio`");
    let starting: Vec<String> = gateway
        .gate
        .servers
        .all()
        .iter()
        .filter(|s| matches!(s.health(), Health::Starting))
        .map(|s| s.config.alias.to_string())
        .collect();
    if !starting.is_empty() {
        printer::line(format_args!(
            "\n  still starting: {}   (`tollgate servers` shows their state)",
            starting.join(", ")
        ));
    }
    printer::line("  watch the calls: tollgate ledger tail -f\n");
}
