//! Asks Cedar. Entities are built by hand, value by value, with only the attributes that are read. *Never* gives Cedar JSON or text
//! from outside: in Cedar's JSON `{"__entity": …}` is a reference, in a string it is a string.

use std::collections::{HashMap, HashSet};
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, EvalResult, Expression, Request,
    RestrictedExpression as Value, eval_expression,
};

use super::weigh::Left;
use crate::compile::{Attribute, Reads, key};
use crate::problem::{Problem, Problems};
use crate::request::{Action, Caller, Kind, Target};

/// Cedar, and the names of our types in it.
#[derive(Debug)]
pub(super) struct Cedar {
    agent: EntityTypeName,
    /// By [`Kind`].
    kinds: Vec<EntityTypeName>,
    /// By [`Action`].
    actions: Vec<EntityUid>,
}

/// Who, what and with which thing, as Cedar takes it: all of a question but its context.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    entities: Entities,
    /// The attributes that the shorthand reads.
    flat: Vec<(String, Value)>,
}

/// A question as Cedar takes it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    request: Request,
    entities: &'a Entities,
}

impl Cedar {
    /// Names the types.
    pub(super) fn new() -> Result<Self, Problems> {
        let name = |text: &str| {
            EntityTypeName::from_str(text)
                .map_err(|error| Problems(vec![Problem { message: error.to_string(), ..Problem::default() }]))
        };
        let action = name("Action")?;
        Ok(Self {
            agent: name("Agent")?,
            kinds: Kind::ALL.into_iter().map(|kind| name(kind.as_str())).collect::<Result<_, _>>()?,
            actions: Action::ALL.into_iter().map(|known| uid(&action, known.as_str())).collect(),
        })
    }

    /// Puts together what is the same for every call. The error is Cedar's text.
    pub(super) fn frame(
        &self,
        left: &Left,
        caller: &Caller<'_>,
        action: Action,
        target: &Target<'_>,
        path: &str,
    ) -> Result<Frame, String> {
        let unknown = || "an action or kind has no name".to_owned();
        let action = self.actions.get(action as usize).ok_or_else(unknown)?;
        let kind = self.kinds.get(target.kind as usize).ok_or_else(unknown)?;
        let principal = uid(&self.agent, caller.agent);
        let resource = uid(kind, path);
        let mut flat = Vec::new();
        caller_attributes(left.flat, caller, |name, value| flat.push((key("principal", name), value)));
        target_attributes(left.flat, target, path, |name, value| flat.push((key("resource", name), value)));
        // An entity of which nothing is read may be absent: comparing looks at ids only.
        let mut entities = Entities::empty();
        if left.entities != Reads::default() {
            let (mut agent, mut thing) = (Attributes::new(), Attributes::new());
            caller_attributes(left.entities, caller, |name, value| drop(agent.insert(name.into(), value)));
            target_attributes(left.entities, target, path, |name, value| {
                drop(thing.insert(name.into(), value));
            });
            let agent = (!agent.is_empty()).then(|| entity(principal.clone(), agent)).transpose()?;
            let thing = (!thing.is_empty()).then(|| entity(resource.clone(), thing)).transpose()?;
            let both = agent.into_iter().chain(thing);
            entities = entities.add_entities(both, None).map_err(|error| error.to_string())?;
        }
        Ok(Frame { principal, action: action.clone(), resource, entities, flat })
    }
}

impl Frame {
    /// Puts a question together, with these parts of a context. The error is Cedar's text.
    pub(super) fn question(&self, mut parts: Vec<(String, Value)>) -> Result<Question<'_>, String> {
        parts.extend(self.flat.iter().cloned());
        let context = Context::from_pairs(parts).map_err(|error| error.to_string())?;
        let (principal, action, resource) =
            (self.principal.clone(), self.action.clone(), self.resource.clone());
        let request =
            Request::new(principal, action, resource, context, None).map_err(|error| error.to_string())?;
        Ok(Question { request, entities: &self.entities })
    }
}

impl Question<'_> {
    /// What Cedar's authorizer says of whole policies: what ours must agree with.
    #[cfg(test)]
    pub(super) fn authorized(&self, policies: &cedar_policy::PolicySet) -> cedar_policy::Response {
        cedar_policy::Authorizer::new().is_authorized(&self.request, policies, self.entities)
    }

    /// Whether this holds. The error is Cedar's text.
    ///
    /// Not Cedar's authorizer, which for every policy and question would put scope and conditions together anew, and look at the
    /// scope that [`super::slice`] has looked at.
    pub(super) fn holds(&self, condition: &Expression) -> Result<bool, String> {
        match eval_expression(&self.request, self.entities, condition) {
            Ok(EvalResult::Bool(truth)) => Ok(truth),
            Ok(
                other @ (EvalResult::Long(_)
                | EvalResult::String(_)
                | EvalResult::EntityUid(_)
                | EvalResult::Set(_)
                | EvalResult::Record(_)
                | EvalResult::ExtensionValue(_)),
            ) => Err(format!("a condition is true or false, not `{other}`")),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

type Attributes = HashMap<String, Value>;

fn entity(uid: EntityUid, attributes: Attributes) -> Result<Entity, String> {
    Entity::new(uid, attributes, HashSet::new()).map_err(|error| error.to_string())
}

fn caller_attributes(reads: Reads, caller: &Caller<'_>, mut add: impl FnMut(&'static str, Value)) {
    let mut add = |attribute: Attribute, value: &dyn Fn() -> Option<Value>| {
        if reads.has(attribute)
            && let Some(value) = value()
        {
            add(attribute.as_str(), value);
        }
    };
    add(Attribute::Name, &|| Some(text(caller.agent)));
    add(Attribute::User, &|| caller.user.map(text));
    add(Attribute::Tenant, &|| caller.tenant.map(text));
    add(Attribute::Groups, &|| Some(set(caller.groups)));
}

fn target_attributes(
    reads: Reads,
    target: &Target<'_>,
    path: &str,
    mut add: impl FnMut(&'static str, Value),
) {
    let mut add = |attribute: Attribute, value: &dyn Fn() -> Value| {
        if reads.has(attribute) {
            add(attribute.as_str(), value());
        }
    };
    let flags = target.flags;
    add(Attribute::Name, &|| text(target.name));
    add(Attribute::Server, &|| text(target.server));
    add(Attribute::Path, &|| text(path));
    add(Attribute::Destructive, &|| Value::new_bool(flags.destructive));
    add(Attribute::ReadOnly, &|| Value::new_bool(flags.read_only));
    add(Attribute::Idempotent, &|| Value::new_bool(flags.idempotent));
    add(Attribute::OpenWorld, &|| Value::new_bool(flags.open_world));
    add(Attribute::Hinted, &|| Value::new_bool(flags.hinted));
    add(Attribute::Pinned, &|| Value::new_bool(flags.pinned));
    add(Attribute::Labels, &|| set(target.labels));
}

/// A string, never a reference.
pub(super) fn text(text: &str) -> Value {
    Value::new_string(text.into())
}

/// A set of strings.
pub(super) fn set(texts: &[Arc<str>]) -> Value {
    Value::new_set(texts.iter().map(|item| text(item)))
}
