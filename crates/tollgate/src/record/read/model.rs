//! Records and entries as they read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::record::line::Kind;
use crate::record::stamp;

/// One record, or (without `kind`, `entry` and `note`, and with `id`) one entry: the contract's fields in its order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "contract: a ledger entry")]
#[serde(default)]
pub struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begin: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// So many items of the lists above did not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_est: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// So many requests were counted together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_revision: Option<String>,
    pub chain: String,
    pub seq: u64,
    pub prev: String,
    pub hash: String,
}

impl Record {
    /// Reads a line; `None` if it is not a record.
    pub fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The chain.
    pub chain: String,
    /// The segment's number, from 1.
    pub segment: u32,
    /// The line's first byte in it.
    pub offset: u64,
}

/// One closed entry. Serialises as the contract's object; `chain`, `seq`, `prev` and `hash` are its close record's.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Folded {
    /// Its fields.
    pub fields: Record,
    /// When it was closed, in milliseconds since the Unix epoch.
    #[serde(skip)]
    pub closed_ms: u64,
    /// Where its close stands.
    #[serde(skip)]
    pub place: Place,
}

impl Folded {
    /// The entry's id; empty for a record that is none of ours.
    pub fn id(&self) -> &str {
        self.fields.id.as_deref().unwrap_or_default()
    }

    /// When the request arrived, in milliseconds since the Unix epoch.
    pub fn at_ms(&self) -> u64 {
        stamp::parse(&self.fields.at).unwrap_or(0)
    }
}

/// What to look for; what is not set matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The agent's name.
    pub agent: Option<String>,
    /// The server's alias.
    pub server: Option<String>,
    /// `server/original`.
    pub tool: Option<String>,
    /// The outcome's word.
    pub outcome: Option<String>,
    /// The interaction's id.
    pub interaction: Option<String>,
    /// Arrived at or after, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
}

impl Filter {
    /// Whether an entry is looked for.
    pub fn matches(&self, entry: &Folded) -> bool {
        let has = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let fields = &entry.fields;
        has(&self.agent, &fields.agent)
            && has(&self.server, &fields.server)
            && has(&self.tool, &fields.tool)
            && has(&self.outcome, &fields.outcome)
            && has(&self.interaction, &fields.interaction)
            && self.since_ms.is_none_or(|since| entry.at_ms() >= since)
    }
}
