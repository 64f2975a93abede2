//! Asks the agent's own human, by form elicitation (client/elicitation), and reads the answer.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::translate::{InputRequest, input_required};
use uuid::Uuid;

use super::grant::{Grant, Scope};
use super::inbox::Shown;
use super::terms::Terms;
use super::{Answered, Approver, Around, KEEP_USED_MS, KEY, Unanswered, arguments, refuse, shown, visible};
use crate::call::Code;
use crate::decide::Question;
use crate::resolve::{Approved, Waiting};

/// How long a wider yes stands.
const STANDS_MS: u64 = 3600 * 1000;

const SCHEMA: &str = r#"{"type":"object","properties":{"decision":{"type":"string","title":"Decision","description":"once = run exactly this call, one time; conversation = this tool for the rest of this conversation; arguments = exactly these arguments for an hour","enum":["once","conversation","arguments","deny"],"default":"once"},"note":{"type":"string","title":"Note","description":"Optional: goes back to the agent if you deny"}}}"#;

/// The answer's own words.
enum Said {
    Once,
    Conversation,
    Arguments,
    No(Option<String>),
}

fn said(response: &Object) -> Said {
    let content = response.object("content");
    let word = |key: &str| content.as_ref().and_then(|c| c.string(key).map(std::borrow::Cow::into_owned));
    let accepted = response.string("action").as_deref() == Some("accept");
    match word("decision").as_deref() {
        None | Some("once") if accepted => Said::Once,
        Some("conversation") if accepted => Said::Conversation,
        Some("arguments") if accepted => Said::Arguments,
        None | Some(_) => {
            Said::No(word("note").map(|note| visible(note.trim(), 500)).filter(|n| !n.is_empty()))
        }
    }
}

impl Approver {
    /// Takes the answer of the agent's human.
    pub(super) async fn take(
        &self,
        question: Question,
        response: &Object,
        nonce: String,
        terms: Terms,
    ) -> Result<Answered, Unanswered> {
        let scope = match said(response) {
            Said::No(note) => return Err(refuse(question, Code::ApprovalDeclined, note)),
            Said::Once => None,
            Said::Conversation => Some(Scope::Conversation { conversation: terms.conversation.clone() }),
            Said::Arguments => Some(Scope::Arguments { digest: terms.digest.clone() }),
        };
        let now = self.clock.now_ms();
        let store = self.store.clone();
        let fresh =
            tokio::task::spawn_blocking(move || store.use_once(nonce.as_bytes(), now + KEEP_USED_MS, now));
        match fresh.await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                let why = "this approval was already used".to_owned();
                return Err(refuse(question, Code::ApprovalExpired, Some(why)));
            }
            Ok(Err(_)) | Err(_) => return Err(unwritten(question)),
        }
        let grant = match scope {
            None => None,
            Some(scope) => {
                let grant = agents_grant(&question, &terms, scope, now);
                let id = grant.id.clone();
                if self.inbox.keep(grant).await.is_err() {
                    return Err(unwritten(question));
                }
                Some(id)
            }
        };
        self.inbox.remember(&terms.principal, &terms.tool, &arguments(question.prepared())).await;
        let approved = Approved {
            by: "agent".to_owned(),
            at: now,
            policy: terms.policy,
            via: "elicitation".to_owned(),
            grant,
            of: vec![terms.of],
            edited: None,
        };
        let approved = Approved::joined(question.prior(), approved);
        Ok(Answered { question, approved, edited: None })
    }

    /// Asks the agent's human.
    pub(super) async fn put(&self, question: Question, terms: &Terms, around: &Around<'_>) -> Unanswered {
        let prepared = question.prepared();
        let method = prepared.call.arrival.method;
        if !method.may_ask() || !prepared.call.arrival.client.capabilities.form {
            return refuse(question, Code::ApprovalNobody, None);
        }
        let before = self.inbox.before(&terms.principal, &terms.tool).await;
        let shown = shown::arguments(&arguments(prepared), before.as_ref());
        let waiting = Waiting::Approval { nonce: Uuid::new_v4().to_string(), policy: terms.policy.clone() };
        let token =
            prepared.seal_state(&self.sealer, self.clock.now_ms(), question.prior().cloned(), waiting);
        let params = format!(
            "{{\"mode\":\"form\",\"message\":{},\"requestedSchema\":{SCHEMA}}}",
            quote(&message(&question, &shown, around.touched))
        );
        let request = InputRequest {
            key: KEY.to_owned(),
            method: "elicitation/create".to_owned(),
            params: Object::scan(Bytes::from(params)).unwrap_or_else(|_| Object::empty()),
        };
        Unanswered::Asked(input_required(&[request], Some(&token)))
    }
}

/// What the agent's human gave beyond this call.
fn agents_grant(question: &Question, terms: &Terms, scope: Scope, now: u64) -> Grant {
    let caller = &question.prepared().call.arrival.caller;
    Grant {
        id: Uuid::new_v4().to_string(),
        of: terms.of.clone(),
        principal: terms.principal.clone(),
        agent: caller.agent.to_string(),
        user: caller.user.as_deref().map(str::to_owned),
        tool: terms.tool.clone(),
        method: terms.method.clone(),
        definition: terms.definition.clone(),
        policy: terms.policy.clone(),
        // A conversation's grant ends with its idle window, and at the latest after twelve times this.
        until: now + if matches!(scope, Scope::Conversation { .. }) { 12 * STANDS_MS } else { STANDS_MS },
        scope,
        by: "agent".to_owned(),
        via: "elicitation".to_owned(),
        at: now,
        question: None,
        edited: None,
    }
}

fn unwritten(question: Question) -> Unanswered {
    refuse(question, Code::LedgerUnavailable, Some("the approval could not be recorded".to_owned()))
}

/// What the human sees: exactly what will run, with hidden characters made visible.
fn message(question: &Question, shown: &[Shown], touched: &[Arc<str>]) -> String {
    let prepared = question.prepared();
    let caller = &prepared.call.arrival.caller;
    let mut text = format!("Agent `{}`", visible(&caller.agent, 100));
    if let Some(user) = &caller.user {
        write!(text, " (user `{}`)", visible(user, 100)).unwrap_or_default();
    }
    write!(text, " wants to run {}", visible(prepared.call.target.label(), 200)).unwrap_or_default();
    if shown.is_empty() {
        text.push_str(" without arguments.");
    } else {
        write!(text, " with:{}", shown::lines(shown)).unwrap_or_default();
    }
    if let Some(reason) = &prepared.reason {
        write!(text, "\nIts reason: {}", visible(reason, 500)).unwrap_or_default();
    }
    if !touched.is_empty() {
        let labels: Vec<String> = touched.iter().map(|label| visible(label, 64)).collect();
        write!(text, "\nThis conversation has touched: {}", labels.join(", ")).unwrap_or_default();
    }
    write!(text, "\nRule `{}`", question.rule()).unwrap_or_default();
    if let Some(because) = question.because() {
        write!(text, ": {because}").unwrap_or_default();
    }
    text.push_str(". Allow it?");
    text
}
