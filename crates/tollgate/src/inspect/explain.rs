//! Why a call would get its verdict. *Never* calls a server, and never changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_policy::{Evidence, Explanation, Needs, Reason, Session, Verdict};

use crate::call::Caller;
use crate::catalog::Item;
use crate::decide::Decider;
use crate::path::Gate;
use crate::transform::{self, clean};

/// Why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The agent.
    pub agent: String,
    /// `server/original`.
    pub tool: String,
    /// allow, ask, deny, error (a rule could not be evaluated) or invalid (the arguments are not what the schema wants).
    pub verdict: String,
    /// Why, in words.
    pub because: Option<String>,
    /// The determining rules; empty where the default decided.
    pub rules: Vec<RuleTold>,
    /// The shadow rules that apply.
    pub shadow: Vec<RuleTold>,
    /// The facts that were looked at.
    pub facts: Vec<FactTold>,
    /// What of a call the verdict depends on; nothing: every call gets it.
    pub reads: Vec<String>,
    /// The agent does not see the tool.
    pub hidden: bool,
    /// What would change the verdict.
    pub change: Vec<String>,
}

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleTold {
    /// Its id.
    pub id: String,
    /// allow, ask or deny.
    pub effect: String,
    /// Its condition.
    pub when: Option<String>,
    /// Its reason.
    pub because: Option<String>,
    /// The included file; `None` = the configuration.
    pub file: Option<String>,
    /// Its line, from 1; 0 = unknown.
    pub line: usize,
    /// Why it could not be evaluated.
    pub error: Option<String>,
}

/// A fact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FactTold {
    /// Its name.
    pub name: String,
    /// What it tests.
    pub tests: String,
    /// Whether it holds; `None` = it can't be told.
    pub holds: Option<bool>,
    /// Why it can't.
    pub error: Option<String>,
}

/// What a call would carry beside its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Around {
    /// The stated reason.
    pub reason: Option<String>,
    /// The labels of what its conversation has touched.
    pub labels: Vec<String>,
    /// The calls of its conversation so far.
    pub calls: u64,
    /// The sums of its conversation, by name.
    pub counters: BTreeMap<String, i64>,
    /// The user's own words.
    pub task: Option<String>,
}

impl Gate {
    /// Why a call of `server/tool` with these arguments would get its verdict.
    pub async fn explain(
        &self,
        caller: &Arc<Caller>,
        tool: &str,
        arguments: &RawValue,
        around: &Around,
    ) -> Result<Explained, String> {
        if !tool.contains('/') {
            return Err("a tool is named SERVER/TOOL".to_owned());
        }
        let snapshot = self.catalog.base_snapshot().await;
        let (_, item) = snapshot
            .labelled_tool(tool)
            .ok_or_else(|| format!("there is no tool `{tool}`; `tollgate tools` lists them"))?;
        Ok(explain(&self.decider, caller, item, arguments, around, self.clock.now_ms()))
    }
}

/// Why a call of this tool would get its verdict, by this policy.
pub fn explain(
    decider: &Decider,
    caller: &Caller,
    item: &Item,
    arguments: &RawValue,
    around: &Around,
    now_ms: u64,
) -> Explained {
    let text = arguments.get().as_bytes();
    // As on a call's way: what is said among the arguments counts, and is none of them.
    let (left, stated) = transform::without_reason(item, text).unzip();
    let text = left.as_deref().unwrap_or(text);
    let stated = stated.flatten();
    let reason = stated.as_deref().or(around.reason.as_deref());
    let findings = clean::findings(text, &clean::Cleaned::default()).unwrap_or_default();
    let labels: Vec<Arc<str>> = around.labels.iter().map(|label| Arc::from(label.as_str())).collect();
    let counters: Vec<(Arc<str>, i64)> =
        around.counters.iter().map(|(name, sum)| (Arc::from(name.as_str()), *sum)).collect();
    let evidence = Evidence {
        arguments: Some(text),
        reason,
        findings: &findings,
        session: Session { labels: &labels, calls: around.calls, counters: &counters },
        task: around.task.as_deref(),
        now_ms,
        client: None,
    };
    let explanation = decider.explain(caller, item, &evidence);
    let (mut verdict, because) = said(&explanation.verdict);
    let unreasoned = transform::unreasoned(item, reason);
    let mut because = because.map(Arc::clone);
    if let Some(refused) = unreasoned.filter(|_| matches!(verdict, "allow" | "ask")) {
        (verdict, because) = ("invalid", refused.because);
    }
    if item.held && verdict != "deny" {
        (verdict, because) = ("deny", Some(Arc::from("its definition is not the accepted one")));
    }
    Explained {
        agent: caller.agent.to_string(),
        tool: item.label.to_string(),
        verdict: verdict.to_owned(),
        because: because.map(|because| because.to_string()),
        hidden: explanation.regardless && verdict == "deny",
        rules: explanation.rules.iter().map(told).collect(),
        shadow: explanation.shadow.iter().map(told).collect(),
        reads: parts(&explanation),
        facts: explanation
            .facts
            .into_iter()
            .map(|(name, tests, held)| {
                let (holds, error) = match held {
                    Ok(holds) => (Some(holds), None),
                    Err(error) => (None, Some(error)),
                };
                FactTold { name, tests, holds, error }
            })
            .collect(),
        change: explanation.change,
    }
}

fn said(verdict: &Verdict) -> (&'static str, Option<&Arc<str>>) {
    match verdict {
        Verdict::Allow { .. } => ("allow", None),
        Verdict::Ask { because, .. } => ("ask", because.as_ref()),
        Verdict::Deny { error: true, because, .. } => ("error", because.as_ref()),
        Verdict::Deny { error: false, because, .. } => ("deny", because.as_ref()),
        Verdict::Invalid { because } => ("invalid", Some(because)),
    }
}

fn parts(explanation: &Explanation) -> Vec<String> {
    [
        (Needs::ARGUMENTS, "arguments"),
        (Needs::REASON, "reason"),
        (Needs::FINDINGS, "findings"),
        (Needs::SESSION, "session"),
        (Needs::CLIENT, "client"),
        (Needs::TIME, "time"),
        (Needs::TASK, "task"),
    ]
    .into_iter()
    .filter(|(part, _)| explanation.reads.has(*part))
    .map(|(_, word)| word.to_owned())
    .collect()
}

fn told(reason: &Reason) -> RuleTold {
    RuleTold {
        id: reason.id.to_string(),
        effect: reason.effect.as_str().to_owned(),
        when: reason.when.clone(),
        because: reason.because.as_ref().map(ToString::to_string),
        file: reason.file.as_ref().map(ToString::to_string),
        line: reason.line,
        error: reason.error.clone(),
    }
}
