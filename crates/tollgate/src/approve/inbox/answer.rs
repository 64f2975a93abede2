//! An operator answers: who may, what it makes, and what it must not.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::object::Object;
use tollgate_mcp::strict;
use uuid::Uuid;

use super::{
    ARGS_MAX, Asked, Decision, Given, Inbox, QuestionView, Standing, Wish, blocking, read, row_of, view,
    write,
};
use crate::approve::grant::{Grant, Scope, marks, pattern_holds};
use crate::approve::terms::belongs;
use crate::authenticate::Operator;
use crate::store::{GrantRow, QuestionRow, StoreError};

/// How long a wider yes stands unless it says.
const STANDS_MS: u64 = 3_600_000;

/// The longest that a yes can stand.
const STANDS_MAX_MS: u64 = 90 * 24 * 3_600_000;

/// The longest that a yes for a conversation stands.
const CONVERSATION_MAX_MS: u64 = 12 * 3_600_000;

/// The most conditions of a pattern.
const PATTERN_MAX: usize = 16;

/// The most arguments that can replace the agent's, in bytes: later rounds carry them.
const EDITED_MAX: usize = 32 * 1024;

/// The longest reason, in characters.
const NOTE_MAX: usize = 500;

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// There is no such question.
    #[error("there is no such question")]
    Unknown,
    /// It is over.
    #[error("this question is {} already", .0.as_str())]
    Over(Standing),
    /// It goes to others.
    #[error("this question goes to {0}, and you are not one of them")]
    NotYours(String),
    /// Who asks never answers.
    #[error("who asks for a call never approves it")]
    Requester,
    /// One operator counts once.
    #[error("you have answered this question already; it needs another operator")]
    Twice,
    /// The second yes says something else than the first.
    #[error("the first approval was for something else; approve the same, or deny")]
    Differs,
    /// The answer makes no sense.
    #[error("{0}")]
    Bad(String),
    /// The state cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inbox {
    /// Takes an operator's answer. Enough approvals make a grant, one denial ends the question. On the medium when it returns, and
    /// whoever waits for it is woken.
    pub async fn answer(
        self: &Arc<Self>,
        id: &str,
        operator: &Operator,
        via: &str,
        decision: Decision,
    ) -> Result<QuestionView, AnswerError> {
        let (inbox, id) = (Arc::clone(self), id.to_owned());
        let (by, groups, via) = (operator.name.to_string(), operator.groups.clone(), via.to_owned());
        let done = blocking(move || {
            let now = inbox.clock.now_ms();
            let work = |row: QuestionRow| {
                let given = Given { by, at: now, via, decision };
                take(row, given, &groups, now)
            };
            let done = inbox.store.answer_question(&id, work)?;
            inbox.reload()?;
            Ok(done)
        })
        .await?;
        let row = done.ok_or(AnswerError::Unknown)??;
        view::view(&row, self.clock.now_ms()).ok_or(AnswerError::Unknown)
    }
}

fn take(
    mut row: QuestionRow,
    mut given: Given,
    groups: &[Arc<str>],
    now: u64,
) -> Result<(QuestionRow, Option<GrantRow>), AnswerError> {
    let mut asked: Asked = read(&row.body).ok_or(AnswerError::Unknown)?;
    let standing = Standing::read(&row.state, row.expires_ms, now);
    if standing != Standing::Pending {
        return Err(AnswerError::Over(standing));
    }
    if !belongs(&asked.terms.of, groups) {
        return Err(AnswerError::NotYours(asked.terms.of));
    }
    if given.by == asked.agent || asked.user.as_ref() == Some(&given.by) {
        return Err(AnswerError::Requester);
    }
    if asked.answers.iter().any(|earlier| earlier.by == given.by) {
        return Err(AnswerError::Twice);
    }
    if let Decision::Deny { note } = &mut given.decision {
        *note =
            note.take().map(|note| crate::approve::visible(note.trim(), NOTE_MAX)).filter(|n| !n.is_empty());
        asked.answers.push(given);
        Standing::Denied.as_str().clone_into(&mut row.state);
        row.body = write(&asked);
        return Ok((row, None));
    }
    check(&given.decision, &asked, now)?;
    if let Some(first) = asked.answers.first()
        && first.decision != given.decision
    {
        return Err(AnswerError::Differs);
    }
    asked.answers.push(given);
    let enough = asked.answers.len() >= usize::try_from(asked.count).unwrap_or(usize::MAX);
    let grant = if enough { Some(grant(&row, &asked, now)?) } else { None };
    if grant.is_some() {
        Standing::Approved.as_str().clone_into(&mut row.state);
    }
    row.body = write(&asked);
    Ok((row, grant.as_ref().map(row_of)))
}

/// Whether a yes makes sense for this question.
fn check(decision: &Decision, asked: &Asked, now: u64) -> Result<(), AnswerError> {
    let Decision::Approve { scope, args, pattern, until } = decision else { return Ok(()) };
    let bad = |why: &str| Err(AnswerError::Bad(why.to_owned()));
    if let Some(args) = args {
        if *scope != Wish::Once {
            return bad("edited arguments are approved once");
        }
        if asked.terms.method != "tools/call" && asked.terms.method != "prompts/get" {
            return bad("this call has no arguments to edit");
        }
        if args.len() > EDITED_MAX.min(ARGS_MAX) {
            return Err(AnswerError::Bad(format!("edited arguments have at most {EDITED_MAX} bytes")));
        }
        if !args.trim_start().starts_with('{') {
            return bad("arguments are a JSON object");
        }
        if let Err(fault) = strict::check(args.as_bytes(), 64) {
            return Err(AnswerError::Bad(fault.to_string()));
        }
    }
    match (scope, pattern.len()) {
        (Wish::Pattern, 0) => return bad("a pattern needs a condition, as in `path like /srv/*`"),
        (Wish::Pattern, 1..=PATTERN_MAX) | (Wish::Once | Wish::Conversation | Wish::Arguments, 0) => {}
        (Wish::Pattern, _) => return bad("a pattern has at most 16 conditions"),
        (Wish::Once | Wish::Conversation | Wish::Arguments, _) => {
            return bad("only a pattern has conditions");
        }
    }
    let arguments = Object::scan(Bytes::from(asked.args.clone())).map_err(|_| AnswerError::Unknown)?;
    if let Some(missing) = pattern.iter().find(|condition| arguments.find(&condition.name).is_none()) {
        return Err(AnswerError::Bad(format!("this call has no argument `{}`", missing.name)));
    }
    if *scope == Wish::Pattern && !pattern_holds(pattern, &arguments) {
        return bad("the pattern does not match the call that is asked about");
    }
    match until {
        Some(_) if *scope == Wish::Once => bad("an approval for one call has no time"),
        Some(until) if *until <= now => bad("that time is over"),
        Some(until) if *until > now.saturating_add(STANDS_MAX_MS) => {
            bad("an approval stands for at most 90 days")
        }
        Some(_) | None => Ok(()),
    }
}

/// The grant that the answers make: the first one's, in all their names.
fn grant(row: &QuestionRow, asked: &Asked, now: u64) -> Result<Grant, AnswerError> {
    let Some(Given { via, decision: Decision::Approve { scope, args, pattern, until }, .. }) =
        asked.answers.first()
    else {
        return Err(AnswerError::Unknown);
    };
    let terms = &asked.terms;
    let stands = until.unwrap_or(now.saturating_add(STANDS_MS));
    let (scope, until) = match scope {
        // Whoever asked may have gone: for as long again as the question stood it can come back.
        Wish::Once => {
            let back = now.saturating_add(row.expires_ms.saturating_sub(row.created_ms));
            (Scope::Once { digest: terms.digest.clone() }, back)
        }
        Wish::Conversation => (
            Scope::Conversation { conversation: terms.conversation.clone() },
            until.unwrap_or(u64::MAX).min(now.saturating_add(CONVERSATION_MAX_MS)),
        ),
        Wish::Arguments => (Scope::Arguments { digest: terms.digest.clone() }, stands),
        Wish::Pattern => {
            let mut same = marks(&Bytes::from(asked.args.clone()));
            same.retain(|name, _| !pattern.iter().any(|condition| condition.name == *name));
            (Scope::Pattern { pattern: pattern.clone(), same }, stands)
        }
    };
    let by = asked.answers.iter().map(|given| given.by.as_str()).collect::<Vec<_>>().join(", ");
    Ok(Grant {
        id: Uuid::new_v4().to_string(),
        of: terms.of.clone(),
        principal: terms.principal.clone(),
        agent: asked.agent.clone(),
        user: asked.user.clone(),
        tool: terms.tool.clone(),
        method: terms.method.clone(),
        definition: terms.definition.clone(),
        policy: terms.policy.clone(),
        scope,
        by,
        via: via.clone(),
        at: now,
        until,
        question: Some(row.id.clone()),
        edited: args.clone(),
    })
}
