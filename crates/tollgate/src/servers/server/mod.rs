//! One server and its supervisor: tried, introduced, tended, tried again.
//! *Never* waits for another server, and never reports ready what has not answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::sync::{Notify, broadcast, watch};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::Era;

use super::carrier::Carrier;
use super::exchange::{Event, Exchange, Limit, Opening};
use super::introduction::Introduction;
use super::subscribe::{Following, Subscription, Uris};
use super::{Failure, Health, Listing, Notice, Outbound, list, nobody};
use crate::call::Client;
use crate::config;

mod breaker;
mod flights;
mod live;
mod supervise;

pub(super) use flights::Flight;
pub(super) use live::{Live, Room};

use flights::Flights;

/// How long a server may take over a subscription.
const SUBSCRIBE: Duration = Duration::from_secs(2);

/// How far a server is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Run,
    /// To end after its calls.
    Retire,
    /// To end now.
    End,
}

/// One server and its supervisor.
#[derive(Debug)]
pub struct Server {
    /// Its configuration.
    pub config: Arc<config::Server>,
    room: Arc<Room>,
    live: ArcSwapOption<Live>,
    health: watch::Sender<Health>,
    /// It was just lost, and the next attempt is about to be made.
    recovering: AtomicBool,
    nudge: Notify,
    course: watch::Sender<Course>,
    ended: watch::Sender<bool>,
    flights: Arc<Flights>,
    uris: Arc<Uris>,
    /// The tasks whose changes somebody wants to hear of, by the server's own ids.
    tasks: Arc<Uris>,
}

impl Server {
    /// A server and its supervisor (none if it is disabled). Must be called on the runtime.
    pub(super) fn start(room: Room) -> Arc<Self> {
        let enabled = room.config.enabled;
        let server = Arc::new(Self {
            config: Arc::clone(&room.config),
            room: Arc::new(room),
            live: ArcSwapOption::empty(),
            health: watch::channel(if enabled { Health::Starting } else { Health::Disabled }).0,
            recovering: AtomicBool::new(false),
            nudge: Notify::new(),
            course: watch::channel(Course::Run).0,
            ended: watch::channel(!enabled).0,
            flights: Arc::default(),
            uris: Arc::new(Uris::new()),
            tasks: Arc::new(Uris::new()),
        });
        if enabled {
            tokio::spawn(Arc::clone(&server).supervise());
        }
        server
    }

    /// Where it stands.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Why calls to it are refused just now although it is up, if they are.
    pub fn withheld(&self) -> Option<String> {
        self.flights.breaker.refuses(self.room.clock.instant()).map(silent)
    }

    /// Its notices, from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.room.bulletin.listen()
    }

    /// Sends a request on a fitting lease (pool key: principal where interactive, declared capabilities, credential). Waits for a
    /// starting server up to its start limit. Nothing is ever sent twice.
    pub async fn send(self: &Arc<Self>, outbound: Outbound) -> Result<Exchange, Failure> {
        if let Err(left) = self.flights.breaker.admit(self.room.clock.instant()) {
            return Err(self.unavailable(&silent(left)));
        }
        let Some(flight) = self.flights.enter().await else {
            return Err(self.unavailable("too many calls are in flight at it"));
        };
        let mut live = self.live().await?;
        if live.is_doubted() {
            Box::pin(live.settled()).await;
        }
        if live.is_over() {
            live = self.next_live(&live).await?;
        }
        let mut opened = self.open(&live, &outbound).await;
        if matches!(opened, Err(Failure::Unavailable { sent: false, .. })) && live.is_over() {
            // It was lost just now, and nothing was sent: the next attempt is near.
            live = Box::pin(self.next_live(&live)).await?;
            opened = Box::pin(self.open(&live, &outbound)).await;
        }
        let (limit, id, carrier) = opened?;
        let opening = Opening {
            server: Arc::clone(&self.config.alias),
            revision: live.introduction().revision,
            id,
            carrier,
            bulletin: Arc::clone(&self.room.bulletin),
            clock: self.room.clock.clone(),
            limit,
            flight,
        };
        Ok(Exchange::new(opening, &outbound))
    }

    async fn open(&self, live: &Live, outbound: &Outbound) -> Result<(Limit, u64, Carrier), Failure> {
        let limit = Limit::new(self.room.clock.instant(), self.config.timeout);
        match tokio::time::timeout(self.config.timeout.call, live.open(outbound)).await {
            Ok(opened) => opened.map(|(id, carrier)| (limit, id, carrier)),
            Err(_elapsed) => Err(self.unavailable("it could not be reached in time")),
        }
    }

    /// All pages of one list as `client` of `principal` would get it, within `threats.md`'s limits: the items' texts, and the least `ttlMs`.
    /// A server that does not have that list (-32601, or an undeclared capability) has an empty one.
    pub async fn list(
        self: &Arc<Self>,
        listing: Listing,
        client: &Arc<Client>,
        principal: &Arc<str>,
    ) -> Result<(Vec<Bytes>, Option<u64>), Failure> {
        // Who can't be asked sees what everyone sees.
        let own = client.capabilities.interactive() || client.capabilities.tasks;
        let (client, principal) =
            if own { (Arc::clone(client), Arc::clone(principal)) } else { (nobody(), Arc::from("")) };
        let limit = self.config.timeout.call.saturating_add(self.config.timeout.start);
        match tokio::time::timeout(limit, list::all(self, listing, &client, &principal)).await {
            Ok(listed) => listed,
            Err(_elapsed) => Err(Failure::Timeout { server: Arc::clone(&self.config.alias) }),
        }
    }

    /// Counts one more subscriber of an original URI, subscribing at the server if it is the first; the guard counts back when dropped.
    /// `None` if the server does not support it, or does not confirm it within 2 s.
    ///
    /// Subscriptions are the server's, not a caller's: `client` and `principal` choose no session here.
    pub async fn subscribe(
        self: &Arc<Self>,
        uri: &str,
        client: &Arc<Client>,
        principal: &Arc<str>,
    ) -> Option<Subscription> {
        tracing::trace!(server = %self.config.alias, %principal, revision = %client.revision, "subscribe");
        let introduction = self.introduction().await.ok()?;
        if !introduction.flag("resources", "subscribe") {
            return None;
        }
        let changing = self.uris.changing.lock().await;
        let mut honoured = self.uris.honoured.subscribe();
        let first = self.uris.add(uri);
        // From here on, dropping it counts back.
        let subscription = Subscription::new(Arc::clone(self), uri.to_owned());
        let confirmed = match introduction.revision.era() {
            Era::Legacy if first => {
                let asked = tokio::time::timeout(SUBSCRIBE, self.plain(Method::Subscribe, uri));
                matches!(asked.await, Ok(true))
            }
            Era::Legacy => true,
            Era::Modern => {
                let acknowledged = honoured.wait_for(|honoured| honoured.contains(uri));
                matches!(tokio::time::timeout(SUBSCRIBE, acknowledged).await, Ok(Ok(_)))
            }
        };
        drop(changing);
        confirmed.then_some(subscription)
    }

    /// Wants to hear of changes of a task, as [`Notice::Task`], for as long as what is returned lives. A server of 2026-07-28 is asked for
    /// them; one of 2025-11-25 tells them, or not, as it likes.
    pub fn follow_task(&self, id: &str) -> Following {
        Following::new(&self.tasks, id)
    }

    /// Counts one subscriber back; the last one ends it at the server.
    pub(super) fn unsubscribe(self: &Arc<Self>, uri: String) {
        if !self.uris.remove(&uri) {
            return;
        }
        let legacy =
            self.live.load().as_ref().is_some_and(|live| live.introduction().revision.era() == Era::Legacy);
        if let (true, Ok(runtime)) = (legacy, tokio::runtime::Handle::try_current()) {
            let server = Arc::clone(self);
            runtime.spawn(async move {
                let changing = server.uris.changing.lock().await;
                if !server.uris.has(&uri) {
                    drop(tokio::time::timeout(SUBSCRIBE, server.plain(Method::Unsubscribe, &uri)).await);
                }
                drop(changing);
            });
        }
    }

    /// A request about one URI of ours; whether it was answered with a result.
    async fn plain(self: &Arc<Self>, method: Method, uri: &str) -> bool {
        let params = Object::scan(Bytes::from(format!(r#"{{"uri":{}}}"#, quote(uri))));
        let outbound = Outbound {
            method,
            params: params.unwrap_or_else(|_| Object::empty()),
            client: nobody(),
            principal: Arc::from(""),
            progress: false,
            log_level: None,
            marks: Arc::from([]),
        };
        let Ok(mut exchange) = self.send(outbound).await else { return false };
        loop {
            match exchange.next().await {
                Event::Done(done) => return done.is_ok(),
                Event::Failed(_) => return false,
                Event::Progress(_) | Event::Log(_) | Event::Asked(_) | Event::Withdrew | Event::Paused(_) => {
                }
            }
        }
    }

    /// What it said of itself; waits for a starting server.
    pub async fn introduction(&self) -> Result<Arc<Introduction>, Failure> {
        Ok(Arc::clone(self.live().await?.introduction()))
    }

    async fn live(&self) -> Result<Arc<Live>, Failure> {
        if let Some(live) = self.live.load_full() {
            return Ok(live);
        }
        Box::pin(self.started()).await
    }

    async fn started(&self) -> Result<Arc<Live>, Failure> {
        let mut health = self.health.subscribe();
        if matches!(&*health.borrow_and_update(), Health::Down { .. }) {
            // Somebody waits: it is not to be tried at its leisure.
            self.nudge.notify_one();
        }
        let settled = health.wait_for(|health| match health {
            Health::Ready(_) | Health::Disabled => true,
            Health::Starting => false,
            Health::Down { .. } => !self.recovering.load(Ordering::Acquire),
        });
        let health = match tokio::time::timeout(self.config.timeout.start, settled).await {
            Ok(Ok(health)) => health.clone(),
            Ok(Err(_)) | Err(_) => return Err(self.unavailable("it has not started yet")),
        };
        match health {
            Health::Ready(_) => self.live.load_full().ok_or_else(|| self.unavailable("it was lost just now")),
            Health::Disabled => Err(self.unavailable("it is disabled")),
            Health::Starting => Err(self.unavailable("it has not started yet")),
            Health::Down { why } => Err(self.unavailable(&why)),
        }
    }

    /// The one after `old`, which is over.
    async fn next_live(&self, old: &Arc<Live>) -> Result<Arc<Live>, Failure> {
        let is_old = || self.live.load().as_ref().is_some_and(|live| Arc::ptr_eq(live, old));
        let mut health = self.health.subscribe();
        let replaced = health.wait_for(|_| !is_old());
        if tokio::time::timeout(self.config.timeout.start, replaced).await.is_err() {
            return Err(self.unavailable("it was lost just now"));
        }
        self.live().await
    }

    fn unavailable(&self, why: &str) -> Failure {
        Failure::Unavailable { server: Arc::clone(&self.config.alias), why: why.to_owned(), sent: false }
    }

    /// Ends it: after its calls, or now.
    pub(super) fn retire(&self, now: bool) {
        self.course.send_replace(if now { Course::End } else { Course::Retire });
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits until all of it has ended.
    pub(super) async fn ended(&self) {
        // Closed means gone, too.
        drop(self.ended.subscribe().wait_for(|ended| *ended).await);
    }
}

fn silent(left: Duration) -> String {
    format!("its last calls were not answered in time; it is tried again in {} s", left.as_secs() + 1)
}
