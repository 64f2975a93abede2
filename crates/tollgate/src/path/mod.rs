//! The gateway, in the order it happens. The one place that knows all stages.
//! *Never* decides, translates or records by itself: it only says what comes after what.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tollgate_mcp::error::{HEADER_MISMATCH, INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError};
use tollgate_mcp::method::{Kind, Method};
use tollgate_mcp::translate::{self, Answer, ResultType};

use crate::approve::{Approver, Unanswered};
use crate::authenticate::{self, Keys};
use crate::call::{
    Arrival, Caller, Cancel, Code, Credential, Ending, Endpoint, Handle, NotAdmitted, Outgoing, Part, Peer,
    Refused, TaskPage,
};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{Config, Payloads};
use crate::conversation::{self, Conversations, Here};
use crate::decide::{Decider, Denial, Permit, Ruling, Verdict};
use crate::forward::{self, Flight, Forwarder, Landed, Parked, Step};
use crate::record::{
    self, Approval, Close, Committed, Entry, Ledger, Outcome, ParkEnd, Reply, Said, Subject, Where,
};
use crate::resolve::{self, Call, Scope, Target, Waiting};
use crate::seal::Sealer;
use crate::servers::{Question, Servers};
use crate::store::{ConversationStore, StoreError, TaskStore};
use crate::transform::clean::{self as cleaning, Stream};
use crate::transform::{self, Prepared};

mod approval;
mod clean;
mod discover;
mod follow;
mod held;
mod known;
mod list;
mod listen;
mod refresh;
mod task;

pub use task::TasksSeen;

use approval::Stopped;
pub use held::HeldTasks;
use held::Walk;

/// Everything a walk needs. Swapped parts are immutable snapshots: no walk waits for a reload.
#[derive(Debug)]
pub struct Gate {
    /// Time.
    pub clock: Clock,
    /// The configuration in force.
    pub config: arc_swap::ArcSwap<Config>,
    /// Who may call.
    pub keys: arc_swap::ArcSwap<Keys>,
    /// Seals state, cursors and tasks.
    pub sealer: Arc<Sealer>,
    /// The servers.
    pub servers: Arc<Servers>,
    /// What they offer.
    pub catalog: Arc<Catalog>,
    /// What conversations have touched.
    pub conversations: Arc<Conversations>,
    /// Where they outlive a restart.
    pub kept: ConversationStore,
    /// The policy.
    pub decider: Decider,
    /// Questions and answers.
    pub approver: Approver,
    /// The way to the servers.
    pub forwarder: Forwarder,
    /// The ledger.
    pub ledger: Ledger,
    /// Which tasks' ends and questions are recorded.
    pub tasks_seen: TasksSeen,
    /// Which tasks each principal has.
    pub tasks: TaskStore,
    /// The tasks whose calls wait for operators.
    pub held: HeldTasks,
    /// What is counted beside the ledger.
    pub counters: crate::metrics::Counters,
    /// True once the gateway drains.
    pub draining: watch::Sender<bool>,
    /// Our `serverInfo`.
    pub info: Bytes,
    /// When the gateway started.
    pub started: Instant,
}

/// After so long the gateway counts as ready whatever its servers do.
const READY_CAP: Duration = Duration::from_secs(30);

impl Handle for Gate {
    type Reply = Reply;

    fn admit(
        &self,
        credential: &Credential,
        peer: &Peer,
        endpoint: &Endpoint,
    ) -> Result<Arc<Caller>, NotAdmitted> {
        let caller =
            authenticate::caller(&self.keys.load(), credential, peer, self.clock.now_ms()).map_err(|e| {
                self.ledger.count_failure(peer.address.map(|a| a.ip()), e.reason.as_str());
                NotAdmitted::Unauthenticated { presented: e.presented }
            })?;
        match Scope::of(&self.config.load(), endpoint, &caller) {
            Some(_) => Ok(caller),
            None => Err(NotAdmitted::NoSuchEndpoint),
        }
    }

    fn handle(self: &Arc<Self>, arrival: Arrival, cancel: Cancel) -> Outgoing<Reply> {
        let (out, parts) = mpsc::channel(Outgoing::DEPTH);
        let gate = Arc::clone(self);
        if arrival.method == Method::Listen {
            // These stand idle by the thousand: one carries nothing of the calls' way with it.
            return Outgoing::new(Box::pin(gate.listen(arrival, cancel, out)), parts);
        }
        Outgoing::new(Box::pin(gate.walk(arrival, cancel, out)), parts)
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn server_info(&self) -> Bytes {
        self.info.clone()
    }

    fn status_page(&self, question: &str) -> Option<String> {
        self.approver.status_page(question)
    }

    fn count(&self, label: &'static str) {
        self.counters.request(label);
    }

    async fn tasks(self: &Arc<Self>, caller: &Caller, cursor: Option<&str>) -> Result<TaskPage, RpcError> {
        self.known_tasks(caller, cursor).await
    }
}

impl Gate {
    async fn walk(self: Arc<Self>, arrival: Arrival, cancel: Cancel, out: mpsc::Sender<Box<Part>>) -> Reply {
        match arrival.method.kind() {
            Kind::Tool | Kind::Prompt | Kind::Resource | Kind::Completion => {
                self.call(arrival, cancel, out, Walk::Request).await
            }
            Kind::Task => match Box::pin(self.of_held(arrival)).await {
                Ok(reply) => reply,
                Err(arrival) => self.call(arrival, cancel, out, Walk::Request).await,
            },
            Kind::List(_) => Box::pin(self.list(arrival)).await,
            Kind::Discover => Box::pin(self.discover(arrival)).await,
            Kind::Listen | Kind::Edge => {
                // The edges end these; one that comes through is no method of the core.
                let entry = self.begin(&arrival);
                let error =
                    RpcError::new(METHOD_NOT_FOUND, format!("unknown method `{}`", arrival.method.as_str()));
                entry.close(refused_with(&error), Ending::Error(error)).await
            }
        }
    }

    /// A call: resolve → transform → decide → approve → commit → forward → close.
    async fn call(
        self: &Arc<Self>,
        arrival: Arrival,
        cancel: Cancel,
        out: mpsc::Sender<Box<Part>>,
        walk: Walk,
    ) -> Reply {
        let method = arrival.method;
        let sent = Self::may_be_task(&arrival, walk);
        let (mut entry, here) = self.begin_in(&arrival);
        let here = match here {
            Ok(here) => here,
            Err(error) => return entry.close(refused_with(&error), Ending::Error(error)).await,
        };
        let snapshot = self
            .catalog
            .snapshot(&arrival.client, &arrival.caller.principal, arrival.endpoint.server())
            .await;
        let config = self.config.load_full();
        let now = self.clock.now_ms();
        let call = match resolve::call(&self.sealer, now, &config, snapshot, arrival, entry.facts().id) {
            Ok(call) => Call { here: Some(here), ..call },
            Err(error) => return entry.close(refused_with(&error), Ending::Error(error)).await,
        };
        let means = transform::Means { config: &config, sealer: &self.sealer, now_ms: now };
        let mut prepared = match transform::arguments(call, &means) {
            Ok(prepared) => prepared,
            Err(transform::Unprepared::Error(error)) => {
                return entry.close(refused_with(&error), Ending::Error(error)).await;
            }
            Err(transform::Unprepared::Refused(refused)) => {
                entry.facts_mut().tool = Some(Arc::clone(&refused.what));
                return refuse(entry, Outcome::Refused, &refused, method).await;
            }
        };
        describe(&mut entry, &prepared, config.ledger.payloads);
        let mut replayed = false;
        if approval::is_to_be_used_once(self, &prepared) {
            replayed = !Box::pin(approval::consume(self, &mut prepared)).await;
        }

        let permit = match self.decider.verdict(prepared, now) {
            Verdict::Allow(permit, ruling) => {
                rule(&mut entry, Said::Allow, &ruling);
                if permit.approved().is_some() {
                    entry.facts_mut().verdict = Some(Said::Ask);
                }
                permit
            }
            Verdict::Ask(question, ruling) => {
                rule(&mut entry, Said::Ask, &ruling);
                let patience = self.patience(walk, sent.is_some(), &question);
                let asked = Box::pin(approval::permit(self, &mut entry, question, &config, &out, patience));
                let answered = tokio::select! {
                    biased;
                    answered = asked => answered,
                    () = cancel.fired() => return give_up(entry).await,
                };
                match (answered, sent) {
                    (Ok(permit), _) => permit,
                    (Err(Stopped::Unanswered(Unanswered::Waits(question, id))), Some(sent)) => {
                        return Box::pin(self.hand_task(entry, *question, id, sent)).await;
                    }
                    (Err(stopped), _) => return approval::stopped(entry, stopped, method).await,
                }
            }
            Verdict::Deny(denial, ruling) => {
                rule(&mut entry, Said::Deny, &ruling);
                return deny(entry, denial, method).await;
            }
        };
        approved(&mut entry, &permit);

        let committed = match entry.commit().await {
            Ok(committed) => committed,
            // No ledger, no traffic.
            Err(why) => {
                tracing::error!(error = ?why, "the ledger cannot be written: nothing passes");
                let what = Arc::clone(permit.prepared().call.target.label());
                let refused = Refused::new(Code::LedgerUnavailable, what, "the ledger cannot be written");
                return refuse(entry, Outcome::Refused, &refused, method).await;
            }
        };
        if self.touch(permit.prepared(), replayed) {
            // Boxed: once for a label and a conversation.
            Box::pin(self.keep_conversations()).await;
        }
        self.carry(entry, permit, committed, method, cancel, out).await
    }

    /// What a call touches is part of its conversation before anything of the answer is: a call beside it sees it.
    /// `replayed`: its state was used before.
    fn touch(&self, prepared: &Prepared, replayed: bool) -> bool {
        let call = &prepared.call;
        let Some(here) = call.here.as_ref().filter(|_| self.conversations.remembers()) else { return false };
        let labels = match &call.target {
            Target::Tool(_, item)
            | Target::Prompt(_, item)
            | Target::Completion { prompt: Some(item), .. } => item.labels.as_slice(),
            Target::Resource { server, .. } | Target::Completion { server, prompt: None, .. } => {
                call.snapshot.labels_of(server)
            }
            Target::Task { server, label, .. } => {
                let tool = call.snapshot.labelled_tool(label);
                tool.map_or_else(|| call.snapshot.labels_of(server), |(_, item)| item.labels.as_slice())
            }
        };
        // Later rounds of a call that its server has seen, and polls of what it made, are no new calls.
        let again = matches!(
            call.state.as_ref().map(|s| &s.waiting),
            Some(Waiting::Server { .. } | Waiting::Parked { .. })
        );
        let first =
            (!again || replayed) && !matches!(call.target, Target::Task { .. } | Target::Completion { .. });
        let sums = if first {
            self.conversations.sums(call.target.label(), prepared.outbound.get("arguments").as_ref())
        } else {
            Vec::new()
        };
        self.conversations.touch(here, labels, first, &sums)
    }

    /// Writes what conversations have touched since the last time.
    pub async fn keep_conversations(&self) {
        let changed = self.conversations.take_changed();
        if !changed.is_empty() {
            self.exchange_conversations(changed).await;
        }
    }

    /// Reads what other processes on the same state have written.
    pub async fn follow_conversations(&self) {
        if self.kept.is_written() {
            self.exchange_conversations(Vec::new()).await;
        }
    }

    async fn exchange_conversations(&self, changed: Vec<conversation::Change>) {
        let (conversations, kept) = (Arc::clone(&self.conversations), self.kept.clone());
        let forget_ms = self.clock.now_ms().saturating_sub(conversations.kept_ms());
        let exchanged = tokio::task::spawn_blocking(move || {
            let told = kept.exchange(&changed, conversations.idle_ms(), forget_ms)?;
            conversations.absorb(told);
            Ok::<_, StoreError>(())
        });
        let told = match exchanged.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(error = %told, "conversations could not be kept: a restart or another process would not know their labels");
    }

    /// The call at its server, until its last part. It takes the proof that the begin record is written.
    async fn carry(
        &self,
        mut entry: Entry,
        permit: Permit,
        _committed: Committed,
        method: Method,
        cancel: Cancel,
        out: mpsc::Sender<Box<Part>>,
    ) -> Reply {
        if let Some(Waiting::Parked { .. }) = permit.prepared().call.state.as_ref().map(|s| &s.waiting) {
            self.end_park(&entry.facts().interaction(), ParkEnd::Resumed);
        }
        let permit = match &permit.prepared().call.target {
            Target::Task { .. } => match Box::pin(self.translated_task(entry, permit, method, &cancel)).await
            {
                Ok(reply) => return reply,
                Err(theirs) => {
                    let permit;
                    (entry, permit) = *theirs;
                    permit
                }
            },
            Target::Tool(..) | Target::Prompt(..) | Target::Resource { .. } | Target::Completion { .. } => {
                permit
            }
        };
        let sent_at = self.clock.instant();
        let mut cancelled = pin!(cancel.fired());
        let flight = tokio::select! {
            biased;
            flight = self.forwarder.send(permit) => flight,
            () = &mut cancelled => return give_up(entry).await,
        };
        let mut flight = match flight {
            Ok(flight) => flight,
            Err(refused) => return refuse(entry, Outcome::Failed, &refused, method).await,
        };
        entry.facts_mut().server_revision = Some(flight.revision());
        let mut stream = Stream::default();
        let mut refreshed = false;
        loop {
            let step = tokio::select! {
                biased;
                step = flight.next() => step,
                // Dropping the flight tells the server.
                () = &mut cancelled => return give_up(entry).await,
                () = clean::waited(&stream) => {
                    let parts = self.rest(&mut entry, &flight, &mut stream);
                    clean::send(parts, &out).await;
                    continue;
                }
            };
            if !matches!(step, Step::Part(_)) {
                let parts = self.rest(&mut entry, &flight, &mut stream);
                clean::send(parts, &out).await;
            }
            let elapsed = self.clock.instant().duration_since(sent_at).as_millis();
            entry.facts_mut().server_ms = u64::try_from(elapsed).ok();
            match step {
                Step::Part(part) => {
                    let parts = self.parts(&mut entry, &flight, &mut stream, part);
                    clean::send(parts, &out).await;
                }
                Step::Asked(questions) => {
                    if let Some(questions) = Box::pin(self.asked(&mut entry, &mut flight, questions)).await {
                        return Box::pin(self.park(entry, flight, &questions)).await;
                    }
                }
                Step::End(Ok(answer)) => return self.answer(entry, flight.land(), method, answer).await,
                Step::End(Err(error)) => {
                    let landed = flight.land();
                    if let Some(question) = forward::consent(&error, &landed) {
                        return Box::pin(self.relay_question(entry, &landed, method, &question)).await;
                    }
                    if error.code == HEADER_MISMATCH && !std::mem::replace(&mut refreshed, true) {
                        // It refused before it did anything: its tool's marks have changed since it was listed.
                        if let Some(permit) = Box::pin(self.refreshed(&landed)).await {
                            match self.forwarder.send(permit).await {
                                Ok(again) => {
                                    flight = again;
                                    continue;
                                }
                                Err(refused) => {
                                    return refuse(entry, Outcome::Failed, &refused, method).await;
                                }
                            }
                        }
                    }
                    return self.failed(entry, &landed, method, error).await;
                }
                Step::Failed(refused) => {
                    let outcome = if refused.code == Code::ResultTooLarge {
                        Outcome::Withheld
                    } else {
                        Outcome::Failed
                    };
                    return refuse(entry, outcome, &refused, method).await;
                }
            }
        }
    }

    /// The server's own error, in the agent's codes and cleaned.
    async fn failed(&self, mut entry: Entry, landed: &Landed, method: Method, error: RpcError) -> Reply {
        let arrival = &landed.call.call.arrival;
        let error = translate::error(error, method, landed.revision, arrival.client.revision);
        let (error, taken) = self.cleaner(&landed.call).error(error);
        clean::note(&mut entry, Where::Result, taken);
        let error = transform::error(&landed.server, &arrival.endpoint, error);
        let close = Close::with(Outcome::Failed, error.code.to_string(), error.message.clone());
        entry.close(close, Ending::Error(error)).await
    }

    /// A legacy server asks: each question is decided and recorded. What may not be asked is withdrawn at once.
    async fn asked(
        &self,
        entry: &mut Entry,
        flight: &mut Flight,
        questions: Vec<Question>,
    ) -> Option<Vec<Question>> {
        let room = self.forwarder.parking.has_room(&flight.call().call.arrival.caller.principal);
        let (questions, mut withdrawn) = self.shown_questions(entry, flight, questions);
        let mut put = Vec::new();
        for question in questions {
            let allowed = room && self.decider.may_ask(flight.call(), &question.method, self.clock.now_ms());
            self.record_question(entry, &question.method, allowed).await;
            if allowed {
                put.push(question);
            } else {
                withdrawn.push(question.key);
            }
        }
        if !withdrawn.is_empty() {
            flight.withdraw(withdrawn).await;
        }
        (!put.is_empty()).then_some(put)
    }

    async fn record_question(&self, within: &Entry, method: &str, allowed: bool) {
        let subject = match method {
            "sampling/createMessage" => Subject::Sample,
            "elicitation/create" => Subject::Elicit,
            _ => Subject::Roots,
        };
        let mut entry = record::begin(&self.ledger, subject);
        let (outer, facts) = (within.facts(), entry.facts_mut());
        facts.interaction = Some(outer.interaction());
        facts.round = outer.round;
        facts.session.clone_from(&outer.session);
        facts.caller.clone_from(&outer.caller);
        facts.client.clone_from(&outer.client);
        facts.revision = outer.revision;
        facts.server.clone_from(&outer.server);
        facts.tool.clone_from(&outer.tool);
        facts.verdict = Some(if allowed { Said::Allow } else { Said::Deny });
        let close = if allowed {
            Close::of(Outcome::Asked)
        } else {
            Close::with(Outcome::Refused, Code::RuleDenied.as_str(), "this server may not ask this agent")
        };
        // The entry is the point; there is nobody to answer.
        let reply = entry.close(close, Ending::Error(RpcError::new(INTERNAL_ERROR, ""))).await;
        drop(reply);
    }

    async fn park(&self, entry: Entry, flight: Flight, questions: &[Question]) -> Reply {
        // Written before the question is shown, so that a restart finds it.
        if let Err(error) = self.ledger.note_parked(entry.facts()) {
            tracing::error!(?error, "a parked call could not be noted");
        }
        let answer = self.forwarder.park(flight, questions);
        entry.close(Close::of(Outcome::Asked), Ending::Answer(answer)).await
    }

    fn end_park(&self, interaction: &str, end: ParkEnd) {
        match self.ledger.close_parked(interaction, end) {
            Ok(true) => {}
            Ok(false) => tracing::debug!(interaction, "a park was not open in the ledger"),
            Err(error) => tracing::error!(?error, interaction, "a park's end could not be recorded"),
        }
    }

    async fn answer(&self, mut entry: Entry, landed: Landed, method: Method, answer: Answer) -> Reply {
        let call = &landed.call.call;
        let arrival = &call.arrival;
        let answer = match self.cleaner(&landed.call).answer(answer, &call.target, &call.snapshot) {
            Ok((answer, taken)) => {
                clean::note(&mut entry, Where::Result, taken);
                answer
            }
            Err(refused) => return refuse(entry, Outcome::Withheld, &refused, method).await,
        };
        entry.facts_mut().bytes_out = u64::try_from(answer.object.text().len()).ok();
        entry.facts_mut().tokens_est = entry.facts().bytes_out.map(|b| b / 4);
        if answer.kind == ResultType::InputRequired {
            return Box::pin(self.relay_question(entry, &landed, method, &answer)).await;
        }
        if method == Method::TasksGet {
            return Box::pin(self.looked(entry, &landed, answer)).await;
        }
        let (outcome, error) = match answer.kind {
            ResultType::Task => (Outcome::Accepted, None),
            ResultType::Complete
                if method == Method::ToolsCall && translate::is_tool_error(&answer.object) =>
            {
                (Outcome::ToolError, Some("the tool reports an error"))
            }
            ResultType::Complete | ResultType::InputRequired => (Outcome::Ok, None),
        };
        let mut answer = transform::results(method, &landed.server, &arrival.endpoint, answer, &|id| {
            // The agent knows a task by the handle it came with; a new one gets its own.
            let known = matches!(&call.target, Target::Task { id: own, .. } if **own == *id);
            match arrival.params.string("taskId") {
                Some(handle) if known => handle.into_owned(),
                _ => self.forwarder.seal_task(&arrival.caller.principal, &call.target, id),
            }
        });
        if answer.kind == ResultType::Task {
            Box::pin(self.keep_task(&arrival.caller.principal, &answer.object)).await;
        }
        if let Some(hint) = &mut answer.cache {
            // One credential serves many agents: only this agent's own cache may keep it, and never an answer that took a question.
            hint.public = false;
            if call.state.is_some() {
                hint.ttl_ms = 0;
            }
        }
        let close = match error {
            Some(error) => Close::with(outcome, "tool_error", error),
            None => Close::of(outcome),
        };
        entry.close(close, Ending::Answer(answer)).await
    }

    /// A modern server asks: each question is decided and recorded. One that may not be asked ends the call, since the revision has
    /// no way to say no to a single one.
    async fn relay_question(&self, entry: Entry, landed: &Landed, method: Method, answer: &Answer) -> Reply {
        let call = &landed.call.call;
        let Ok(requests) = translate::input_requests(&answer.object) else {
            let error = RpcError::new(INTERNAL_ERROR, "the server's question cannot be read");
            let close = Close::with(Outcome::Failed, error.code.to_string(), error.message.clone());
            return entry.close(close, Ending::Error(error)).await;
        };
        let mut refused = false;
        for request in &requests {
            let now = self.clock.now_ms();
            let allowed = self.decider.may_ask(&landed.call, &request.method, now);
            self.record_question(&entry, &request.method, allowed).await;
            refused |= !allowed;
        }
        if refused {
            let what = Arc::clone(call.target.label());
            let refused = Refused::new(Code::RuleDenied, what, "its server may not ask this agent");
            return refuse(entry, Outcome::Withheld, &refused, method).await;
        }
        let answer = self.forwarder.relay_question(
            &landed.call,
            landed.revision,
            landed.approved.clone(),
            answer,
            &requests,
        );
        entry.close(Close::of(Outcome::Asked), Ending::Answer(answer)).await
    }

    /// Whether each enabled server has been listed or has failed its first attempt.
    pub fn is_ready(&self) -> bool {
        self.catalog.settled() || self.clock.instant().duration_since(self.started) > READY_CAP
    }

    /// A park that nobody came back to: dropping it cancels at the server; its entry is closed.
    pub fn abandon(&self, parked: Parked) {
        let interaction = parked.interaction.to_string();
        parked.abandon();
        self.end_park(&interaction, ParkEnd::Abandoned);
    }

    /// Begins the entry of a request, with the conversation it is part of.
    fn begin_in(&self, arrival: &Arrival) -> (Entry, Result<Here, RpcError>) {
        let mut entry = self.begin(arrival);
        let here = self.conversations.of(arrival, self.clock.now_ms());
        if let Ok(here) = &here {
            entry.facts_mut().session = Some(Arc::clone(here.name()));
        }
        (entry, here)
    }

    fn begin(&self, arrival: &Arrival) -> Entry {
        let mut entry = record::begin(&self.ledger, Subject::Request(arrival.method));
        entry.arrived(arrival);
        entry
    }
}

fn describe(entry: &mut Entry, prepared: &Prepared, payloads: Payloads) {
    let call = &prepared.call;
    let facts = entry.facts_mut();
    if call.round > 1 {
        facts.interaction = Some(Arc::from(call.interaction.to_string()));
        facts.round = call.round;
    }
    facts.server = Some(Arc::clone(call.target.server()));
    facts.tool = Some(Arc::clone(call.target.label()));
    facts.exposed = match (&call.target, &call.arrival.endpoint) {
        (Target::Tool(_, item) | Target::Prompt(_, item), Endpoint::Whole | Endpoint::View(_)) => {
            Some(Arc::clone(&item.exposed))
        }
        (Target::Tool(..) | Target::Prompt(..), Endpoint::Server(_))
        | (Target::Resource { .. } | Target::Completion { .. } | Target::Task { .. }, _) => None,
    };
    facts.args_digest = Some(prepared.digest);
    facts.args = cleaning::for_ledger(payloads, &prepared.cleaned, call.arrival.params.get("arguments"));
    facts.findings = prepared.cleaned.findings.iter().map(Arc::clone).collect();
    facts.reason = prepared.reason.as_deref().map(Arc::from);
    facts.trace = prepared.trace.as_deref().map(Arc::from);
    clean::note(entry, Where::Arguments, prepared.cleaned.taken.clone());
}

fn rule(entry: &mut Entry, said: Said, ruling: &Ruling) {
    let facts = entry.facts_mut();
    facts.verdict = Some(said);
    facts.rules = ruling.rules.iter().map(Arc::clone).collect();
    facts.shadow = ruling.shadow.iter().map(Arc::clone).collect();
}

fn approved(entry: &mut Entry, permit: &Permit) {
    if let Some(approved) = permit.approved() {
        entry.facts_mut().approval = Some(Box::new(Approval {
            by: Arc::from(approved.by.as_str()),
            at_ms: approved.at,
            via: Arc::from(approved.via.as_str()),
            grant: approved.grant.as_deref().map(Arc::from),
            edited: approved
                .edited
                .as_ref()
                .map(|edited| (permit.prepared().digest, Bytes::from(edited.args.clone()))),
        }));
    }
}

async fn deny(entry: Entry, denial: Denial, method: Method) -> Reply {
    let close = close_refused(Outcome::Refused, &denial.refused);
    let ending = if denial.hidden {
        let arrival = &denial.prepared.call.arrival;
        Ending::Error(resolve::missing(method, &arrival.params, arrival.client.revision))
    } else {
        denial.refused.ending(method)
    };
    entry.close(close, ending).await
}

fn refused_with(error: &RpcError) -> Close {
    Close::with(Outcome::Refused, error.code.to_string(), error.message.clone())
}

fn close_refused(outcome: Outcome, refused: &Refused) -> Close {
    Close::with(outcome, refused.code.as_str(), refused.sentence())
}

async fn refuse(entry: Entry, outcome: Outcome, refused: &Refused, method: Method) -> Reply {
    entry.close(close_refused(outcome, refused), refused.ending(method)).await
}

async fn give_up(entry: Entry) -> Reply {
    let error = RpcError::new(INTERNAL_ERROR, "the request was cancelled");
    entry.close(Close::of(Outcome::Cancelled), Ending::Error(error)).await
}
