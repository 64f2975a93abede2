//! The HTTP transport: modern servers statelessly, legacy ones in sessions.
//! *Never* sends a request twice of which a byte may have arrived, follows a redirect, or passes on a server's challenge or error page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method as Verb, Request, Uri};
use tokio::sync::watch;
use tollgate_mcp::message::{self, Id};
use tollgate_mcp::revision::Era;
use tollgate_mcp::rope::Rope;

use super::bulletin::Bulletin;
use super::held::Held;
use super::introduction::Introduction;
use super::params::{self, Stamp};
use super::registry::Inbound;
use super::server::Room;
use super::{Failure, Outbound, may_be_asked};
use crate::call::{Client, LogLevel};
use crate::clock::Clock;
use crate::config;

mod body;
mod call;
mod connect;
mod dial;
mod doubt;
mod flight;
mod head;
mod listening;
mod pool;
mod post;
mod session;

pub(super) use body::Body;
pub(super) use call::{Call, is_stream};
pub(super) use flight::Flight;
pub use post::post_json;
pub(super) use session::{Poster, initialize_params};

use dial::Target;
use doubt::Doubt;
use flight::Broken;
use pool::Pool;
use session::{Session, Sessions};

/// The largest answer.
pub(super) const RESULT_MAX: usize = 16 * 1024 * 1024;

/// One that refuses our credential is started anew, but not more often than this.
const REFUSED: Duration = Duration::from_secs(10);

/// How long a call waits for the verdict on its server.
const VERDICT: Duration = Duration::from_secs(5);

/// What all requests to one server share.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) alias: Arc<str>,
    pool: Arc<Pool>,
    ids: AtomicU64,
    credentials: Vec<(HeaderName, HeaderValue)>,
    pub(super) bulletin: Arc<Bulletin>,
    held: Arc<Held>,
    pub(super) clock: Clock,
    pub(super) timeout: config::Timeout,
    /// The configured URL.
    url: String,
    /// A POST was answered with a status of refusal: what may be there is not streamable HTTP.
    refused: AtomicBool,
    /// Why the server is no longer to be used as it was found.
    lost: watch::Sender<Option<String>>,
    /// Whether it still is what it was found to be.
    doubt: Doubt,
    /// When it was made.
    since: Instant,
    /// Counts the base session's renewals: what was subscribed there is subscribed again.
    pub(super) renewed: watch::Sender<u64>,
}

impl Wire {
    /// For one configured server; resolves its credential, sends nothing.
    pub(super) fn new(room: &Room, url: &str, transport: Transport<'_>) -> Result<Arc<Self>, String> {
        let target = Target::new(url, transport.ca)?;
        let credentials = super::credential::headers(&*room.resolve, transport.headers, transport.auth)?;
        Ok(Arc::new(Self {
            alias: Arc::clone(&room.config.alias),
            pool: Arc::new(Pool::new(target, room.clock.clone())),
            ids: AtomicU64::new(1),
            credentials,
            bulletin: Arc::clone(&room.bulletin),
            held: Arc::clone(&room.held),
            clock: room.clock.clone(),
            timeout: room.config.timeout,
            url: url.to_owned(),
            refused: AtomicBool::new(false),
            lost: watch::channel(None).0,
            doubt: Doubt::new(),
            since: room.clock.instant(),
            renewed: watch::channel(0).0,
        }))
    }

    pub(super) fn mint(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Credentials go on last, so that nothing before can see or log them.
    fn request(&self, path: &Uri, verb: Verb, mut head: HeaderMap, body: Body) -> Request<Body> {
        for (name, value) in &self.credentials {
            head.insert(name.clone(), value.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = verb;
        *request.uri_mut() = path.clone();
        *request.headers_mut() = head;
        request
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Notes that a POST was refused.
    fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether a POST was refused, as a server of HTTP+SSE refuses it.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn post_head(&self) -> HeaderMap {
        head::post(&self.pool.target.authority)
    }

    pub(super) fn get_head(&self) -> HeaderMap {
        head::get(&self.pool.target.authority)
    }

    /// Starts a request. `Err` = not connected, and so not sent.
    pub(super) async fn start(&self, verb: Verb, head: HeaderMap, body: Body) -> Result<Flight, Broken> {
        self.start_at(&self.pool.target.path, verb, head, body).await
    }

    /// The same, to another path.
    pub(super) async fn start_at(
        &self,
        path: &Uri,
        verb: Verb,
        head: HeaderMap,
        body: Body,
    ) -> Result<Flight, Broken> {
        let conn = self.pool.get().await.map_err(|why| {
            self.lose(&why);
            Broken::unsent(why)
        })?;
        Ok(Flight::start(Arc::clone(&self.pool), conn, self.request(path, verb, head, body)))
    }

    /// Posts something that has no answer: a notification, or the answer to a server's request. Gives the HTTP status.
    async fn tell(&self, head: HeaderMap, message: Rope) -> Result<u16, Broken> {
        let mut flight = self.start(Verb::POST, head, Body::new(message)).await?;
        let status = flight.head().await?.status.as_u16();
        flight.finish();
        Ok(status)
    }

    /// Whether its credential is another one now.
    pub(super) fn is_outdated(&self, room: &Room) -> bool {
        match &room.config.transport {
            config::Transport::Http { headers, auth, .. } => {
                let now = super::credential::headers(&*room.resolve, headers, auth.as_ref());
                now.is_ok_and(|now| now != self.credentials)
            }
            config::Transport::Stdio { .. } => false,
        }
    }

    /// The server has to be probed again.
    pub(super) fn lose(&self, why: &str) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            lost.get_or_insert_with(|| why.to_owned());
            first
        });
    }

    /// One answer says that the server may have become another one: it is asked what it is. Answers that look alike have one `why`.
    fn doubt(&self, why: &str) {
        if self.doubt.raise(why, self.clock.instant()) {
            tracing::info!(server = %self.alias, why, "it may speak another revision now: it is asked");
        }
    }

    /// It refuses what it took before.
    fn refused_us(&self, why: &str) {
        if self.clock.instant().saturating_duration_since(self.since) > REFUSED {
            self.lose(why);
        }
    }

    pub(super) fn unavailable(&self, why: impl Into<String>, sent: bool) -> Failure {
        Failure::Unavailable { server: Arc::clone(&self.alias), why: why.into(), sent }
    }

    pub(super) fn broken(&self, broken: Broken) -> Failure {
        self.unavailable(broken.why, broken.sent)
    }
}

/// `config::Transport::Http`'s parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport<'a> {
    pub(super) headers: &'a std::collections::BTreeMap<String, config::Template>,
    pub(super) auth: Option<&'a config::Auth>,
    pub(super) ca: Option<&'a std::path::Path>,
}

/// A server that answered over HTTP.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) wire: Arc<Wire>,
    pub(super) introduction: Arc<Introduction>,
    /// Its sessions, where it is a legacy one.
    sessions: Option<Arc<Sessions>>,
}

impl Http {
    /// Opens one request: connects if need be, makes or finds a session, sends.
    pub(super) async fn open(&self, id: u64, outbound: &Outbound) -> Result<Box<Call>, Failure> {
        let level = outbound.log_level.filter(|_| self.introduction.has("logging"));
        match &self.sessions {
            None => {
                let stamp = self.stamp(&outbound.client, id, outbound.progress, outbound.log_level, true);
                let ask = self.ask(id, outbound, stamp)?;
                Call::modern(Arc::clone(&self.wire), ask).await
            }
            Some(sessions) => {
                let session = sessions.lease(&outbound.client, &outbound.principal).await?;
                if let Some(level) = level {
                    Box::pin(sessions.raise(&session, level)).await;
                }
                let stamp = self.stamp(&outbound.client, id, outbound.progress, None, true);
                let ask = self.ask(id, outbound, stamp)?;
                Call::legacy(Arc::clone(sessions), session, ask, may_be_asked(outbound.method)).await
            }
        }
    }

    fn stamp<'a>(
        &self,
        client: &'a Client,
        id: u64,
        progress: bool,
        log_level: Option<LogLevel>,
        declare: bool,
    ) -> Stamp<'a> {
        Stamp {
            revision: self.introduction.revision,
            client,
            declare,
            progress: progress.then_some(id),
            log_level,
        }
    }

    fn ask(&self, id: u64, outbound: &Outbound, stamp: Stamp<'_>) -> Result<Ask, Failure> {
        let mut head = self.wire.post_head();
        if self.introduction.revision.era() == Era::Modern {
            head::modern(&mut head, outbound.method, &outbound.params, &outbound.marks)
                .map_err(|why| self.wire.unavailable(why, false))?;
        }
        let params = params::outbound(outbound.method, &outbound.params, stamp);
        let body = message::write_request(&Id::number(id), outbound.method.as_str(), params);
        Ok(Ask { id, head, body })
    }

    /// Why it is no longer to be used. Doubts are followed while this is awaited; one that is given up is taken up again.
    pub(super) async fn lost(&self) -> String {
        let mut lost = self.wire.lost.subscribe();
        loop {
            let doubted = async {
                self.wire.doubt.is(true).await;
                self.is_another().await
            };
            tokio::select! {
                biased;
                lost = lost.wait_for(Option::is_some) => return match lost {
                    Ok(why) => why.clone().unwrap_or_default(),
                    Err(_closed) => String::new(),
                },
                another = doubted => if another {
                    self.wire.lose("it speaks another revision now");
                } else {
                    self.wire.doubt.unfounded(self.wire.clock.instant());
                },
            }
        }
    }

    /// Waits for the verdict, if it is in doubt what this server is.
    pub(super) async fn settled(&self) {
        if self.wire.doubt.is_raised() {
            let mut lost = self.wire.lost.subscribe();
            let verdict = async {
                tokio::select! {
                    () = self.wire.doubt.is(false) => {}
                    _ = lost.wait_for(Option::is_some) => {}
                }
            };
            // A server that does not say what it is gets the call as before.
            drop(tokio::time::timeout(VERDICT, verdict).await);
        }
    }

    /// Whether a call has to wait for [`Self::settled`].
    pub(super) fn is_doubted(&self) -> bool {
        self.wire.doubt.is_raised()
    }

    pub(super) fn is_over(&self) -> bool {
        self.wire.lost.borrow().is_some()
    }

    /// Ends what has been unused for long.
    pub(super) async fn reap(&self) {
        self.wire.pool.reap();
        if let Some(sessions) = &self.sessions {
            sessions.reap().await;
        }
    }

    /// Ends all: sessions are deleted, idle connections closed.
    pub(super) async fn close(&self) {
        if let Some(sessions) = &self.sessions {
            sessions.close().await;
        }
        self.wire.pool.clear();
    }
}

/// One request, ready to be sent.
#[derive(Clone, Debug)]
struct Ask {
    id: u64,
    head: HeaderMap,
    body: Rope,
}

/// Where a session's uncorrelated requests come in.
type Side = tokio::sync::mpsc::Receiver<Inbound>;
