//! Asks Cedar. Entities are built by hand, value by value, with only the attributes that are read. *Never* gives Cedar JSON or text
//! from outside: in Cedar's JSON `{"__entity": …}` is a reference, in a string it is a string.

use std::collections::{HashMap, HashSet};
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request, Response,
    RestrictedExpression as Value,
};

use crate::compile::{Attribute, Reads};
use crate::problem::{Problem, Problems};
use crate::request::{Action, Caller, Kind, Target};

/// Cedar, and the names of our types in it.
#[derive(Debug)]
pub(super) struct Cedar {
    authorizer: Authorizer,
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
}

/// A question as Cedar takes it.
#[derive(Debug)]
pub(super) struct Question<'a> {
    authorizer: &'a Authorizer,
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
            authorizer: Authorizer::new(),
            agent: name("Agent")?,
            kinds: Kind::ALL.into_iter().map(|kind| name(kind.as_str())).collect::<Result<_, _>>()?,
            actions: Action::ALL.into_iter().map(|known| uid(&action, known.as_str())).collect(),
        })
    }

    /// Puts together what is the same for every call. The error is Cedar's text.
    pub(super) fn frame(
        &self,
        reads: Reads,
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
        // An entity of which nothing is read may be absent: comparing looks at ids only.
        let agent = caller_attributes(reads, caller);
        let thing = target_attributes(reads, target, path);
        let agent = (!agent.is_empty()).then(|| entity(principal.clone(), agent)).transpose()?;
        let thing = (!thing.is_empty()).then(|| entity(resource.clone(), thing)).transpose()?;
        let entities = Entities::empty()
            .add_entities(agent.into_iter().chain(thing), None)
            .map_err(|error| error.to_string())?;
        Ok(Frame { principal, action: action.clone(), resource, entities })
    }

    /// Puts a question together. The error is Cedar's text.
    pub(super) fn question<'a>(&'a self, frame: &'a Frame, context: Context) -> Result<Question<'a>, String> {
        let request = Request::new(
            frame.principal.clone(),
            frame.action.clone(),
            frame.resource.clone(),
            context,
            None,
        )
        .map_err(|error| error.to_string())?;
        Ok(Question { authorizer: &self.authorizer, request, entities: &frame.entities })
    }
}

impl Question<'_> {
    /// Cedar's answer over these policies.
    pub(super) fn ask(&self, policies: &PolicySet) -> Response {
        self.authorizer.is_authorized(&self.request, policies, self.entities)
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

type Attributes = HashMap<String, Value>;

fn entity(uid: EntityUid, attributes: Attributes) -> Result<Entity, String> {
    Entity::new(uid, attributes, HashSet::new()).map_err(|error| error.to_string())
}

fn caller_attributes(reads: Reads, caller: &Caller<'_>) -> Attributes {
    let mut attributes = Attributes::new();
    let mut add = |attribute: Attribute, value: &dyn Fn() -> Option<Value>| {
        if reads.has(attribute)
            && let Some(value) = value()
        {
            attributes.insert(attribute.as_str().into(), value);
        }
    };
    add(Attribute::Name, &|| Some(text(caller.agent)));
    add(Attribute::User, &|| caller.user.map(text));
    add(Attribute::Tenant, &|| caller.tenant.map(text));
    add(Attribute::Groups, &|| Some(set(caller.groups)));
    attributes
}

fn target_attributes(reads: Reads, target: &Target<'_>, path: &str) -> Attributes {
    let mut attributes = Attributes::new();
    let mut add = |attribute: Attribute, value: &dyn Fn() -> Value| {
        if reads.has(attribute) {
            attributes.insert(attribute.as_str().into(), value());
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
    attributes
}

/// A string, never a reference.
pub(super) fn text(text: &str) -> Value {
    Value::new_string(text.into())
}

/// A set of strings.
pub(super) fn set(texts: &[Arc<str>]) -> Value {
    Value::new_set(texts.iter().map(|item| text(item)))
}
