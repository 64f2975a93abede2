//! A call that someone has to say yes to: asked, decided again with the answer, until nobody is left to ask.
//! *Never* lets an answer stand for a verdict: what an approver changes is prepared and decided anew.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::mpsc;
use tollgate_mcp::method::Method;
use tollgate_policy::Audience;

use super::{Gate, deny, refuse, refused_with, rule};
use crate::approve::{Around, Patience, Unanswered};
use crate::call::{Code, Ending, Part, Refused};
use crate::config::Config;
use crate::decide::{Denial, Permit, Question, Verdict};
use crate::record::{Approval, Close, Entry, Outcome, Reply, Said};
use crate::resolve::{Target, Waiting};
use crate::transform::{self, Prepared};

/// Why there is no permit.
#[derive(Debug)]
pub(super) enum Stopped {
    Unanswered(Unanswered),
    Denied(Denial),
    Unprepared(transform::Unprepared),
}

/// Gets every audience asked that has to say yes.
pub(super) async fn permit(
    gate: &Gate,
    entry: &mut Entry,
    mut question: Question,
    config: &Config,
    out: &mpsc::Sender<Box<Part>>,
    patience: Patience,
) -> Result<Permit, Stopped> {
    loop {
        // What operators are asked is recorded before it is shown; the agent's own human sees the question in the answer itself.
        if *question.audience() != Audience::Agent
            && let Err(why) = entry.commit().await
        {
            tracing::error!(error = ?why, "the ledger cannot be written: nothing is asked");
            let refused =
                question.refuse(Code::LedgerUnavailable, Some("the ledger cannot be written".to_owned()));
            return Err(Stopped::Unanswered(Unanswered::Refused(refused, None)));
        }
        let policy = gate.decider.version();
        let facts = question.prepared().call.here.as_ref().map(crate::conversation::Here::facts);
        let touched = facts.as_ref().map_or(&[][..], |facts| facts.labels.as_slice());
        let around = Around { policy: &policy, config, out, draining: &gate.draining, touched, patience };
        let answered = gate.approver.ask(question, &around).await.map_err(Stopped::Unanswered)?;
        let prepared = answered.question.into_prepared();
        let prepared = match answered.edited {
            None => prepared,
            Some(args) => {
                let now_ms = gate.clock.now_ms();
                let means = transform::Means { config, sealer: &gate.sealer, now_ms };
                transform::edited(prepared, args, &means).map_err(Stopped::Unprepared)?
            }
        };
        if let Some(refused) = changed(gate, &prepared).await {
            return Err(Stopped::Unanswered(Unanswered::Refused(refused, None)));
        }
        match gate.decider.again(prepared, answered.approved, gate.clock.now_ms()) {
            Verdict::Allow(permit, _) => return Ok(permit),
            Verdict::Ask(next, ruling) => {
                rule(entry, Said::Ask, &ruling);
                question = next;
            }
            Verdict::Deny(denial, _) => return Err(Stopped::Denied(denial)),
        }
    }
}

/// Why an approval comes too late, whatever it says: people take their time, and what they were asked about is not as it was.
async fn changed(gate: &Gate, prepared: &Prepared) -> Option<Refused> {
    let call = &prepared.call;
    let refused = |code, why: &str| Some(Refused::new(code, Arc::clone(call.target.label()), why));
    let caller = &call.arrival.caller;
    if !gate.keys.load().still_admit(caller, gate.clock.now_ms()) {
        return refused(Code::ApprovalExpired, "its caller's key is not valid any more");
    }
    let Target::Tool(_, item) = &call.target else { return None };
    let now = gate.catalog.snapshot(&call.arrival.client, &caller.principal, Some(&item.server)).await;
    match now.own_tool(&item.server, &item.original) {
        Some((_, now)) if now.held => {
            refused(Code::ToolQuarantined, "its definition is not the accepted one any more")
        }
        Some((_, now)) if now.definition == item.definition => None,
        Some(_) => refused(Code::ApprovalExpired, "its definition has changed meanwhile"),
        None => refused(Code::ApprovalExpired, "its server does not list it any more"),
    }
}

/// An approval of an earlier round counts for the one call that goes on with it: a second one with the same state is asked anew, and
/// counts as a call of its own where conversations count. Whether it is the first.
pub(super) async fn consume(gate: &Gate, prepared: &mut Prepared) -> bool {
    let token = prepared.call.arrival.params.string("requestState").map(Cow::into_owned).unwrap_or_default();
    let first = gate.approver.first_use(&token).await;
    if !first && let Some(state) = &mut prepared.call.state {
        state.approved = None;
    }
    first
}

/// Whether it matters that a state is used once: it holds an approval, or a call goes on by it that was counted.
pub(super) fn is_to_be_used_once(gate: &Gate, prepared: &Prepared) -> bool {
    prepared.call.state.as_ref().is_some_and(|state| {
        let counted = matches!(state.waiting, Waiting::Server { .. }) && gate.conversations.remembers();
        state.approved.is_some() || counted
    })
}

/// Ends a call that got no permit.
pub(super) async fn stopped(mut entry: Entry, stopped: Stopped, method: Method) -> Reply {
    match stopped {
        Stopped::Unanswered(Unanswered::Asked(answer)) => {
            entry.close(Close::of(Outcome::Asked), Ending::Answer(answer)).await
        }
        // Only a call that can be a task ends so, and then it is one.
        Stopped::Unanswered(Unanswered::Waits(question, _)) => {
            end(entry, &question.refuse(Code::ApprovalPending, None), method).await
        }
        Stopped::Unanswered(Unanswered::Refused(refused, given)) => {
            if let Some(given) = given {
                entry.facts_mut().approval = Some(Box::new(Approval {
                    by: Arc::from(given.by),
                    at_ms: given.at,
                    via: Arc::from(given.via),
                    grant: None,
                    edited: None,
                }));
            }
            end(entry, &refused, method).await
        }
        Stopped::Denied(denial) => deny(entry, denial, method).await,
        Stopped::Unprepared(transform::Unprepared::Refused(refused)) => end(entry, &refused, method).await,
        Stopped::Unprepared(transform::Unprepared::Error(error)) => {
            entry.close(refused_with(&error), Ending::Error(error)).await
        }
    }
}

/// A question that still waits is no refusal.
async fn end(entry: Entry, refused: &Refused, method: Method) -> Reply {
    let outcome = if refused.code == Code::ApprovalPending { Outcome::Asked } else { Outcome::Refused };
    refuse(entry, outcome, refused, method).await
}
