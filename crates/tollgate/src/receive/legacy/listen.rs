//! What a legacy session hears without asking: one canonical `subscriptions/listen` walk, restarted when what it wants changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{self, Object};

use super::follow::Followed;
use super::{Core, Outlet, call};
use crate::call::{Arrival, Caller, Canceller, Handle, Next, Outgoing, Part, PartKind};
use crate::clock::at;

/// How many resources one session may subscribe to.
const SUBSCRIPTIONS_MAX: usize = 1000;

/// The pause before a walk that ended is started again: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What a session wants to hear.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    generation: u64,
    uris: BTreeSet<String>,
    /// Somebody listens for changed lists.
    pub(super) lists: bool,
    /// The tasks that are followed.
    pub(super) tasks: BTreeMap<String, Told>,
}

/// A task that is followed.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// What was told of it.
    pub(super) last: String,
    /// The progress token of its call.
    pub(super) token: Option<Bytes>,
}

impl Wanted {
    fn anything(&self) -> bool {
        self.lists || !self.uris.is_empty()
    }
}

/// What the walk of a generation was granted.
#[derive(Clone, Debug, Default)]
pub(super) struct Acknowledged {
    generation: u64,
    uris: BTreeSet<String>,
}

/// How a subscription went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subscribed {
    Yes,
    No,
    TooMany,
    Late,
}

/// Subscribes, and waits until the walk has acknowledged it.
pub(super) async fn subscribe(core: &Arc<Core>, uri: &str) -> Subscribed {
    let mut acknowledged = core.acknowledged.subscribe();
    let mut full = false;
    let mut generation = 0;
    core.wanted.send_if_modified(|wanted| {
        generation = wanted.generation;
        full = wanted.uris.len() >= SUBSCRIPTIONS_MAX && !wanted.uris.contains(uri);
        if full || !wanted.uris.insert(uri.to_owned()) {
            return false;
        }
        wanted.generation += 1;
        generation = wanted.generation;
        true
    });
    if full {
        return Subscribed::TooMany;
    }
    let reached = acknowledged.wait_for(|granted| granted.generation >= generation);
    let subscribed = match tokio::time::timeout(core.patience.subscribe, reached).await {
        Ok(Ok(granted)) if granted.uris.contains(uri) => Subscribed::Yes,
        Ok(Ok(_)) => Subscribed::No,
        Ok(Err(_)) | Err(_) => Subscribed::Late,
    };
    if subscribed != Subscribed::Yes {
        unsubscribe(core, uri);
    }
    subscribed
}

/// Ends a subscription, if there is one.
pub(super) fn unsubscribe(core: &Core, uri: &str) {
    core.wanted.send_if_modified(|wanted| {
        let had = wanted.uris.remove(uri);
        wanted.generation += u64::from(had);
        had
    });
}

/// Says whether somebody listens for changed lists.
pub(in crate::receive) fn lists(core: &Core, heard: bool) {
    core.wanted.send_if_modified(|wanted| {
        let changed = wanted.lists != heard;
        wanted.lists = heard;
        wanted.generation += u64::from(changed);
        changed
    });
}

/// Starts the session's listener, once. It lives as long as the session, and walks while anything is wanted.
pub(in crate::receive) fn start<H: Handle>(
    handle: &Arc<H>,
    core: &Arc<Core>,
    caller: &Arc<Caller>,
    out: impl Outlet,
) {
    if core.listening.swap(true, Ordering::AcqRel) {
        return;
    }
    let listener = Arc::new(Listener {
        handle: Arc::clone(handle),
        core: Arc::clone(core),
        caller: Arc::clone(caller),
        out,
    });
    tokio::spawn(async move {
        let ended = listener.core.ended.cancel();
        tokio::select! {
            () = listener.run() => {}
            () = ended.fired() => {}
        }
    });
}

/// A session's listener.
pub(super) struct Listener<H, O> {
    pub(super) handle: Arc<H>,
    pub(super) core: Arc<Core>,
    pub(super) caller: Arc<Caller>,
    pub(super) out: O,
}

/// One walk, and the generation that it was started for.
struct Heard<R> {
    outgoing: Outgoing<R>,
    generation: u64,
    canceller: Canceller,
}

impl<R> Drop for Heard<R> {
    fn drop(&mut self) {
        self.canceller.fire();
    }
}

impl<H: Handle, O: Outlet> Listener<H, O> {
    async fn run(self: &Arc<Self>) {
        let mut followed = Followed::default();
        let mut wanted = self.core.wanted.subscribe();
        let mut pause = PAUSE.0;
        let mut retry: Option<Instant> = None;
        // The old walk goes on until the new one is acknowledged, so that nothing is missed in between.
        let mut current: Option<Heard<H::Reply>> = None;
        let first = wanted.borrow_and_update().clone();
        let mut begun = first.generation;
        let mut next = self.begin(&first);
        followed.update(self);
        loop {
            tokio::select! {
                biased;
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = wanted.borrow_and_update().clone();
                    followed.update(self);
                    if std::mem::replace(&mut begun, now.generation) == now.generation {
                        continue;
                    }
                    retry = None;
                    next = self.begin(&now);
                    if next.is_none() {
                        current = None;
                    }
                }
                heard = hear(&mut next) => match heard {
                    Next::Part(part) if part.kind == PartKind::Acknowledged => {
                        pause = PAUSE.0;
                        current = next.take();
                        self.acknowledge(current.as_ref().map_or(0, |heard| heard.generation), part);
                    }
                    Next::Part(part) => self.pass(part).await,
                    Next::Last(_) => {
                        self.refuse(next.take().map_or(0, |heard| heard.generation));
                        retry = Some(later(&mut pause));
                    }
                },
                heard = hear(&mut current) => match heard {
                    Next::Part(part) => self.pass(part).await,
                    Next::Last(_) => {
                        current = None;
                        if next.is_none() && retry.is_none() {
                            retry = Some(later(&mut pause));
                        }
                    }
                },
                () = at(retry) => {
                    retry = None;
                    let now = wanted.borrow().clone();
                    next = self.begin(&now);
                }
            }
        }
    }

    fn begin(&self, wanted: &Wanted) -> Option<Heard<H::Reply>> {
        if !wanted.anything() {
            self.refuse(wanted.generation);
            return None;
        }
        let canceller = Canceller::new();
        let arrival = Arrival {
            caller: Arc::clone(&self.caller),
            client: Arc::clone(&self.core.client),
            endpoint: self.core.endpoint.clone(),
            method: Method::Listen,
            params: params(wanted),
            progress: None,
            log_level: None,
            session: Some(Arc::clone(&self.core.identity)),
            param_headers: None,
            bytes_in: 0,
        };
        let outgoing = self.handle.handle(arrival, canceller.cancel());
        Some(Heard { outgoing, generation: wanted.generation, canceller })
    }

    async fn pass(&self, part: Part) {
        if let Some(notification) = call::notification(part) {
            self.out.send(notification).await;
        }
    }

    fn acknowledge(&self, generation: u64, part: Part) {
        let granted = Object::scan(part.params.into_bytes())
            .ok()
            .and_then(|params| params.object("notifications"))
            .and_then(|notifications| notifications.get("resourceSubscriptions"))
            .and_then(|uris| object::elements(&uris).ok())
            .unwrap_or_default();
        let uris = granted.iter().filter_map(|uri| object::unquote(uri)).map(Into::into).collect();
        self.core.acknowledged.send_replace(Acknowledged { generation, uris });
    }

    /// Nothing is granted, up to this generation.
    fn refuse(&self, generation: u64) {
        self.core.acknowledged.send_replace(Acknowledged { generation, uris: BTreeSet::new() });
    }
}

/// What comes next out of a walk, if there is one.
async fn hear<R>(heard: &mut Option<Heard<R>>) -> Next<R> {
    match heard {
        Some(heard) => heard.outgoing.next().await,
        None => std::future::pending().await,
    }
}

/// When to start again, and a longer pause the next time.
fn later(pause: &mut Duration) -> Instant {
    let at = Instant::now() + *pause;
    *pause = (*pause * 2).min(PAUSE.1);
    at
}

fn params(wanted: &Wanted) -> Object {
    let mut text = String::from(
        r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true"#,
    );
    for (at, uri) in wanted.uris.iter().enumerate() {
        text.push_str(if at == 0 { r#","resourceSubscriptions":["# } else { "," });
        text.push_str(&object::quote(uri));
    }
    text.push_str(if wanted.uris.is_empty() { "}}" } else { "]}}" });
    Object::scan(Bytes::from(text)).unwrap_or_else(|_| Object::empty())
}
