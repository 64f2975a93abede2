use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{list, named, value, words};
use crate::config::node::{Mark, join};
use crate::config::raw;
use crate::config::read::{At, Report};
use crate::config::values::Named;
use crate::config::{Agent, Key, Operator, Piece, Template};
use crate::secret::hex;

/// What a key's hash starts with.
pub(crate) const HASH: &str = "tgk_sha256:";

pub(super) fn agents(
    at: Option<At<Named<raw::Agent>>>,
    report: &mut Report<'_>,
) -> BTreeMap<Arc<str>, Agent> {
    named(at, |name, raw| {
        words::name(name, "an agent's name", report);
        let tenant = raw.value.tenant.filter(|tenant| words::name(tenant, "a tenant's name", report));
        Some(Agent {
            tenant: tenant.map(|tenant| Arc::from(tenant.value)),
            groups: groups(raw.value.groups, report),
            keys: keys(raw.value.keys, report),
            own_conversations: match value(raw.value.conversations) {
                Some(raw::Conversations::Own) => true,
                None => false,
            },
        })
    })
}

pub(super) fn operators(
    at: Option<At<Named<raw::Operator>>>,
    report: &mut Report<'_>,
) -> BTreeMap<Arc<str>, Operator> {
    named(at, |name, raw| {
        words::name(name, "an operator's name", report);
        if name.value == "operator" {
            report.error(
                &name.mark,
                "`operator` is the holder of the operator token",
                Some("use another name".to_owned()),
            );
        }
        Some(Operator { groups: groups(raw.value.groups, report), keys: keys(raw.value.keys, report) })
    })
}

/// Whether a loopback peer without a credential is agent `local`.
pub(super) fn anonymous(
    at: Option<At<raw::Identity>>,
    listen: &SocketAddr,
    public_url: Option<&At<String>>,
    report: &mut Report<'_>,
) -> bool {
    let Some(at) = value(at).and_then(|identity| identity.anonymous) else {
        // A gateway that only this machine reaches serves its own user; any other asks for keys.
        return listen.ip().is_loopback() && public_url.is_none();
    };
    let hint =
        || Some("write `anonymous: off` and give each agent a key: `tollgate keys create AGENT`".to_owned());
    match at.value {
        raw::Anonymous::Off => false,
        raw::Anonymous::Local => {
            if public_url.is_some() {
                let message = "`anonymous: local` would let callers through `public_url` in without a key";
                report.error(&at.mark, message, hint());
            }
            if !listen.ip().is_loopback() {
                report.error(&at.mark, "`anonymous: local` needs a loopback `listen`", hint());
            }
            true
        }
    }
}

/// One key is one identity: of two agents, or of an agent and an operator, nobody could say which calls.
pub(super) fn shared_keys(
    agents: &BTreeMap<Arc<str>, Agent>,
    operators: &BTreeMap<Arc<str>, Operator>,
    report: &mut Report<'_>,
) {
    let agents = agents.iter().map(|(name, agent)| ("agents", name, &agent.keys));
    let operators = operators.iter().map(|(name, operator)| ("operators", name, &operator.keys));
    let mut seen: Vec<(&Key, String)> = Vec::new();
    for (kind, name, keys) in agents.chain(operators) {
        for key in keys {
            let holder = join(kind, name);
            match seen.iter().find(|(known, _)| *known == key) {
                Some((_, first)) => {
                    let message = format!("this key is listed already, for `{first}`");
                    let problem = report.source.problem(&format!("{holder}.keys"), message);
                    report.problems.push(problem.hint("give each agent and operator a key of its own"));
                }
                None => seen.push((key, holder)),
            }
        }
    }
}

fn groups(at: Option<At<Vec<At<String>>>>, report: &mut Report<'_>) -> Vec<Arc<str>> {
    let mut groups = Vec::new();
    for group in list(at) {
        if words::name(&group, "a group's name", report) {
            groups.push(Arc::from(group.value));
        }
    }
    groups
}

fn keys(at: Option<At<Vec<At<Template>>>>, report: &mut Report<'_>) -> Vec<Key> {
    let mut keys = Vec::new();
    for at in list(at) {
        keys.extend(key(at.value, &at.mark, report));
    }
    keys
}

fn key(template: Template, mark: &Mark, report: &mut Report<'_>) -> Option<Key> {
    let hash = match template.0.as_slice() {
        [Piece::Secret(_) | Piece::Env(_)] => return Some(Key::Reference(template)),
        [Piece::Text(text)] => text.strip_prefix(HASH),
        _ => None,
    };
    let Some(hash) = hash else {
        let hint = "`tollgate keys create AGENT --hash` prints what goes here; `${secret:NAME}` and `${env:NAME}` work too";
        report.error(mark, "a key does not stand in this file in clear", Some(hint.to_owned()));
        return None;
    };
    let hash = hex::decode_32(hash);
    if hash.is_none() {
        report.error(mark, "after `tgk_sha256:` come 64 hexadecimal digits", None);
    }
    hash.map(Key::Sha256)
}
