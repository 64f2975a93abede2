//! Legacy sessions (2025-03-26 to 2025-11-25): one without capabilities for all who can't be asked, and one for each principal
//! and set of declared capabilities. *Never* shares a session that could ask something between principals.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::Method as Verb;
use http::header::{HeaderMap, HeaderValue};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::message::{self, Id, Outcome};
use tollgate_mcp::object::quote;
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;

use super::body::Body;
use super::call::{Call, outcome};
use super::flight::Broken;
use super::{Ask, Wire, head, listening};
use crate::call::{Client, LogLevel};
use crate::servers::carrier::{TOLD, UNTAKEN};
use crate::servers::introduction::{self, Introduction};
use crate::servers::params::{SELF, declared};
use crate::servers::registry::Registry;
use crate::servers::{Failure, Notice};

/// An interactive session unused for so long is deleted.
const IDLE: Duration = Duration::from_mins(10);

/// The most sessions with one server.
const SESSIONS_MAX: usize = 256;

/// How long setting a log level may hold up a call.
const LEVEL: Duration = Duration::from_secs(5);

/// How long a new interactive session waits for its standing stream: some servers send no head before the first event.
const STREAM: Duration = Duration::from_millis(500);

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    declared: Bytes,
    principal: Arc<str>,
}

/// A place for one session: made when first needed, remade when dead.
#[derive(Debug)]
struct Slot {
    /// `None` = the base: nothing declared.
    client: Option<Arc<Client>>,
    current: ArcSwapOption<Session>,
    making: tokio::sync::Mutex<()>,
}

/// One server's sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) wire: Arc<Wire>,
    revision: Revision,
    base: Arc<Slot>,
    keyed: Mutex<HashMap<Key, Arc<Slot>>>,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    wire: Arc<Wire>,
    /// Its `Mcp-Session-Id`, if the server gave one.
    pub(super) id: Option<HeaderValue>,
    revision: Revision,
    /// What was declared in it.
    capabilities: Capabilities,
    /// The calls in flight in it, if it is interactive: for questions that come on the standing stream.
    pub(super) calls: Arc<Registry>,
    dead: AtomicBool,
    used_ms: AtomicU64,
    /// The log level set in it; the level's place + 1, 0 = none.
    level: AtomicU8,
    stream: Mutex<Option<AbortHandle>>,
}

impl Session {
    pub(super) fn interactive(&self) -> bool {
        self.capabilities.interactive()
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) fn stamp(&self, head: &mut HeaderMap) {
        head::legacy(head, self.revision, self.id.as_ref());
    }

    /// The server no longer knows it.
    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.hang_up();
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    fn hang_up(&self) {
        if let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take() {
            stream.abort();
        }
    }

    /// Tells the server that it is over.
    async fn delete(&self) {
        self.hang_up();
        if self.dead.swap(true, Ordering::AcqRel) || self.id.is_none() {
            return;
        }
        let mut head = self.wire.post_head();
        self.stamp(&mut head);
        let goodbye = async {
            let mut flight = self.wire.start(Verb::DELETE, head, Body::empty()).await?;
            flight.head().await.map(|_| flight.finish())
        };
        // Whether it listens or not, it is over for us.
        drop(tokio::time::timeout(Duration::from_secs(2), goodbye).await);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl Sessions {
    /// Opens the base session: what the server introduces itself in.
    pub(super) async fn open(wire: &Arc<Wire>) -> Result<(Arc<Self>, Introduction), Failure> {
        let (session, introduction) = initialize(wire, None, Revision::LATEST_LEGACY).await?;
        let base = Slot {
            client: None,
            current: ArcSwapOption::from(Some(session)),
            making: tokio::sync::Mutex::default(),
        };
        let sessions = Arc::new(Self {
            wire: Arc::clone(wire),
            revision: introduction.revision,
            base: Arc::new(base),
            keyed: Mutex::default(),
        });
        Ok((sessions, introduction))
    }

    /// The session for this program of this principal.
    pub(super) async fn lease(
        &self,
        client: &Arc<Client>,
        principal: &Arc<str>,
    ) -> Result<Arc<Session>, Failure> {
        let slot = self.slot(client, principal)?;
        let session = match slot.current.load_full().filter(|session| !session.is_dead()) {
            Some(session) => session,
            None => Box::pin(self.make(&slot)).await?,
        };
        if slot.client.is_some() {
            session.used_ms.store(self.wire.clock.now_ms(), Ordering::Relaxed);
        }
        Ok(session)
    }

    /// Another session in place of one that the server answered 404 to.
    pub(super) async fn renew(&self, dead: &Arc<Session>) -> Result<Arc<Session>, Failure> {
        dead.kill();
        let slot = {
            let keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
            let mut all = keyed.values().chain([&self.base]);
            all.find(|slot| slot.current.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, dead)))
                .cloned()
        };
        match slot {
            Some(slot) => self.make(&slot).await,
            // Others have replaced it already, or it was one that is no longer kept.
            None if !dead.interactive() => self.make(&self.base).await,
            None => Err(self.wire.unavailable("its session ended", false)),
        }
    }

    fn slot(&self, client: &Arc<Client>, principal: &Arc<str>) -> Result<Arc<Slot>, Failure> {
        if !client.capabilities.interactive() {
            return Ok(Arc::clone(&self.base));
        }
        let declared = declared(&client.capabilities, self.revision);
        if declared.as_ref() == b"{}" {
            return Ok(Arc::clone(&self.base));
        }
        let key = Key { declared, principal: Arc::clone(principal) };
        let mut keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
        if keyed.len() >= SESSIONS_MAX && !keyed.contains_key(&key) {
            return Err(self.wire.unavailable("too many sessions are open with it", false));
        }
        let slot = keyed.entry(key).or_insert_with(|| {
            Arc::new(Slot {
                client: Some(Arc::clone(client)),
                current: ArcSwapOption::empty(),
                making: tokio::sync::Mutex::default(),
            })
        });
        Ok(Arc::clone(slot))
    }

    /// Makes a slot's session, once for all who wait for it.
    async fn make(&self, slot: &Arc<Slot>) -> Result<Arc<Session>, Failure> {
        let making = slot.making.lock().await;
        let mut renews = false;
        if let Some(session) = slot.current.load_full() {
            if !session.is_dead() {
                return Ok(session);
            }
            // Whoever noticed that it is dead: a call, or the standing stream.
            renews = slot.client.is_none();
        }
        // Boxed: a call may come to make a session, which is itself made by calls.
        let made = Box::pin(initialize(&self.wire, slot.client.as_ref(), self.revision));
        let start = tokio::time::timeout(self.wire.timeout.start, made);
        let made =
            start.await.map_err(|_elapsed| Failure::Timeout { server: Arc::clone(&self.wire.alias) })?;
        let (session, _introduction) = made.inspect_err(|failure| {
            // It gave us such a session before. One that declares more may only be too much for it.
            match slot.client {
                None => self.wire.lose(&failure.to_string()),
                Some(_) => self.wire.doubt("it makes no such session"),
            }
        })?;
        slot.current.store(Some(Arc::clone(&session)));
        drop(making);
        if renews {
            // What was subscribed in the old one is not in this one, and what changed in between was not told.
            self.wire.renewed.send_modify(|count| *count += 1);
            self.wire.bulletin.tell(Notice::Ready);
        }
        Ok(session)
    }

    /// Makes the session's log level at least as verbose as `level`. A server that does not obey is no reason to fail a call.
    pub(super) async fn raise(&self, session: &Arc<Session>, level: LogLevel) {
        let place = level as u8 + 1;
        let set = session.level.load(Ordering::Acquire);
        if set != 0 && set <= place {
            return;
        }
        session.level.store(place, Ordering::Release);
        let params = format!(r#"{{"level":{}}}"#, quote(level.as_str()));
        let setting = async {
            let mut head = self.wire.post_head();
            session.stamp(&mut head);
            let id = self.wire.mint();
            let body =
                message::write_request(&Id::number(id), "logging/setLevel", Rope::from(Bytes::from(params)));
            let mut call = Call::modern(Arc::clone(&self.wire), Ask { id, head, body }).await?;
            outcome(&mut call, id).await
        };
        drop(tokio::time::timeout(LEVEL, setting).await);
    }

    /// Deletes interactive sessions that have been unused for long.
    pub(super) async fn reap(&self) {
        let before =
            self.wire.clock.now_ms().saturating_sub(u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX));
        let old: Vec<Arc<Session>> = {
            let mut keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
            let mut old = Vec::new();
            keyed.retain(|_, slot| match slot.current.load_full() {
                Some(session) => {
                    let keep = session.calls.len() > 0 || session.used_ms.load(Ordering::Relaxed) > before;
                    if !keep {
                        old.push(session);
                    }
                    keep
                }
                // Being made just now, if anyone holds it.
                None => Arc::strong_count(slot) > 1,
            });
            old
        };
        for session in old {
            session.delete().await;
        }
    }

    /// Deletes all sessions.
    pub(super) async fn close(&self) {
        let mut slots: Vec<Arc<Slot>> =
            self.keyed.lock().unwrap_or_else(PoisonError::into_inner).drain().map(|(_, slot)| slot).collect();
        slots.push(Arc::clone(&self.base));
        let all: Vec<_> = slots.iter().filter_map(|slot| slot.current.swap(None)).collect();
        let mut goodbyes = tokio::task::JoinSet::new();
        for session in all {
            goodbyes.spawn(async move { session.delete().await });
        }
        while goodbyes.join_next().await.is_some() {}
    }
}

/// `initialize`, `notifications/initialized`, and the standing stream.
async fn initialize(
    wire: &Arc<Wire>,
    client: Option<&Arc<Client>>,
    revision: Revision,
) -> Result<(Arc<Session>, Introduction), Failure> {
    let capabilities = client.map_or_else(Capabilities::none, |client| client.capabilities.clone());
    let info = client.and_then(|client| client.info.as_deref()).unwrap_or(SELF.as_bytes());
    let id = wire.mint();
    let params = initialize_params(revision, &declared(&capabilities, revision), info);
    let body = message::write_request(&Id::number(id), "initialize", params);
    let mut call = Call::modern(Arc::clone(wire), Ask { id, head: wire.post_head(), body }).await?;
    let result = match outcome(&mut call, id).await? {
        Outcome::Result(result) => result,
        Outcome::Error(error) => {
            return Err(wire.unavailable(format!("it refused `initialize` with {}", error.code), false));
        }
    };
    let introduction = introduction::initialized(&result).map_err(|why| wire.unavailable(why, false))?;
    let session = Arc::new(Session {
        wire: Arc::clone(wire),
        id: call.session_id().cloned(),
        revision: introduction.revision,
        calls: Arc::new(Registry::new(capabilities.interactive())),
        capabilities,
        dead: AtomicBool::new(false),
        used_ms: AtomicU64::new(wire.clock.now_ms()),
        level: AtomicU8::new(0),
        stream: Mutex::default(),
    });
    let mut head = wire.post_head();
    session.stamp(&mut head);
    let ready = message::write_notification("notifications/initialized", Rope::new());
    let status = wire.tell(head, ready).await.map_err(|broken| wire.broken(broken))?;
    if status >= 300 {
        return Err(wire.unavailable(format!("it answered `initialized` with HTTP {status}"), false));
    }
    let (tried, answered) = oneshot::channel();
    let stream = tokio::spawn(listening::standing(Arc::clone(wire), Arc::downgrade(&session), tried));
    *session.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream.abort_handle());
    if session.interactive() {
        // Some servers ask on the standing stream and drop a question that finds none. Its end, either way, is the sign.
        drop(tokio::time::timeout(STREAM, answered).await);
    }
    Ok((session, introduction))
}

/// `initialize`'s params.
pub(in crate::servers) fn initialize_params(revision: Revision, declared: &Bytes, info: &[u8]) -> Rope {
    let mut params = Rope::new();
    params.push(Bytes::from(format!(r#"{{"protocolVersion":{},"capabilities":"#, quote(revision.as_str()))));
    params.push(declared.clone());
    params.push(Bytes::from_static(br#","clientInfo":"#));
    params.push(Bytes::copy_from_slice(info));
    params.push(Bytes::from_static(b"}"));
    params
}

/// Posts what has no answer, in a session.
#[derive(Clone, Debug)]
pub(in crate::servers) struct Poster {
    wire: Arc<Wire>,
    session: Option<Weak<Session>>,
}

impl Poster {
    pub(super) fn new(wire: &Arc<Wire>, session: Option<&Arc<Session>>) -> Self {
        Self { wire: Arc::clone(wire), session: session.map(Arc::downgrade) }
    }

    /// Posts one; given up after [`TOLD`].
    pub(in crate::servers) async fn send(&self, message: Rope) -> Result<(), String> {
        let mut head = self.wire.post_head();
        if let Some(session) = &self.session {
            session.upgrade().ok_or("the session is over")?.stamp(&mut head);
        }
        match tokio::time::timeout(TOLD, self.wire.tell(head, message)).await {
            Ok(Ok(200..=299)) => Ok(()),
            Ok(Ok(status)) => Err(format!("HTTP {status}")),
            Ok(Err(Broken { why, sent: _ })) => Err(why),
            Err(_elapsed) => Err(UNTAKEN.to_owned()),
        }
    }
}
