//! `tollgate servers`.

use tollgate::config::Config;
use tollgate::inspect::ServerState;

use crate::args::{Common, Servers};
use crate::printer;
use crate::stop::{Done, Stop};

use super::operator::Running;
use super::{absent, gateway_inside, load, pins, runtime};

pub(super) fn run(common: &Common, what: Option<Servers>) -> Done {
    let (config, _) = load(common)?;
    let states = match what.unwrap_or(Servers::List) {
        Servers::Login { .. } => {
            return Err(absent("servers login", "static credentials stand under `auth:`"));
        }
        Servers::Pins { of } => return pins::list(common, &config, of.as_deref()),
        Servers::Diff { of } => return pins::diff(common, &config, of.as_deref()),
        Servers::Accept { of, digest } => return pins::accept(common, &config, &of, &digest),
        Servers::Forget { server } => return pins::forget(common, config, &server),
        Servers::List => runtime()?.block_on(list(config))?,
        Servers::Test { alias } => {
            let mut config = config;
            if let Some(alias) = alias {
                if !config.servers.contains_key(alias.as_str()) {
                    return Err(Stop::failed(format!("there is no server `{alias}`"))
                        .hint("`tollgate servers list` names them"));
                }
                config.servers.retain(|a, _| **a == *alias);
            }
            let states = runtime()?.block_on(inside(config))?;
            print(common, &states)?;
            let down: Vec<&str> =
                states.iter().filter(|s| s.health == "down").map(|s| s.server.as_str()).collect();
            if !down.is_empty() {
                return Err(
                    Stop::failed(format!("down: {}", down.join(", "))).hint("the last column says why")
                );
            }
            return Ok(());
        }
    };
    print(common, &states)
}

async fn list(config: Config) -> Result<Vec<ServerState>, Stop> {
    match Running::find(&config).await {
        Some(running) => running.get("/api/v1/servers").await,
        None => inside(config).await,
    }
}

async fn inside(config: Config) -> Result<Vec<ServerState>, Stop> {
    let gateway = gateway_inside(config).await?;
    let states = gateway.gate.server_states();
    gateway.drain().await;
    Ok(states)
}

fn print(common: &Common, states: &[ServerState]) -> Done {
    if common.json {
        for state in states {
            printer::line(serde_json::to_string(state).map_err(|e| Stop::failed(e.to_string()))?);
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = states
        .iter()
        .map(|s| {
            vec![
                s.server.clone(),
                s.transport.clone(),
                s.health.clone(),
                s.revision.clone().unwrap_or_else(|| "-".to_owned()),
                s.credential.clone(),
                s.tools.to_string(),
                s.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    printer::table(
        &["SERVER", "TRANSPORT", "HEALTH", "REVISION", "CREDENTIAL", "TOOLS", "LAST ERROR"],
        &rows,
    );
    Ok(())
}
