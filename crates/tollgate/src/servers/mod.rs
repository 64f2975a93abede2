//! The servers behind us: transports, both eras' client code, pools, spawn, probe, sessions, health, backoff, reap.
//! One supervisor per server: a slow or dead one never delays another. *Never* names a stage or an agent's credential.

/// All servers.
mod fleet;

/// One server and its supervisor.
mod server;

/// One open request: what happens on it.
mod exchange;

/// What carries a request's messages.
mod carrier;

/// Streamable HTTP.
mod http;

/// Child processes.
mod stdio;

/// HTTP+SSE of 2024-11-05.
mod sse;

/// The parent between us and a child process.
pub mod guard;

/// What a server's first answers say.
mod introduction;

/// The params as a server gets them.
mod params;

/// The calls in flight on a shared channel.
mod registry;

/// Lists, page by page.
mod list;

/// Who is subscribed to what.
mod subscribe;

/// A modern server's change stream.
mod listen;

/// What a server reports unasked.
mod bulletin;

/// How much of unfinished answers is held.
mod held;

/// Waiting times between attempts.
mod backoff;

/// The servers' own credentials.
mod credential;

#[cfg(test)]
pub(crate) mod tests;

pub use self::http::post_json;

use std::sync::{Arc, LazyLock};

use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::header::ParamHeader;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

use crate::call::{Client, LogLevel};

pub use credential::Vaulted;
pub use exchange::{Event, Exchange, Question, Reaction};
pub use fleet::Servers;
pub use introduction::Introduction;
pub use server::Server;
pub use subscribe::{Following, Subscription};
pub use tollgate_mcp::method::Listing;

/// Stands where no agent's program does: it declares nothing.
static NOBODY: LazyLock<Arc<Client>> = LazyLock::new(|| {
    Arc::new(Client {
        revision: Revision::LATEST,
        info: None,
        label: None,
        capabilities: Capabilities::none(),
    })
});

fn nobody() -> Arc<Client> {
    Arc::clone(&NOBODY)
}

/// The same, where tasks are spoken of.
fn nobody_with_tasks() -> Arc<Client> {
    Arc::new(Client { capabilities: NOBODY.capabilities.with_tasks(), ..Client::clone(&NOBODY) })
}

/// One canonical request towards a server: original names and URIs.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The method (canonical).
    pub method: Method,
    /// The canonical params. Hop-owned `_meta` keys in it are stripped or re-stamped by the transport; all else leaves as it is.
    pub params: Object,
    /// The agent's program: its info and capabilities are mirrored.
    pub client: Arc<Client>,
    /// Whose call it is: sessions that could ask something belong to one principal.
    pub principal: Arc<str>,
    /// Whether the agent wants progress.
    pub progress: bool,
    /// The log level the agent asked for.
    pub log_level: Option<LogLevel>,
    /// The tool's `x-mcp-header` marks.
    pub marks: Arc<[ParamHeader]>,
}

/// Whether a request of ours may be asked something on its way; a task's result is awaited as its call would be.
const fn may_be_asked(method: Method) -> bool {
    method.may_ask() || matches!(method, Method::TasksResult)
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not reachable, not started, or gone in mid-call. `sent` = the request may have run.
    #[error("server `{server}` is unavailable: {why}")]
    Unavailable {
        /// The alias.
        server: Arc<str>,
        /// For the operator; agents get the first half only.
        why: String,
        /// Whether it may have run.
        sent: bool,
    },
    /// No answer in time.
    #[error("server `{server}` did not answer in time")]
    Timeout {
        /// The alias.
        server: Arc<str>,
    },
    /// The answer is large, and so are all the others that are being read.
    #[error("there is no room for the answer of server `{server}`: too many large ones are being read")]
    NoRoom {
        /// The alias.
        server: Arc<str>,
    },
    /// The answer is over the limit.
    #[error("the answer of server `{server}` is larger than {limit} bytes")]
    TooLarge {
        /// The alias.
        server: Arc<str>,
        /// The limit.
        limit: usize,
    },
}

/// Where a server stands.
#[derive(Clone, Debug)]
pub enum Health {
    /// Not tried yet, or being tried for the first time.
    Starting,
    /// Answering.
    Ready(Arc<Introduction>),
    /// Its last attempt failed; it is tried again with backoff.
    Down {
        /// For the operator.
        why: String,
    },
    /// `enabled: false`.
    Disabled,
}

/// What a server reports unasked.
#[derive(Clone, Debug)]
pub enum Notice {
    /// It became ready (again): whatever was listed may have changed.
    Ready,
    /// It went down.
    Down,
    /// A list changed.
    Changed(Listing),
    /// `notifications/resources/updated` for this original URI.
    Updated(String),
    /// The task of this id is not what it was, it says (`notifications/tasks`, `notifications/tasks/status`).
    Task(String),
    /// Progress of a task that its agent looks after (`notifications/progress`, 2025-11-25).
    Progress(Box<Progress>),
}

/// What a server says of a task's progress.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Whose task it is.
    pub principal: Arc<str>,
    /// The server's id of it.
    pub task: Arc<str>,
    /// The params; the token in them is ours.
    pub params: Object,
}

/// What supervisors need from outside.
#[derive(Clone, Debug)]
pub struct Context {
    /// Time.
    pub clock: crate::clock::Clock,
    /// Where `${secret:}` values come from.
    pub vault: Vaulted,
    /// The program whose hidden `guard` command wraps children (this binary).
    pub guard: std::path::PathBuf,
    /// Where children's pipes are moved: beside the calls.
    pub hands: crate::workers::Hands,
}
