//! Gets a question answered: by the agent's own human, through form elicitation.
//! *Never* forwards, and never takes an answer for other arguments, another caller or another policy than it was asked for.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::translate::{Answer, InputRequest, input_required};
use uuid::Uuid;

use crate::call::{Code, Refused};
use crate::clock::Clock;
use crate::decide::Question;
use crate::resolve::{Approved, Waiting};
use crate::seal::Sealer;
use crate::store::Store;

mod shown;
#[cfg(test)]
mod tests;

pub use shown::visible;

pub use crate::transform::APPROVAL as KEY;

/// Asks and takes answers.
#[derive(Debug)]
pub struct Approver {
    sealer: Arc<Sealer>,
    store: Store,
    clock: Clock,
}

/// An approval for exactly this call: `decide` turns it into a `Permit`.
#[derive(Debug)]
pub struct Answered {
    /// The call it was given for.
    pub question: Question,
    /// By whom and when.
    pub approved: Approved,
}

/// There is no approval (yet).
#[derive(Debug)]
pub enum Unanswered {
    /// The agent is asked: this is its answer for now.
    Asked(Answer),
    /// It won't be.
    Refused(Refused),
}

impl Approver {
    /// An approver.
    pub fn new(sealer: Arc<Sealer>, store: Store, clock: Clock) -> Self {
        Self { sealer, store, clock }
    }

    /// Takes the answer that this round carries, or asks.
    pub async fn ask(&self, question: Question, policy: &str) -> Result<Answered, Unanswered> {
        let prepared = question.prepared();
        let state = prepared.call.state.as_ref();
        if let Some(Waiting::Approval { nonce, policy: asked_under }) = state.map(|s| &s.waiting) {
            let same = state.is_some_and(|s| s.digest == prepared.digest) && asked_under == policy;
            // Other arguments or another policy: the old answer says nothing about them, so it is asked again.
            if same && let Some(response) = prepared.responses.as_ref().and_then(|r| r.object(KEY)) {
                let nonce = nonce.clone();
                return self.take(question, &response, nonce, policy).await;
            }
        }
        Err(self.put(question, policy))
    }

    async fn take(
        &self,
        question: Question,
        response: &Object,
        nonce: String,
        policy: &str,
    ) -> Result<Answered, Unanswered> {
        let content = response.object("content");
        let decision = content.as_ref().and_then(|c| c.string("decision"));
        let accepted = response.string("action").as_deref() == Some("accept")
            && matches!(decision.as_deref(), None | Some("once"));
        if !accepted {
            let note = content.as_ref().and_then(|c| c.string("note")).map(|n| visible(&n, 500));
            return Err(refuse(question, Code::ApprovalDeclined, note));
        }
        let now = self.clock.now_ms();
        let store = self.store.clone();
        let fresh =
            tokio::task::spawn_blocking(move || store.use_once(nonce.as_bytes(), now + KEEP_USED_MS, now))
                .await;
        match fresh {
            Ok(Ok(true)) => Ok(Answered {
                question,
                approved: Approved { by: "agent".to_owned(), at: now, policy: policy.to_owned() },
            }),
            Ok(Ok(false)) => {
                let why = "this approval was already used".to_owned();
                Err(refuse(question, Code::ApprovalExpired, Some(why)))
            }
            Ok(Err(_)) | Err(_) => {
                let why = "the approval could not be recorded".to_owned();
                Err(refuse(question, Code::LedgerUnavailable, Some(why)))
            }
        }
    }

    fn put(&self, question: Question, policy: &str) -> Unanswered {
        let prepared = question.prepared();
        let method = prepared.call.arrival.method;
        if !method.may_ask() || !prepared.call.arrival.client.capabilities.form {
            return refuse(question, Code::ApprovalNobody, None);
        }
        let waiting = Waiting::Approval { nonce: Uuid::new_v4().to_string(), policy: policy.to_owned() };
        let token = prepared.seal_state(&self.sealer, self.clock.now_ms(), None, waiting);
        let params = format!(
            "{{\"mode\":\"form\",\"message\":{},\"requestedSchema\":{SCHEMA}}}",
            quote(&message(&question))
        );
        let request = InputRequest {
            key: KEY.to_owned(),
            method: "elicitation/create".to_owned(),
            params: Object::scan(Bytes::from(params)).unwrap_or_else(|_| Object::empty()),
        };
        let answer = input_required(&[request], Some(&token));
        Unanswered::Asked(answer)
    }
}

/// Used approvals are remembered for longer than their sealed states can live.
const KEEP_USED_MS: u64 = 24 * 3600 * 1000;

const SCHEMA: &str = r#"{"type":"object","properties":{"decision":{"type":"string","title":"Decision","description":"once = run exactly this call, one time","enum":["once","deny"],"default":"once"},"note":{"type":"string","title":"Note","description":"Optional: goes back to the agent if you deny"}}}"#;

fn refuse(question: Question, code: Code, because: Option<String>) -> Unanswered {
    Unanswered::Refused(question.refuse(code, because))
}

/// What the human sees: exactly what will run, with hidden characters made visible.
fn message(question: &Question) -> String {
    let prepared = question.prepared();
    let call = &prepared.call;
    let arguments = visible(&String::from_utf8_lossy(prepared.shown_arguments()), 4_000);
    let mut text = format!(
        "Agent `{}` wants to run {} with {arguments}.",
        visible(&call.arrival.caller.agent, 100),
        visible(call.target.label(), 200)
    );
    if let Some(reason) = &prepared.reason {
        write!(text, " Its reason: {}.", visible(reason, 500)).unwrap_or_default();
    }
    write!(text, " Rule `{}`", question.rule()).unwrap_or_default();
    if let Some(because) = question.because() {
        write!(text, ": {because}").unwrap_or_default();
    }
    text.push_str(". Allow it?");
    text
}
