//! The nouns that every stage hands on, and the trait by which `receive` enters the path without naming it.
//! *Never* does anything: shapes only.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::error::RpcError;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;
use tollgate_mcp::translate::Answer;

use crate::secret::Secret;

mod cancel;
mod refused;
pub use cancel::{Cancel, Canceller};
pub use refused::{Code, Refused};

/// Which endpoint a request came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/mcp`: the caller's whole view.
    Whole,
    /// `/mcp/view/{view}`.
    View(Arc<str>),
    /// `/mcp/server/{server}`: one server, names and URIs untouched.
    Server(Arc<str>),
}

impl Endpoint {
    /// The server whose own endpoint it is.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Server(alias) => Some(alias),
            Self::Whole | Self::View(_) => None,
        }
    }
}

/// How a request reached us, as far as `authenticate` needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The peer's address; `None` for stdio.
    pub address: Option<std::net::SocketAddr>,
    /// A loopback peer, with a loopback `Host` and without `Forwarded`, `X-Forwarded-*` or `Via`; or stdio.
    pub local: bool,
}

/// What the peer presented, unjudged.
#[derive(Debug)]
pub enum Credential {
    /// No `Authorization`.
    None,
    /// `Authorization: Bearer …`, or `$TOLLGATE_KEY` on stdio.
    Bearer(Secret<String>),
    /// An `Authorization` of another scheme, or more than one: always refused.
    Unreadable,
}

/// Who calls, as proven for this request. Made in `authenticate`; shared by the requests of one key.
#[derive(Debug, PartialEq, Eq)]
pub struct Caller {
    /// The agent's name.
    pub agent: Arc<str>,
    /// The user, where identity says one.
    pub user: Option<Arc<str>>,
    /// The tenant.
    pub tenant: Option<Arc<str>>,
    /// The groups.
    pub groups: Vec<Arc<str>>,
    /// The identity that state, caches, approvals and sessions are bound to: agent + user + tenant, never client-chosen.
    pub principal: Arc<str>,
    /// May choose conversation ids (`conversations: own`).
    pub own_conversations: bool,
}

/// What the agent's program says of itself and can do. Shared by a legacy session's requests; read per request on modern ones.
#[derive(Clone, Debug)]
pub struct Client {
    /// The revision it speaks.
    pub revision: Revision,
    /// `clientInfo` as JSON text, where given. Self-reported: for display and the ledger only.
    pub info: Option<Bytes>,
    /// `name/version` from `info`, for the ledger (cut to 128 bytes).
    pub label: Option<Arc<str>>,
    /// Declared capabilities.
    pub capabilities: Capabilities,
}

/// One canonical (2026-07-28) request of an admitted caller.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who.
    pub caller: Arc<Caller>,
    /// With which program.
    pub client: Arc<Client>,
    /// To which endpoint.
    pub endpoint: Endpoint,
    /// What. Only methods of 2026-07-28 arrive here (legacy ones end at the edge), plus nothing else.
    pub method: Method,
    /// The params, canonical: no legacy-only member. `_meta` keeps the agent's own keys; the hop-owned ones (`protocolVersion`,
    /// `clientInfo`, `clientCapabilities`, `logLevel`, `progressToken`) were read out by the edge and may still be in the text.
    pub params: Object,
    /// The agent's progress token, as JSON text.
    pub progress: Option<Bytes>,
    /// `logLevel`: modern per request; legacy the session's `logging/setLevel` (none until set).
    pub log_level: Option<LogLevel>,
    /// A legacy session's identity, for the conversation (never a session id on the wire).
    pub session: Option<Arc<str>>,
    /// The peer's `Mcp-Param-*` headers: `(lower-case name without the prefix, value)`. `None` where the transport has none to compare.
    pub param_headers: Option<Vec<(String, Bytes)>>,
    /// The received size in bytes.
    pub bytes_in: u64,
}

/// RFC 5424 severities (server/utilities/logging).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the RFC's own words")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    /// Reads the wire name.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "notice" => Self::Notice,
            "warning" => Self::Warning,
            "error" => Self::Error,
            "critical" => Self::Critical,
            "alert" => Self::Alert,
            "emergency" => Self::Emergency,
            _ => return None,
        })
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

/// A notification (or a pause) on its way to the agent, before the last part. `params` is the canonical params object's text: names, URIs and
/// progress tokens are the agent's own; a legacy edge strips `subscriptionId`.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which.
    pub kind: PartKind,
    /// The params' text.
    pub params: tollgate_mcp::rope::Rope,
}

/// The notifications that reach agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the wire names below say it")]
pub enum PartKind {
    Progress,
    Message,
    Acknowledged,
    ToolsChanged,
    PromptsChanged,
    ResourcesChanged,
    ResourceUpdated,
    Task,
    /// Not a notification: the server ended its stream in mid-call and wants to be asked for the rest after this long (SEP-1699). Only
    /// agents of 2025-11-25 get to know.
    Paused {
        retry_ms: u64,
    },
}

impl PartKind {
    /// The name on the wire; `None` = it has none.
    pub const fn method(self) -> Option<&'static str> {
        Some(match self {
            Self::Progress => "notifications/progress",
            Self::Message => "notifications/message",
            Self::Acknowledged => "notifications/subscriptions/acknowledged",
            Self::ToolsChanged => "notifications/tools/list_changed",
            Self::PromptsChanged => "notifications/prompts/list_changed",
            Self::ResourcesChanged => "notifications/resources/list_changed",
            Self::ResourceUpdated => "notifications/resources/updated",
            Self::Task => "notifications/tasks",
            Self::Paused { .. } => return None,
        })
    }
}

/// How a request ended, as the agent gets it.
#[derive(Clone, Debug)]
pub enum Ending {
    /// A result.
    Answer(Answer),
    /// An error, in the agent's revision's codes.
    Error(RpcError),
}

/// The last part of an answer. Only `record` makes one: there is no answer without its closed entry.
pub trait Reply: Send + 'static {
    /// What the agent gets.
    fn into_ending(self) -> Ending;
}

/// A request was refused before it became a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// 401: the credential is missing or bad. `Bearer` challenge.
    Unauthenticated {
        /// Whether something was presented (`error="invalid_token"`).
        presented: bool,
    },
    /// 404: no such view or server for this caller.
    NoSuchEndpoint,
    /// 503: draining.
    Draining,
}

/// Some of a caller's tasks.
#[derive(Clone, Debug, Default)]
pub struct TaskPage {
    /// Their handles. Each is to be looked at: some may have gone, or may no longer be looked at.
    pub handles: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// The way into the path. `receive` is generic over it and never names a stage.
pub trait Handle: Send + Sync + 'static {
    /// The last part: only `record` makes one.
    type Reply: Reply;

    /// Authenticates one request, before its body is read. Failures are recorded by the implementation.
    fn admit(
        &self,
        credential: &Credential,
        peer: &Peer,
        endpoint: &Endpoint,
    ) -> Result<Arc<Caller>, NotAdmitted>;

    /// Walks one request. The walk runs while the returned value is polled; dropping it cancels.
    fn handle(self: &Arc<Self>, arrival: Arrival, cancel: Cancel) -> Outgoing<Self::Reply>;

    /// The time, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Our `serverInfo` object's text.
    fn server_info(&self) -> Bytes;

    /// The status page of a question that waits for operators, as HTML; `None` = no such question.
    fn status_page(&self, question: &str) -> Option<String>;

    /// The caller's tasks, oldest first, from `cursor` on (an earlier page's; `None` = from the first). Error: the cursor is none of ours.
    fn tasks(
        self: &Arc<Self>,
        caller: &Caller,
        cursor: Option<&str>,
    ) -> impl Future<Output = Result<TaskPage, RpcError>> + Send;

    /// Counts a request that never became a call (`initialize`, `ping`, bad framing): `label` is a method's name or a reason.
    fn count(&self, label: &'static str);
}

/// A request on its way: parts, then the last one.
pub struct Outgoing<R> {
    walk: Pin<Box<dyn Future<Output = R> + Send>>,
    parts: mpsc::Receiver<Box<Part>>,
    reply: Option<R>,
}

impl<R> std::fmt::Debug for Outgoing<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outgoing")
    }
}

/// What comes next out of [`Outgoing`].
#[derive(Debug)]
pub enum Next<R> {
    /// A notification.
    Part(Part),
    /// The last part; nothing follows.
    Last(R),
}

impl<R> Outgoing<R> {
    /// From the walk and the parts it sends: boxed, because a channel sets room aside for 32 of them, and most calls have none.
    pub fn new(walk: Pin<Box<dyn Future<Output = R> + Send>>, parts: mpsc::Receiver<Box<Part>>) -> Self {
        Self { walk, parts, reply: None }
    }

    /// Polls the walk inline. Parts come out in order, all of them before the last. Must not be called after `Last`.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Next<R> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// See [`Self::next`].
    pub fn poll_next(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Next<R>> {
        use std::task::Poll;
        if self.reply.is_none()
            && let Poll::Ready(reply) = self.walk.as_mut().poll(cx)
        {
            self.reply = Some(reply);
        }
        // Parts come out of the walk itself, so there is a new one only after it was polled: nothing else has to wake this.
        if let Ok(part) = self.parts.try_recv() {
            return Poll::Ready(Next::Part(*part));
        }
        match self.reply.take() {
            Some(reply) => Poll::Ready(Next::Last(reply)),
            None => Poll::Pending,
        }
    }
}

impl Outgoing<()> {
    /// The channel's depth: how many parts may wait for a slow reader before the server is slowed down.
    pub const DEPTH: usize = 64;
}
