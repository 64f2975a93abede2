//! The configuration's rules, handed to the policy crate.

use tollgate_policy::{Audience, Effect, Include, Policy, Problem, Rule, Source, Who};

use crate::config::{self, Config};

/// One thing that is wrong with the policy.
pub type PolicyProblem = Problem;

/// Compiles the configured policy; without one, the starter policy.
pub fn compile(config: &Config) -> Result<Policy, Vec<PolicyProblem>> {
    Policy::compile(&source(config)).map_err(|problems| problems.0)
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
