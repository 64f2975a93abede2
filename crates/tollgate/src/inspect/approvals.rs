//! What operators do about questions and grants. Each answer and each revocation leaves a note in the ledger.

use crate::approve::inbox::{AnswerError, Decision, GrantView, QuestionView};
use crate::authenticate::Operator;
use crate::path::Gate;
use crate::store::StoreError;

impl Gate {
    /// The questions that wait, oldest first; with `all` also those that were answered or ran out within the last week.
    pub async fn questions(&self, all: bool) -> Result<Vec<QuestionView>, StoreError> {
        self.approver.inbox.list(all).await
    }

    /// One question.
    pub async fn question(&self, id: &str) -> Result<Option<QuestionView>, StoreError> {
        self.approver.inbox.show(id).await
    }

    /// Answers a question in an operator's name. `via`: `console`, `cli`, `api`, `webhook`.
    pub async fn answer_question(
        &self,
        id: &str,
        operator: &Operator,
        via: &str,
        decision: Decision,
    ) -> Result<QuestionView, AnswerError> {
        let word = match &decision {
            Decision::Approve { args: None, .. } => "approve",
            Decision::Approve { args: Some(_), .. } => "edit",
            Decision::Deny { .. } => "deny",
        };
        let view = self.approver.inbox.answer(id, operator, via, decision).await?;
        let about = [
            ("question", id),
            ("by", &*operator.name),
            ("via", via),
            ("decision", word),
            ("tool", &view.tool),
        ];
        self.note("question_answered", &about);
        Ok(view)
    }

    /// The grants that permit something, oldest first; with `all` also those that are over.
    pub async fn grants(&self, all: bool) -> Result<Vec<GrantView>, StoreError> {
        self.approver.inbox.grants(all, &self.decider.version()).await
    }

    /// Revokes a grant in an operator's name; `false` if there is none with this id, or it was revoked before.
    pub async fn revoke_grant(&self, id: &str, operator: &Operator, via: &str) -> Result<bool, StoreError> {
        let revoked = self.approver.inbox.revoke(id).await?;
        if revoked {
            self.note("grant_revoked", &[("grant", id), ("by", &*operator.name), ("via", via)]);
        }
        Ok(revoked)
    }

    fn note(&self, name: &'static str, about: &[(&'static str, &str)]) {
        // What was done is done and kept; the call itself is recorded with who approved it.
        if let Err(error) = self.ledger.note(name, about) {
            tracing::error!(?error, name, "an operator's act is not in the ledger");
        }
    }
}
