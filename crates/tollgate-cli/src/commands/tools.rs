//! `tollgate tools`.

use std::sync::Arc;

use tollgate::call::Endpoint;
use tollgate::catalog::visible;
use tollgate::inspect::ToolState;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::operator::Running;
use super::{gateway_inside, load, runtime};

pub(super) fn run(common: &Common, agent: &str, view: Option<&str>) -> Done {
    let (config, _) = load(common)?;
    let states: Vec<ToolState> = runtime()?.block_on(async {
        if let Some(running) = Running::find(&config).await {
            let view = view.map(|v| format!("&view={}", escaped(v))).unwrap_or_default();
            return running.get(&format!("/api/v1/tools?as={}{view}", escaped(agent))).await;
        }
        let gateway = gateway_inside(config).await?;
        let caller = gateway.gate.keys.load().named(agent).ok_or_else(|| no_agent(agent))?;
        let endpoint = view.map_or(Endpoint::Whole, |v| Endpoint::View(Arc::from(v)));
        let states = gateway.gate.tool_states(&caller, &endpoint).await;
        gateway.drain().await;
        Ok(states)
    })?;
    if common.json {
        for state in &states {
            printer::line(serde_json::to_string(state).map_err(|e| Stop::failed(e.to_string()))?);
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = states
        .into_iter()
        .map(|s| {
            let listed = if s.listed { "yes" } else { "no" };
            let mut notes: Vec<&str> = s.findings.iter().map(|f| f.kind.as_str()).collect();
            notes.dedup();
            if s.pin != "pinned" {
                notes.insert(0, &s.pin);
            }
            let notes = notes.join(", ");
            vec![visible(&s.tool), s.exposed, s.verdict, s.rules.join(", "), listed.to_owned(), notes]
        })
        .collect();
    printer::table(&["TOOL", "EXPOSED AS", "VERDICT", "RULES", "LISTED", "NOTES"], &rows);
    Ok(())
}

pub(super) fn no_agent(agent: &str) -> Stop {
    Stop::failed(format!("there is no agent `{agent}`"))
        .hint("agents stand under `agents:`, or are made by `tollgate keys create`")
}

/// Percent-encodes a query's value.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
