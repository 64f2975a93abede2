//! Gets a question answered: by the agent's own human, through form elicitation; by operators, through the inbox; or by a grant that
//! stands. *Never* forwards, and never takes an answer for other arguments, another caller, another tool's definition or another
//! policy than it was asked for.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};
use tollgate_mcp::object::quote;
use tollgate_mcp::translate::Answer;
use tollgate_policy::Audience;

use crate::call::{Code, Part, Refused};
use crate::clock::Clock;
use crate::config::Config;
use crate::decide::Question;
use crate::resolve::{Approved, Target, Waiting};
use crate::seal::Sealer;
use crate::store::{Store, StoreError};
use crate::transform::Prepared;

mod form;
pub mod grant;
mod hold;
pub mod inbox;
mod page;
mod shown;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use inbox::moment;
pub use inbox::{Given, Inbox};
pub use page::escape;
pub use shown::visible;
pub use terms::Terms;
pub(crate) use terms::belongs;

pub use crate::transform::APPROVAL as KEY;

/// The audience that is all operators, as questions name it.
pub const OPERATORS: &str = "operators";

/// Asks and takes answers.
#[derive(Debug)]
pub struct Approver {
    sealer: Arc<Sealer>,
    store: Store,
    clock: Clock,
    /// The questions that wait for operators, and the grants that stand.
    pub inbox: Arc<Inbox>,
    /// Where agents' people reach the status page: a URL without a path.
    page: ArcSwapOption<String>,
}

/// What a question is asked in.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The policy's version.
    pub policy: &'a str,
    /// The configuration in force.
    pub config: &'a Config,
    /// Where a held call's progress goes.
    pub out: &'a mpsc::Sender<Box<Part>>,
    /// True once the gateway drains.
    pub draining: &'a watch::Sender<bool>,
    /// The labels of what the conversation has touched.
    pub touched: &'a [Arc<str>],
    /// How long people may take.
    pub patience: Patience,
}

/// How long a call waits for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as the configuration holds calls.
    Held,
    /// Not at all: its agent is given a task.
    Task,
    /// As long as the question stands.
    Endless,
}

/// An approval for exactly this call: `decide` turns it into a `Permit`.
#[derive(Debug)]
pub struct Answered {
    /// The call it was given for.
    pub question: Question,
    /// By whom and when.
    pub approved: Approved,
    /// The arguments that the approver put in place of the agent's: the call is prepared and decided again with them.
    pub edited: Option<String>,
}

/// There is no approval (yet).
#[derive(Debug)]
pub enum Unanswered {
    /// The agent is asked: this is its answer for now.
    Asked(Answer),
    /// Operators are asked: the call, and its question in the inbox.
    Waits(Box<Question>, String),
    /// It won't be; and the no, where an operator said it.
    Refused(Refused, Option<Given>),
}

impl Approver {
    /// An approver on this state. Blocks for a moment (a read of the database).
    pub fn new(sealer: Arc<Sealer>, store: Store, clock: Clock) -> Result<Self, StoreError> {
        let inbox = Inbox::open(store.clone(), clock.clone())?;
        Ok(Self { sealer, store, clock, inbox, page: ArcSwapOption::empty() })
    }

    /// Says where the status page is served.
    pub fn set_page(&self, url: String) {
        self.page.store(Some(Arc::new(url)));
    }

    /// Uses the approval that a call brings from an earlier round, by its `requestState`: `false` if another call has used it, or it
    /// cannot be recorded. On the medium when it returns.
    pub async fn first_use(&self, request_state: &str) -> bool {
        let (store, now) = (self.store.clone(), self.clock.now_ms());
        let nonce: [u8; 32] = Sha256::digest(request_state).into();
        let used = tokio::task::spawn_blocking(move || store.use_once(&nonce, now + KEEP_USED_MS, now)).await;
        matches!(used, Ok(Ok(true)))
    }

    /// The status page of a question; `None` = there is none with this id.
    pub fn status_page(&self, id: &str) -> Option<String> {
        self.inbox.slip(id).map(|slip| page::page(&slip, self.clock.now_ms()))
    }

    /// Takes the answer that this round carries, uses a grant that stands, or asks.
    pub async fn ask(&self, question: Question, around: &Around<'_>) -> Result<Answered, Unanswered> {
        let terms = Terms::of(&question, around.config, around.policy);
        let prepared = question.prepared();
        let state = prepared.call.state.as_ref();
        if *question.audience() == Audience::Agent
            && let Some(Waiting::Approval { nonce, policy: asked_under }) = state.map(|s| &s.waiting)
        {
            let same = state
                .is_some_and(|s| s.digest == prepared.digest && s.definition == prepared.definition())
                && *asked_under == terms.policy;
            // Other arguments, another definition or another policy: the old answer says nothing about it, so it is asked again.
            if same && let Some(response) = prepared.responses.as_ref().and_then(|r| r.object(KEY)) {
                let nonce = nonce.clone();
                return self.take(question, &response, nonce, terms).await;
            }
        }
        let question = match self.standing(question, &terms, around.config).await? {
            Ok(answered) => return Ok(answered),
            Err(question) => question,
        };
        match question.audience() {
            Audience::Agent => Err(self.put(question, &terms, around).await),
            Audience::Operators | Audience::Group(_) => self.hold(question, terms, around).await,
        }
    }
}

/// Used approvals are remembered for longer than their sealed states can live.
const KEEP_USED_MS: u64 = 24 * 3600 * 1000;

fn refuse(question: Question, code: Code, because: Option<String>) -> Unanswered {
    Unanswered::Refused(question.refuse(code, because), None)
}

/// The arguments as approvers see them: an object's text, whatever the method; tokens where values were put back.
fn arguments(prepared: &Prepared) -> Bytes {
    let params = &prepared.call.arrival.params;
    let empty = || Bytes::from_static(b"{}");
    match &prepared.call.target {
        Target::Tool(..) | Target::Prompt(..) => Bytes::copy_from_slice(prepared.shown_arguments()),
        Target::Resource { uri, .. } => Bytes::from(format!("{{\"uri\":{}}}", quote(uri))),
        Target::Completion { .. } => params.get("argument").unwrap_or_else(empty),
        Target::Task { .. } => empty(),
    }
}
