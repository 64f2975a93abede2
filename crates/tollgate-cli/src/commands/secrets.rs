//! `tollgate secrets`.

use std::io::{IsTerminal, Read};
use std::sync::Arc;

use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::gateway::Blobs;
use tollgate::secret::Secret;
use tollgate::vault::Vault;

use crate::args::{Common, Secrets};
use crate::printer;
use crate::stop::{Done, Stop};

use super::{load, store};

/// More than a vault takes, so that a too long value is refused and not cut.
const LIMIT: u64 = 1024 * 1024;

pub(super) fn run(common: &Common, what: Secrets) -> Done {
    let (config, _) = load(common)?;
    let vault = open(&config)?;
    let failed = |e: tollgate::vault::VaultError| Stop::failed(e.to_string());
    match what {
        Secrets::Set { name } => {
            if std::io::stdin().is_terminal() {
                printer::note("type the value, then Enter and Ctrl-D:");
            }
            let mut value = String::new();
            std::io::stdin()
                .lock()
                .take(LIMIT)
                .read_to_string(&mut value)
                .map_err(|e| Stop::failed(format!("cannot read the value from stdin: {e}")))?;
            if value.ends_with('\n') {
                value.pop();
                if value.ends_with('\r') {
                    value.pop();
                }
            }
            vault.set(&name, &Secret::new(value), Clock::system().now_ms()).map_err(failed)?;
            printer::note(format_args!("set; use it as ${{secret:{name}}}"));
        }
        Secrets::List => {
            for name in vault.list().map_err(failed)? {
                if common.json {
                    printer::line(serde_json::json!({ "name": name }));
                } else {
                    printer::line(name);
                }
            }
        }
        Secrets::Rm { name } => {
            if !vault.remove(&name).map_err(failed)? {
                return Err(Stop::failed(format!("there is no secret `{name}`"))
                    .hint("`tollgate secrets list` names them"));
            }
            printer::note(format_args!("removed `{name}`"));
        }
    }
    Ok(())
}

fn open(config: &Config) -> Result<Vault, Stop> {
    let blobs = Arc::new(Blobs(store(config)?));
    Vault::open(config.vault_key.as_ref(), &config.state, blobs, Clock::system().now_ms())
        .map_err(|e| Stop::failed(e.to_string()))
}
