//! `tollgate policy test`: calls and the verdicts they should get. A case is a Markdown file: prose, `json tools` blocks with the
//! definitions of tools (an object by `server/tool`), and `text calls` blocks with one call a line,
//! `AGENT SERVER/TOOL {ARGUMENTS} -> VERDICT [RULE] [shadow RULE…]`. *Never* calls a server.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tollgate::call::Caller;
use tollgate::catalog::Item;
use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::decide::Decider;
use tollgate::gateway;
use tollgate::inspect::{Around, Explained, explain};
use tollgate::servers::Listing;
use tollgate_policy::Policy;

use crate::printer;
use crate::stop::{Done, Stop};

pub(super) fn run(config: &Config, policy: Policy, folder: &Path) -> Done {
    let bench = Bench {
        config,
        decider: Decider::new(Arc::new(policy), Arc::clone(&config.digest)),
        remembered: gateway::remembered(config).0,
        now_ms: Clock::system().now_ms(),
    };
    let files = files(folder)?;
    let (mut calls, mut wrong) = (0, 0);
    for file in &files {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Stop::unreadable(format!("cannot read `{}`: {e}", file.display())))?;
        let case = read(&text).map_err(|e| Stop::unreadable(format!("{}:{e}", file.display())))?;
        let mut failed = Vec::new();
        for call in &case.calls {
            let told = bench.judge(&case, call);
            calls += 1;
            if let Err(why) = told {
                failed.push(format!("{}:{}: {}\n  {why}", file.display(), call.line, call.text));
            }
        }
        let state = if failed.is_empty() { "ok    " } else { "FAILED" };
        printer::line(format_args!("{state} {} ({} calls)", file.display(), case.calls.len()));
        for text in &failed {
            printer::note(text);
        }
        wrong += failed.len();
    }
    match (calls, wrong) {
        (0, _) => Err(Stop::unreadable(format!("there are no calls in `{}`", folder.display()))
            .hint("a case is a Markdown file with a `text calls` block; see docs/policy.md")),
        (calls, 0) => {
            printer::line(format_args!("{calls} calls, all as expected"));
            Ok(())
        }
        (calls, wrong) => Err(Stop::failed(format!("{wrong} of {calls} calls got another verdict"))
            .hint("`tollgate explain --as AGENT SERVER/TOOL --args JSON` says why")),
    }
}

/// The Markdown files of a folder and the folders in it, in order; or one file.
fn files(at: &Path) -> Result<Vec<PathBuf>, Stop> {
    if at.is_file() {
        return Ok(vec![at.to_owned()]);
    }
    let unreadable = |e: std::io::Error| Stop::unreadable(format!("cannot read `{}`: {e}", at.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(at).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What a case is judged with.
struct Bench<'a> {
    config: &'a Config,
    decider: Decider,
    remembered: Vec<Arc<Item>>,
    now_ms: u64,
}

/// One file.
#[derive(Default)]
struct Case {
    tools: HashMap<String, Bytes>,
    calls: Vec<Call>,
}

/// One line.
struct Call {
    line: usize,
    text: String,
    agent: String,
    tool: String,
    arguments: Box<RawValue>,
    verdict: String,
    rule: Option<String>,
    shadow: Vec<String>,
}

impl Bench<'_> {
    /// `Err` = what it got instead.
    fn judge(&self, case: &Case, call: &Call) -> Result<(), String> {
        let item = self.item(case, &call.tool)?;
        let item = item.asking(self.config).map_or(item, Arc::new);
        let caller = self.caller(&call.agent);
        let got = explain(&self.decider, &caller, &item, &call.arguments, &Around::default(), self.now_ms);
        let rule = got.rules.first().map_or("default", |rule| rule.id.as_str());
        let shadow: Vec<&str> = got.shadow.iter().map(|rule| rule.id.as_str()).collect();
        let same = got.verdict == call.verdict
            && call.rule.as_deref().is_none_or(|wanted| wanted == rule)
            && (call.shadow.is_empty() || call.shadow == shadow);
        if same { Ok(()) } else { Err(told(&got, rule, &shadow)) }
    }

    fn item(&self, case: &Case, tool: &str) -> Result<Arc<Item>, String> {
        let Some(text) = case.tools.get(tool) else {
            let known =
                self.remembered.iter().find(|item| *item.label == *tool && item.listing == Listing::Tools);
            return known.map(Arc::clone).ok_or_else(|| {
                format!("nothing is known of `{tool}`: give its definition in a `json tools` block")
            });
        };
        let (alias, _) = tool.split_once('/').unwrap_or((tool, ""));
        let server = self.config.servers.get(alias).ok_or_else(|| format!("there is no server `{alias}`"))?;
        Item::read(Listing::Tools, server, text, self.config.names_max, false).map(Arc::new)
    }

    /// An agent of the configuration, or one of that name without groups.
    fn caller(&self, name: &str) -> Caller {
        let agent = self.config.agents.get(name);
        let groups = agent.map(|agent| agent.groups.iter().map(|g| Arc::from(&**g)).collect());
        Caller {
            agent: Arc::from(name),
            user: None,
            tenant: agent.and_then(|agent| agent.tenant.as_ref().map(|tenant| Arc::from(&**tenant))),
            groups: groups.unwrap_or_default(),
            principal: Arc::from(name),
            own_conversations: false,
        }
    }
}

fn told(got: &Explained, rule: &str, shadow: &[&str]) -> String {
    let mut text = format!("got: {} {rule}", got.verdict);
    if !shadow.is_empty() {
        text.push_str(" shadow ");
        text.push_str(&shadow.join(" "));
    }
    for because in got.because.iter().chain(got.rules.iter().filter_map(|rule| rule.error.as_ref())) {
        text.push_str("\n  ");
        text.push_str(because);
    }
    text
}

fn read(text: &str) -> Result<Case, String> {
    let mut case = Case::default();
    let mut block: Option<(&str, usize, String)> = None;
    for (n, line) in (1..).zip(text.lines()) {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(info)) => block = Some((info.trim(), n, String::new())),
            (Some((info, start, inner)), Some("")) => {
                end(info, *start, inner, &mut case)?;
                block = None;
            }
            (Some((_, _, inner)), _) => {
                inner.push_str(line);
                inner.push('\n');
            }
            (None, None) => {}
        }
    }
    match block {
        Some((_, start, _)) => Err(format!("{start}: this block has no end")),
        None => Ok(case),
    }
}

fn end(info: &str, start: usize, inner: &str, case: &mut Case) -> Result<(), String> {
    match info {
        "json tools" => {
            let tools: HashMap<String, serde_json::Map<String, serde_json::Value>> =
                serde_json::from_str(inner).map_err(|e| format!("{}: {e}", start + e.line()))?;
            for (label, mut tool) in tools {
                let Some((_, name)) = label.split_once('/') else {
                    return Err(format!("{start}: `{label}` is not SERVER/TOOL"));
                };
                tool.insert("name".into(), name.into());
                case.tools.insert(label, Bytes::from(serde_json::Value::Object(tool).to_string()));
            }
        }
        "text calls" => {
            for (n, line) in (start + 1..).zip(inner.lines()) {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with('#') {
                    case.calls.push(call(line, n).map_err(|e| format!("{n}: {e}"))?);
                }
            }
        }
        // Anything else is prose.
        _ => {}
    }
    Ok(())
}

fn call(text: &str, line: usize) -> Result<Call, String> {
    let form = "a call reads `AGENT SERVER/TOOL {ARGUMENTS} -> VERDICT [RULE]`";
    let (left, right) = text.rsplit_once("->").or_else(|| text.rsplit_once('→')).ok_or(form)?;
    let (agent, rest) = left.trim().split_once(char::is_whitespace).ok_or(form)?;
    let rest = rest.trim();
    let (tool, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments.trim() };
    let arguments =
        serde_json::from_str(arguments).map_err(|e| format!("the arguments are not JSON: {e}"))?;
    let mut words = right.split_whitespace();
    let verdict = words.next().ok_or(form)?;
    if !["allow", "ask", "deny", "error", "invalid"].contains(&verdict) {
        return Err(format!("`{verdict}` is none of allow, ask, deny, error, invalid"));
    }
    let mut rest: Vec<String> = words.map(str::to_owned).collect();
    let shadow = match rest.iter().position(|word| word == "shadow") {
        Some(at) => rest.split_off(at).into_iter().skip(1).collect(),
        None => Vec::new(),
    };
    if rest.len() > 1 {
        return Err(form.to_owned());
    }
    Ok(Call {
        line,
        text: text.to_owned(),
        agent: agent.to_owned(),
        tool: tool.to_owned(),
        arguments,
        verdict: verdict.to_owned(),
        rule: rest.pop(),
        shadow,
    })
}
