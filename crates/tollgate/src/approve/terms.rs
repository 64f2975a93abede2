//! What an approval is bound to. *Never* a name alone: caller, target, arguments, definition and policy together.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tollgate_policy::Audience;

use crate::call::{Arrival, Caller};
use crate::config::Config;
use crate::decide::Question;
use crate::resolve::Target;
use crate::secret::hex;

/// One call as approvals see it, and as questions keep it. Digests are hexadecimal SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Who is asked: `agent`, `operators`, `group:NAME`.
    pub of: String,
    /// Whose call it is.
    pub principal: String,
    /// `server/original`.
    pub tool: String,
    /// The method.
    pub method: String,
    /// Over target and arguments.
    pub digest: String,
    /// Over the tool's definition, as it is pinned; over a prompt as it is listed; of what is not listed, over nothing.
    pub definition: String,
    /// The policy's version.
    pub policy: String,
    /// The conversation's identity.
    pub conversation: String,
}

impl Terms {
    /// The terms of a question.
    pub fn of(question: &Question, config: &Config, policy: &str) -> Self {
        let prepared = question.prepared();
        let call = &prepared.call;
        let definition: [u8; 32] = match &call.target {
            Target::Tool(_, item) => item.definition,
            Target::Prompt(_, item) => Sha256::digest(item.text()).into(),
            Target::Resource { .. } | Target::Completion { .. } | Target::Task { .. } => {
                Sha256::digest(b"").into()
            }
        };
        Self {
            of: question.audience().to_string(),
            principal: call.arrival.caller.principal.to_string(),
            tool: call.target.label().to_string(),
            method: call.arrival.method.as_str().to_owned(),
            digest: hex::encode(&prepared.digest),
            definition: hex::encode(&definition),
            policy: policy.to_owned(),
            conversation: conversation(&call.arrival, config),
        }
    }

    /// The same for the same call under the same policy, whatever the conversation.
    pub fn binding(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let parts = [
            &self.of,
            &self.principal,
            &self.tool,
            &self.method,
            &self.digest,
            &self.definition,
            &self.policy,
        ];
        for part in parts {
            // Each with its length, so that no part can reach into the next.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// A conversation (contract.md): what `_meta` names, where the agent may; else the legacy session; else the caller.
fn conversation(arrival: &Arrival, config: &Config) -> String {
    let Caller { principal, own_conversations, .. } = arrival.caller.as_ref();
    let named = own_conversations
        .then(|| {
            arrival
                .params
                .object("_meta")?
                .string(&config.conversation_meta)
                .map(std::borrow::Cow::into_owned)
        })
        .flatten();
    let (kind, id) = match (&named, &arrival.session) {
        (Some(id), _) => ("own", id.as_str()),
        (None, Some(session)) => ("session", &**session),
        (None, None) => ("caller", ""),
    };
    let mut hash = Sha256::new();
    for part in [principal, kind, id] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize())
}

/// Whether these groups, or being an operator at all, make one of the audience.
pub(crate) fn belongs(of: &str, groups: &[std::sync::Arc<str>]) -> bool {
    match Audience::parse(of) {
        Some(Audience::Operators) => true,
        Some(Audience::Group(group)) => groups.iter().any(|mine| **mine == *group),
        Some(Audience::Agent) | None => false,
    }
}
