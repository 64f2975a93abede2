//! Says who calls: a key, or the loopback peer's right to have none, becomes a `call::Caller`. *Never* lets a bad credential pass as
//! no credential, or an agent's key as an operator's.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::call::{Caller, Credential, NotAdmitted, Peer};
use crate::config;
use crate::secret::Secret;

mod build;
pub use build::{Issued, Resolve, principal};

mod keys;
pub use keys::{hash_text, new_key, operator_token, read_operator_token};

/// The longest credential that is looked at, in bytes.
const CREDENTIAL_MAX: usize = 1024;

/// The agent of peers without a credential.
const LOCAL: &str = "local";

/// Everyone who may call, as one immutable snapshot: swap a new one in when the configuration, the store or the vault changes.
/// Keys are looked up by their SHA-256, so the time a look-up takes says nothing about a key.
#[derive(Debug)]
pub struct Keys {
    agents: HashMap<[u8; 32], Agent>,
    operators: HashMap<[u8; 32], Arc<Operator>>,
    /// The agents by name, for work in their place (`--as AGENT`).
    named: HashMap<Arc<str>, Arc<Caller>>,
    local: Arc<Caller>,
    anonymous: bool,
}

#[derive(Debug)]
struct Agent {
    caller: Arc<Caller>,
    expires_ms: Option<u64>,
}

/// Who works at the admin listener.
#[derive(Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name; `operator` for the holder of the operator token.
    pub name: Arc<str>,
    /// The groups.
    pub groups: Vec<Arc<str>>,
}

/// Nobody we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not authenticated: {}", reason.as_str())]
pub struct Unauthenticated {
    /// Whether a credential was presented.
    pub presented: bool,
    /// Why; for the ledger, never for the peer.
    pub reason: Reason,
}

/// Why a credential is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is none, and this peer needs one.
    Missing,
    /// Another scheme than `Bearer`, several, or too long.
    Unreadable,
    /// No key of ours, a revoked one, or one for the other listener.
    Unknown,
    /// Its time is over.
    Expired,
}

impl Reason {
    /// The word in the ledger and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }
}

/// Who presents `credential` from `peer`. A peer on stdio without a credential is agent `local`, whatever the configuration
/// says: who can start the gateway owns its files. `now_ms` is the Unix time.
pub fn caller(
    keys: &Keys,
    credential: &Credential,
    peer: &Peer,
    now_ms: u64,
) -> Result<Arc<Caller>, Unauthenticated> {
    let key = match credential {
        Credential::None if peer.local && (keys.anonymous || peer.address.is_none()) => {
            return Ok(Arc::clone(&keys.local));
        }
        Credential::None => return Err(Unauthenticated { presented: false, reason: Reason::Missing }),
        Credential::Unreadable => return Err(refused(Reason::Unreadable)),
        Credential::Bearer(key) => key,
    };
    let agent = keys.agents.get(&digest(key)?).ok_or_else(|| refused(Reason::Unknown))?;
    if agent.expires_ms.is_some_and(|expires| expires <= now_ms) {
        return Err(refused(Reason::Expired));
    }
    Ok(Arc::clone(&agent.caller))
}

/// Which operator presents `credential`. There is no anonymous operator.
pub fn operator(keys: &Keys, credential: &Credential) -> Result<Arc<Operator>, Unauthenticated> {
    let key = match credential {
        Credential::None => return Err(Unauthenticated { presented: false, reason: Reason::Missing }),
        Credential::Unreadable => return Err(refused(Reason::Unreadable)),
        Credential::Bearer(key) => key,
    };
    keys.operators.get(&digest(key)?).map(Arc::clone).ok_or_else(|| refused(Reason::Unknown))
}

/// The mark of an operator's key, by which it is known again without being kept; `None` for any other key.
pub fn operator_mark(keys: &Keys, key: &Secret<String>) -> Option<[u8; 32]> {
    digest(key).ok().filter(|mark| keys.operators.contains_key(mark))
}

/// Whose key has this mark, as long as it is an operator's.
pub fn operator_marked(keys: &Keys, mark: &[u8; 32]) -> Option<Arc<Operator>> {
    keys.operators.get(mark).map(Arc::clone)
}

/// What a stdio agent presents: `$TOLLGATE_KEY`, or nothing.
pub fn stdio_credential() -> Credential {
    config::env("TOLLGATE_KEY").map_or(Credential::None, |key| Credential::Bearer(Secret::new(key)))
}

impl Keys {
    /// Whether somebody who was admitted still would be, as the same: for work that outlasts its request.
    pub fn still_admit(&self, caller: &Caller, now_ms: u64) -> bool {
        // Who needs no key here: whether one at a terminal is meant is not known any more.
        *caller == *self.local
            || self.agents.values().any(|agent| {
                *agent.caller == *caller && agent.expires_ms.is_none_or(|expires| expires > now_ms)
            })
    }

    /// The agent called `name`, as its first key would make it; `local` is always there.
    pub fn named(&self, name: &str) -> Option<Arc<Caller>> {
        self.named.get(name).map(Arc::clone)
    }
}

impl From<Unauthenticated> for NotAdmitted {
    fn from(refused: Unauthenticated) -> Self {
        Self::Unauthenticated { presented: refused.presented }
    }
}

fn refused(reason: Reason) -> Unauthenticated {
    Unauthenticated { presented: true, reason }
}

fn digest(key: &Secret<String>) -> Result<[u8; 32], Unauthenticated> {
    let key = key.expose();
    if key.len() > CREDENTIAL_MAX {
        return Err(refused(Reason::Unreadable));
    }
    Ok(Sha256::digest(key).into())
}

#[cfg(test)]
mod tests;
