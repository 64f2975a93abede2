//! A call's evidence as Cedar's context: only the parts, arguments and facts that the open rules read, each computed once.
//! *Never* leaves out what it can't express: what Cedar has no value for becomes one that every test fails on.

use cedar_policy::RestrictedExpression as Value;

use super::Policy;
use super::cedar::{set, text};
use super::outlook::Plan;
use crate::compile::Part;
use crate::condition::Comparison;
use crate::evidence::Evidence;
use crate::json::{Json, compare, whole};
use crate::time::Moment;

/// What was computed for a call.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The facts that were looked at: by index, and whether they hold.
    pub(super) facts: Vec<(u32, Result<bool, String>)>,
}

impl Policy {
    /// Whether each fact that the plan's rules name holds.
    pub(super) fn facts_of(&self, plan: &Plan, arguments: &Json<'_>, evidence: &Evidence<'_>) -> Gathered {
        let holds = |index: &u32| {
            let matcher = usize::try_from(*index).ok().and_then(|index| self.facts.get(index))?;
            Some((*index, matcher.holds(arguments, evidence.task)))
        };
        Gathered { facts: plan.facts.iter().filter_map(holds).collect() }
    }

    /// The parts of the context. The error is Cedar's text.
    pub(super) fn context(
        &self,
        plan: &Plan,
        arguments: &Json<'_>,
        gathered: &Gathered,
        evidence: &Evidence<'_>,
    ) -> Result<Vec<(String, Value)>, String> {
        let mut pairs: Vec<(String, Value)> = Vec::with_capacity(4);
        let mut add = |part: Part, value: Value| pairs.push((part.as_str().to_owned(), value));
        let reads = plan.reads;
        if reads.part(Part::Args) {
            add(Part::Args, args(plan, arguments)?);
        }
        if reads.part(Part::Tests) {
            let tests = plan.tests.iter().filter_map(|index| self.tests.get(usize::try_from(*index).ok()?));
            let made = tests.filter_map(|test| Some((test.name(), Value::new_bool(test.made(arguments)?))));
            add(Part::Tests, record(made.collect())?);
        }
        if reads.part(Part::Facts) {
            let held = gathered.facts.iter().filter(|(_, held)| *held == Ok(true));
            let names = held.filter_map(|(index, _)| self.facts.get(usize::try_from(*index).ok()?));
            add(Part::Facts, Value::new_set(names.map(|fact| text(&fact.name))));
        }
        if reads.part(Part::Reason)
            && let Some(reason) = evidence.reason
        {
            add(Part::Reason, text(reason));
        }
        if reads.part(Part::Client)
            && let Some(client) = evidence.client
        {
            add(Part::Client, text(client));
        }
        if reads.part(Part::Findings) {
            add(Part::Findings, set(evidence.findings));
        }
        if reads.part(Part::Session) {
            let session = evidence.session;
            let counters = session.counters.iter();
            let counters = counters.map(|(name, value)| (name.to_string(), Value::new_long(*value)));
            let calls = i64::try_from(session.calls).unwrap_or(i64::MAX);
            let pairs = vec![
                ("labels".to_owned(), set(session.labels)),
                ("calls".to_owned(), Value::new_long(calls)),
                ("counters".to_owned(), record(counters.collect())?),
            ];
            add(Part::Session, record(pairs)?);
        }
        if reads.part(Part::Time) {
            let moment = Moment::of(evidence.now_ms);
            let pairs = vec![
                ("date".to_owned(), text(&moment.date)),
                ("weekday".to_owned(), text(moment.weekday)),
                ("hour".to_owned(), Value::new_long(moment.hour)),
                ("minute".to_owned(), Value::new_long(moment.minute)),
            ];
            add(Part::Time, record(pairs)?);
        }
        Ok(pairs)
    }
}

fn args(plan: &Plan, arguments: &Json<'_>) -> Result<Value, String> {
    let Json::Object(members) = arguments else { return record(Vec::new()) };
    let wanted = |key: &str| plan.args.as_ref().is_none_or(|args| args.iter().any(|arg| arg == key));
    let pairs = members
        .iter()
        .filter(|(key, value)| *value != Json::Null && wanted(key))
        .map(|(key, json)| Ok((key.clone().into_owned(), value(json, plan.fraction)?)))
        .collect::<Result<Vec<_>, String>>()?;
    record(pairs)
}

impl Comparison {
    /// The outcome; absent is false. `None`: it can't be made, since the argument is no number.
    fn made(&self, arguments: &Json<'_>) -> Option<bool> {
        let mut value = arguments;
        for name in &self.path {
            value = match value {
                Json::Object(_) => match value.get(name) {
                    Some(Json::Null) | None => return Some(false),
                    Some(inner) => inner,
                },
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => return None,
            };
        }
        match value {
            Json::Number(number) => Some(self.order.holds(compare(number, &self.number)?)),
            Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => None,
        }
    }
}

/// What stands for a number with a fraction, which Cedar has not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fraction {
    /// Some number: the shorthand looks only at whether it is one, and compares beforehand.
    Zero,
    /// A set, on which `<`, `like` and `has` err: Cedar files compare for themselves.
    Set,
}

/// A member that no rule can mean.
const OTHER: &str = "\u{0}";

fn value(json: &Json<'_>, fraction: Fraction) -> Result<Value, String> {
    Ok(match json {
        // Within a list; a member that is null is not there.
        Json::Null => record(vec![(OTHER.to_owned(), text("null"))])?,
        Json::Bool(truth) => Value::new_bool(*truth),
        Json::Number(number) => match (whole(number), fraction) {
            (Some(whole), _) => Value::new_long(whole),
            (None, Fraction::Zero) => Value::new_long(0),
            (None, Fraction::Set) => Value::new_set([text(number)]),
        },
        Json::Text(content) => text(content),
        Json::List(items) => {
            let items = items.iter().map(|item| value(item, fraction));
            Value::new_set(items.collect::<Result<Vec<Value>, String>>()?)
        }
        Json::Object(members) => {
            let present = members.iter().filter(|(_, json)| *json != Json::Null);
            record(
                present
                    .map(|(key, json)| Ok((key.clone().into_owned(), value(json, fraction)?)))
                    .collect::<Result<Vec<_>, String>>()?,
            )?
        }
    })
}

fn record(pairs: Vec<(String, Value)>) -> Result<Value, String> {
    Value::new_record(pairs).map_err(|error| error.to_string())
}
