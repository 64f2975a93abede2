//! `tollgate explain`.

use bytes::Bytes;
use serde_json::value::RawValue;
use tollgate::config::Config;
use tollgate::inspect::{Around, Explained, RuleTold};

use crate::args::{Common, Explain};
use crate::printer;
use crate::stop::{Done, Stop};

use super::operator::Running;
use super::tools::no_agent;
use super::{gateway_inside, ledger, load, runtime};

pub(super) fn run(common: &Common, what: &Explain) -> Done {
    let (config, _) = load(common)?;
    // An entry's id has no `/`; a tool's name has.
    if what.what.contains('/') {
        let around = Around {
            reason: what.reason.clone(),
            labels: what.labels.clone(),
            calls: what.calls,
            counters: what.sums.iter().cloned().collect(),
            task: what.task.clone(),
        };
        return call(common, config, &what.agent, &what.what, &what.args, &around);
    }
    if what.reason.is_some()
        || what.task.is_some()
        || what.calls > 0
        || !what.labels.is_empty()
        || !what.sums.is_empty()
    {
        return Err(Stop::unreadable("an entry of the ledger brings its own conversation and reason")
            .hint("name SERVER/TOOL with `--args` to explain a call that was not made"));
    }
    entry(common, config, &what.what)
}

fn call(common: &Common, config: Config, agent: &str, tool: &str, arguments: &str, around: &Around) -> Done {
    let arguments: Box<RawValue> = serde_json::from_str(arguments).map_err(|e| {
        Stop::unreadable(format!("`--args` is not JSON: {e}"))
            .hint("for example --args '{\"path\":\"/tmp/a\"}'")
    })?;
    let explained: Explained = runtime()?.block_on(async {
        if let Some(running) = Running::find(&config).await {
            let body = serde_json::json!({ "tool": tool, "args": arguments, "as": agent, "around": around });
            return running.post("/api/v1/explain", Bytes::from(body.to_string())).await;
        }
        let gateway = gateway_inside(config).await?;
        let caller = gateway.gate.keys.load().named(agent).ok_or_else(|| no_agent(agent))?;
        let explained = gateway.gate.explain(&caller, tool, &arguments, around).await;
        gateway.drain().await;
        explained.map_err(Stop::failed)
    })?;
    if common.json {
        printer::line(serde_json::to_string(&explained).map_err(|e| Stop::failed(e.to_string()))?);
    } else {
        print(&explained);
    }
    Ok(())
}

/// What the ledger has of a call, and what the policy would say of it today.
fn entry(common: &Common, config: Config, id: &str) -> Done {
    let entry = ledger::find(&config, id)?.fields;
    let list = |ids: &[String]| if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
    let tool = entry.tool.clone().unwrap_or_default();
    let agent = entry.agent.clone().unwrap_or_default();
    if !common.json {
        printer::line(format_args!(
            "{} {tool} by `{agent}`, {}",
            entry.at,
            entry.method.as_deref().unwrap_or("-")
        ));
        printer::line(format_args!("  then: {}", entry.verdict.as_deref().unwrap_or("not decided")));
        printer::line(format_args!("  rules: {}", list(&entry.rules)));
        if !entry.shadow.is_empty() {
            printer::line(format_args!("  shadow: {}", list(&entry.shadow)));
        }
        printer::line(format_args!("  outcome: {}", entry.outcome.as_deref().unwrap_or("open")));
        if let Some(error) = &entry.error {
            printer::line(format_args!("  error: {error}"));
        }
    }
    if entry.method.as_deref() != Some("tools/call") || tool.is_empty() {
        return Err(Stop::failed("only a tool's call can be decided again"));
    }
    let Some(args) = &entry.args else {
        return Err(Stop::failed("the ledger keeps no arguments, so it can't be decided again")
            .hint(format!("`tollgate explain --as {agent} {tool} --args JSON` decides with yours")));
    };
    if !common.json {
        printer::line("today:");
    }
    // What its conversation had touched is not in the ledger.
    let around = Around { reason: entry.reason.clone(), ..Around::default() };
    call(common, config, &agent, &tool, args.get(), &around)
}

fn print(explained: &Explained) {
    let Explained { agent, tool, verdict, .. } = explained;
    let words = match verdict.as_str() {
        "allow" => "may call",
        "ask" => "may call, once somebody approves,",
        "error" => "may not call, since a rule could not be evaluated,",
        "invalid" => "may not call with these arguments, which its schema does not allow,",
        _ if explained.hidden => "may never call, and does not see,",
        _ => "may not call",
    };
    printer::line(format_args!("`{agent}` {words} {tool} ({verdict})"));
    if let Some(because) = &explained.because {
        printer::line(format_args!("  because: {because}"));
    }
    if explained.rules.is_empty() && verdict != "invalid" {
        printer::line("  rules: none; the default decides");
    }
    for rule in &explained.rules {
        printer::line(format_args!("  rule {}", told(rule)));
    }
    for rule in &explained.shadow {
        printer::line(format_args!("  shadow rule {} (not enforced)", told(rule)));
    }
    for fact in &explained.facts {
        let holds = match (fact.holds, &fact.error) {
            (Some(true), _) => "holds".to_owned(),
            (Some(false), _) => "does not hold".to_owned(),
            (None, error) => format!("can't be told: {}", error.as_deref().unwrap_or_default()),
        };
        printer::line(format_args!("  fact `{}` {holds} ({})", fact.name, fact.tests));
    }
    match explained.reads.as_slice() {
        [] => printer::line("  depends on: nothing of the call; every call gets this verdict"),
        reads => printer::line(format_args!("  depends on: {}", reads.join(", "))),
    }
    for change in &explained.change {
        printer::line(format_args!("  would change it: {change}"));
    }
}

fn told(rule: &RuleTold) -> String {
    let place = match (&rule.file, rule.line) {
        (Some(file), line) => format!(", {file}:{line}"),
        (None, 0) => String::new(),
        (None, line) => format!(", line {line}"),
    };
    let when = rule.when.as_ref().map(|when| format!(" when `{when}`")).unwrap_or_default();
    let error = rule.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("`{}` ({}{place}){when}{error}", rule.id, rule.effect)
}
