//! Cleans arguments on the way in and results on the way out. *Never* decides, and nothing after it changes a byte of a request.

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use sha2::{Digest, Sha256};
use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_PARAMS, RpcError};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::translate::{Answer, ResultType, error_uri, rewrite_uris};
use tollgate_mcp::uri;

use crate::call::{Endpoint, Refused};
use crate::config::Config;
use crate::resolve::{Approved, Call, Edited, State, Target, Waiting};
use crate::seal::{Purpose, Sealer};

/// Hidden characters, tokens, redactions.
pub mod clean;

mod stated;

pub use stated::{unreasoned, without_reason};

use clean::Cleaner;

#[cfg(test)]
mod tests;

/// A call with the very bytes that will leave.
#[derive(Debug)]
pub struct Prepared {
    /// The call.
    pub call: Call,
    /// The params that will leave: original names and URIs, without what is ours. Hop-owned `_meta` is re-stamped by the transport.
    pub outbound: Object,
    /// SHA-256 over target and arguments: what an approval is bound to.
    pub digest: [u8; 32],
    /// The stated reason (`tollgate_reason` among the arguments, `_meta["dev.tollgate/reason"]`).
    pub reason: Option<String>,
    /// The W3C trace (`_meta.traceparent`): recorded, never identity.
    pub trace: Option<String>,
    /// The agent's answers to questions of an earlier round.
    pub responses: Option<Object>,
    /// What cleaning came to.
    pub cleaned: clean::Cleaned,
}

const OURS: &str = "dev.tollgate/";

/// How long a sealed `requestState` stands.
const STATE_TTL_MS: u64 = 600_000;

impl Prepared {
    /// The arguments as people may see them: as they leave, but with tokens where values were put back.
    pub fn shown_arguments(&self) -> &[u8] {
        let leaving = || self.call.arrival.params.slice("arguments");
        self.cleaned.shown.as_deref().or_else(leaving).unwrap_or(b"{}")
    }

    /// The kinds of what any built-in detector finds in the arguments, also where it was taken out; `None` = they cannot be looked
    /// into. It looks now: ask only where a rule reads it.
    pub fn findings(&self) -> Option<Arc<[Arc<str>]>> {
        let arguments = self.call.arrival.params.slice("arguments").unwrap_or(b"{}");
        clean::findings(arguments, &self.cleaned)
    }

    /// The definition of its tool; `None` for what has none.
    pub fn definition(&self) -> Option<[u8; 32]> {
        match &self.call.target {
            Target::Tool(_, item) => Some(item.definition),
            Target::Prompt(..)
            | Target::Resource { .. }
            | Target::Completion { .. }
            | Target::Task { .. } => None,
        }
    }

    /// Seals a state for the agent to bring back in the next round: bound to its principal, target and arguments.
    pub fn seal_state(
        &self,
        sealer: &Sealer,
        now_ms: u64,
        approved: Option<Approved>,
        waiting: Waiting,
    ) -> String {
        let state = State {
            interaction: self.call.interaction,
            round: self.call.round,
            method: self.call.arrival.method.as_str().to_owned(),
            target: self.call.target.label().to_string(),
            digest: self.digest,
            definition: self.definition(),
            approved,
            waiting,
        };
        sealer.seal(
            Purpose::State,
            &self.call.arrival.caller.principal,
            &state.write(),
            now_ms + STATE_TTL_MS,
        )
    }
}

/// Makes a call ready to be judged: strips what is ours, restores names and URIs, takes the digest. What an approver changed in an
/// earlier round is changed again.
pub fn arguments(call: Call, means: &Means<'_>) -> Result<Box<Prepared>, Unprepared> {
    let mut call = call;
    stated::take(&mut call)?;
    let prepared = cleaned(call, means)?;
    let earlier = prepared.call.state.as_ref().and_then(|s| s.approved.as_ref()?.edited.clone());
    same_call(match earlier {
        Some(Edited { original, args }) if original == prepared.digest => edited(prepared, args, means)?,
        Some(_) | None => prepared,
    })
    .map_err(Unprepared::Error)
}

/// The same call with the arguments that an approver put in place of the agent's: an object's text.
pub fn edited(prepared: Box<Prepared>, args: String, means: &Means<'_>) -> Result<Box<Prepared>, Unprepared> {
    let mut call = prepared.call;
    let mut edit = call.arrival.params.edit();
    edit.set("arguments", Bytes::from(args));
    call.arrival.params =
        edit.object().map_err(|_| RpcError::new(INTERNAL_ERROR, "the request could not be prepared"))?;
    cleaned(call, means)
}

/// Strip, restore, redact: nothing behind this sees anything else.
fn cleaned(mut call: Call, means: &Means<'_>) -> Result<Box<Prepared>, Unprepared> {
    let (caller, target) = (Arc::clone(&call.arrival.caller), call.target.clone());
    let done = Cleaner::new(means.config, means.sealer, means.now_ms, &caller, &target).arguments(&mut call);
    let done = done.map_err(|refused| Unprepared::Refused(Box::new(refused)))?;
    let mut prepared = prepare(call)?;
    prepared.cleaned = done;
    Ok(prepared)
}

/// What a call is cleaned with.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    /// Makes and opens tokens.
    pub sealer: &'a Sealer,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Why a call can't be judged.
#[derive(Debug)]
pub enum Unprepared {
    /// Its params make no sense.
    Error(RpcError),
    /// Its arguments can't be cleaned.
    Refused(Box<Refused>),
}

impl From<RpcError> for Unprepared {
    fn from(error: RpcError) -> Self {
        Self::Error(error)
    }
}

fn prepare(call: Call) -> Result<Box<Prepared>, RpcError> {
    let params = &call.arrival.params;
    let mut edit = params.edit();
    let mut hash = Sha256::new();
    hash.update(call.arrival.method.as_str());
    hash.update([0]);
    hash.update(call.target.label().as_bytes());
    hash.update([0]);
    let merged = !matches!(call.arrival.endpoint, Endpoint::Server(_));
    match &call.target {
        Target::Tool(_, item) | Target::Prompt(_, item) => {
            if merged {
                edit.set("name", Bytes::from(quote(&item.original)));
            }
            hash.update(params.slice("arguments").unwrap_or(b"{}"));
        }
        Target::Resource { uri, .. } => {
            if merged {
                edit.set("uri", Bytes::from(quote(uri)));
            }
        }
        Target::Completion { reference, .. } => {
            edit.set("ref", reference.clone());
            hash.update(params.slice("argument").unwrap_or(b"{}"));
        }
        Target::Task { id, .. } => {
            edit.set("taskId", Bytes::from(quote(id)));
            hash.update(params.slice("inputResponses").unwrap_or(b"{}"));
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let responses = if call.arrival.method.may_ask() { params.object("inputResponses") } else { None };
    if call.arrival.method.may_ask() {
        carry_state(&call, responses.as_ref(), &mut edit);
    }
    let (reason, trace) = read_meta(params, &mut edit);
    let outbound =
        edit.object().map_err(|_| RpcError::new(INTERNAL_ERROR, "the request could not be prepared"))?;
    Ok(Box::new(Prepared {
        outbound,
        digest,
        reason,
        trace,
        responses,
        cleaned: clean::Cleaned::default(),
        call,
    }))
}

/// A server's question is answered for the call that it was asked in, as an approver may have changed it: with other arguments, one call
/// would be judged and another go on. (The gateway's own question is asked again instead.)
fn same_call(prepared: Box<Prepared>) -> Result<Box<Prepared>, RpcError> {
    let Some(state) = &prepared.call.state else { return Ok(prepared) };
    let of_the_server = match &state.waiting {
        Waiting::Parked { .. } | Waiting::Server { .. } => true,
        Waiting::Approval { .. } | Waiting::Inbox { .. } | Waiting::Consent => false,
    };
    if of_the_server && state.digest != prepared.digest {
        return Err(RpcError::new(
            INVALID_PARAMS,
            "this requestState belongs to a call with other arguments",
        ));
    }
    Ok(prepared)
}

/// The server gets its own state back, byte-exact, and answers only to its own questions.
fn carry_state(call: &Call, responses: Option<&Object>, edit: &mut tollgate_mcp::object::Edit<'_>) {
    match call.state.as_ref().map(|s| &s.waiting) {
        Some(Waiting::Server { state }) => match state {
            Some(state) => {
                edit.set("requestState", Bytes::from(quote(state)));
            }
            None => {
                edit.remove("requestState");
            }
        },
        Some(
            Waiting::Approval { .. } | Waiting::Inbox { .. } | Waiting::Parked { .. } | Waiting::Consent,
        ) => {
            edit.remove("requestState");
            edit.remove("inputResponses");
        }
        None => {
            // A server may ask without a state; an answer to the gateway's own question never leaves.
            if let Some(responses) = responses
                && responses.find(APPROVAL).is_some()
            {
                let mut without = responses.edit();
                without.remove(APPROVAL);
                edit.set("inputResponses", without.finish());
            }
        }
    }
}

/// The key of the gateway's own question among `inputRequests`.
pub const APPROVAL: &str = "tollgate_approval";

fn read_meta(params: &Object, edit: &mut tollgate_mcp::object::Edit<'_>) -> (Option<String>, Option<String>) {
    let Some(text) = params.slice("_meta") else { return (None, None) };
    let ours = memmem::find(text, OURS.as_bytes()).is_some();
    let traced = memmem::find(text, b"traceparent").is_some();
    if !ours && !traced {
        return (None, None);
    }
    let Some(meta) = params.object("_meta") else { return (None, None) };
    let trace = meta.string("traceparent").map(|t| t.chars().take(64).collect());
    let mut reason = None;
    if ours {
        reason = meta.string(stated::META).map(|r| r.chars().take(1_000).collect());
        let mut inner = meta.edit();
        for member in meta.members() {
            let key = meta.text().get(member.key.clone()).and_then(tollgate_mcp::object::unquote);
            if let Some(key) = key
                && key.starts_with(OURS)
            {
                inner.remove(key.into_owned());
            }
        }
        edit.set("_meta", inner.finish());
    }
    (reason, trace)
}

/// A server's answer as this endpoint shows it: URIs rewritten wherever one occurs, a task's id replaced by what `task` says.
pub fn results(
    method: Method,
    server: &Arc<str>,
    endpoint: &Endpoint,
    answer: Answer,
    task: &dyn Fn(&str) -> String,
) -> Answer {
    let mut answer = answer;
    if !matches!(endpoint, Endpoint::Server(_))
        && let Some(rope) = rewrite_uris(method, &answer.object, &|original| uri::expose(server, original))
        && let Ok(object) = Object::scan(rope.into_bytes())
    {
        answer.object = object;
    }
    let names_task = answer.kind == ResultType::Task
        || matches!(method, Method::TasksGet | Method::TasksUpdate | Method::TasksCancel);
    if names_task && let Some(id) = answer.object.string("taskId") {
        let mut edit = answer.object.edit();
        edit.set("taskId", Bytes::from(quote(&task(&id))));
        if let Ok(object) = edit.object() {
            answer.object = object;
        }
    }
    answer
}

/// A server's error as this endpoint shows it: a URI in its `data` is rewritten.
pub fn error(server: &Arc<str>, endpoint: &Endpoint, error: RpcError) -> RpcError {
    match endpoint {
        Endpoint::Server(_) => error,
        Endpoint::Whole | Endpoint::View(_) => error_uri(error, &|original| uri::expose(server, original)),
    }
}
