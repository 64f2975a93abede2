//! What can be said of every call of a tool by a caller before any is seen, and the verdict on one. *Never* looks at a call's evidence
//! where the outlook settles it.

use std::sync::Arc;

use super::cedar::Frame;
use super::context::Fraction;
use super::weigh::{Left, Weighed};
use super::{Decision, Indices, Policy, Rules, Verdict};
use crate::compile::{Force, Part, Reads, Statement};
use crate::evidence::{Evidence, Needs};
use crate::facts::Matcher;
use crate::json::Json;
use crate::request::{Action, Caller, Target};
use crate::shape::Shape;
use crate::source::{Audience, Effect};

/// What rules say of every call of one target by one caller: all of it, or what they wait for. Keep it as long as policy, caller,
/// target and schema stay the same.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// What applies whatever a call carries.
    pub(super) weighed: Weighed,
    /// The shadow rules that do.
    pub(super) shadows: Indices,
    /// What is open until a call is seen.
    pub(super) plan: Option<Arc<Plan>>,
}

/// The rules that read what a call carries.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) open: Indices,
    pub(super) shadow: Indices,
    open_left: Left,
    shadow_left: Left,
    frame: Frame,
    pub(super) reads: Reads,
    /// The arguments by their first name; `None`: all.
    pub(super) args: Option<Vec<String>>,
    pub(super) facts: Vec<u32>,
    pub(super) tests: Vec<u32>,
    pub(super) fraction: Fraction,
    shape: Option<Arc<Shape>>,
    needs: Needs,
}

/// A call, weighed.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) weighed: Weighed,
    pub(super) shadows: Indices,
    pub(super) facts: Vec<(u32, Result<bool, String>)>,
    /// The arguments are not what the schema wants.
    pub(super) invalid: Option<String>,
}

impl Outlook {
    /// Which evidence the verdict depends on. Nothing: every call gets the same.
    pub fn reads(&self) -> Needs {
        self.plan.as_ref().map_or(Needs::NONE, |plan| plan.needs)
    }

    /// Whether every call gets the same verdict.
    pub fn is_settled(&self) -> bool {
        self.plan.is_none()
    }
}

impl Policy {
    /// What can be said of every call. `shape`: what the tool's schema says of its arguments; without it nothing is known of them.
    pub fn outlook(
        &self,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        shape: Option<&Arc<Shape>>,
    ) -> Outlook {
        let path = target.path();
        let indices = self.slices.matching(&self.statements, &[action], target.kind, &path, Some(caller));
        let part = |context: bool, shadow: bool| -> Indices {
            let meant =
                |statement: &Statement| statement.reads.context() == context && statement.shadow == shadow;
            indices.iter().copied().filter(|index| self.statement(*index).is_some_and(meant)).collect()
        };
        let mut weighed = self.weigh(&part(false, false), caller, action, target, &path);
        let mut open = part(true, false);
        let ill = |index: &u32| Some((*index, self.misfit(*index, target, shape)?.message));
        weighed.errors.extend(open.iter().filter_map(ill));
        // Nobody waits for what is denied already, or can't be permitted.
        let permits = open.iter().any(|index| self.statement(*index).is_some_and(Statement::permits));
        let denied =
            weighed.stands() || (weighed.permits.is_empty() && !permits && self.default != Effect::Ask);
        // Every call of it is denied: what shadows would make of one is of no interest.
        let mut shadow = part(true, true);
        if denied {
            open.clear();
            shadow.clear();
        }
        let shadows = self.weigh(&part(false, true), caller, action, target, &path).all();
        let plan = self.plan(open, shadow, caller, action, target, &path, shape);
        match plan {
            Ok(plan) => Outlook { weighed, shadows, plan: plan.map(Arc::new) },
            Err(errors) => {
                weighed.errors.extend(errors);
                Outlook { weighed, shadows, plan: None }
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "who, what and which are three questions, and each has its own type"
    )]
    fn plan(
        &self,
        open: Indices,
        shadow: Indices,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        path: &str,
        shape: Option<&Arc<Shape>>,
    ) -> Result<Option<Plan>, Vec<(u32, String)>> {
        if open.is_empty() && shadow.is_empty() {
            return Ok(None);
        }
        let broken = |why: &str| open.iter().map(|index| (*index, why.to_owned())).collect::<Vec<_>>();
        let (open_left, shadow_left) = (self.left(&open), self.left(&shadow));
        let left = open_left.and(shadow_left);
        let reads = left.reads();
        let frame = self.cedar.frame(&left, caller, action, target, path).map_err(|why| broken(&why))?;
        let uses: Vec<_> = open
            .iter()
            .chain(&shadow)
            .filter_map(|index| self.statement(*index))
            .map(|statement| &statement.uses)
            .collect();
        let files = open.iter().chain(&shadow).filter_map(|index| self.statement(*index));
        let mut files = files.filter(|statement| statement.words.file.is_some());
        let fraction =
            if files.any(|file| file.reads.part(Part::Args)) { Fraction::Set } else { Fraction::Zero };
        let of_this = |index: &u32| {
            let matcher = usize::try_from(*index).ok().and_then(|index| self.facts.get(index));
            matcher.is_some_and(|matcher| matcher.of.matches(path))
        };
        let distinct = |mut indices: Vec<u32>| {
            indices.sort_unstable();
            indices.dedup();
            indices
        };
        let facts = distinct(uses.iter().flat_map(|uses| &uses.facts).copied().filter(of_this).collect());
        let reads_task = |index: &u32| {
            usize::try_from(*index)
                .ok()
                .and_then(|index| self.facts.get(index))
                .is_some_and(Matcher::reads_task)
        };
        let task = if facts.iter().any(reads_task) { Needs::TASK } else { Needs::NONE };
        let args = uses
            .iter()
            .map(|uses| uses.args.clone())
            .try_fold(Vec::new(), |all, args| Some([all, args?].concat()));
        Ok(Some(Plan {
            needs: reads.needs().and(task),
            tests: distinct(uses.iter().flat_map(|uses| &uses.tests).copied().collect()),
            shape: shape.filter(|_| action == Action::Call).map(Arc::clone),
            open,
            shadow,
            open_left,
            shadow_left,
            frame,
            reads,
            args,
            facts,
            fraction,
        }))
    }

    /// The verdict on one call, given who approved it already.
    pub fn settle(&self, outlook: &Outlook, evidence: &Evidence<'_>, approved: &[Audience]) -> Decision {
        let settled = self.settled(outlook, evidence);
        let shadow = self.ids(settled.shadows.iter().copied());
        let verdict = match settled.invalid {
            Some(because) => Verdict::Invalid { because: because.into() },
            None => self.conclude(&settled.weighed, approved),
        };
        Decision { verdict, shadow }
    }

    /// The rules that wait for a call's evidence.
    pub fn open_rules(&self, outlook: &Outlook) -> Rules {
        self.ids(outlook.plan.iter().flat_map(|plan| &plan.open).copied())
    }

    /// A rule's condition as its author wrote it.
    pub fn condition(&self, rule: &str) -> Option<&str> {
        let mut named = self.statements.iter().filter(|statement| *statement.id == *rule);
        named.find_map(|statement| statement.words.when.as_deref())
    }

    pub(super) fn settled(&self, outlook: &Outlook, evidence: &Evidence<'_>) -> Settled {
        let mut settled = Settled {
            weighed: outlook.weighed.clone(),
            shadows: outlook.shadows.clone(),
            facts: Vec::new(),
            invalid: None,
        };
        let Some(plan) = &outlook.plan else { return settled };
        let arguments = match evidence.arguments.filter(|_| plan.needs.has(Needs::ARGUMENTS)) {
            None => Json::Object(Vec::new()),
            Some(text) => {
                let Some(arguments @ Json::Object(_)) = Json::read(text) else {
                    let why = "its arguments are no object, or too many to look at";
                    settled.weighed.errors.extend(plan.open.iter().map(|index| (*index, why.to_owned())));
                    settled.shadows.extend(plan.shadow.iter().copied());
                    return settled;
                };
                arguments
            }
        };
        // What only shadows read must not refuse a call.
        if !plan.open.is_empty()
            && plan.open_left.reads().needs().has(Needs::ARGUMENTS)
            && let Some(shape) = &plan.shape
        {
            settled.invalid = shape.misfit(&arguments);
            if settled.invalid.is_some() {
                return settled;
            }
        }
        self.ask_cedar(plan, &arguments, evidence, &mut settled);
        settled
    }

    fn ask_cedar(&self, plan: &Plan, arguments: &Json<'_>, evidence: &Evidence<'_>, settled: &mut Settled) {
        let gathered = self.facts_of(plan, arguments, evidence);
        let mut open = Weighed::default();
        let mut shadow = Weighed::default();
        for (fact, held) in &gathered.facts {
            let Err(why) = held else { continue };
            let names = |index: &&u32| self.statement(**index).is_some_and(|s| s.uses.facts.contains(fact));
            let failed = |index: &u32| (*index, why.clone());
            open.errors.extend(plan.open.iter().filter(names).map(failed));
            shadow.errors.extend(plan.shadow.iter().filter(names).map(failed));
        }
        let context = self.context(plan, arguments, &gathered, evidence);
        let question = context.and_then(|parts| plan.frame.question(parts));
        let question = question.as_ref().map_err(String::as_str);
        self.put(&plan.open, plan.open_left.weight, question, &mut open);
        self.put(&plan.shadow, plan.shadow_left.weight, question, &mut shadow);
        settled.weighed.add(open);
        settled.shadows.extend(shadow.all());
        settled.facts = gathered.facts;
    }

    /// Lists, subscriptions and being seen: denied where a use would be denied whatever it carries, and where a rule says so.
    pub(super) fn follow(&self, caller: &Caller<'_>, action: Action, target: &Target<'_>) -> Verdict {
        let outlook = self.outlook(caller, target.kind.used_by(), target, None);
        let rules = match outlook.plan.as_ref().filter(|plan| !plan.open.is_empty()) {
            None => match self.conclude(&outlook.weighed, &[]) {
                verdict @ (Verdict::Deny { .. } | Verdict::Invalid { .. }) => return verdict,
                Verdict::Allow { rules } | Verdict::Ask { rules, .. } => rules,
            },
            Some(plan) => {
                let weighed = &outlook.weighed;
                let could =
                    plan.open.iter().filter(|index| self.statement(**index).is_some_and(Statement::permits));
                self.ids(weighed.asks.iter().chain(&weighed.permits).chain(could).copied())
            }
        };
        let path = target.path();
        let mut own = self.slices.matching(&self.statements, &[action], target.kind, &path, Some(caller));
        own.retain(|index| self.statement(*index).is_some_and(Statement::forbids));
        match self.refused(&self.weigh(&own, caller, action, target, &path)) {
            Some(refused) => refused,
            None => Verdict::Allow { rules },
        }
    }
}

impl Statement {
    /// Whether it can let a call pass.
    pub(super) fn permits(&self) -> bool {
        match self.force {
            Force::Permit => true,
            Force::Forbid => false,
            Force::Ask(_) => self.permit.is_some(),
        }
    }

    /// Whether it refuses a list or a subscription. What a rule reads of a call is nothing there: such a rule speaks of uses.
    pub(super) fn forbids(&self) -> bool {
        match self.force {
            Force::Forbid => !self.shadow && !self.reads.context(),
            Force::Permit | Force::Ask(_) => false,
        }
    }
}
