//! Who may call: the configuration's keys and those made by `tollgate keys create`, as one snapshot.

use std::sync::Arc;

use crate::authenticate::{Issued, Keys};
use crate::clock::Clock;
use crate::config::{self, Config, Piece, Problem};
use crate::secret::Secret;
use crate::store::{Store, StoreError};
use crate::vault::Vault;

/// Builds the snapshot. A key with a problem is left out.
pub(super) fn build(
    config: &Config,
    store: &Store,
    vault: &Vault,
    operator_token: Option<&Secret<String>>,
    clock: &Clock,
) -> Result<(Keys, Vec<Problem>), StoreError> {
    let now = clock.now_ms();
    let issued: Vec<Issued> = store
        .keys()?
        .into_iter()
        .filter(|key| key.is_valid(now))
        .map(|key| Issued {
            hash: key.hash,
            agent: key.agent,
            tenant: key.tenant,
            groups: key.groups,
            expires_ms: key.expires_ms,
        })
        .collect();
    let resolve = |piece: &Piece| match piece {
        Piece::Text(_) => Err("a key never stands in clear".to_owned()),
        Piece::Env(name) => config::env(name)
            .map(|value| Arc::new(Secret::new(value)))
            .ok_or_else(|| format!("environment variable `{name}` is not set")),
        Piece::Secret(name) => vault.get(name).map_err(|e| e.to_string()),
    };
    Ok(Keys::build(config, &issued, operator_token, &resolve))
}
