//! Finds the server and the original name behind what an agent asked for, and opens the state it carries.
//! *Never* decides: a hidden tool and a missing one answer alike, and which it was is `decide`'s to know.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_PARAMS, MISSING_CAPABILITY, RESOURCE_NOT_FOUND, RpcError};
use tollgate_mcp::method::{Kind, Method};
use tollgate_mcp::name::glob;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::{header, uri};
use uuid::Uuid;

use crate::call::{Arrival, Caller, Endpoint};
use crate::catalog::{Item, Snapshot};
use crate::config::{Config, Who};
use crate::conversation::Here;
use crate::seal::{Purpose, Sealer};

mod state;
#[cfg(test)]
mod tests;

pub use state::{Approved, Edited, State, Waiting};

/// A request with its target found.
#[derive(Debug)]
pub struct Call {
    /// As it arrived.
    pub arrival: Arrival,
    /// What it is for.
    pub target: Target,
    /// The state it carries from an earlier round.
    pub state: Option<State>,
    /// Links all rounds of one call.
    pub interaction: Uuid,
    /// 1, 2, …
    pub round: u32,
    /// The lists it was resolved against.
    pub snapshot: Arc<Snapshot>,
    /// The conversation it is part of; `None` where nobody said.
    pub here: Option<Here>,
}

/// What a call is for.
#[derive(Clone, Debug)]
pub enum Target {
    /// A tool, and its place in the snapshot.
    Tool(usize, Arc<Item>),
    /// A prompt, and its place in the snapshot.
    Prompt(usize, Arc<Item>),
    /// A resource by its original URI.
    Resource {
        /// The server's alias.
        server: Arc<str>,
        /// The original URI.
        uri: Arc<str>,
        /// `server/uri`.
        label: Arc<str>,
    },
    /// A completion for a prompt's or template's argument.
    Completion {
        /// The server's alias.
        server: Arc<str>,
        /// The original name or URI.
        original: Arc<str>,
        /// `server/original`.
        label: Arc<str>,
        /// `ref` with the original name or URI.
        reference: Bytes,
        /// The prompt that `ref` names; `None`: it names a resource or template.
        prompt: Option<Arc<Item>>,
    },
    /// A task of the Tasks extension.
    Task {
        /// The server's alias.
        server: Arc<str>,
        /// The server's own task id.
        id: Arc<str>,
        /// `server/tool` that made it.
        label: Arc<str>,
    },
}

impl Target {
    /// The server's alias.
    pub fn server(&self) -> &Arc<str> {
        match self {
            Self::Tool(_, item) | Self::Prompt(_, item) => &item.server,
            Self::Resource { server, .. } | Self::Completion { server, .. } | Self::Task { server, .. } => {
                server
            }
        }
    }

    /// `server/original`.
    pub fn label(&self) -> &Arc<str> {
        match self {
            Self::Tool(_, item) | Self::Prompt(_, item) => &item.label,
            Self::Resource { label, .. } | Self::Completion { label, .. } | Self::Task { label, .. } => label,
        }
    }

    /// The original name or URI.
    pub fn original(&self) -> &Arc<str> {
        match self {
            Self::Tool(_, item) | Self::Prompt(_, item) => &item.original,
            Self::Resource { uri, .. } => uri,
            Self::Completion { original, .. } => original,
            Self::Task { id, .. } => id,
        }
    }
}

/// Which items an endpoint shows, whatever policy says.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    endpoint: &'a Endpoint,
    globs: Option<&'a [String]>,
}

impl<'a> Scope<'a> {
    /// The scope of an endpoint for a caller; `None` if there is no such view or server for it.
    pub fn of(config: &'a Config, endpoint: &'a Endpoint, caller: &Caller) -> Option<Self> {
        match endpoint {
            Endpoint::Whole => Some(Self { endpoint, globs: None }),
            Endpoint::Server(alias) => {
                config.servers.get(alias).is_some_and(|s| s.enabled).then_some(Self { endpoint, globs: None })
            }
            Endpoint::View(name) => {
                let view = config.views.get(name)?;
                let mine = view.only_for.as_ref().is_none_or(|who| includes(who, caller));
                mine.then_some(Self { endpoint, globs: Some(&view.tools) })
            }
        }
    }

    /// Whether the endpoint shows this item.
    pub fn shows(&self, server: &str, label: &str) -> bool {
        let here = match self.endpoint {
            Endpoint::Server(alias) => **alias == *server,
            Endpoint::Whole | Endpoint::View(_) => true,
        };
        here && self.globs.is_none_or(|globs| globs.iter().any(|g| glob(g, label)))
    }

    /// The server whose own endpoint it is.
    pub fn single(&self) -> Option<&'a Arc<str>> {
        match self.endpoint {
            Endpoint::Server(alias) => Some(alias),
            Endpoint::Whole | Endpoint::View(_) => None,
        }
    }
}

/// Whether `for:` includes this caller.
pub fn includes(who: &Who, caller: &Caller) -> bool {
    who.agents.iter().any(|a| glob(a, &caller.agent))
        || who.groups.iter().any(|g| caller.groups.iter().any(|mine| **mine == **g))
        || who.tenants.iter().any(|t| caller.tenant.as_deref() == Some(t))
}

/// Finds a call's target and opens its state. `entry` names the interaction if this is its first round.
pub fn call(
    sealer: &Sealer,
    now_ms: u64,
    config: &Config,
    snapshot: Arc<Snapshot>,
    arrival: Arrival,
    entry: Uuid,
) -> Result<Call, RpcError> {
    let (target, state) = find(sealer, now_ms, config, &snapshot, &arrival)?;
    let (interaction, round) = match &state {
        Some(state) => (state.interaction, state.round.saturating_add(1)),
        None => (entry, 1),
    };
    Ok(Call { arrival, target, state, interaction, round, snapshot, here: None })
}

fn find(
    sealer: &Sealer,
    now_ms: u64,
    config: &Config,
    snapshot: &Arc<Snapshot>,
    arrival: &Arrival,
) -> Result<(Target, Option<State>), RpcError> {
    let params = &arrival.params;
    let scope =
        Scope::of(config, &arrival.endpoint, &arrival.caller).ok_or_else(|| unknown("endpoint", ""))?;
    let target = match arrival.method.kind() {
        Kind::Tool => tool(&scope, snapshot, params)?,
        Kind::Prompt => prompt(&scope, snapshot, params)?,
        Kind::Resource => resource(&scope, config, snapshot, params, arrival.client.revision)?,
        Kind::Completion => completion(&scope, config, snapshot, params)?,
        Kind::Task => {
            if !arrival.client.capabilities.tasks {
                return Err(needs_tasks());
            }
            task(sealer, now_ms, &arrival.caller, params)?
        }
        Kind::Discover | Kind::List(_) | Kind::Listen | Kind::Edge => {
            return Err(RpcError::new(INTERNAL_ERROR, "not a call"));
        }
    };
    if let (Target::Tool(_, item), Some(received)) = (&target, &arrival.param_headers)
        && !item.marks.is_empty()
    {
        let arguments = params.slice("arguments").unwrap_or(b"{}");
        header::validate_params(&item.marks, arguments, |name| {
            received.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_ref())
        })?;
    }
    let state = match (arrival.method.may_ask(), params.find("requestState").is_some()) {
        (true, true) => {
            let token = params.string("requestState").ok_or_else(bad_state)?;
            let plain = sealer
                .open(Purpose::State, &arrival.caller.principal, &token, now_ms)
                .map_err(|_| bad_state())?;
            let state = State::read(&plain).ok_or_else(bad_state)?;
            // Another tool's state is as good as a forged one.
            if state.target != **target.label() || state.method != arrival.method.as_str() {
                return Err(bad_state());
            }
            Some(state)
        }
        (_, false) | (false, true) => None,
    };
    Ok((target, state))
}

const NEEDS_TASKS: &[u8] = br#"{"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}"#;

/// -32021: an agent that did not declare the Tasks extension has no tasks.
pub fn needs_tasks() -> RpcError {
    RpcError::new(MISSING_CAPABILITY, "the tasks extension was not declared")
        .with_data(Bytes::from_static(NEEDS_TASKS))
}

fn bad_state() -> RpcError {
    RpcError::new(INVALID_PARAMS, "invalid or expired requestState")
}

fn unknown(kind: &str, name: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("unknown {kind}: {name}"))
}

/// The answer for a tool or prompt that is missing or hidden: the same for both.
pub fn missing(method: Method, params: &Object, revision: Revision) -> RpcError {
    let name =
        |key: &str| params.string(key).map(|s| s.chars().take(128).collect::<String>()).unwrap_or_default();
    match method.kind() {
        Kind::Tool => unknown("tool", &name("name")),
        Kind::Prompt => unknown("prompt", &name("name")),
        Kind::Resource => no_resource(&name("uri"), revision),
        Kind::Completion => RpcError::new(INVALID_PARAMS, "unknown reference"),
        Kind::Task => unknown("task", ""),
        Kind::Discover | Kind::List(_) | Kind::Listen | Kind::Edge => {
            RpcError::new(INVALID_PARAMS, "unknown")
        }
    }
}

fn no_resource(uri: &str, revision: Revision) -> RpcError {
    let code = match revision.era() {
        Era::Legacy => RESOURCE_NOT_FOUND,
        Era::Modern => INVALID_PARAMS,
    };
    RpcError::new(code, format!("resource not found: {uri}")).with_data(format!("{{\"uri\":{}}}", quote(uri)))
}

fn tool(scope: &Scope<'_>, snapshot: &Snapshot, params: &Object) -> Result<Target, RpcError> {
    let name =
        params.string("name").ok_or_else(|| RpcError::new(INVALID_PARAMS, "`name` must be a string"))?;
    if params.slice("arguments").is_some_and(|a| a.first() != Some(&b'{')) {
        return Err(RpcError::new(INVALID_PARAMS, "`arguments` must be an object"));
    }
    let found = match scope.single() {
        Some(server) => snapshot.own_tool(server, &name),
        None => snapshot.exposed_tool(&name),
    };
    match found {
        Some((place, item)) if scope.shows(&item.server, &item.label) => {
            Ok(Target::Tool(place, Arc::clone(item)))
        }
        _ => Err(missing(Method::ToolsCall, params, Revision::LATEST)),
    }
}

fn prompt(scope: &Scope<'_>, snapshot: &Snapshot, params: &Object) -> Result<Target, RpcError> {
    let name =
        params.string("name").ok_or_else(|| RpcError::new(INVALID_PARAMS, "`name` must be a string"))?;
    match named_prompt(scope, snapshot, &name) {
        Some((place, item)) => Ok(Target::Prompt(place, item)),
        None => Err(missing(Method::PromptsGet, params, Revision::LATEST)),
    }
}

fn named_prompt(scope: &Scope<'_>, snapshot: &Snapshot, name: &str) -> Option<(usize, Arc<Item>)> {
    let (place, item) = match scope.single() {
        Some(server) => snapshot.own_prompt(server, name),
        None => snapshot.exposed_prompt(name),
    }?;
    scope.shows(&item.server, &item.label).then(|| (place, Arc::clone(item)))
}

fn resource(
    scope: &Scope<'_>,
    config: &Config,
    snapshot: &Snapshot,
    params: &Object,
    revision: Revision,
) -> Result<Target, RpcError> {
    let uri = params.string("uri").ok_or_else(|| RpcError::new(INVALID_PARAMS, "`uri` must be a string"))?;
    locate(scope, config, snapshot, &uri)
        .map(|(server, uri, label)| Target::Resource { server, uri, label })
        .ok_or_else(|| no_resource(&uri, revision))
}

/// The server, original URI and label of a URI as agents of this scope know it.
pub fn locate(
    scope: &Scope<'_>,
    config: &Config,
    snapshot: &Snapshot,
    uri: &str,
) -> Option<(Arc<str>, Arc<str>, Arc<str>)> {
    let (server, original) = match scope.single() {
        Some(server) => (Arc::clone(server), uri.to_owned()),
        None => match uri::restore(uri) {
            Some((alias, original)) if config.servers.contains_key(alias) => (Arc::from(alias), original),
            // A URI inside a text can't be rewritten: it is taken as it stands if exactly one server lists it.
            _ => (Arc::clone(snapshot.owner(uri)?), uri.to_owned()),
        },
    };
    let label: Arc<str> = Arc::from(format!("{server}/{original}"));
    scope.shows(&server, &label).then(|| (server, Arc::from(original), label))
}

fn completion(
    scope: &Scope<'_>,
    config: &Config,
    snapshot: &Snapshot,
    params: &Object,
) -> Result<Target, RpcError> {
    let bad = || RpcError::new(INVALID_PARAMS, "`ref` must be a prompt or resource reference");
    let reference = params.object("ref").ok_or_else(bad)?;
    let (server, original, label, prompt) = match reference.string("type").as_deref() {
        Some("ref/prompt") => {
            let name = reference.string("name").ok_or_else(bad)?;
            let (_, item) = named_prompt(scope, snapshot, &name).ok_or_else(|| unknown("prompt", &name))?;
            (Arc::clone(&item.server), Arc::clone(&item.original), Arc::clone(&item.label), Some(item))
        }
        Some("ref/resource") => {
            let uri = reference.string("uri").ok_or_else(bad)?;
            let (server, original, label) =
                locate(scope, config, snapshot, &uri).ok_or_else(|| unknown("resource template", &uri))?;
            (server, original, label, None)
        }
        _ => return Err(bad()),
    };
    let mut edit = reference.edit();
    if scope.single().is_none() {
        let key = if prompt.is_some() { "name" } else { "uri" };
        edit.set(key, Bytes::from(quote(&original)));
    }
    Ok(Target::Completion { server, original, label, reference: edit.finish().into_bytes(), prompt })
}

fn task(sealer: &Sealer, now_ms: u64, caller: &Caller, params: &Object) -> Result<Target, RpcError> {
    let handle =
        params.string("taskId").ok_or_else(|| RpcError::new(INVALID_PARAMS, "`taskId` must be a string"))?;
    task_of(sealer, now_ms, caller, &handle).ok_or_else(|| RpcError::new(INVALID_PARAMS, "unknown task"))
}

/// The task that a handle names; `None` if it is not this caller's.
pub fn task_of(sealer: &Sealer, now_ms: u64, caller: &Caller, handle: &str) -> Option<Target> {
    let plain = sealer.open(Purpose::Task, &caller.principal, handle, now_ms).ok()?;
    let (label, id) = std::str::from_utf8(&plain).ok()?.split_once('\n')?;
    let server = label.split('/').next().unwrap_or_default();
    Some(Target::Task { server: Arc::from(server), id: Arc::from(id), label: Arc::from(label) })
}
