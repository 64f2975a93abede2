//! What the path knows about a call, filled stage by stage. Shares only: setting a fact copies no text.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tollgate_mcp::method::Method;
use tollgate_mcp::revision::Revision;
use uuid::Uuid;

use crate::call::Caller;

/// What an entry is about: an agent's request, or a server's own towards the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An agent's request.
    Request(Method),
    /// A server's `sampling/createMessage`.
    Sample,
    /// A server's `elicitation/create`.
    Elicit,
    /// A server's `roots/list`.
    Roots,
}

impl Subject {
    /// The ledger's `method`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request(method) => method.as_str(),
            Self::Sample => "sampling/createMessage",
            Self::Elicit => "elicitation/create",
            Self::Roots => "roots/list",
        }
    }

    /// Whether a begin record precedes the effect. Lists and polls have none: they leave one close record.
    pub(super) const fn begins(self) -> bool {
        match self {
            Self::Sample | Self::Elicit | Self::Roots => true,
            Self::Request(method) => match method {
                Method::ToolsCall
                | Method::PromptsGet
                | Method::ResourcesRead
                | Method::Complete
                | Method::Listen
                | Method::Subscribe
                | Method::TasksUpdate
                | Method::TasksCancel => true,
                Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::ResourcesTemplatesList
                | Method::Discover
                | Method::TasksGet
                | Method::Initialize
                | Method::Ping
                | Method::SetLevel
                | Method::Unsubscribe
                | Method::TasksResult
                | Method::TasksList => false,
            },
        }
    }
}

/// What policy said before approvals (`verdict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the contract's own words")]
pub enum Said {
    Allow,
    Ask,
    Deny,
}

impl Said {
    /// The ledger's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// How a call round ended (`outcome`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// Answered with `isError: true` by the tool.
    ToolError,
    /// A task was made.
    Accepted,
    /// The agent was asked something first.
    Asked,
    /// Not forwarded.
    Refused,
    /// The server failed, or we did.
    Failed,
    /// The agent or a deadline gave up.
    Cancelled,
    /// It ran, but its answer was kept back.
    Withheld,
    /// Nobody saw the end: a crash, a panic, a park without a retry.
    Abandoned,
}

impl Outcome {
    /// For an entry that nobody closed: a panic is no decision.
    pub(super) fn of_dropped() -> Self {
        if std::thread::panicking() { Self::Abandoned } else { Self::Cancelled }
    }

    /// Every outcome.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::ToolError,
        Self::Accepted,
        Self::Asked,
        Self::Refused,
        Self::Failed,
        Self::Cancelled,
        Self::Withheld,
        Self::Abandoned,
    ];

    /// The ledger's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Accepted => "accepted",
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Withheld => "withheld",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How an entry ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The outcome.
    pub outcome: Outcome,
    /// Why, unless it went well.
    pub error: Option<Fault>,
}

impl Close {
    /// Without an error.
    pub const fn of(outcome: Outcome) -> Self {
        Self { outcome, error: None }
    }

    /// With an error: a refusal's code (`rule.denied`) or a JSON-RPC code as text, and the operator's text.
    pub fn with(outcome: Outcome, code: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self { outcome, error: Some(Fault { code: code.into(), message: message.into() }) }
    }
}

/// The ledger's `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `rule.denied`, or a JSON-RPC code as text.
    pub code: Arc<str>,
    /// For the operator; no secrets, no server bodies.
    pub message: String,
}

/// How a question was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// Who: an operator's name, or `agent` for the human at the client.
    pub by: Arc<str>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// By which way: `elicitation`, `console`, `cli`, `api`, `grant`.
    pub via: Arc<str>,
    /// The standing grant used or made.
    pub grant: Option<Arc<str>>,
    /// What left in place of the agent's arguments: SHA-256 over target and arguments, and the arguments.
    pub edited: Option<([u8; 32], Bytes)>,
}

/// Which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the contract's own words")]
pub enum Where {
    Arguments,
    Result,
}

impl Where {
    /// The ledger's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Result => "result",
        }
    }
}

/// One thing that was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// On which side.
    pub place: Where,
    /// Where in it, as a JSON path.
    pub path: Arc<str>,
    /// What: `email`, `card`, `field`, …
    pub kind: Arc<str>,
}

/// Why a park is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkEnd {
    /// A retry took it up: its own entry goes on.
    Resumed,
    /// Nobody came back: one entry, `abandoned`.
    Abandoned,
}

/// What is known about a call. Made by [`super::begin`]; the path fills it in.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The entry's id.
    pub id: Uuid,
    /// When the request arrived, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What it is about.
    pub subject: Subject,
    /// All rounds of one call share it; `None` = this entry is the first and its id is the interaction.
    pub interaction: Option<Arc<str>>,
    /// Counts from 1.
    pub round: u32,
    /// Who.
    pub caller: Option<Arc<Caller>>,
    /// The client program's `name/version`, self-reported.
    pub client: Option<Arc<str>>,
    /// The revision it speaks.
    pub revision: Option<Revision>,
    /// A keyed hash of the conversation's identity, never a session id.
    pub session: Option<Arc<str>>,
    /// `traceparent`.
    pub trace: Option<Arc<str>>,
    /// The server's alias.
    pub server: Option<Arc<str>>,
    /// `server/original`; a prompt's name or a URI likewise.
    pub tool: Option<Arc<str>>,
    /// The name that the agent used.
    pub exposed: Option<Arc<str>>,
    /// SHA-256 over what will leave.
    pub args_digest: Option<[u8; 32]>,
    /// The arguments that will leave: one JSON value's text that the strict scan has passed. Kept as `ledger.payloads` says.
    pub args: Option<Bytes>,
    /// The stated reason.
    pub reason: Option<Arc<str>>,
    /// What policy said before approvals.
    pub verdict: Option<Said>,
    /// The rules that decided.
    pub rules: SmallVec<[Arc<str>; 2]>,
    /// The rules that would have decided, were they not `shadow`.
    pub shadow: SmallVec<[Arc<str>; 2]>,
    /// The approval.
    pub approval: Option<Box<Approval>>,
    /// What was taken out.
    pub redactions: Vec<Redaction>,
    /// What detectors found.
    pub findings: Vec<Arc<str>>,
    /// The limits that were charged.
    pub limits: Vec<Arc<str>>,
    /// What it cost.
    pub cost_usd: Option<f64>,
    /// The request's size in bytes.
    pub bytes_in: Option<u64>,
    /// The answer's size in bytes.
    pub bytes_out: Option<u64>,
    /// The answer's size in tokens, estimated.
    pub tokens_est: Option<u64>,
    /// The time within the server, in milliseconds.
    pub server_ms: Option<u64>,
    /// The revision that the server spoke.
    pub server_revision: Option<Revision>,
}

impl Facts {
    pub(super) fn new(id: Uuid, at_ms: u64, subject: Subject) -> Self {
        Self {
            id,
            at_ms,
            subject,
            interaction: None,
            round: 1,
            caller: None,
            client: None,
            revision: None,
            session: None,
            trace: None,
            server: None,
            tool: None,
            exposed: None,
            args_digest: None,
            args: None,
            reason: None,
            verdict: None,
            rules: SmallVec::new(),
            shadow: SmallVec::new(),
            approval: None,
            redactions: Vec::new(),
            findings: Vec::new(),
            limits: Vec::new(),
            cost_usd: None,
            bytes_in: None,
            bytes_out: None,
            tokens_est: None,
            server_ms: None,
            server_revision: None,
        }
    }

    /// The interaction's id, for later rounds (sealed into their state).
    pub fn interaction(&self) -> Arc<str> {
        self.interaction.clone().unwrap_or_else(|| Arc::from(self.id.to_string()))
    }
}
