//! The supervisor: tries, tends, tries again, and ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tollgate_mcp::method::Method;
use tollgate_mcp::revision::Era;

use super::super::backoff::Backoff;
use super::super::http::{Http, Transport, Wire};
use super::super::stdio::{Stdio, Way};
use super::super::{Health, Notice, listen};
use super::{Course, Live, SUBSCRIBE, Server};
use crate::config;

/// One that was up for so long was not failing at its start.
const STEADY: Duration = Duration::from_secs(10);

/// How often unused sessions, processes and connections are looked for.
const TICK: Duration = Duration::from_secs(5);

/// A call to a server that is down makes it be tried again at once, but not more often than this.
const NUDGE: Duration = Duration::from_secs(1);

impl Server {
    pub(super) async fn supervise(self: Arc<Self>) {
        let mut course = self.course.subscribe();
        let last = tokio::select! {
            never = self.run() => match never {},
            _ = course.wait_for(|course| *course != Course::Run) => self.live.load_full(),
        };
        if let Some(live) = last {
            let longest = self.config.timeout.call.saturating_mul(10);
            tokio::select! {
                () = self.flights.over() => {}
                () = tokio::time::sleep(longest) => {}
                _ = course.wait_for(|course| *course == Course::End) => {}
            }
            self.over();
            live.close().await;
        }
        self.over();
        self.ended.send_replace(true);
    }

    /// Takes no more calls.
    fn over(&self) {
        self.live.store(None);
        self.recovering.store(false, Ordering::Release);
        self.health.send_replace(Health::Down { why: "it was ended".to_owned() });
    }

    async fn run(self: &Arc<Self>) -> std::convert::Infallible {
        let clock = &self.room.clock;
        let mut era = None;
        let mut backoff = Backoff::new(clock.clone());
        let mut previous: Option<Arc<Live>> = None;
        loop {
            let attempted = clock.instant();
            let attempt = tokio::time::timeout(self.config.timeout.start, self.attempt(&mut era)).await;
            let why = match attempt {
                Ok(Ok(live)) => {
                    let live = Arc::new(live);
                    if let (Live::Stdio(new), Some(Live::Stdio(old))) = (&*live, previous.as_deref()) {
                        new.adopt(old);
                    }
                    let since = clock.instant();
                    let (why, outdated) = self.tend(&live).await;
                    previous = (!outdated).then(|| Arc::clone(&live));
                    if outdated {
                        // Its calls may finish; what they run in ends with the last of them.
                        let (flights, longest) = (Arc::clone(&self.flights), self.config.timeout.call);
                        tokio::spawn(async move {
                            drop(tokio::time::timeout(longest.saturating_mul(10), flights.over()).await);
                            drop(live);
                        });
                    }
                    if clock.instant().saturating_duration_since(since) > STEADY {
                        backoff.reset();
                    }
                    why
                }
                Ok(Err(why)) => {
                    self.recovering.store(false, Ordering::Release);
                    why
                }
                Err(_elapsed) => {
                    self.recovering.store(false, Ordering::Release);
                    "it did not start in time".to_owned()
                }
            };
            tracing::warn!(server = %self.config.alias, why = %why.escape_debug(), "server is down");
            self.live.store(None);
            self.health.send_replace(Health::Down { why });
            self.room.bulletin.tell(Notice::Down);
            let wait = backoff.next();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = async {
                    self.nudge.notified().await;
                    tokio::time::sleep_until((attempted + NUDGE).into()).await;
                } => {}
            }
        }
    }

    async fn attempt(&self, era: &mut Option<Era>) -> Result<Live, String> {
        match &self.config.transport {
            config::Transport::Http { url, over, headers, auth, ca } => {
                let transport = Transport { headers, auth: auth.as_ref(), ca: ca.as_deref() };
                let wire = Wire::new(&self.room, url, transport)?;
                let streams = || Way::Events(Arc::clone(&wire));
                match over {
                    config::Over::Sse => Ok(Live::Stdio(Stdio::connect(&self.room, streams(), era).await?)),
                    config::Over::Http => Ok(Live::Http(Http::connect(wire, era).await?)),
                    config::Over::Auto => match Http::connect(Arc::clone(&wire), era).await {
                        Ok(http) => Ok(Live::Http(http)),
                        // Refused as only an older server refuses it: then its stream is there, or nothing is.
                        Err(why) if wire.was_refused() => {
                            let older = Stdio::connect(&self.room, streams(), era).await;
                            older.map(Live::Stdio).map_err(|_| why)
                        }
                        Err(why) => Err(why),
                    },
                }
            }
            config::Transport::Stdio { .. } => {
                Ok(Live::Stdio(Stdio::connect(&self.room, Way::Program, era).await?))
            }
        }
    }

    /// Looks after a server that is up, until it is not: says why, and whether it is because its credential changed.
    async fn tend(self: &Arc<Self>, live: &Arc<Live>) -> (String, bool) {
        let introduction = live.introduction();
        self.flights.breaker.answered();
        tracing::info!(server = %self.config.alias, revision = %introduction.revision, "server is ready");
        self.live.store(Some(Arc::clone(live)));
        self.recovering.store(true, Ordering::Release);
        self.health.send_replace(Health::Ready(Arc::clone(introduction)));
        self.room.bulletin.tell(Notice::Ready);
        // Dropped, it ends what runs in it.
        let mut beside = tokio::task::JoinSet::new();
        match introduction.revision.era() {
            Era::Modern => {
                let told = listen::Topics { uris: Arc::clone(&self.uris), tasks: Arc::clone(&self.tasks) };
                beside.spawn(listen::keep(Arc::clone(live), Arc::clone(&self.room), told));
            }
            Era::Legacy => {
                beside.spawn(Arc::clone(self).resubscribe());
            }
        }
        let mut tick = tokio::time::interval(TICK);
        let mut changes = self.room.resolve.changes();
        let mut renewals = live.renewals();
        loop {
            tokio::select! {
                why = live.lost() => return (why, false),
                Ok(()) = changes.changed() => {
                    if live.is_outdated(&self.room) {
                        return ("its credential was changed".to_owned(), true);
                    }
                }
                () = moved(renewals.as_mut()) => {
                    beside.spawn(Arc::clone(self).resubscribe());
                }
                _ = tick.tick() => live.reap().await,
            }
        }
    }

    /// Subscribes at a legacy server, anew, to what is subscribed here.
    async fn resubscribe(self: Arc<Self>) {
        let changing = self.uris.changing.lock().await;
        for uri in self.uris.all() {
            drop(tokio::time::timeout(SUBSCRIBE, self.plain(Method::Subscribe, &uri)).await);
        }
        drop(changing);
    }
}

/// Waits for a counter's next move; for ever, if there is none.
async fn moved(counter: Option<&mut watch::Receiver<u64>>) {
    if let Some(counter) = counter
        && counter.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
