//! `tollgate servers pins|diff|accept|forget`.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use tollgate::catalog::{PinState, report, visible};
use tollgate::clock::Clock;
use tollgate::config::Config;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::operator::Running;
use super::tools::escaped;
use super::{gateway_inside, moment, runtime, store};

pub(super) fn list(common: &Common, config: &Config, of: Option<&str>) -> Done {
    let pins = read(config, of)?;
    if common.json {
        return json(&pins);
    }
    let rows: Vec<Vec<String>> = pins
        .iter()
        .map(|pin| {
            let mut kinds: Vec<&str> = pin.findings.iter().map(|f| f.kind.as_str()).collect();
            kinds.dedup();
            vec![
                visible(&pin.tool),
                pin.state.clone(),
                moment(pin.since_ms),
                pin.by.clone(),
                kinds.join(", "),
            ]
        })
        .collect();
    printer::table(&["TOOL", "STATE", "SINCE", "BY", "FINDINGS"], &rows);
    for pin in &pins {
        findings(pin);
    }
    Ok(())
}

pub(super) fn diff(common: &Common, config: &Config, of: Option<&str>) -> Done {
    let mut pins = read(config, of)?;
    pins.retain(|pin| pin.waiting.is_some());
    if common.json {
        return json(&pins);
    }
    for pin in &pins {
        let Some(waiting) = &pin.waiting else { continue };
        let short: String = waiting.digest.chars().take(8).collect();
        let tool = visible(&pin.tool);
        printer::line(format_args!(
            "{tool}  changed {}, accepted {} ({})",
            moment(waiting.since_ms),
            moment(pin.since_ms),
            pin.by
        ));
        for change in &waiting.changes {
            printer::line(format_args!("  {}", change.path));
            lines('-', change.before.as_deref());
            lines('+', change.after.as_deref());
        }
        findings(pin);
        printer::line(format_args!("  accept it: tollgate servers accept '{tool}' --digest {short}\n"));
    }
    if pins.is_empty() {
        printer::note("no definition waits to be accepted");
    }
    Ok(())
}

#[derive(Deserialize)]
struct Accepted {
    accepted: Vec<String>,
}

pub(super) fn accept(common: &Common, config: &Config, of: &str, digest: &str) -> Done {
    let accepted = runtime()?.block_on(async {
        if let Some(running) = Running::find(config).await {
            let wanted = serde_json::json!({ "of": of, "digest": digest }).to_string();
            let done: Accepted = running.post("/api/v1/pins/accept", Bytes::from(wanted)).await?;
            return Ok(done.accepted);
        }
        let (server, tool) = match of.split_once('/') {
            Some((server, tool)) => (server, Some(tool)),
            None => (of, None),
        };
        store(config)?
            .accept_pins(server, tool, digest, "operator", Clock::system().now_ms())
            .map_err(|e| Stop::failed(e.to_string()))
    })?;
    if accepted.is_empty() {
        return Err(Stop::failed(format!("nothing of `{}` waits to be accepted", visible(of)))
            .hint("`tollgate servers diff` shows what waits, with its digest"));
    }
    tell(common, "accepted", "accepted", &accepted);
    Ok(())
}

#[derive(Deserialize)]
struct Forgotten {
    forgotten: Vec<String>,
}

pub(super) fn forget(common: &Common, mut config: Config, server: &str) -> Done {
    let forgotten = runtime()?.block_on(async {
        if let Some(running) = Running::find(&config).await {
            let wanted = serde_json::json!({ "of": server }).to_string();
            let done: Forgotten = running.post("/api/v1/pins/forget", Bytes::from(wanted)).await?;
            return Ok(done.forgotten);
        }
        // What is gone, only the server can tell.
        config.servers.retain(|alias, _| **alias == *server);
        let gateway = gateway_inside(config).await?;
        let catalog = Arc::clone(&gateway.gate.catalog);
        let alias = server.to_owned();
        let done = tokio::task::spawn_blocking(move || catalog.forget(&alias, "operator")).await;
        gateway.drain().await;
        done.map_err(|e| Stop::failed(e.to_string()))?.map_err(Stop::failed)
    })?;
    if forgotten.is_empty() {
        return Err(Stop::failed(format!("nothing of `{}` is gone", visible(server)))
            .hint("`tollgate servers pins` shows what is pinned"));
    }
    tell(common, "forgotten", "forgot", &forgotten);
    Ok(())
}

/// Which tools were changed: as JSON under what is done to them now, else each with what was done.
fn tell(common: &Common, done: &str, did: &str, tools: &[String]) {
    if common.json {
        printer::line(serde_json::json!({ done: tools }));
    } else {
        for tool in tools {
            printer::note(format_args!("{did} {}", visible(tool)));
        }
    }
}

fn read(config: &Config, of: Option<&str>) -> Result<Vec<PinState>, Stop> {
    runtime()?.block_on(async {
        if let Some(running) = Running::find(config).await {
            let query = of.map(|of| format!("?of={}", escaped(of))).unwrap_or_default();
            return running.get(&format!("/api/v1/pins{query}")).await;
        }
        let pins = store(config)?.pins(true).map_err(|e| Stop::failed(e.to_string()))?;
        Ok(report(&pins, of))
    })
}

fn json(pins: &[PinState]) -> Done {
    for pin in pins {
        printer::line(serde_json::to_string(pin).map_err(|e| Stop::failed(e.to_string()))?);
    }
    Ok(())
}

fn lines(sign: char, text: Option<&str>) {
    for line in text.into_iter().flat_map(str::lines) {
        printer::line(format_args!("    {sign} {line}"));
    }
}

fn findings(pin: &PinState) {
    for finding in &pin.findings {
        let evidence = finding.evidence.replace('\n', " ");
        printer::line(format_args!(
            "  ! {} {} at {}: {evidence}",
            visible(&pin.tool),
            finding.kind,
            finding.path
        ));
    }
}
