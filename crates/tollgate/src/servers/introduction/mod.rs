//! What a server's first answers say: its era, its revision, what it offers (`versioning`, `server/discover`, legacy `initialize`).
//! *Never* sends anything: a pure table, so that each answer seen in the field is one test.

use bytes::Bytes;
use tollgate_mcp::capability::TASKS;
use tollgate_mcp::error::{HEADER_MISMATCH, MISSING_CAPABILITY, RpcError, UNSUPPORTED_VERSION};
use tollgate_mcp::message::Outcome;
use tollgate_mcp::object::{Object, elements, quote, unquote};
use tollgate_mcp::revision::{Era, Revision};

#[cfg(test)]
mod tests;

/// What a server says of itself.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// The revision spoken with it.
    pub revision: Revision,
    /// Its capabilities (canonical shape: an `InitializeResult`'s or `DiscoverResult`'s `capabilities`).
    pub capabilities: Object,
    /// Its `serverInfo`, as JSON text.
    pub info: Option<Bytes>,
    /// Its instructions.
    pub instructions: Option<String>,
}

impl Introduction {
    /// As one JSON object's text, to be recalled after a restart.
    pub fn to_saved(&self) -> String {
        let capabilities = String::from_utf8_lossy(self.capabilities.text());
        let instructions = self.instructions.as_deref().map_or_else(|| "null".to_owned(), quote);
        format!(
            r#"{{"revision":{},"capabilities":{capabilities},"instructions":{instructions}}}"#,
            quote(self.revision.as_str())
        )
    }

    /// Reads [`Self::to_saved`] back; `None` if it is not that.
    pub fn recall(saved: &Object) -> Option<Self> {
        Some(Self {
            revision: Revision::parse(&saved.string("revision")?)?,
            capabilities: saved.object("capabilities")?,
            info: None,
            instructions: saved.string("instructions").map(std::borrow::Cow::into_owned),
        })
    }

    /// Whether it advertises `capability` (`tools`, `prompts`, `resources`, `logging`, …).
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.object(capability).is_some()
    }

    /// In which era's way its tool calls can become tasks, if they can: those of 2025-11-25, or the Tasks extension.
    pub fn tasks(&self) -> Option<Era> {
        let inside = |object: Option<Object>, key: &str| object.and_then(|object| object.object(key));
        let able = match self.revision {
            Revision::V2026_07_28 => inside(self.capabilities.object("extensions"), TASKS),
            Revision::V2025_11_25 => {
                let requests = inside(self.capabilities.object("tasks"), "requests");
                inside(inside(requests, "tools"), "call")
            }
            Revision::V2024_11_05 | Revision::V2025_03_26 | Revision::V2025_06_18 => None,
        };
        able.map(|_| self.revision.era())
    }

    /// Whether `capability.flag` is true (`tools.listChanged`, `resources.subscribe`, …).
    pub fn flag(&self, capability: &str, flag: &str) -> bool {
        self.capabilities.object(capability).is_some_and(|inside| inside.slice(flag) == Some(b"true"))
    }
}

/// What the answer to `server/discover` means.
#[derive(Debug)]
pub(super) enum Finding {
    /// It speaks 2026-07-28.
    Modern(Introduction),
    /// It has to be asked with `initialize`.
    Legacy,
    /// It was reached, and there is no way to speak with it.
    Unfit(String),
    /// It says nothing about the era: to be tried again, never to be remembered.
    Inconclusive(String),
}

/// Reads the answer to an HTTP `server/discover`; `outcome` is the JSON-RPC message in the body, where there was one.
pub(super) fn over_http(status: u16, outcome: Option<&Outcome>) -> Finding {
    match status {
        401 | 403 => Finding::Inconclusive(refused_credential(status)),
        408 | 429 | 500.. => Finding::Inconclusive(format!("it answered HTTP {status}")),
        300..=399 => Finding::Unfit(redirect(status)),
        _ => outcome.map_or(Finding::Legacy, over_pipe),
    }
}

/// Reads the answer to a `server/discover` on a pipe: whatever is not modern is legacy.
pub(super) fn over_pipe(outcome: &Outcome) -> Finding {
    match outcome {
        Outcome::Result(result) => discovered(result),
        Outcome::Error(error) => refused(error),
    }
}

/// For the operator.
pub(super) fn refused_credential(status: u16) -> String {
    format!("it refused our credential (HTTP {status})")
}

/// For the operator.
pub(super) fn redirect(status: u16) -> String {
    format!("it answered with a redirect (HTTP {status}), which is never followed: configure the final URL")
}

fn discovered(result: &Object) -> Finding {
    let Some(versions) = result.get("supportedVersions") else { return Finding::Legacy };
    let versions = revisions(&versions);
    if versions.contains(&Revision::V2026_07_28) {
        let meta = result.object("_meta");
        return Finding::Modern(Introduction {
            revision: Revision::V2026_07_28,
            capabilities: result.object("capabilities").unwrap_or_else(Object::empty),
            info: meta
                .and_then(|meta| meta.object("io.modelcontextprotocol/serverInfo"))
                .or_else(|| result.object("serverInfo"))
                .map(|info| info.text().clone()),
            instructions: result.string("instructions").map(std::borrow::Cow::into_owned),
        });
    }
    legacy_among(&versions)
}

fn refused(error: &RpcError) -> Finding {
    match error.code {
        UNSUPPORTED_VERSION => {
            let supported = error.data.clone().and_then(|data| Object::scan(data).ok()?.get("supported"));
            legacy_among(&supported.as_ref().map(revisions).unwrap_or_default())
        }
        HEADER_MISMATCH | MISSING_CAPABILITY => {
            Finding::Unfit(format!("it refused `server/discover` with {}", error.code))
        }
        _ => Finding::Legacy,
    }
}

fn legacy_among(versions: &[Revision]) -> Finding {
    if versions.iter().any(|version| version.era() == Era::Legacy) {
        return Finding::Legacy;
    }
    Finding::Unfit("it speaks no revision of ours".to_owned())
}

fn revisions(array: &Bytes) -> Vec<Revision> {
    let texts = elements(array).unwrap_or_default();
    texts.iter().filter_map(|text| Revision::parse(&unquote(text)?)).collect()
}

/// Reads an `InitializeResult`.
///
/// # Errors
/// It answers with a revision we don't know.
pub(super) fn initialized(result: &Object) -> Result<Introduction, String> {
    let version = result.string("protocolVersion").unwrap_or_default();
    let revision = Revision::parse(&version)
        .filter(|revision| revision.era() == Era::Legacy)
        .ok_or_else(|| format!("it answered `initialize` with revision `{}`", version.escape_debug()))?;
    Ok(Introduction {
        revision,
        capabilities: result.object("capabilities").unwrap_or_else(Object::empty),
        info: result.object("serverInfo").map(|info| info.text().clone()),
        instructions: result.string("instructions").map(std::borrow::Cow::into_owned),
    })
}
