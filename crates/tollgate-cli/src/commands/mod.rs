//! The commands: each file is one noun of the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tollgate::clock::Clock;
use tollgate::config::{self, Config, Problems};
use tollgate::gateway::{Gateway, Options, StartError};
use tollgate::store::Store;

use crate::args::{Cli, Command, Common};
use crate::printer;
use crate::stop::{Done, Stop};

mod approvals;
mod call;
mod cases;
mod check;
mod explain;
mod init;
mod keys;
mod labels;
mod ledger;
mod operator;
mod pins;
mod policy;
mod secrets;
mod servers;
mod stdio;
mod tools;
mod up;

pub(crate) fn run(cli: Cli) -> ExitCode {
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}

fn dispatch(cli: Cli) -> Done {
    let common = &cli.common;
    match cli.command {
        Command::Up { listen } => up::run(common, listen),
        Command::Stdio { view } => stdio::run(common, view.as_deref()),
        Command::Init { labels: true, .. } => labels::run(common),
        Command::Init { write, force, labels: false } => init::run(common, write, force),
        Command::Check { start } => check::run(common, start),
        Command::Explain(what) => explain::run(common, &what),
        Command::Servers { what } => servers::run(common, what),
        Command::Tools { agent, view } => tools::run(common, &agent, view.as_deref()),
        Command::Call { tool, args, agent, reason } => {
            call::run(common, &tool, &args, &agent, reason.as_deref())
        }
        Command::Keys { what } => keys::run(common, what),
        Command::Secrets { what } => secrets::run(common, what),
        Command::Policy { what } => policy::run(common, &what),
        Command::Ledger { what } => ledger::run(common, what),
        Command::Schema => {
            printer::line(config::schema());
            Ok(())
        }
        Command::SampleServer => sample(),
        Command::Guard { .. } => {
            Err(Stop::unreadable("`guard` takes a command").hint("it is used by the gateway itself"))
        }
        Command::Import { .. } => {
            Err(absent("import", "write the servers into tollgate.yaml; `tollgate init` shows how"))
        }
        Command::Approvals { what } => approvals::run(common, what),
    }
}

fn absent(command: &str, hint: &str) -> Stop {
    Stop::unreadable(format!("`tollgate {command}` is not available in this version")).hint(hint)
}

fn sample() -> Done {
    let now = || moment(Clock::system().now_ms());
    crate::sample::serve(std::io::stdin().lock(), std::io::stdout().lock(), now)
        .map_err(|e| Stop::failed(format!("the sample server ended: {e}")))
}

/// The configuration's file: `--config`, else `$TOLLGATE_CONFIG`, else `./tollgate.yaml`, else none.
fn config_file(common: &Common) -> Option<PathBuf> {
    let named = common.config.clone().or_else(|| std::env::var_os("TOLLGATE_CONFIG").map(PathBuf::from));
    named.or_else(|| Some(PathBuf::from("tollgate.yaml")).filter(|p| p.exists()))
}

/// The checked configuration and its file; without a file, the embedded one.
fn load(common: &Common) -> Result<(Config, Option<PathBuf>), Stop> {
    match config_file(common) {
        Some(path) => Ok((load_file(&path)?, Some(path))),
        None => Ok((config::embedded(&this_program()?, Path::new("")).map_err(|p| problems(&p))?, None)),
    }
}

fn load_file(path: &Path) -> Result<Config, Stop> {
    if !path.is_file() {
        return Err(Stop::unreadable(format!("cannot read `{}`: no such file", path.display()))
            .hint("`tollgate init --write` writes a first configuration"));
    }
    config::open(path).map_err(|found| problems(&found))
}

fn problems(found: &Problems) -> Stop {
    printer::note(found.render(printer::errors_to_terminal()).trim_end());
    let count = found.list.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    Stop::failed(format!("{count} {noun} in `{}`", found.source.path().display()))
}

fn this_program() -> Result<PathBuf, Stop> {
    std::env::current_exe().map_err(|e| Stop::failed(format!("cannot find this program's own file: {e}")))
}

/// The state database.
fn store(config: &Config) -> Result<Store, Stop> {
    Store::open(&config.state).map_err(|e| Stop::failed(e.to_string()))
}

/// RFC 3339 in UTC.
fn moment(ms: u64) -> String {
    i64::try_from(ms / 1000)
        .ok()
        .and_then(|s| time::OffsetDateTime::from_unix_timestamp(s).ok())
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

fn options(listen: bool) -> Result<Options, Stop> {
    Ok(Options { clock: Clock::system(), guard: this_program()?, listen })
}

fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Stop::failed(format!("cannot start threads: {e}")))
}

fn start_failed(error: &StartError) -> Stop {
    let stop = Stop::failed(error.to_string());
    match &error.hint {
        Some(hint) => stop.hint(hint.clone()),
        None => stop,
    }
}

/// Logs to stderr, so that stdout stays data.
fn log(settings: &config::Log) {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.level).unwrap_or_default();
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would print them to stderr, and panic where that is what is broken: a log that nobody reads must stop nothing.
        .log_internal_errors(false)
        .with_ansi(printer::errors_to_terminal())
        .with_target(false);
    let set = if settings.json { logger.json().try_init() } else { logger.try_init() };
    if let Err(error) = set {
        printer::note(format_args!("warning: no log: {error}"));
    }
}

/// A gateway in this process, for commands that find none running: without listeners, and with every server tried once.
async fn gateway_inside(config: Config) -> Result<Gateway, Stop> {
    let gateway = Gateway::start(config, options(false)?).await.map_err(|e| start_failed(&e))?;
    while !gateway.gate.is_ready() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(gateway)
}
