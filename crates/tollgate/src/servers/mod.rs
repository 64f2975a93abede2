//! The servers behind us: transports, both eras' client code, pools, spawn, probe, sessions, health, backoff, reap.
//! One supervisor per server: a slow or dead one never delays another. *Never* names a stage or an agent's credential.

/// The parent between us and a child process.
pub mod guard;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast;
use tollgate_mcp::error::RpcError;
use tollgate_mcp::header::ParamHeader;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;
use tollgate_mcp::translate::Answer;

use crate::call::{Client, LogLevel};
use crate::config;

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

/// A legacy server's question in the middle of a call.
#[derive(Clone, Debug)]
pub struct Question {
    /// Unique within the exchange.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its params.
    pub params: Object,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug)]
pub enum Reaction {
    /// A result, as the agent gave it.
    Result(Object),
    /// No answer: elicitation is cancelled, sampling and roots get an error.
    Withdrawn,
}

/// What happens on an open exchange.
#[derive(Debug)]
pub enum Event {
    /// `notifications/progress`: its params; the token in them is ours.
    Progress(Object),
    /// `notifications/message`: its params.
    Log(Object),
    /// A legacy server asks; the call stays open until [`Exchange::answer`]. Questions arriving within 50 ms come together.
    Asked(Vec<Question>),
    /// The server withdrew its open questions.
    Withdrew,
    /// The end: an answer, or the server's own error in its revision's codes.
    Done(Result<Answer, RpcError>),
    /// The end: no answer.
    Failed(Failure),
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
    /// The answer is over the limit.
    #[error("the answer of server `{server}` is larger than {limit} bytes")]
    TooLarge {
        /// The alias.
        server: Arc<str>,
        /// The limit.
        limit: usize,
    },
}

/// An open request at a server. Dropped before its end, it cancels (stream closed, or `notifications/cancelled`).
#[derive(Debug)]
pub struct Exchange {
    _private: (),
}

impl Exchange {
    /// The server's revision.
    pub fn revision(&self) -> Revision {
        todo!("Exchange::revision")
    }

    /// What happens next. Cancel-safe. After `Done` or `Failed` it must not be called again.
    pub async fn next(&mut self) -> Event {
        std::future::pending::<()>().await;
        todo!("Exchange::next")
    }

    /// Answers open questions by key; unknown keys are ignored, open ones without an answer stay open.
    pub async fn answer(&mut self, answers: Vec<(String, Reaction)>) {
        let _answers = answers;
        std::future::ready(()).await;
        todo!("Exchange::answer")
    }

    /// The questions that are still open.
    pub fn open_questions(&self) -> Vec<Question> {
        todo!("Exchange::open_questions")
    }
}

/// What a server says of itself.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// The revision spoken with it.
    pub revision: Revision,
    /// Its capabilities (canonical shape: an `InitializeResult`'s or `DiscoverResult`'s `capabilities`).
    pub capabilities: Object,
    /// Its `serverInfo`, as JSON text.
    pub info: Option<Bytes>,
    /// Its instructions.
    pub instructions: Option<String>,
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
}

/// The four lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "MCP's own words")]
pub enum Listing {
    Tools,
    Prompts,
    Resources,
    Templates,
}

/// One server and its supervisor.
#[derive(Debug)]
pub struct Server {
    /// Its configuration.
    pub config: Arc<config::Server>,
}

impl Server {
    /// Where it stands.
    pub fn health(&self) -> Health {
        todo!("Server::health")
    }

    /// Its notices, from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        todo!("Server::notices")
    }

    /// Sends a request on a fitting lease (pool key: principal where interactive, declared capabilities, credential). Waits for a
    /// starting server up to its start limit. Nothing is ever sent twice.
    pub async fn send(self: &Arc<Self>, outbound: Outbound) -> Result<Exchange, Failure> {
        let _outbound = outbound;
        std::future::ready(()).await;
        todo!("Server::send")
    }

    /// All pages of one list as `client` of `principal` would get it, within `threats.md`'s limits: the items' texts, and the least `ttlMs`.
    /// A server that does not have that list (-32601, or an undeclared capability) has an empty one.
    pub async fn list(
        self: &Arc<Self>,
        listing: Listing,
        client: &Arc<Client>,
        principal: &Arc<str>,
    ) -> Result<(Vec<Bytes>, Option<u64>), Failure> {
        let _args = (listing, client, principal);
        std::future::ready(()).await;
        todo!("Server::list")
    }

    /// Counts one more subscriber of an original URI, subscribing at the server if it is the first; the guard counts back when dropped.
    /// `None` if the server does not support it.
    pub async fn subscribe(
        self: &Arc<Self>,
        uri: &str,
        client: &Arc<Client>,
        principal: &Arc<str>,
    ) -> Option<Subscription> {
        let _args = (uri, client, principal);
        std::future::ready(()).await;
        todo!("Server::subscribe")
    }
}

/// One subscriber of one URI; dropping it counts back.
#[derive(Debug)]
pub struct Subscription {
    _private: (),
}

/// All servers.
#[derive(Debug)]
pub struct Servers {
    _private: (),
}

impl Servers {
    /// Starts a supervisor for each enabled server; returns at once.
    pub fn start(config: &config::Config, context: Context) -> Arc<Self> {
        let _args = (config, context);
        todo!("Servers::start")
    }

    /// Applies a new configuration: unchanged servers go on untouched, changed and removed ones finish their calls and end, new ones start.
    pub fn apply(&self, config: &config::Config) {
        let _config = config;
        todo!("Servers::apply")
    }

    /// One server.
    pub fn get(&self, alias: &str) -> Option<Arc<Server>> {
        let _alias = alias;
        todo!("Servers::get")
    }

    /// All of them, by alias.
    pub fn all(&self) -> Vec<Arc<Server>> {
        todo!("Servers::all")
    }

    /// Ends all: sessions deleted, children closed, terminated, killed, reaped.
    pub async fn shutdown(&self) {
        std::future::ready(()).await;
        todo!("Servers::shutdown")
    }
}

/// What supervisors need from outside.
#[derive(Clone, Debug)]
pub struct Context {
    /// Time.
    pub clock: crate::clock::Clock,
    /// Where `${secret:}` values come from.
    pub vault: Arc<crate::vault::Vault>,
    /// The program whose hidden `guard` command wraps children (this binary).
    pub guard: std::path::PathBuf,
}
