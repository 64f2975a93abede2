//! Fake servers of both eras, over HTTP and stdio: a small script says what they offer, and they record everything that reaches them.
//! A stdio fake lives in the test's process too: the child that the gateway starts only carries lines to it.
//! *Never* forgiving: what a strict real server would refuse is refused, and kept as a fault of whoever sent it.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio::task::AbortHandle;

use crate::json::Json;
use crate::wire::{RESERVED, rpc};
use crate::{Failure, Result};

/// What a fake offers.
pub mod script;

/// How a fake answers, whatever carries it.
mod brain;

/// How a fake asks.
mod ask;

/// How a fake's calls become tasks.
mod task;

/// Streamable HTTP, both eras.
mod http;

/// HTTP+SSE.
mod sse;

/// Lines, both eras, and the child that carries them.
pub mod stdio;

#[cfg(test)]
mod tests;

pub use script::Script;

/// Which server a fake plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Streamable HTTP with a handshake and sessions (2025-03-26 to 2025-11-25).
    LegacyHttp,
    /// Stateless HTTP (2026-07-28).
    ModernHttp,
    /// A child with a handshake.
    LegacyStdio,
    /// A child of 2026-07-28.
    ModernStdio,
    /// HTTP+SSE with a handshake (2024-11-05's transport).
    LegacySse,
}

impl Kind {
    /// Every kind, with its name in scenarios.
    pub const ALL: [(Self, &str); 5] = [
        (Self::LegacyHttp, "legacy-http"),
        (Self::ModernHttp, "modern-http"),
        (Self::LegacyStdio, "legacy-stdio"),
        (Self::LegacySse, "legacy-sse"),
        (Self::ModernStdio, "modern-stdio"),
    ];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, n)| *n == name).map(|(kind, _)| kind)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Whether it speaks 2026-07-28.
    pub fn is_modern(self) -> bool {
        matches!(self, Self::ModernHttp | Self::ModernStdio)
    }

    /// Whether it is a child process.
    pub fn is_stdio(self) -> bool {
        matches!(self, Self::LegacyStdio | Self::ModernStdio)
    }
}

/// One message that reached a fake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its method; `cancelled` for a call that was given up, `answer` for the answer to a question.
    pub method: String,
    /// Its params; for `cancelled` the call's.
    pub params: Json,
    /// Its HTTP headers, in lower case; none on stdio.
    pub headers: Vec<(String, String)>,
}

impl Received {
    /// Whether it is something an agent caused to happen: a call, a read, a prompt, a completion, or the end of one. A retry with answers
    /// is a further round of a call, not a call.
    pub fn is_call(&self) -> bool {
        let again = self.params.get("inputResponses").is_some() && self.method != "cancelled";
        !again
            && matches!(
                self.method.as_str(),
                "tools/call" | "resources/read" | "prompts/get" | "completion/complete" | "cancelled"
            )
    }

    /// As a scenario writes it: the params without what belongs to the hop.
    pub fn summary(&self) -> Json {
        if self.method == "cancelled" {
            return Json::object()
                .with("cancelled", self.params.get("name").cloned().unwrap_or_else(|| self.params.clone()));
        }
        let own = |key: &str| !key.starts_with(RESERVED) && key != "progressToken";
        let meta: Vec<_> = self.params.get("_meta").map(Json::members).unwrap_or_default().to_vec();
        let meta: Vec<_> = meta.into_iter().filter(|(key, _)| own(key)).collect();
        let params = self.params.clone().without("_meta").without("requestState").without("inputResponses");
        if meta.is_empty() { params } else { params.with("_meta", Json::Object(meta)) }
    }
}

/// A child that a stdio fake was started as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// The names of its environment variables.
    pub env: Vec<String>,
}

/// What all connections of one fake share.
#[derive(Debug)]
pub(crate) struct State {
    kind: Kind,
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
    taken: Mutex<usize>,
    faults: Mutex<Vec<String>>,
    children: Mutex<Vec<Child>>,
    changed: Notify,
    ids: AtomicU64,
    asks: Mutex<HashMap<u64, oneshot::Sender<Json>>>,
    open_states: Mutex<HashSet<String>>,
    jobs: Mutex<HashMap<String, task::Task>>,
    signed_in: Mutex<HashSet<String>>,
    taken_back: Mutex<HashSet<String>>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    calls: Mutex<HashMap<String, watch::Sender<bool>>>,
    announce: broadcast::Sender<News>,
    tasks: Mutex<Vec<AbortHandle>>,
    down: watch::Sender<u64>,
}

/// What a fake says to whoever listens.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A list changed.
    List(&'static str),
    /// A resource changed.
    Resource(String),
    /// A task changed.
    Task(String),
    /// A task got so far.
    Progress(String, u64),
}

/// A legacy session, or a stdio connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    id: String,
    revision: Mutex<String>,
    capabilities: Mutex<Json>,
    log_level: Mutex<Option<String>>,
    subscribed: Mutex<HashSet<String>>,
}

impl Session {
    /// The notification for news, if a legacy client is to have it.
    fn news(&self, state: &State, news: &News) -> Option<Json> {
        match news {
            News::List(list) => {
                Some(rpc::notification(&format!("notifications/{list}/list_changed"), Json::object()))
            }
            News::Resource(uri) => lock(&self.subscribed).contains(uri).then(|| {
                rpc::notification("notifications/resources/updated", Json::object().with("uri", uri.as_str()))
            }),
            News::Task(id) => task::told(state, self, id),
            News::Progress(id, step) => task::progressed(state, self, id, *step),
        }
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::object()
    }
}

/// A lock, whatever a panicking test did while it held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn new(kind: Kind, script: Script) -> Arc<Self> {
        Arc::new(Self {
            kind,
            script: Mutex::new(script),
            received: Mutex::default(),
            taken: Mutex::default(),
            faults: Mutex::default(),
            children: Mutex::default(),
            changed: Notify::new(),
            ids: AtomicU64::new(1),
            asks: Mutex::default(),
            open_states: Mutex::default(),
            jobs: Mutex::default(),
            signed_in: Mutex::default(),
            taken_back: Mutex::default(),
            sessions: Mutex::default(),
            calls: Mutex::default(),
            announce: broadcast::channel(16).0,
            tasks: Mutex::default(),
            down: watch::channel(0).0,
        })
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn receive(&self, method: &str, params: &Json, headers: &[(String, String)]) {
        let (method, params, headers) = (method.to_owned(), params.clone(), headers.to_vec());
        lock(&self.received).push(Received { method, params, headers });
        self.changed.notify_waiters();
    }

    fn fault(&self, what: impl Into<String>) {
        lock(&self.faults).push(what.into());
    }

    fn track(&self, task: &tokio::task::JoinHandle<()>) {
        let mut tasks = lock(&self.tasks);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
    }
}

/// A running fake. Dropped, it is gone.
#[derive(Debug)]
pub struct Server {
    state: Arc<State>,
    address: SocketAddr,
}

impl Server {
    /// Starts a fake of `kind`.
    pub async fn start(kind: Kind, script: Script) -> Result<Self> {
        Self::start_at(kind, script, "127.0.0.1:0").await
    }

    /// The same at an address that was free a moment ago: another server's, say, that is gone.
    pub async fn start_at(kind: Kind, script: Script, address: &str) -> Result<Self> {
        let listener = bind(address).await?;
        let server = Self { address: listener.local_addr()?, state: State::new(kind, script) };
        server.accept(listener);
        Ok(server)
    }

    fn accept(&self, listener: TcpListener) {
        let state = Arc::clone(&self.state);
        let task = if self.state.kind.is_stdio() {
            tokio::spawn(stdio::accept(listener, state))
        } else if self.state.kind == Kind::LegacySse {
            tokio::spawn(sse::accept(listener, state))
        } else {
            tokio::spawn(http::accept(listener, state))
        };
        self.state.track(&task);
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.state.kind
    }

    /// An HTTP fake's endpoint.
    pub fn url(&self) -> String {
        let path = if self.state.kind == Kind::LegacySse { "sse" } else { "mcp" };
        format!("http://{}/{path}", self.address)
    }

    /// A fake's address, `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A stdio fake's command: `carrier` is a program that calls [`stdio::carry`] (see [`stdio::carrier`]).
    pub fn command(&self, carrier: &[String]) -> Vec<String> {
        carrier.iter().cloned().chain(["--carry".to_owned(), self.address.to_string()]).collect()
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state.received).clone()
    }

    /// The calls received since the last take; waits up to `patience` for `at_least` of them.
    pub async fn take_calls(&self, at_least: usize, patience: Duration) -> Vec<Received> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let changed = self.state.changed.notified();
            let fresh: Vec<_> = self.received().into_iter().skip(*lock(&self.state.taken)).collect();
            let calls: Vec<_> = fresh.iter().filter(|r| r.is_call()).cloned().collect();
            let late = tokio::time::Instant::now() >= deadline;
            if late || (calls.len() >= at_least && at_least > 0) {
                *lock(&self.state.taken) += fresh.len();
                return calls;
            }
            // A deadline that passes is read above.
            drop(tokio::time::timeout_at(deadline, changed).await);
        }
    }

    /// What whoever called did wrong: a strict server would have refused it.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.state.faults).clone()
    }

    /// The children that were started, in order; none for HTTP.
    pub fn children(&self) -> Vec<Child> {
        lock(&self.state.children).clone()
    }

    /// Offers something else from now on, and says so to whoever listens.
    pub fn rescript(&self, script: Script) {
        let quietly = script.quietly;
        *lock(&self.state.script) = script;
        if quietly {
            return;
        }
        for list in ["tools", "prompts", "resources"] {
            // Nobody listening is fine.
            drop(self.state.announce.send(News::List(list)));
        }
    }

    /// Takes back the question of the call of `ask_withdrawn` with this `mark` in its arguments.
    pub fn take_back(&self, mark: &str) {
        lock(&self.state.taken_back).insert(mark.to_owned());
    }

    /// Says to whoever subscribed to it that a resource changed.
    pub fn update(&self, uri: &str) {
        // Nobody listening is fine.
        drop(self.state.announce.send(News::Resource(uri.to_owned())));
    }

    /// Dies: connections break, children exit, the port closes.
    pub fn crash(&self) {
        self.state.down.send_modify(|crashes| *crashes += 1);
        for task in lock(&self.state.tasks).drain(..) {
            task.abort();
        }
        lock(&self.state.sessions).clear();
    }

    /// Forgets every session, as one that was replaced by another instance: whoever comes with one gets 404.
    pub fn forget_sessions(&self) {
        lock(&self.state.sessions).clear();
    }

    /// Lives again, at the same address.
    pub async fn restart(&self) -> Result<()> {
        self.accept(bind(&self.address()).await?);
        Ok(())
    }
}

/// Binds; whoever had the address may need a moment to leave it.
async fn bind(address: &str) -> Result<TcpListener> {
    let mut last = Failure::new(format!("cannot bind {address}"));
    for _ in 0..50 {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Failure::from(error).while_doing(address),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(last)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}
