//! What a call's rounds hand to each other inside a sealed `requestState`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The plain text of a sealed `requestState`. The seal binds it to the principal and an expiry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The interaction.
    #[serde(rename = "i")]
    pub interaction: Uuid,
    /// The round that made it.
    #[serde(rename = "r")]
    pub round: u32,
    /// The method.
    #[serde(rename = "m")]
    pub method: String,
    /// `server/original`.
    #[serde(rename = "t")]
    pub target: String,
    /// SHA-256 of what would leave: target and arguments.
    #[serde(rename = "d")]
    pub digest: [u8; 32],
    /// SHA-256 of the tool's definition, as its approver was asked about it.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<[u8; 32]>,
    /// The approval given in an earlier round.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approved>,
    /// What the round waits for.
    #[serde(rename = "w")]
    pub waiting: Waiting,
}

/// An approval that later rounds of the same call build on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Whose: `agent` = the human at the client.
    pub by: String,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The policy it was given under.
    pub policy: String,
    /// By which way: `elicitation`, `console`, `cli`, `api`, `webhook`, `grant`.
    #[serde(rename = "v", default)]
    pub via: String,
    /// The grant used or made.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Who has said yes: audiences, as rules name them.
    #[serde(rename = "o", default)]
    pub of: Vec<String>,
    /// What an approver put in place of the agent's arguments.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edited>,
}

/// Arguments that an approver changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The digest of what the agent asked for.
    #[serde(rename = "d")]
    pub original: [u8; 32],
    /// The arguments that leave instead: an object's text.
    #[serde(rename = "a")]
    pub args: String,
}

impl Approved {
    /// An earlier audience's approval and this one's, as one.
    pub fn joined(earlier: Option<&Self>, mut later: Self) -> Self {
        if let Some(earlier) = earlier {
            later.by = format!("{}, {}", earlier.by, later.by);
            later.of.extend(earlier.of.iter().cloned());
            later.grant = later.grant.or_else(|| earlier.grant.clone());
            later.edited = later.edited.or_else(|| earlier.edited.clone());
        }
        later
    }
}

/// What a round waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// The gateway's own question.
    #[serde(rename = "q")]
    Approval {
        /// Single use.
        nonce: String,
        /// The policy that asked.
        policy: String,
    },
    /// Operators' answer to the gateway's question.
    #[serde(rename = "o")]
    Inbox {
        /// The question's id.
        id: String,
    },
    /// A legacy server's question: its call is parked.
    #[serde(rename = "p")]
    Parked {
        /// Which one.
        id: Uuid,
    },
    /// The page that a legacy server wants to be opened before it is called again.
    #[serde(rename = "u")]
    Consent,
    /// A modern server's question: its own state, byte-exact, if it gave one.
    #[serde(rename = "s")]
    Server {
        /// Absent and empty are different.
        state: Option<String>,
    },
}

impl State {
    /// The text to seal.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was sealed.
    pub fn read(plain: &[u8]) -> Option<Self> {
        serde_json::from_slice(plain).ok()
    }
}
