//! Rows as those who answer see them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{AnswerView, Asked, Decision, GrantView, Inbox, QuestionView, Standing, blocking, read};
use crate::approve::grant::{Grant, Scope};
use crate::approve::shown;
use crate::store::{GrantRow, QuestionRow, StoreError};

impl Inbox {
    /// The questions that wait, oldest first; with `all` also those that were answered or ran out within the last week.
    pub async fn list(self: &Arc<Self>, all: bool) -> Result<Vec<QuestionView>, StoreError> {
        let inbox = Arc::clone(self);
        blocking(move || {
            let now = inbox.clock.now_ms();
            let rows = inbox.store.questions(if all { 0 } else { now })?;
            let views = rows.into_iter().filter_map(|row| view(&row, now));
            Ok(views.filter(|view| all || view.state == Standing::Pending).collect())
        })
        .await
    }

    /// One question.
    pub async fn show(self: &Arc<Self>, id: &str) -> Result<Option<QuestionView>, StoreError> {
        let (inbox, id) = (Arc::clone(self), id.to_owned());
        blocking(move || Ok(inbox.store.question(&id)?.and_then(|row| view(&row, inbox.clock.now_ms()))))
            .await
    }

    /// The grants that permit something, oldest first; with `all` also those that are over. `policy` is the version in force.
    pub async fn grants(self: &Arc<Self>, all: bool, policy: &str) -> Result<Vec<GrantView>, StoreError> {
        let (inbox, policy) = (Arc::clone(self), policy.to_owned());
        blocking(move || {
            let now = inbox.clock.now_ms();
            let views = inbox.store.grants()?.into_iter().filter_map(|row| grant_view(&row, now, &policy));
            Ok(views.filter(|view| all || view.state == "live").collect())
        })
        .await
    }

    /// Revokes a grant; `false` if there is none with this id, or it was revoked before. Applies at once, everywhere.
    pub async fn revoke(self: &Arc<Self>, id: &str) -> Result<bool, StoreError> {
        let (inbox, id) = (Arc::clone(self), id.to_owned());
        blocking(move || {
            let revoked = inbox.store.revoke_grant(&id, inbox.clock.now_ms())?;
            inbox.reload()?;
            Ok(revoked)
        })
        .await
    }
}

/// A question's row for those who answer.
pub(super) fn view(row: &QuestionRow, now_ms: u64) -> Option<QuestionView> {
    let asked: Asked = read(&row.body)?;
    let answers = asked
        .answers
        .iter()
        .map(|given| {
            let (decision, scope, edited, note) = match &given.decision {
                Decision::Approve { scope, args, .. } => ("approve", Some(*scope), args.is_some(), None),
                Decision::Deny { note } => ("deny", None, false, note.clone()),
            };
            let (by, at, via) = (given.by.clone(), moment(given.at), given.via.clone());
            AnswerView { by, at, via, decision: decision.to_owned(), scope, edited, note }
        })
        .collect();
    Some(QuestionView {
        id: row.id.clone(),
        state: Standing::read(&row.state, row.expires_ms, now_ms),
        asked_at: moment(row.created_ms),
        expires_at: moment(row.expires_ms),
        shown: shown::arguments(&Bytes::from(asked.args.clone()), asked.before.as_ref()),
        args: RawValue::from_string(asked.args).ok()?,
        agent: asked.agent,
        user: asked.user,
        tenant: asked.tenant,
        client: asked.client,
        tool: asked.terms.tool,
        method: asked.terms.method,
        of: asked.terms.of,
        count: asked.count,
        rule: asked.rule,
        because: asked.because,
        reason: asked.reason,
        touched: asked.touched,
        digest: asked.terms.digest,
        interaction: asked.interaction,
        answers,
    })
}

fn grant_view(row: &GrantRow, now_ms: u64, policy: &str) -> Option<GrantView> {
    let grant: Grant = read(&row.body)?;
    let state = if row.revoked_ms.is_some() {
        "revoked"
    } else if grant.is_single() && row.used_ms.is_some() {
        "used"
    } else if row.expires_ms <= now_ms {
        "expired"
    } else if grant.policy != policy {
        "void"
    } else {
        "live"
    };
    let pattern = match &grant.scope {
        Scope::Pattern { pattern, .. } => pattern.iter().map(ToString::to_string).collect(),
        Scope::Once { .. } | Scope::Conversation { .. } | Scope::Arguments { .. } => Vec::new(),
    };
    Some(GrantView {
        id: row.id.clone(),
        state: state.to_owned(),
        scope: grant.scope.as_str().to_owned(),
        pattern,
        at: moment(grant.at),
        until: moment(grant.until),
        used_at: row.used_ms.map(moment),
        agent: grant.agent,
        user: grant.user,
        tool: grant.tool,
        of: grant.of,
        by: grant.by,
        via: grant.via,
        question: grant.question,
        edited: grant.edited,
    })
}

/// RFC 3339 in UTC, in seconds.
pub(crate) fn moment(ms: u64) -> String {
    i64::try_from(ms / 1000)
        .ok()
        .and_then(|s| time::OffsetDateTime::from_unix_timestamp(s).ok())
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}
