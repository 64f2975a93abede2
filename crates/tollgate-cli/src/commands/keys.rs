//! `tollgate keys`.

use tollgate::authenticate::{hash_text, new_key};
use tollgate::clock::Clock;
use tollgate::config::{Config, parse_duration};
use tollgate::store::{NewKey, Store};

use crate::args::{Common, Keys};
use crate::printer;
use crate::stop::{Done, Stop};

use super::{load, moment, store};

pub(super) fn run(common: &Common, what: Keys) -> Done {
    let (config, _) = load(common)?;
    match what {
        Keys::Create { agent, tenant, groups, expires, hash } => {
            let wanted = Wanted { agent, tenant, groups, expires };
            create(common, &config, wanted, hash)
        }
        Keys::List => list(common, &store(&config)?),
        Keys::Revoke { id } => {
            let revoked = store(&config)?
                .revoke_key(&id, Clock::system().now_ms())
                .map_err(|e| Stop::failed(e.to_string()))?;
            if !revoked {
                return Err(Stop::failed(format!("there is no valid key `{id}`"))
                    .hint("`tollgate keys list` shows the ids"));
            }
            printer::note(format_args!("revoked {id}"));
            Ok(())
        }
    }
}

struct Wanted {
    agent: String,
    tenant: Option<String>,
    groups: Vec<String>,
    expires: Option<String>,
}

fn create(common: &Common, config: &Config, wanted: Wanted, hash_only: bool) -> Done {
    if wanted.agent.is_empty() || wanted.agent.len() > 128 || wanted.agent.chars().any(char::is_control) {
        return Err(Stop::failed(
            "an agent's name has 1 to 128 characters, none of them a control character",
        ));
    }
    let now = Clock::system().now_ms();
    let expires_ms = match &wanted.expires {
        None => None,
        Some(text) => {
            let after = parse_duration(text).ok_or_else(|| {
                Stop::failed(format!("`{text}` is not a duration")).hint("write 12h or 90d")
            })?;
            Some(now.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
        }
    };
    let (key, hash) = new_key().map_err(|e| Stop::failed(format!("no random bytes: {e}")))?;
    let id = uuid::Uuid::now_v7().to_string();
    if hash_only {
        printer::line(key.expose());
        printer::line(hash_text(&hash));
        printer::note("hint: the second line goes into `agents.NAME.keys`; nothing was stored");
        return Ok(());
    }
    let new = NewKey {
        id: id.clone(),
        agent: wanted.agent.clone(),
        tenant: wanted.tenant,
        groups: wanted.groups,
        hash,
        created_ms: now,
        expires_ms,
    };
    store(config)?.create_key(&new).map_err(|e| Stop::failed(e.to_string()))?;
    if common.json {
        printer::line(serde_json::json!({ "id": id, "agent": wanted.agent, "key": key.expose() }));
    } else {
        printer::line(key.expose());
        printer::note(format_args!("key {id} for agent `{}`; it is shown only now", wanted.agent));
    }
    Ok(())
}

fn list(common: &Common, store: &Store) -> Done {
    let now = Clock::system().now_ms();
    let keys = store.keys().map_err(|e| Stop::failed(e.to_string()))?;
    let state = |key: &tollgate::store::StoredKey| match (key.revoked_ms, key.is_valid(now)) {
        (Some(_), _) => "revoked",
        (None, true) => "valid",
        (None, false) => "expired",
    };
    if common.json {
        for key in &keys {
            printer::line(serde_json::json!({
                "id": &*key.id, "agent": &*key.agent, "tenant": key.tenant.as_deref(),
                "groups": key.groups.iter().map(|g| &**g).collect::<Vec<_>>(),
                "created": moment(key.created_ms), "expires": key.expires_ms.map(moment), "state": state(key),
            }));
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let groups: Vec<&str> = key.groups.iter().map(|g| &**g).collect();
            vec![
                key.id.to_string(),
                key.agent.to_string(),
                key.tenant.as_deref().unwrap_or("-").to_owned(),
                groups.join(","),
                moment(key.created_ms),
                key.expires_ms.map_or_else(|| "never".to_owned(), moment),
                state(key).to_owned(),
            ]
        })
        .collect();
    printer::table(&["ID", "AGENT", "TENANT", "GROUPS", "CREATED", "EXPIRES", "STATE"], &rows);
    Ok(())
}
