//! Why a call was refused, with the code that agents and the ledger see (contract.md, "What a refused agent gets").

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::error::{INTERNAL_ERROR, RpcError};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::quote;
use tollgate_mcp::translate::tool_error;

use super::Ending;

/// The refusal's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the codes below say it")]
pub enum Code {
    RuleDenied,
    PolicyError,
    ApprovalDeclined,
    ApprovalExpired,
    ApprovalPending,
    ApprovalNobody,
    ArgumentsInvalid,
    ServerTimeout,
    ServerUnavailable,
    ResultTooLarge,
    LedgerUnavailable,
    ToolQuarantined,
}

impl Code {
    /// As agents and the ledger see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RuleDenied => "rule.denied",
            Self::PolicyError => "policy.error",
            Self::ApprovalDeclined => "approval.declined",
            Self::ApprovalExpired => "approval.expired",
            Self::ApprovalPending => "approval.pending",
            Self::ApprovalNobody => "approval.nobody",
            Self::ArgumentsInvalid => "arguments.invalid",
            Self::ServerTimeout => "server.timeout",
            Self::ServerUnavailable => "server.unavailable",
            Self::ResultTooLarge => "result.too_large",
            Self::LedgerUnavailable => "ledger.unavailable",
            Self::ToolQuarantined => "tool.quarantined",
        }
    }
}

/// A refusal: what the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub code: Code,
    /// What was called, as the agent may know it: `server/original`.
    pub what: Arc<str>,
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    /// The rule's or the failure's reason, in words for a model.
    pub because: Option<Arc<str>>,
    /// What would have to be otherwise, in words for a model.
    pub change: Option<Arc<str>>,
    /// When a retry could help.
    pub retry_after_ms: Option<u64>,
    /// The question that waits, where one does.
    pub approval: Option<Arc<str>>,
}

impl Refused {
    /// A refusal without a rule.
    pub fn new(code: Code, what: Arc<str>, because: impl Into<Arc<str>>) -> Self {
        Self {
            code,
            what,
            rule: None,
            because: Some(because.into()),
            change: None,
            retry_after_ms: None,
            approval: None,
        }
    }

    /// One or two sentences that a model can act on.
    pub fn sentence(&self) -> String {
        let what = &self.what;
        let rule = self.rule.as_deref().map(|r| format!(" by rule `{r}`")).unwrap_or_default();
        let because = self.because.as_deref().map(|b| format!(": {b}")).unwrap_or_default();
        let (verb, advice) = match self.code {
            Code::RuleDenied if self.change.is_some() => (
                format!("is blocked{rule} with these arguments"),
                "Do not retry it like this; other arguments may be allowed, or tell the user.",
            ),
            Code::RuleDenied => {
                (format!("is blocked{rule}"), "Do not retry it; choose another way or tell the user.")
            }
            Code::ArgumentsInvalid => (
                "was not called: its arguments are not what its schema wants".to_owned(),
                "Correct them and call it again.",
            ),
            Code::PolicyError => (
                format!("is blocked{rule}, which could not be evaluated"),
                "Do not retry it; the operator has to correct the policy.",
            ),
            Code::ApprovalDeclined => (
                format!("was declined by the human who was asked{rule}"),
                "Do not retry it unless the user asks for it again.",
            ),
            Code::ApprovalExpired => (format!("needs a new approval{rule}"), "Call it again to ask again."),
            Code::ApprovalPending => (
                format!("waits for a human's approval{rule}"),
                "Ask again with the same call: same tool, same arguments.",
            ),
            Code::ApprovalNobody => (
                format!("needs a human's approval{rule}, and nobody can be asked"),
                "Use a client that supports elicitation, or ask the operator for a rule that allows it.",
            ),
            Code::ServerTimeout => {
                ("got no answer in time".to_owned(), "It may have run: check before calling it again.")
            }
            Code::ServerUnavailable => ("could not be completed".to_owned(), "Try again later."),
            Code::ToolQuarantined => (
                "changed its definition and waits for an operator to accept it".to_owned(),
                "Do not retry it; tell the user, or choose another way.",
            ),
            Code::ResultTooLarge => (
                "returned more than is passed on".to_owned(),
                "It ran; ask for less, for example by filtering or paging.",
            ),
            Code::LedgerUnavailable => (
                "was not sent, since it could not be recorded".to_owned(),
                "Try again later; the operator has to look at the ledger.",
            ),
        };
        let change = self.change.as_deref().map(|c| format!(" ({c})")).unwrap_or_default();
        format!("{what} {verb}{because}{change}. {advice} [{}]", self.code.as_str())
    }
}

impl Refused {
    /// The answer to the agent: on `tools/call` a result with `isError: true`, on other methods -32603, both with the same object.
    pub fn ending(&self, method: Method) -> Ending {
        let object = self.object();
        if method == Method::ToolsCall {
            let meta = format!("{{\"dev.tollgate/refusal\":{object}}}");
            return Ending::Answer(tool_error(&self.sentence(), Some(&meta)));
        }
        Ending::Error(RpcError::new(INTERNAL_ERROR, self.sentence()).with_data(Bytes::from(object)))
    }

    fn object(&self) -> String {
        let mut object = format!("{{\"code\":\"{}\"", self.code.as_str());
        for (key, value) in [("rule", &self.rule), ("because", &self.because)] {
            if let Some(value) = value {
                write!(object, ",\"{key}\":{}", quote(value)).unwrap_or_default();
            }
        }
        if let Some(after) = self.retry_after_ms {
            write!(object, ",\"retry_after_ms\":{after}").unwrap_or_default();
        }
        if let Some(approval) = &self.approval {
            write!(object, ",\"approval\":{}", quote(approval)).unwrap_or_default();
        }
        object.push('}');
        object
    }
}
