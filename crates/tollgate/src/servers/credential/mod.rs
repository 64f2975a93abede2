//! The servers' own credentials: resolved here, attached last, and printed nowhere.
//! The one place on a call's path that may name the vault. *Never* hands a value to anything but the request or the child it is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::config::{self, Auth, Piece, Template};
use crate::secret::Secret;
use crate::vault::Vault;

#[cfg(test)]
mod tests;

/// Turns a template into its value.
pub(super) trait Resolve: Send + Sync + std::fmt::Debug {
    /// The value, or why there is none (naming the reference, never a value).
    fn resolve(&self, template: &Template) -> Result<Secret<String>, String>;

    /// Moves when values may have changed.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Resolves from the vault and our own environment.
#[derive(Clone, Debug)]
pub struct Vaulted(Arc<Vault>);

impl Vaulted {
    /// Over this vault.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self(vault)
    }
}

impl Resolve for Vaulted {
    fn resolve(&self, template: &Template) -> Result<Secret<String>, String> {
        join(template, |name| self.0.get(name).map_err(|why| why.to_string()))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes()
    }
}

/// Puts a template's pieces together.
fn join(
    template: &Template,
    secret: impl Fn(&str) -> Result<Arc<Secret<String>>, String>,
) -> Result<Secret<String>, String> {
    let mut value = Zeroizing::new(String::new());
    for piece in &template.0 {
        match piece {
            Piece::Text(text) => value.push_str(text),
            Piece::Secret(name) => value.push_str(secret(name)?.expose()),
            Piece::Env(name) => {
                value.push_str(&Zeroizing::new(
                    config::env(name).ok_or_else(|| format!("environment variable `{name}` is not set"))?,
                ));
            }
        }
    }
    Ok(Secret::new(std::mem::take(&mut *value)))
}

/// Headers that are ours to write.
const OURS: [HeaderName; 7] = [
    http::header::HOST,
    http::header::ACCEPT,
    http::header::CONTENT_TYPE,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::CONNECTION,
    http::header::UPGRADE,
];

/// What is attached last to each request to one server.
pub(super) fn headers(
    resolve: &dyn Resolve,
    headers: &BTreeMap<String, Template>,
    auth: Option<&Auth>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut all = Vec::new();
    for (name, template) in headers {
        all.push(header(name, &resolve.resolve(template)?)?);
    }
    match auth {
        None => {}
        Some(Auth::Header { name, value }) => all.push(header(name, &resolve.resolve(value)?)?),
        Some(Auth::Bearer(token)) => all.push(authorization("Bearer ", resolve.resolve(token)?.expose())?),
        Some(Auth::Basic(pair)) => {
            let encoded = Zeroizing::new(STANDARD.encode(resolve.resolve(pair)?.expose()));
            all.push(authorization("Basic ", &encoded)?);
        }
    }
    Ok(all)
}

fn authorization(scheme: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    header(AUTHORIZATION.as_str(), &Secret::new(format!("{scheme}{value}")))
}

fn header(name: &str, value: &Secret<String>) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header's name"))?;
    if OURS.contains(&parsed) || parsed.as_str().starts_with("mcp-") {
        return Err(format!("header `{name}` is written by the gateway"));
    }
    let mut value = HeaderValue::try_from(value.expose().as_str())
        .map_err(|_| format!("the value of header `{name}` holds characters that a header can't"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// What a child process gets of our own environment.
const INHERITED: [&str; 7] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "TZ"];

/// A child's whole environment, and the values in it that must not be printed.
#[derive(Debug)]
pub(super) struct Environment {
    /// Names and values.
    pub(super) variables: Vec<(String, Secret<String>)>,
    /// The places of those that came from a reference.
    hidden: Vec<usize>,
}

impl Environment {
    /// The minimal environment and what the configuration adds.
    pub(super) fn of(resolve: &dyn Resolve, added: &BTreeMap<String, Template>) -> Result<Self, String> {
        let inherited = INHERITED.iter().filter(|name| !added.contains_key(**name));
        let mut variables: Vec<(String, Secret<String>)> = inherited
            .filter_map(|name| Some(((*name).to_owned(), Secret::new(config::env(name)?))))
            .collect();
        let mut hidden = Vec::new();
        for (name, template) in added {
            if template.0.iter().any(|piece| !matches!(piece, Piece::Text(_))) {
                hidden.push(variables.len());
            }
            variables.push((name.clone(), resolve.resolve(template)?));
        }
        Ok(Self { variables, hidden })
    }

    /// Equal for equal environments.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (name, value) in &self.variables {
            for part in [name.as_str(), value.expose().as_str()] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }

    /// The same text with every secret value in it blanked out: for what a child prints.
    pub(super) fn blank(&self, text: String) -> String {
        let mut text = text;
        for at in &self.hidden {
            if let Some((name, value)) = self.variables.get(*at)
                && value.expose().len() >= SHORTEST_SECRET
                && text.contains(value.expose().as_str())
            {
                text = text.replace(value.expose().as_str(), &format!("[{name}]"));
            }
        }
        text
    }
}

/// Shorter values are more likely words than secrets: blanking them would make the log unreadable.
const SHORTEST_SECRET: usize = 4;
