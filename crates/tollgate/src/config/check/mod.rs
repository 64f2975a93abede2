//! From what is written to what is meant: defaults filled in, each with its reason, and everything that contradicts itself
//! reported. *Never* asks the network, and reads no file but the included policies.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::raw;
use super::read::{At, Report};
use super::source::Source;
use super::values::{Named, Time};
use super::{Config, Durability, Ledger, Log, Payloads, Piece, Reference, VaultKey};

mod identity;
pub(crate) use identity::HASH;

mod approvals;
mod conversation;
mod http;
mod policy;
mod redact;
mod servers;
mod stated;
mod tools;
mod words;

const DAY: Duration = Duration::from_hours(24);

/// Checks the whole file. The result counts only when no error was reported.
pub(super) fn root(raw: raw::Root, folder: &Path, report: &mut Report<'_>) -> Config {
    let listen = address(raw.listen.as_ref(), 8750, report);
    let admin_raw = value(raw.admin).unwrap_or_default();
    let admin = address(admin_raw.listen.as_ref(), 8751, report);
    if let Some(at) = admin_raw.listen.as_ref().or(raw.listen.as_ref())
        && listen == admin
        && listen.port() != 0
    {
        report.error(&at.mark, "agents and operators cannot share one listener", None);
    }
    if let Some(at) = &admin_raw.listen
        && !admin.ip().is_loopback()
    {
        let hint = "reach it through a tunnel or a proxy that speaks tls";
        report.warning(&at.mark, "the operators' listener speaks cleartext http beyond this machine", hint);
    }
    let public_url = raw
        .public_url
        .as_ref()
        .and_then(|at| words::url(at, report))
        .map(|url| url.trim_end_matches('/').to_owned());
    let admin_url = admin_raw
        .public_url
        .as_ref()
        .and_then(|at| words::url(at, report))
        .map(|url| url.trim_end_matches('/').to_owned());
    let allow = value(raw.allow).unwrap_or_default();
    let asking = value(raw.approvals).unwrap_or_default();
    let conversation = value(raw.conversation).unwrap_or_default();
    let state = raw.state.map_or_else(|| "./.tollgate".to_owned(), |at| at.value);

    let hidden = redact::hidden(raw.hidden);
    let servers = servers::servers(raw.servers, folder, hidden, report);
    let views = policy::views(raw.views, &servers, report);
    let agents = identity::agents(raw.agents, report);
    let operators = identity::operators(raw.operators, report);
    identity::shared_keys(&agents, &operators, report);
    let wide = !listen.ip().is_loopback() || raw.public_url.is_some();
    let anonymous = identity::anonymous(raw.identity, &listen, raw.public_url.as_ref(), report);
    if wide
        && !anonymous
        && agents.values().all(|agent| agent.keys.is_empty())
        && let Some(at) = raw.public_url.as_ref().or(raw.listen.as_ref())
    {
        let hint = "make one with `tollgate keys create AGENT`, or list an agent's `keys` here";
        report.warning(
            &at.mark,
            "no agent has a key in this file, and callers without one are refused",
            hint,
        );
    }
    let webhooks = approvals::webhooks(asking.webhooks, &operators, report);
    let policy = raw.policy.map(|at| policy::policy(at.value, &servers, folder, report));
    let redact = redact::redact(raw.redact, &servers, report);
    let digest = digest(report.source, policy.as_ref());
    Config {
        listen,
        admin,
        state: folder.join(state).components().collect(),
        public_url,
        hosts: list(allow.hosts).iter().filter_map(|at| words::host(at, report)).collect(),
        origins: list(allow.origins).iter().filter_map(|at| words::origin(at, report)).collect(),
        // A call may take 60 s, but who stops a gateway waits for it: half of that, as the field does.
        drain: time(raw.drain, Duration::from_secs(30)),
        log: log(raw.log),
        views,
        anonymous,
        agents,
        operators,
        policy,
        redact: Arc::new(redact),
        hidden,
        // Long enough to fetch a coffee, too short to approve what one has forgotten.
        ask_expire: positive(asking.expire, Duration::from_mins(10), report),
        // Clients give a call a minute, most of them.
        ask_hold: time(asking.hold, Duration::from_secs(45)),
        webhooks,
        admin_url,
        conversation_idle: positive(conversation.idle, Duration::from_mins(30), report),
        conversation_meta: meta(conversation.meta, report),
        sums: conversation::sums(
            conversation.sums,
            &servers.keys().map(AsRef::as_ref).collect::<Vec<_>>(),
            report,
        ),
        reason: stated::reason(raw.reason, &servers, report),
        servers,
        ledger: ledger(raw.ledger, report),
        vault_key: value(raw.vault)
            .and_then(|vault| vault.key)
            .and_then(|key| vault_key(&key, folder, report)),
        names_max: names(raw.names, report),
        digest,
        warnings: Vec::new(),
        references: Vec::new(),
        source: Arc::new(Source::new(Path::new(""), "")),
    }
}

fn value<T>(at: Option<At<T>>) -> Option<T> {
    at.map(|at| at.value)
}

fn list<T>(at: Option<At<Vec<At<T>>>>) -> Vec<At<T>> {
    value(at).unwrap_or_default()
}

fn time(at: Option<At<Time>>, default: Duration) -> Duration {
    at.map_or(default, |at| at.value.0)
}

fn positive(at: Option<At<Time>>, default: Duration, report: &mut Report<'_>) -> Duration {
    if let Some(at) = &at
        && at.value.0.is_zero()
    {
        report.error(&at.mark, "this must be more than 0", None);
    }
    time(at, default)
}

fn address(at: Option<&At<String>>, port: u16, report: &mut Report<'_>) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Some(at) = at else { return default };
    at.value.parse().unwrap_or_else(|_| {
        let message = format!("`{}` is not an address and port", super::read::short(&at.value));
        report.error(&at.mark, message, Some(format!("write it as `127.0.0.1:{port}` or `[::1]:{port}`")));
        default
    })
}

fn log(at: Option<At<raw::Log>>) -> Log {
    let raw = value(at).unwrap_or_default();
    let level = match value(raw.level).unwrap_or(raw::Level::Info) {
        raw::Level::Error => "error",
        raw::Level::Warn => "warn",
        raw::Level::Info => "info",
        raw::Level::Debug => "debug",
        raw::Level::Trace => "trace",
    };
    Log { level: level.to_owned(), json: value(raw.format) == Some(raw::Format::Json) }
}

fn meta(at: Option<At<String>>, report: &mut Report<'_>) -> String {
    let Some(at) = at else { return "dev.tollgate/conversation".to_owned() };
    let letters = at.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    if at.value.is_empty() || at.value.len() > 128 || !letters {
        let hint = "write it as `dev.tollgate/conversation`";
        report.error(&at.mark, "this is not a `_meta` key", Some(hint.to_owned()));
    }
    at.value
}

fn ledger(at: Option<At<raw::Ledger>>, report: &mut Report<'_>) -> Ledger {
    let raw = value(at).unwrap_or_default();
    Ledger {
        durability: match value(raw.durability).unwrap_or(raw::Durability::Commit) {
            raw::Durability::Commit => Durability::Commit,
            raw::Durability::Sync => Durability::Sync,
            raw::Durability::Batch => Durability::Batch,
        },
        // Arguments hold what agents were told in confidence; a digest proves what was sent without keeping it.
        payloads: match value(raw.payloads).unwrap_or(raw::Payloads::Digest) {
            raw::Payloads::None => Payloads::None,
            raw::Payloads::Digest => Payloads::Digest,
            raw::Payloads::Redacted => Payloads::Redacted,
            raw::Payloads::Full => Payloads::Full,
        },
        retain: positive(raw.retain, 90 * DAY, report),
    }
}

fn vault_key(at: &At<raw::VaultKey>, folder: &Path, report: &mut Report<'_>) -> Option<VaultKey> {
    let raw = &at.value;
    match (&raw.file, &raw.env, &raw.command) {
        (Some(file), None, None) => Some(VaultKey::File(folder.join(&file.value))),
        (None, Some(env), None) => {
            if !super::template::is_env_name(&env.value) {
                report.error(&env.mark, "this is not an environment variable's name", None);
            }
            let path = env.mark.path.as_ref().to_owned();
            report.references.push(Reference { piece: Piece::Env(env.value.clone()), path });
            Some(VaultKey::Env(env.value.clone()))
        }
        (None, None, Some(command)) => Some(VaultKey::Command(servers::command(command, folder, report))),
        _ => {
            report.lacking(&at.mark, "`key` needs one of `file`, `env` and `command`", None);
            None
        }
    }
}

fn names(at: Option<At<raw::Names>>, report: &mut Report<'_>) -> usize {
    // Clients refuse tool names of more than 64 characters, and some put a prefix of their own in front.
    let Some(max) = value(at).and_then(|names| names.max) else { return 48 };
    if !(16..=128).contains(&max.value) {
        report.error(&max.mark, "`max` goes from 16 to 128", None);
    }
    max.value
}

fn digest(source: &Source, policy: Option<&super::Policy>) -> Arc<str> {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new_with_prefix(source.text());
    let included = policy.map(|policy| policy.include.as_slice()).unwrap_or_default();
    for (path, text) in included {
        // A separator that UTF-8 text cannot hold, so that no two sets of files give the same bytes.
        digest.update([0xff]);
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update([0xff]);
        digest.update(text);
    }
    Arc::from(crate::secret::hex::encode(&digest.finalize()))
}

/// `BTreeMap` of checked entries from a mapping with chosen names.
fn named<R, T>(
    at: Option<At<Named<R>>>,
    mut check: impl FnMut(&At<String>, At<R>) -> Option<T>,
) -> BTreeMap<Arc<str>, T> {
    let entries = value(at).map(|named| named.0).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|(name, entry)| Some((Arc::from(name.value.as_str()), check(&name, entry)?)))
        .collect()
}
