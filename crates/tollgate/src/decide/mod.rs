//! Decides whether a call may pass: yes, no, or ask. Deny beats ask beats allow; an error denies.
//! *Never* touches the network or a secret; time is handed in.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use arc_swap::ArcSwap;
use tollgate_policy::{self as policy, Audience, Demand, Evidence, Flags, Needs, Policy};

use crate::call::{Arrival, Caller, Code, Refused};
use crate::catalog::{Item, Snapshot, digest_of};
use crate::conversation::Here;
use crate::resolve::{Approved, Call, Target};
use crate::servers::Listing;
use crate::transform::{self, Prepared};

mod evidence;
mod permit;
mod question;
#[cfg(test)]
mod tests;

use evidence::{asked, evidence, findings, heard, known, touched};

pub use permit::Permit;
pub use question::Question;

/// What policy said, for the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// The determining rules.
    pub rules: Arc<[Arc<str>]>,
    /// The shadow rules that would have been among them, or against them.
    pub shadow: Arc<[Arc<str>]>,
}

/// Yes, ask, or no.
#[derive(Debug)]
pub enum Verdict {
    /// It may leave.
    Allow(Permit, Ruling),
    /// Someone has to say yes first.
    Ask(Question, Ruling),
    /// It may not.
    Deny(Denial, Ruling),
}

/// A no. Only this module makes one.
#[derive(Debug)]
pub struct Denial {
    /// The call.
    pub prepared: Box<Prepared>,
    /// What the ledger says, and the agent where it may know.
    pub refused: Refused,
    /// Denied whatever the arguments: the agent is answered as if there were no such thing.
    pub hidden: bool,
}

/// The policy in force, with what it has decided so far.
#[derive(Debug)]
pub struct Decider {
    rules: ArcSwap<Rules>,
}

#[derive(Debug)]
struct Rules {
    policy: Arc<Policy>,
    version: Arc<str>,
    /// What can be said before a call is seen, by snapshot and caller.
    tables: RwLock<Tables>,
}

/// By snapshot, then by principal. One principal's keys can have different groups, hence the list.
type Tables = HashMap<u64, HashMap<Arc<str>, Vec<Arc<Table>>>>;

#[derive(Debug)]
struct Table {
    /// Whose verdicts these are, beside the principal.
    groups: Box<[Arc<str>]>,
    /// By place in the snapshot's lists.
    tools: Box<[OnceLock<Arc<Slot>>]>,
    prompts: Box<[OnceLock<Arc<Slot>>]>,
    visible: [OnceLock<Visible>; 4],
}

/// The most (snapshot, principal, groups) triples whose verdicts are kept.
const TABLES: usize = 4_096;

/// The items of a list that a caller could be allowed to use.
#[derive(Clone, Debug)]
pub struct Visible {
    /// Their places in the snapshot's list.
    pub places: Arc<[usize]>,
    /// Equal for callers who see the same.
    pub digest: [u8; 16],
}

/// A caller and a target, before any call.
#[derive(Debug)]
struct Slot {
    outlook: policy::Outlook,
    /// The verdict on every call, where rules read nothing of one.
    always: Option<Arc<Judged>>,
}

#[derive(Debug)]
struct Judged {
    outcome: Outcome,
    ruling: Ruling,
}

#[derive(Debug)]
enum Outcome {
    Allow,
    Ask { demands: Arc<[Demand]>, rule: Arc<str>, because: Option<Arc<str>> },
    Deny(No),
}

#[derive(Clone, Debug)]
struct No {
    code: Code,
    rule: Option<Arc<str>>,
    because: Option<Arc<str>>,
    /// What would have to be otherwise.
    change: Option<Arc<str>>,
    /// Every call is denied, whatever it carries.
    always: bool,
}

impl Decider {
    /// A decider for a compiled policy. `version` names it in approvals and the ledger.
    pub fn new(policy: Arc<Policy>, version: Arc<str>) -> Self {
        Self { rules: ArcSwap::from_pointee(Rules { policy, version, tables: RwLock::default() }) }
    }

    /// Swaps the policy: everything decided before is forgotten.
    pub fn replace(&self, policy: Arc<Policy>, version: Arc<str>) {
        self.rules.store(Arc::new(Rules { policy, version, tables: RwLock::default() }));
    }

    /// The policy's version.
    pub fn version(&self) -> Arc<str> {
        Arc::clone(&self.rules.load().version)
    }

    /// The policy.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.rules.load().policy)
    }

    /// Decides a call over the very bytes that will leave.
    pub fn verdict(&self, prepared: Box<Prepared>, now_ms: u64) -> Verdict {
        let rules = self.rules.load();
        // What its host left out of a conversation is not there for it, whatever rules say.
        if prepared.call.here.as_ref().is_some_and(|here| !here.allows(prepared.call.target.label())) {
            let what = Arc::clone(prepared.call.target.label());
            let refused =
                Refused::new(Code::RuleDenied, what, "its host has left it out of this conversation");
            return Verdict::Deny(Denial { prepared, refused, hidden: true }, Ruling::default());
        }
        let slot = rules.slot(&prepared);
        let judged = rules.judge(&slot, &prepared, now_ms, &[]);
        let ruling = judged.ruling.clone();
        // Only who could call it learns that it is there.
        let denied = matches!(judged.outcome, Outcome::Deny(No { code: Code::RuleDenied, .. }));
        if let Target::Tool(_, item) = &prepared.call.target
            && item.held
            && !denied
        {
            let what = Arc::clone(&item.label);
            let refused = Refused::new(Code::ToolQuarantined, what, "its definition is not the accepted one");
            return Verdict::Deny(Denial { prepared, refused, hidden: false }, ruling);
        }
        // Before anyone is asked; and who may not call it needs no reason.
        if let Target::Tool(_, item) = &prepared.call.target
            && item.stated.is_some()
            && !matches!(judged.outcome, Outcome::Deny(_))
            && let Some(refused) = transform::unreasoned(item, prepared.reason.as_deref())
        {
            return Verdict::Deny(Denial { prepared, refused, hidden: false }, ruling);
        }
        // An approval of an earlier round stands for later rounds of the same call, under the same policy.
        let standing = match &judged.outcome {
            Outcome::Ask { .. } => standing(&prepared, &rules.version),
            Outcome::Allow | Outcome::Deny(_) => None,
        };
        match standing {
            // It lifts what it was given for, and nothing that has come to stand against the call since.
            Some(approved) => match rules.judge_approved(&slot, prepared, approved, now_ms) {
                // The ledger names the rules that asked.
                Verdict::Allow(permit, _) => Verdict::Allow(permit, ruling),
                stopped @ (Verdict::Ask(..) | Verdict::Deny(..)) => stopped,
            },
            None => concluded(prepared, &judged.outcome, ruling, None),
        }
    }

    /// Decides a call anew with what was approved: it lifts only the asks of the audiences that have said yes. An approval given
    /// under another policy permits nothing.
    pub fn again(&self, prepared: Box<Prepared>, approved: Approved, now_ms: u64) -> Verdict {
        let rules = self.rules.load();
        if *approved.policy != *rules.version {
            let what = Arc::clone(prepared.call.target.label());
            let refused = Refused::new(Code::ApprovalExpired, what, "the policy changed meanwhile");
            return Verdict::Deny(Denial { prepared, refused, hidden: false }, Ruling::default());
        }
        let slot = rules.slot(&prepared);
        rules.judge_approved(&slot, prepared, approved, now_ms)
    }

    /// The places of a list's items that this caller could be allowed to use.
    pub fn visible(&self, caller: &Arc<Caller>, snapshot: &Snapshot, listing: Listing) -> Visible {
        let rules = self.rules.load();
        let table = rules.table(snapshot, caller);
        let [tools, prompts, resources, templates] = &table.visible;
        let slot = match listing {
            Listing::Tools => tools,
            Listing::Prompts => prompts,
            Listing::Resources => resources,
            Listing::Templates => templates,
        };
        let visible = slot.get_or_init(|| {
            let who = who(caller);
            let items = snapshot.items(listing).iter().enumerate();
            let places: Arc<[usize]> = items
                .filter(|(_, item)| !item.held && rules.policy.visible(&who, &what(item)))
                .map(|(place, _)| place)
                .collect();
            Visible { digest: digest_of(&places), places }
        });
        visible.clone()
    }

    /// Whether the caller of a subscription may be told of this resource: read it, unasked, and hear of it. `labels`: its server's.
    pub fn may_subscribe(
        &self,
        arrival: &Arrival,
        here: &Here,
        (server, uri): (&str, &str),
        labels: &[Arc<str>],
        now_ms: u64,
    ) -> bool {
        // What its host left out of a conversation is not there for it, whatever rules say.
        if here.is_narrowed() && !here.allows(&format!("{server}/{uri}")) {
            return false;
        }
        let what = plain(server, uri, policy::Kind::Resource, labels);
        let who = who(&arrival.caller);
        let rules = self.rules.load();
        let outlook = rules.policy.outlook(&who, policy::Action::Read, &what, None);
        let touched = known(Some(here), outlook.reads());
        let evidence = heard(arrival, &touched, now_ms);
        let read = rules.policy.settle(&outlook, &evidence, &[]).verdict;
        let told = rules.policy.decide(&who, policy::Action::Subscribe, &what, &evidence, &[]);
        let allows = |verdict: &policy::Verdict| matches!(verdict, policy::Verdict::Allow { .. });
        allows(&read) && allows(&told)
    }

    /// What a call of this tool would get, and the determining rules: for operators.
    pub fn would(&self, caller: &Caller, item: &Item) -> (&'static str, Arc<[Arc<str>]>) {
        let rules = self.rules.load();
        let slot = rules.look(caller, policy::Action::Call, &what(item), Some(item));
        let Some(judged) = &slot.always else {
            let open = rules.policy.open_rules(&slot.outlook);
            return ("depends", open.iter().map(Arc::clone).collect());
        };
        let verdict = match judged.outcome {
            Outcome::Allow => "allow",
            Outcome::Ask { .. } => "ask",
            Outcome::Deny(_) => "deny",
        };
        (verdict, Arc::clone(&judged.ruling.rules))
    }

    /// Why a call of this tool would get its verdict, and what would change that: for operators.
    pub fn explain(&self, caller: &Caller, item: &Item, evidence: &Evidence<'_>) -> policy::Explanation {
        let rules = self.rules.load();
        rules.policy.explain(&who(caller), policy::Action::Call, &what(item), item.shape(), evidence, &[])
    }

    /// Whether a server may put this question (`sampling/createMessage`, `elicitation/create`, `roots/list`) to the agent: by what the
    /// call carried that it is asked in, and what it is for.
    pub fn may_ask(&self, prepared: &Prepared, method: &str, now_ms: u64) -> bool {
        let action = match method {
            "sampling/createMessage" => policy::Action::Sample,
            "elicitation/create" => policy::Action::Elicit,
            _ => return true,
        };
        let call = &prepared.call;
        let rules = self.rules.load();
        let outlook = rules.policy.outlook(&who(&call.arrival.caller), action, &what_in(call), None);
        let reads = outlook.reads();
        // What began a task is not kept: a rule that reads it cannot be evaluated.
        let gone = [Needs::ARGUMENTS, Needs::FINDINGS, Needs::REASON].into_iter().any(|part| reads.has(part));
        if gone && matches!(call.target, Target::Task { .. }) {
            return false;
        }
        let touched = touched(prepared, reads);
        let Some(findings) = findings(prepared, reads) else { return false };
        let evidence = asked(prepared, evidence(prepared, &touched, &findings, reads, now_ms));
        matches!(rules.policy.settle(&outlook, &evidence, &[]).verdict, policy::Verdict::Allow { .. })
    }
}

impl Rules {
    /// What can be said of a call's target before its evidence is looked at.
    fn slot(&self, prepared: &Prepared) -> Arc<Slot> {
        let call = &prepared.call;
        let caller = &call.arrival.caller;
        let fresh = |action, item| Arc::new(self.look(caller, action, &what_in(call), item));
        match &call.target {
            Target::Tool(place, item) => {
                let table = self.table(&call.snapshot, caller);
                match table.tools.get(*place) {
                    Some(slot) => {
                        Arc::clone(slot.get_or_init(|| fresh(policy::Action::Call, Some(item.as_ref()))))
                    }
                    None => fresh(policy::Action::Call, Some(item.as_ref())),
                }
            }
            Target::Prompt(place, _) => {
                let table = self.table(&call.snapshot, caller);
                match table.prompts.get(*place) {
                    Some(slot) => Arc::clone(slot.get_or_init(|| fresh(policy::Action::Get, None))),
                    None => fresh(policy::Action::Get, None),
                }
            }
            Target::Resource { .. } => fresh(policy::Action::Read, None),
            Target::Completion { .. } => fresh(policy::Action::Complete, None),
            // The call that made the task was decided, and asked about where a rule said so; its polls can only be denied.
            Target::Task { .. } => {
                let slot = self.look(caller, policy::Action::Call, &what_in(call), None);
                let denied = slot.always.as_ref().is_some_and(|judged| match judged.outcome {
                    Outcome::Deny(_) => true,
                    Outcome::Allow | Outcome::Ask { .. } => false,
                });
                if denied {
                    return Arc::new(slot);
                }
                let rules = slot.always.as_ref().map(|judged| judged.ruling.clone()).unwrap_or_default();
                let always = Some(Arc::new(Judged { outcome: Outcome::Allow, ruling: rules }));
                Arc::new(Slot { always, ..slot })
            }
        }
    }

    /// The verdict on one call: the kept one, unless rules read something of it.
    fn judge(&self, slot: &Slot, prepared: &Prepared, now_ms: u64, approved: &[Audience]) -> Arc<Judged> {
        match &slot.always {
            Some(judged) if approved.is_empty() => Arc::clone(judged),
            Some(_) | None => {
                let reads = slot.outlook.reads();
                let touched = touched(prepared, reads);
                let Some(findings) = findings(prepared, reads) else {
                    let because = Some(Arc::from("its arguments cannot be looked into"));
                    let no = No { code: Code::PolicyError, rule: None, because, change: None, always: false };
                    return Arc::new(Judged { outcome: Outcome::Deny(no), ruling: Ruling::default() });
                };
                let evidence = evidence(prepared, &touched, &findings, reads, now_ms);
                Arc::new(self.judged(&slot.outlook, &evidence, approved))
            }
        }
    }

    fn judge_approved(
        &self,
        slot: &Slot,
        prepared: Box<Prepared>,
        approved: Approved,
        now_ms: u64,
    ) -> Verdict {
        let audiences: Vec<Audience> = approved.of.iter().filter_map(|of| Audience::parse(of)).collect();
        let judged = self.judge(slot, &prepared, now_ms, &audiences);
        let ruling = judged.ruling.clone();
        concluded(prepared, &judged.outcome, ruling, Some(approved))
    }

    fn look(
        &self,
        caller: &Caller,
        action: policy::Action,
        what: &policy::Target<'_>,
        item: Option<&Item>,
    ) -> Slot {
        let who = who(caller);
        let mut outlook = self.policy.outlook(&who, action, what, None);
        // A schema is read only where rules read arguments.
        if let Some(shape) =
            item.filter(|_| outlook.reads().has(Needs::ARGUMENTS)).and_then(|item| item.shape())
        {
            outlook = self.policy.outlook(&who, action, what, Some(shape));
        }
        let always = outlook.is_settled().then(|| Arc::new(self.judged(&outlook, &Evidence::default(), &[])));
        Slot { outlook, always }
    }

    fn judged(&self, outlook: &policy::Outlook, evidence: &Evidence<'_>, approved: &[Audience]) -> Judged {
        let ids = |rules: policy::Rules| rules.iter().map(Arc::clone).collect::<Arc<[Arc<str>]>>();
        let decision = self.policy.settle(outlook, evidence, approved);
        let shadow = ids(decision.shadow);
        let (outcome, rules) = match decision.verdict {
            policy::Verdict::Allow { rules } => (Outcome::Allow, rules),
            policy::Verdict::Ask { demands, rule, because, rules, audience: _ } => {
                (Outcome::Ask { demands: demands.into_iter().collect(), rule, because }, rules)
            }
            policy::Verdict::Deny { rule, because, rules, error } => {
                let code = if error { Code::PolicyError } else { Code::RuleDenied };
                let always = outlook.is_settled();
                let when = self.policy.condition(&rule).filter(|_| !always && !error);
                let change = when.map(|when| Arc::from(format!("the rule applies when `{when}`")));
                (Outcome::Deny(No { code, rule: Some(rule), because, change, always }), rules)
            }
            policy::Verdict::Invalid { because } => {
                let code = Code::ArgumentsInvalid;
                let no = No { code, rule: None, because: Some(because), change: None, always: false };
                (Outcome::Deny(no), policy::Rules::new())
            }
        };
        Judged { outcome, ruling: Ruling { rules: ids(rules), shadow } }
    }

    fn table(&self, snapshot: &Snapshot, caller: &Caller) -> Arc<Table> {
        let serial = snapshot.serial();
        {
            let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
            let same = tables.get(&serial).and_then(|tables| tables.get(&caller.principal));
            if let Some(table) = same.and_then(|tables| Table::of(tables, caller)) {
                return Arc::clone(table);
            }
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if tables.values().flat_map(HashMap::values).map(Vec::len).sum::<usize>() >= TABLES {
            tables.clear();
        }
        // Snapshots come and go; the newest few are in use.
        if tables.len() > 64 {
            let newest = tables.keys().max().copied().unwrap_or_default();
            tables.retain(|s, _| newest.saturating_sub(*s) < 64);
        }
        let slots = |listing| (0..snapshot.items(listing).len()).map(|_| OnceLock::new()).collect();
        let same = tables.entry(serial).or_default().entry(Arc::clone(&caller.principal)).or_default();
        // Another call may have been faster.
        if let Some(table) = Table::of(same, caller) {
            return Arc::clone(table);
        }
        let table = Arc::new(Table {
            groups: caller.groups.as_slice().into(),
            tools: slots(Listing::Tools),
            prompts: slots(Listing::Prompts),
            visible: Default::default(),
        });
        same.push(Arc::clone(&table));
        table
    }
}

impl Table {
    fn of<'a>(tables: &'a [Arc<Self>], caller: &Caller) -> Option<&'a Arc<Self>> {
        tables.iter().find(|table| *table.groups == *caller.groups)
    }
}

/// What follows for the call, with what was approved so far.
fn concluded(
    prepared: Box<Prepared>,
    outcome: &Outcome,
    ruling: Ruling,
    approved: Option<Approved>,
) -> Verdict {
    match outcome {
        Outcome::Allow => Verdict::Allow(Permit::make(prepared, approved), ruling),
        Outcome::Ask { demands, rule, because } => {
            let question = Question::make(prepared, demands, (Arc::clone(rule), because.clone()), approved);
            Verdict::Ask(question, ruling)
        }
        Outcome::Deny(no) => {
            let refused = Refused {
                code: no.code,
                what: Arc::clone(prepared.call.target.label()),
                rule: no.rule.clone(),
                because: no.because.clone(),
                change: no.change.clone(),
                retry_after_ms: None,
                approval: None,
            };
            // What some arguments could get past is listed, so its refusal may say why.
            let hidden = no.always && no.code == Code::RuleDenied;
            Verdict::Deny(Denial { prepared, refused, hidden }, ruling)
        }
    }
}

fn standing(prepared: &Prepared, version: &str) -> Option<Approved> {
    let state = prepared.call.state.as_ref()?;
    let approved = state.approved.as_ref()?;
    let same = state.digest == prepared.digest && state.definition == prepared.definition();
    (same && *approved.policy == *version).then(|| approved.clone())
}

fn who(caller: &Caller) -> policy::Caller<'_> {
    policy::Caller {
        agent: &caller.agent,
        user: caller.user.as_deref(),
        tenant: caller.tenant.as_deref(),
        groups: &caller.groups,
    }
}

fn what(item: &Item) -> policy::Target<'_> {
    let kind = match item.listing {
        Listing::Tools => policy::Kind::Tool,
        Listing::Prompts => policy::Kind::Prompt,
        Listing::Resources | Listing::Templates => policy::Kind::Resource,
    };
    policy::Target {
        server: &item.server,
        name: &item.original,
        kind,
        flags: item.flags,
        labels: &item.marked,
    }
}

/// What a call is for: as it is defined, or what has no definition with the labels of its server.
fn what_in(call: &Call) -> policy::Target<'_> {
    match &call.target {
        Target::Tool(_, item) | Target::Prompt(_, item) | Target::Completion { prompt: Some(item), .. } => {
            what(item)
        }
        Target::Resource { server, uri: name, .. }
        | Target::Completion { server, original: name, prompt: None, .. } => {
            plain(server, name, policy::Kind::Resource, call.snapshot.labels_of(server))
        }
        // Its polls, and its questions, are judged as its tool.
        Target::Task { server, label, .. } => {
            if let Some((_, item)) = call.snapshot.labelled_tool(label) {
                return what(item);
            }
            let tool = label.split_once('/').map_or("", |(_, tool)| tool);
            plain(server, tool, policy::Kind::Tool, call.snapshot.labels_of(server))
        }
    }
}

fn plain<'a>(
    server: &'a str,
    name: &'a str,
    kind: policy::Kind,
    labels: &'a [Arc<str>],
) -> policy::Target<'a> {
    // What has no definition has none to accept.
    policy::Target { server, name, kind, flags: Flags { pinned: true, ..Flags::default() }, labels }
}
