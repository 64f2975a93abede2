//! `tollgate call`.

use bytes::Bytes;
use serde_json::value::RawValue;
use tollgate::inspect::Called;

use crate::args::Common;
use crate::printer;
use crate::stop::{Done, Stop};

use super::operator::Running;
use super::tools::no_agent;
use super::{gateway_inside, load, runtime};

pub(super) fn run(common: &Common, tool: &str, arguments: &str, agent: &str, reason: Option<&str>) -> Done {
    let (config, _) = load(common)?;
    let arguments: Box<RawValue> = serde_json::from_str(arguments).map_err(|e| {
        Stop::unreadable(format!("`--args` is not JSON: {e}"))
            .hint("for example --args '{\"message\":\"hi\"}'")
    })?;
    let called: Called = runtime()?.block_on(async {
        if let Some(running) = Running::find(&config).await {
            let body = serde_json::json!({ "tool": tool, "args": arguments, "as": agent, "reason": reason });
            return running.post("/api/v1/call", Bytes::from(body.to_string())).await;
        }
        let gateway = gateway_inside(config).await?;
        let caller = gateway.gate.keys.load().named(agent).ok_or_else(|| no_agent(agent))?;
        let outcome = gateway.gate.call_once(caller, tool, &arguments, reason).await;
        gateway.drain().await;
        outcome.map_err(Stop::failed)
    })?;
    match (called.result, called.error) {
        (Some(result), _) => {
            printer::line(if common.json { result.get().to_owned() } else { readable(&result) });
            let failed = serde_json::from_str::<serde_json::Value>(result.get())
                .is_ok_and(|r| r.get("isError") == Some(&serde_json::Value::Bool(true)));
            if failed { Err(Stop::failed("")) } else { Ok(()) }
        }
        (None, Some(error)) => Err(Stop::failed(format!("{} ({})", error.message, error.code))
            .hint("`tollgate tools` lists what this agent may call")),
        (None, None) => Err(Stop::failed("there was no answer")),
    }
}

/// The text blocks of a result, or all of it where there is anything else.
fn readable(result: &RawValue) -> String {
    let whole = || result.get().to_owned();
    let Ok(value) = serde_json::from_str::<serde_json::Value>(result.get()) else { return whole() };
    let Some(content) = value.get("content").and_then(|c| c.as_array()) else { return whole() };
    let texts: Option<Vec<&str>> =
        content.iter().map(|block| block.get("text").and_then(|t| t.as_str())).collect();
    texts.map_or_else(whole, |texts| texts.join("\n"))
}
