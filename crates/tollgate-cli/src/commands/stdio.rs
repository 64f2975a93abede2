//! `tollgate stdio`.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tollgate::call::{Canceller, Endpoint};
use tollgate::config::Log;
use tollgate::gateway::Gateway;
use tollgate::receive;

use crate::args::Common;
use crate::stop::{Done, Stop};

use super::{load, log, options, runtime, start_failed};

pub(super) fn run(common: &Common, view: Option<&str>) -> Done {
    let (config, _) = load(common)?;
    // stdout is the agent's; its client shows stderr to the user, so only what matters goes there.
    let level = if config.log.level == "info" { "warn".to_owned() } else { config.log.level.clone() };
    log(&Log { level, json: config.log.json });
    let credential = tollgate::authenticate::stdio_credential();
    let endpoint = view.map_or(Endpoint::Whole, |view| Endpoint::View(Arc::from(view)));
    runtime()?.block_on(async {
        let gateway = Gateway::start(config, options(false)?).await.map_err(|e| start_failed(&e))?;
        let settings = receive::stdio::Settings::new(endpoint);
        let gate = Arc::clone(&gateway.gate);
        let stop = Canceller::new();
        let signalled = stop.clone();
        let signals = tokio::spawn(async move {
            if ended_by_signal().await.is_ok() {
                signalled.fire();
            }
        });
        let ended =
            receive::stdio::run(gate, tokio::io::stdin(), tokio::io::stdout(), credential, settings, stop)
                .await;
        signals.abort();
        gateway.drain().await;
        ended.map_err(|e| {
            Stop::failed(e.to_string())
                .hint("`$TOLLGATE_KEY` holds the agent's key; `--view` must name a view of it")
        })
    })
}

async fn ended_by_signal() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
