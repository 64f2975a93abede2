//! A question as it is kept, and an answer to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::approve::grant::Condition;
use crate::approve::terms::Terms;

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It waits.
    Pending,
    /// Enough said yes.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody answered in time.
    Expired,
}

impl Standing {
    /// The word in the store and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }

    /// Reads the store's word; time turns what is pending into expired.
    pub fn read(state: &str, expires_ms: u64, now_ms: u64) -> Self {
        match state {
            "approved" => Self::Approved,
            "denied" => Self::Denied,
            _ if expires_ms <= now_ms => Self::Expired,
            _ => Self::Pending,
        }
    }
}

/// A question that waits for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `agent`'s name.
    pub agent: String,
    /// The user, where identity says one.
    pub user: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The client program's own word of itself.
    pub client: Option<String>,
    /// How many must say yes.
    pub count: u32,
    /// The rule that asks.
    pub rule: String,
    /// Its reason.
    pub because: Option<String>,
    /// The agent's stated reason.
    pub reason: Option<String>,
    /// The labels of what the conversation has touched.
    pub touched: Vec<String>,
    /// The arguments that will leave: an object's text.
    pub args: String,
    /// The arguments of this caller's last approved call of this tool, as marks.
    pub before: Option<BTreeMap<String, String>>,
    /// What an approval will be bound to.
    pub terms: Terms,
    /// The interaction, as in the ledger.
    pub interaction: String,
    /// The answers so far.
    pub answers: Vec<Given>,
}

/// One answer, as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Who.
    pub by: String,
    /// When (milliseconds since the Unix epoch).
    pub at: u64,
    /// By which way: `console`, `cli`, `api`, `webhook`.
    pub via: String,
    /// What.
    pub decision: Decision,
}

/// What an approver says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
    /// Yes.
    Approve {
        /// To what.
        #[serde(default)]
        scope: Wish,
        /// The arguments to run instead: an object's text. Only with `once`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<String>,
        /// With `pattern`: the conditions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pattern: Vec<Condition>,
        /// Until when a wider yes stands (milliseconds since the Unix epoch); `None` = an hour.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
    },
    /// No.
    Deny {
        /// Why: goes back to the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
}

/// How wide a yes is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Exactly this call, one time.
    #[default]
    Once,
    /// This tool in this conversation.
    Conversation,
    /// Exactly these arguments.
    Arguments,
    /// Arguments like these.
    Pattern,
}

/// A question for those who answer: the admin API's and the command line's shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuestionView {
    /// Its id.
    pub id: String,
    /// pending, approved, denied or expired.
    pub state: Standing,
    /// When it was asked (RFC 3339).
    pub asked_at: String,
    /// From when on it counts as denied (RFC 3339).
    pub expires_at: String,
    /// The agent.
    pub agent: String,
    /// The user, where identity says one.
    pub user: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The client program's own word of itself: never proof of anything.
    pub client: Option<String>,
    /// `server/original`.
    pub tool: String,
    /// The method: `tools/call`, …
    pub method: String,
    /// Who is asked: `operators` or `group:NAME`.
    pub of: String,
    /// How many must say yes.
    pub count: u32,
    /// The rule that asks.
    pub rule: String,
    /// Its reason.
    pub because: Option<String>,
    /// The agent's stated reason.
    pub reason: Option<String>,
    /// The labels of what the conversation has touched.
    pub touched: Vec<String>,
    /// The arguments, whole.
    pub args: Box<RawValue>,
    /// The arguments as a person should see them.
    pub shown: Vec<Shown>,
    /// SHA-256 of target and arguments, as in the ledger's `args_digest`.
    pub digest: String,
    /// The interaction, as in the ledger.
    pub interaction: String,
    /// The answers so far.
    pub answers: Vec<AnswerView>,
}

/// One argument as a person should see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its name, hidden characters made visible.
    pub name: String,
    /// Its value's JSON text, hidden characters made visible, cut on its own.
    pub value: String,
    /// Against the last approved call of this caller and tool: `same`, `changed`, `new`, `gone`; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// How an argument differs from the last approved call's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Change {
    Same,
    Changed,
    New,
    Gone,
}

/// One answer, for those who answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerView {
    /// Who.
    pub by: String,
    /// When (RFC 3339).
    pub at: String,
    /// By which way.
    pub via: String,
    /// approve or deny.
    pub decision: String,
    /// once, conversation, arguments or pattern; absent for a no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Wish>,
    /// Whether the arguments were edited.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// The reason of a no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A standing grant: the admin API's and the command line's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Its id.
    pub id: String,
    /// live, used, expired, revoked, or void (what it is bound to has changed).
    pub state: String,
    /// The agent whose calls it permits.
    pub agent: String,
    /// The user.
    pub user: Option<String>,
    /// `server/original`.
    pub tool: String,
    /// Who was asked.
    pub of: String,
    /// once, conversation, arguments or pattern.
    pub scope: String,
    /// The conditions of a pattern: `path like /srv/*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pattern: Vec<String>,
    /// Who gave it.
    pub by: String,
    /// By which way.
    pub via: String,
    /// When it was given (RFC 3339).
    pub at: String,
    /// Until when it stands (RFC 3339).
    pub until: String,
    /// When it was used last (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<String>,
    /// The question it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The arguments that run instead of the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<String>,
}
