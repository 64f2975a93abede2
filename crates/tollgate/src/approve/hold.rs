//! Asks operators: puts the question into the inbox, and holds the call meanwhile, without a lock or a thread.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::{InputRequest, input_required};
use tollgate_policy::Audience;

use super::grant::Grant;
use super::inbox::{ARGS_MAX, Asked, Decision, Placed, Slip, Standing};
use super::terms::Terms;
use super::{Answered, Approver, Around, KEY, Patience, Unanswered, arguments, refuse, visible};
use crate::call::{Code, Part, PartKind};
use crate::config::Config;
use crate::decide::Question;
use crate::resolve::{Approved, Edited, Waiting};
use crate::store::StoreError;

/// How often a held call says that it lives.
const PROGRESS: Duration = Duration::from_secs(5);

/// How often a held call looks at the time: the clock is handed in and may be moved.
const LOOK: Duration = Duration::from_millis(500);

/// Longer than any question stands.
const ENDLESS: Duration = Duration::from_hours(24 * 365);

impl Approver {
    /// Uses a grant that stands, of whatever audience.
    pub(super) async fn standing(
        &self,
        question: Question,
        terms: &Terms,
        config: &Config,
    ) -> Result<Result<Answered, Question>, Unanswered> {
        let arguments = arguments(question.prepared());
        let idle_ms = u64::try_from(config.conversation_idle.as_millis()).unwrap_or(u64::MAX);
        match self.inbox.granted(terms, &arguments, idle_ms).await {
            Ok(None) => Ok(Err(question)),
            Ok(Some(grant)) => {
                self.inbox.remember(&terms.principal, &terms.tool, &arguments).await;
                Ok(Ok(self.approved(question, &grant)))
            }
            Err(error) => Err(unwritten(question, &error)),
        }
    }

    fn approved(&self, question: Question, grant: &Grant) -> Answered {
        // A yes to one call is that answer; a wider one is used by its grant.
        let via = if grant.is_single() { grant.via.clone() } else { "grant".to_owned() };
        let at = if grant.is_single() { grant.at } else { self.clock.now_ms() };
        let edited = grant.edited.clone();
        let approved = Approved {
            by: grant.by.clone(),
            at,
            policy: grant.policy.clone(),
            via,
            grant: Some(grant.id.clone()),
            of: vec![grant.of.clone()],
            edited: edited.clone().map(|args| Edited { original: question.prepared().digest, args }),
        };
        // What others approved before was for other arguments.
        let prior = if edited.is_some() { None } else { question.prior() };
        let approved = Approved::joined(prior, approved);
        Answered { question, approved, edited }
    }

    /// Asks operators and waits as long as the configuration says.
    pub(super) async fn hold(
        &self,
        mut question: Question,
        terms: Terms,
        around: &Around<'_>,
    ) -> Result<Answered, Unanswered> {
        if let Some(why) = nobody(&question, around.config) {
            return Err(refuse(question, Code::ApprovalNobody, Some(why)));
        }
        let asked = match asked(&question, &terms, around) {
            Ok(asked) => asked,
            Err(why) => return Err(refuse(question, Code::ApprovalNobody, Some(why))),
        };
        let held = tokio::time::sleep(match around.patience {
            Patience::Held | Patience::Task => around.config.ask_hold,
            // The question's own time ends it.
            Patience::Endless => ENDLESS,
        });
        tokio::pin!(held);
        let mut beat = Beat::new(&question);
        let mut turns = self.inbox.turns();
        let mut leaving = around.draining.subscribe();
        loop {
            let expire_ms = u64::try_from(around.config.ask_expire.as_millis()).unwrap_or(u64::MAX);
            let (id, fresh) = match self.inbox.put(asked.clone(), terms.binding(), expire_ms).await {
                Ok(Placed::Waits { id, fresh }) => (id, fresh),
                Ok(Placed::Full) => {
                    let why = "too many questions wait for an answer".to_owned();
                    return Err(refuse(question, Code::ApprovalNobody, Some(why)));
                }
                Err(error) => return Err(unwritten(question, &error)),
            };
            // Before a status page, where an agent declares both: a task asks nothing of anybody, and its call goes on by itself; a page
            // costs its user a visit and its client a round, and decides nothing.
            if around.patience == Patience::Task {
                return Err(Unanswered::Waits(Box::new(question), id));
            }
            if fresh
                && around.patience == Patience::Held
                && let Some(answer) = self.by_url(&question, &id, &terms)
            {
                return Err(Unanswered::Asked(answer));
            }
            // Until this question is over; an approval that another round of the same call took leads to a new one.
            loop {
                turns.mark_unchanged();
                question = match self.standing(question, &terms, around.config).await? {
                    Ok(answered) => return Ok(answered),
                    Err(question) => question,
                };
                let slip = self.inbox.slip(&id);
                match slip.as_ref().map(|slip| slip.standing(self.clock.now_ms())) {
                    Some(Standing::Pending) => {}
                    Some(Standing::Denied) => return Err(denied(question, slip.as_deref())),
                    Some(Standing::Expired) | None => {
                        let why = "nobody answered in time".to_owned();
                        return Err(refuse(question, Code::ApprovalExpired, Some(why)));
                    }
                    Some(Standing::Approved) => break,
                }
                tokio::select! {
                    biased;
                    () = &mut held => return Err(pending(question, id)),
                    // Who restarts the gateway does not wait for people: the question stands, and the call comes again.
                    () = left(&mut leaving) => return Err(pending(question, id)),
                    turned = turns.changed() => if turned.is_err() {
                        return Err(pending(question, id));
                    },
                    () = tokio::time::sleep(LOOK) => beat.tick(around).await,
                }
            }
        }
    }

    /// The way to the status page, for modern clients that can show it. The page never decides, so it is shown once.
    fn by_url(
        &self,
        question: &Question,
        id: &str,
        terms: &Terms,
    ) -> Option<tollgate_mcp::translate::Answer> {
        let prepared = question.prepared();
        let arrival = &prepared.call.arrival;
        let able = arrival.client.capabilities.url
            && arrival.client.revision == Revision::LATEST
            && arrival.method.may_ask();
        let page = self.page.load_full().filter(|_| able)?;
        let waiting = Waiting::Inbox { id: id.to_owned() };
        let token =
            prepared.seal_state(&self.sealer, self.clock.now_ms(), question.prior().cloned(), waiting);
        let message = format!(
            "{} needs an approval by {} (rule `{}`). This page shows whether it came; the call goes on by itself.",
            visible(&terms.tool, 200),
            question.audience(),
            question.rule()
        );
        let params = format!(
            "{{\"mode\":\"url\",\"message\":{},\"url\":{}}}",
            quote(&message),
            quote(&format!("{page}/approval/{id}"))
        );
        let request = InputRequest {
            key: KEY.to_owned(),
            method: "elicitation/create".to_owned(),
            params: Object::scan(Bytes::from(params)).ok()?,
        };
        Some(input_required(&[request], Some(&token)))
    }
}

/// Waits until the gateway drains.
async fn left(draining: &mut watch::Receiver<bool>) {
    // An ended sender is as good as a drain.
    drop(draining.wait_for(|drains| *drains).await);
}

/// What is kept of the question.
fn asked(question: &Question, terms: &Terms, around: &Around<'_>) -> Result<Asked, String> {
    let prepared = question.prepared();
    let arrival = &prepared.call.arrival;
    let args = arguments(prepared);
    if args.len() > ARGS_MAX {
        return Err(format!("its arguments are larger than the {ARGS_MAX} bytes that a person can be shown"));
    }
    Ok(Asked {
        agent: arrival.caller.agent.to_string(),
        user: arrival.caller.user.as_deref().map(str::to_owned),
        tenant: arrival.caller.tenant.as_deref().map(str::to_owned),
        client: arrival.client.label.as_deref().map(|label| visible(label, 128)),
        count: question.count(),
        rule: question.rule().to_string(),
        because: question.because().map(ToString::to_string),
        reason: prepared.reason.as_deref().map(|reason| visible(reason, 1_000)),
        touched: around.touched.iter().map(ToString::to_string).collect(),
        args: String::from_utf8_lossy(&args).into_owned(),
        before: None,
        terms: terms.clone(),
        interaction: prepared.call.interaction.to_string(),
        answers: Vec::new(),
    })
}

/// Why nobody can answer; `None` = enough people can.
fn nobody(question: &Question, config: &Config) -> Option<String> {
    let caller = &question.prepared().call.arrival.caller;
    let requester = |name: &str| *name == *caller.agent || caller.user.as_deref() == Some(name);
    let named = config.operators.iter().filter(|(name, _)| !requester(name));
    let able = match question.audience() {
        // The holder of the operator token is one.
        Audience::Operators => named.count() + usize::from(!requester("operator")),
        Audience::Group(group) => named.filter(|(_, o)| o.groups.iter().any(|g| **g == **group)).count(),
        Audience::Agent => 0,
    };
    let needed = usize::try_from(question.count()).unwrap_or(usize::MAX);
    (able < needed).then(|| match question.audience() {
        Audience::Group(group) => {
            format!("{needed} operators of group `{group}` are needed, and there are {able}")
        }
        Audience::Operators | Audience::Agent => {
            format!("{needed} operators are needed, and there are {able}")
        }
    })
}

fn denied(question: Question, slip: Option<&Slip>) -> Unanswered {
    let given = slip.and_then(|slip| slip.denied.clone());
    let note = given.as_ref().and_then(|given| match &given.decision {
        Decision::Deny { note } => note.clone(),
        Decision::Approve { .. } => None,
    });
    Unanswered::Refused(question.refuse(Code::ApprovalDeclined, note), given)
}

fn pending(question: Question, id: String) -> Unanswered {
    let why = "the question waits for an answer".to_owned();
    let mut refused = question.refuse(Code::ApprovalPending, Some(why));
    refused.approval = Some(Arc::from(id));
    refused.retry_after_ms = Some(1_000);
    Unanswered::Refused(refused, None)
}

fn unwritten(question: Question, error: &StoreError) -> Unanswered {
    tracing::error!(%error, "the inbox cannot be used");
    refuse(question, Code::LedgerUnavailable, Some("the question could not be recorded".to_owned()))
}

/// The progress of a held call: counts slowly from 0, so that whatever its server reports later is more.
struct Beat {
    token: Option<Bytes>,
    message: String,
    since: Duration,
    count: u32,
}

impl Beat {
    fn new(question: &Question) -> Self {
        let token = question.prepared().call.arrival.progress.clone();
        let message = format!("waiting for an approval by {}", question.audience());
        // The first one at once.
        Self { token, message, since: PROGRESS, count: 0 }
    }

    async fn tick(&mut self, around: &Around<'_>) {
        let Some(token) = &self.token else { return };
        self.since += LOOK;
        if self.since < PROGRESS {
            return;
        }
        self.since = Duration::ZERO;
        self.count += 1;
        let mut params = Rope::new();
        params.push(Bytes::from_static(b"{\"progressToken\":"));
        params.push(token.clone());
        let rest = format!(",\"progress\":0.{:06},\"message\":{}}}", self.count, quote(&self.message));
        params.push(Bytes::from(rest));
        if around.out.send(Box::new(Part { kind: PartKind::Progress, params })).await.is_err() {
            tracing::trace!("a held call's progress found no reader");
        }
    }
}
