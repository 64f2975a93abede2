//! The configuration's rules, handed to the policy crate, and held against the tools that there are.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tollgate_policy::{
    Audience, Checked, Effect, Include, Needs, Policy, Problem, Rule, Source, Target, Tool, Who,
};

use crate::catalog::{Item, Offer};
use crate::config::{self, Config, Problems};
use crate::path::Gate;
use crate::servers::Listing;
use crate::store::Store;

/// Whether a rule reads what conversations did: else they need not be remembered.
pub(super) fn reads_conversations(policy: &Policy) -> bool {
    !policy.readers(Needs::SESSION).is_empty()
}

/// Compiles the configured policy; without one, the starter policy.
pub fn compile(config: &Config) -> Result<Policy, Problems> {
    Policy::compile(&source(config)).map_err(|problems| placed(config, problems.0))
}

/// Holds a policy against what servers offer: errors, then warnings, in their places.
pub fn check(
    config: &Config,
    policy: &Policy,
    items: &[Arc<Item>],
) -> (Vec<config::Problem>, Vec<config::Problem>) {
    let tools: Vec<Tool<'_>> = items.iter().map(tool).collect();
    let listed = |server: &str| items.iter().any(|item| *item.server == *server);
    let Checked { errors, warnings } = policy.check(&tools, &listed);
    let errors = errors.into_iter().map(|problem| place(config, problem)).collect();
    let mut warnings: Vec<config::Problem> =
        warnings.into_iter().map(|problem| place(config, problem).warning()).collect();
    warnings.extend(super::stated::check(config, items));
    (errors, warnings)
}

/// What servers listed when a gateway last ran on this state, and the servers of which nothing is known.
pub fn remembered(config: &Config) -> (Vec<Arc<Item>>, Vec<Arc<str>>) {
    let mut items = Vec::new();
    let mut unknown = Vec::new();
    let store = if has_state(&config.state) { Store::open(&config.state).ok() } else { None };
    for server in config.servers.values().filter(|server| server.enabled) {
        let text =
            store.as_ref().and_then(|store| store.definitions(&server.alias, super::blobs::LISTS).ok());
        let offer = text.flatten().and_then(|text| Offer::recall(server, &text.into(), config));
        match offer {
            Some(offer) => {
                for listing in LISTINGS {
                    items.extend(offer.items(listing).iter().map(Arc::clone));
                }
            }
            None => unknown.push(Arc::clone(&server.alias)),
        }
    }
    (items, unknown)
}

/// Looking must not make one.
fn has_state(state: &Path) -> bool {
    state.is_dir()
}

/// Says, whenever servers list something else, which rules do not fit what they list. Such a rule denies what it speaks of.
pub(super) async fn watch(gate: Arc<Gate>) {
    let mut changes = gate.catalog.changes();
    let mut told: Vec<String> = Vec::new();
    loop {
        let snapshot = gate.catalog.base_snapshot().await;
        let (config, policy) = (gate.config.load_full(), gate.decider.policy());
        // Many rules over many tools take a while.
        let found = tokio::task::spawn_blocking(move || {
            let items: Vec<Arc<Item>> =
                LISTINGS.iter().flat_map(|listing| snapshot.items(*listing)).map(Arc::clone).collect();
            check(&config, &policy, &items).0
        });
        let Ok(found) = found.await else { return };
        let found: Vec<String> =
            found.into_iter().map(|problem| format!("{} (line {})", problem.message, problem.line)).collect();
        for problem in found.iter().filter(|problem| !told.contains(problem)) {
            tracing::warn!("{problem}; calls that it speaks of are denied until it fits");
        }
        told = found;
        tokio::time::sleep(SETTLE).await;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Lists that change together are looked at together.
const SETTLE: Duration = Duration::from_secs(1);

const LISTINGS: [Listing; 4] = [Listing::Tools, Listing::Prompts, Listing::Resources, Listing::Templates];

fn tool(item: &Arc<Item>) -> Tool<'_> {
    let (kind, shape) = match item.listing {
        Listing::Tools => (tollgate_policy::Kind::Tool, item.shape().map(Arc::clone)),
        Listing::Prompts => (tollgate_policy::Kind::Prompt, None),
        Listing::Resources | Listing::Templates => (tollgate_policy::Kind::Resource, None),
    };
    let target =
        Target { server: &item.server, name: &item.original, kind, flags: item.flags, labels: &item.labels };
    Tool { target, shape }
}

fn placed(config: &Config, problems: Vec<Problem>) -> Problems {
    config.problems(problems.into_iter().map(|problem| place(config, problem)).collect())
}

/// A problem where the file has it: at the rule's `when`, at the fact, or beside the file that is included.
fn place(config: &Config, problem: Problem) -> config::Problem {
    let policy = config.policy.as_ref();
    let rule =
        policy.and_then(|policy| policy.rules.iter().find(|rule| Some(&rule.id) == problem.rule.as_ref()));
    let fact = policy
        .and_then(|policy| policy.facts.iter().find(|fact| Some(&fact.fact.name) == problem.fact.as_ref()));
    let mut found = match (&problem.file, rule, fact) {
        (Some(file), ..) => {
            let column = problem.column.unwrap_or(1);
            let rule = problem.rule.as_deref().unwrap_or_default();
            let message = format!("{file}:{}:{column}: rule `{rule}`: {}", problem.line, problem.message);
            config.source.problem("policy.include", message)
        }
        (None, Some(rule), _) => {
            let message = format!("rule `{}`: {}", rule.id, problem.message);
            match problem.column {
                Some(column) => config.source.problem_within(&format!("{}.when", rule.path), column, message),
                None => config.source.problem(&rule.path, message),
            }
        }
        (None, None, Some(fact)) => config.source.problem(&fact.path, problem.message),
        (None, None, None) => config.source.problem("policy", problem.message),
    };
    found.hint = problem.hint;
    found
}

fn source(config: &Config) -> Source {
    let Some(policy) = &config.policy else { return Source::starter() };
    Source {
        default: effect(policy.default),
        rules: policy.rules.iter().map(rule).collect(),
        include: policy
            .include
            .iter()
            .map(|(path, text)| Include { name: path.display().to_string(), text: text.clone() })
            .collect(),
        facts: policy.facts.iter().map(|fact| fact.fact.clone()).collect(),
    }
}

fn rule(rule: &config::Rule) -> Rule {
    Rule {
        id: rule.id.clone(),
        effect: effect(rule.effect),
        target: rule.target.clone(),
        only_for: rule.only_for.as_ref().map(|who| Who {
            agents: who.agents.clone(),
            groups: who.groups.clone(),
            tenants: who.tenants.clone(),
        }),
        when: rule.when.clone(),
        because: rule.because.clone(),
        of: rule.of.as_deref().and_then(Audience::parse),
        count: u8::try_from(rule.count).unwrap_or(u8::MAX),
        on: rule.on.clone(),
        shadow: rule.shadow,
        line: rule.line,
    }
}

const fn effect(effect: config::Effect) -> Effect {
    match effect {
        config::Effect::Allow => Effect::Allow,
        config::Effect::Ask => Effect::Ask,
        config::Effect::Deny => Effect::Deny,
    }
}
