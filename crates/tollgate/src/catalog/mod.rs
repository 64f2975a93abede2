//! What the servers offer, merged into immutable snapshots with their lists already written.
//! A list never waits for a slow or dead server: what is known is served. *Never* names a stage: who may see what is handed in.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{OwnedMutexGuard, broadcast, watch};
use tokio::task::JoinHandle;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

use crate::call::Client;
use crate::clock::Clock;
use crate::config::Config;
use crate::servers::{Health, Listing, Notice, Server, Servers};

mod item;
mod lint;
mod list;
mod pins;
mod snapshot;
mod stated;
#[cfg(test)]
mod tests;

pub use item::Item;
pub use lint::{Finding, visible};
pub use list::{List, ListKey, digest_of};
pub use pins::{Change, Changed, Pin, PinState, Pinboard, Seen, is_of, report};
pub use snapshot::{Asked, Offer, Snapshot};
pub use stated::{REASON, has_own as has_own_reason};

use pins::Pins;

/// How long a list waits, right after the gateway's own start, for servers that were never heard of.
const START_GRACE: Duration = Duration::from_secs(5);
/// How long the first list of an agent that declares something new waits for servers to list with those capabilities.
const DECLARED_GRACE: Duration = Duration::from_secs(5);
/// A server that announces nothing is asked again at most this often.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// After a list that could not be read: the first pause before it is read again, doubled each time up to the last one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_mins(1);
/// What the gateway says of lists whose servers announce changes.
const TTL_MS: u64 = 60_000;

/// The merged catalog: one snapshot for each set of declared capabilities, swapped atomically.
#[derive(Debug)]
pub struct Catalog {
    servers: Arc<Servers>,
    clock: Clock,
    started: Instant,
    config: ArcSwap<Config>,
    offers: Mutex<Offers>,
    snapshots: ArcSwap<HashMap<u16, Arc<Snapshot>>>,
    serial: AtomicU64,
    generation: watch::Sender<u64>,
    watchers: Mutex<HashMap<Arc<str>, Watcher>>,
    /// The start's grace is over.
    awake: AtomicBool,
    saved: Box<dyn Memory>,
    pins: Pins,
}

/// Where last-known definitions outlive a restart.
pub trait Memory: Pinboard {
    /// What was saved of a server's base offer: the four lists as one JSON object's text.
    fn recall(&self, server: &str) -> Option<Bytes>;

    /// Saves it.
    fn save(&self, server: &str, lists: Bytes);
}

/// A server and the capabilities' fingerprint it lists for.
type Slot = (Arc<str>, u16);

#[derive(Debug, Default)]
struct Offers {
    known: HashMap<Slot, Arc<Offer>>,
    /// Who listed with these capabilities: asked again when a server changes.
    askers: HashMap<u16, (Arc<Client>, Arc<str>)>,
    /// Which servers were asked to list for which capabilities: asking one may start a process.
    asked: HashSet<Slot>,
    /// How the last reading of each offer ended.
    read: HashMap<Slot, Reading>,
    /// One reading at a time: a slow server is never asked for the same lists twice, and no older answer replaces a newer one.
    turns: HashMap<Slot, Arc<tokio::sync::Mutex<()>>>,
    /// Why a server's own lists could not be read when they were last asked for.
    unread: HashMap<Arc<str>, String>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    ended: Instant,
    /// Every list could be read.
    whole: bool,
}

#[derive(Debug)]
struct Watcher {
    server: Arc<Server>,
    task: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Catalog {
    /// A catalog over these servers. Last-known definitions are listed at once; fresh ones follow.
    pub fn start(
        config: Arc<Config>,
        servers: Arc<Servers>,
        clock: Clock,
        saved: Box<dyn Memory>,
    ) -> Arc<Self> {
        let catalog = Arc::new(Self {
            servers,
            started: clock.instant(),
            clock,
            config: ArcSwap::new(config),
            offers: Mutex::default(),
            snapshots: ArcSwap::default(),
            serial: AtomicU64::new(0),
            generation: watch::Sender::new(0),
            watchers: Mutex::default(),
            awake: AtomicBool::new(false),
            saved,
            pins: Pins::default(),
        });
        catalog.reread_pins();
        let nobody: Arc<str> = Arc::from("");
        lock(&catalog.offers).askers.insert(0, (Arc::new(plain_client()), nobody));
        catalog.follow();
        catalog
    }

    /// Applies a new configuration, after the servers did.
    pub fn apply(self: &Arc<Self>, config: Arc<Config>) {
        let names_max = config.names_max;
        if self.config.swap(config).names_max != names_max {
            self.reread(&self.config.load(), None);
        }
        self.follow();
    }

    /// Reads the pins again: another process may have accepted what is held here.
    pub fn repin(&self) {
        if self.reread_pins() {
            self.rebuild();
        }
    }

    fn reread_pins(&self) -> bool {
        self.pins.reread(&*self.saved).unwrap_or_else(|error| {
            tracing::error!(%error, "the pins can't be read: those known stay");
            false
        })
    }

    /// All pins, with what differs. Blocks (SQLite).
    pub fn pins(&self, only: Option<&str>) -> Result<Vec<PinState>, String> {
        Ok(report(&self.saved.pins(true)?, only))
    }

    /// Accepts what waits of a server (`server`) or a tool (`server/tool`), if its digest begins so, and applies it at once; the
    /// tools accepted. Blocks (SQLite).
    pub fn accept(&self, what: &str, digest: &str, by: &str) -> Result<Vec<String>, String> {
        let accepted = self.saved.accept(what, digest, by)?;
        self.repin();
        Ok(accepted)
    }

    /// Forgets the pins of a server's tools that it does not list any more, for agents of whatever capabilities; what had no room
    /// is pinned then. A server that is not configured lists nothing. The tools forgotten. Blocks (SQLite).
    ///
    /// # Errors
    /// What the server lists is not known, or the pins cannot be written.
    pub fn forget(&self, server: &str, by: &str) -> Result<Vec<String>, String> {
        let offers: Vec<(u16, Arc<Offer>)> = lock(&self.offers)
            .known
            .iter()
            .filter(|((alias, _), _)| **alias == *server)
            .map(|((_, key), offer)| (*key, Arc::clone(offer)))
            .collect();
        let configured = self.servers.get(server);
        if configured.is_some() && offers.is_empty() {
            return Err(format!("what `{server}` lists is not known yet"));
        }
        let tools = |offer: &Arc<Offer>| -> Vec<Arc<str>> {
            offer.items(Listing::Tools).iter().map(|tool| Arc::clone(&tool.original)).collect()
        };
        let listed: HashSet<Arc<str>> = offers.iter().flat_map(|(_, offer)| tools(offer)).collect();
        let forgotten = self.saved.forget(server, &listed, by)?;
        self.reread_pins();
        if let Some(server) = configured {
            for (key, offer) in &offers {
                self.pins.observe(server.config.trust, *key, offer.items(Listing::Tools), &*self.saved);
            }
        }
        self.rebuild();
        Ok(forgotten)
    }

    /// Moves whenever any snapshot changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The snapshot for an agent of these capabilities, if one is there and the start's grace is over: the way of nearly every call.
    pub fn snapshot_now(&self, client: &Client, only: Option<&str>) -> Option<Arc<Snapshot>> {
        if !self.awake.load(Ordering::Relaxed) {
            return None;
        }
        let snapshots = self.snapshots.load();
        snapshots.get(&client.capabilities.fingerprint()).filter(|s| s.has_asked(only)).map(Arc::clone)
    }

    /// The snapshot for an agent of these capabilities. At once, except for the first request of a new set.
    /// `only`: the one server that matters; then no other is waited for.
    pub async fn snapshot(
        self: &Arc<Self>,
        client: &Arc<Client>,
        principal: &Arc<str>,
        only: Option<&str>,
    ) -> Arc<Snapshot> {
        match self.snapshot_now(client, only) {
            Some(snapshot) => snapshot,
            // Boxed: so rare a way must not make every call's future larger.
            None => Box::pin(self.first_snapshot(client, principal, only)).await,
        }
    }

    /// What the servers offer anyone: for what does not depend on an agent's capabilities.
    pub async fn base_snapshot(self: &Arc<Self>) -> Arc<Snapshot> {
        self.snapshot(&Arc::new(plain_client()), &Arc::from(""), None).await
    }

    async fn first_snapshot(
        self: &Arc<Self>,
        client: &Arc<Client>,
        principal: &Arc<str>,
        only: Option<&str>,
    ) -> Arc<Snapshot> {
        let key = client.capabilities.fingerprint();
        if !self.awake.load(Ordering::Relaxed) {
            self.settle().await;
            let over = self.clock.instant().duration_since(self.started) >= START_GRACE;
            if over || self.settled() {
                self.awake.store(true, Ordering::Relaxed);
            }
        }
        if let Some(snapshot) = self.snapshot_now(client, only) {
            return snapshot;
        }
        let fetches: Vec<_> = self
            .ask(key, client, principal, only)
            .into_iter()
            .map(|server| {
                let catalog = Arc::clone(self);
                tokio::spawn(async move { catalog.fetch(&server, key, &ALL).await })
            })
            .collect();
        let all = async {
            for fetch in fetches {
                if let Err(error) = fetch.await {
                    tracing::warn!(%error, "a listing failed");
                }
            }
        };
        if tokio::time::timeout(DECLARED_GRACE, all).await.is_err() {
            tracing::warn!(
                "some servers are slow to list for an agent's capabilities; their base lists are served meanwhile"
            );
        }
        self.rebuild();
        match self.snapshots.load().get(&key) {
            Some(snapshot) => Arc::clone(snapshot),
            None => Arc::new(Snapshot::empty()),
        }
    }

    /// Notes who asks, and gives the servers that are up and were not asked before. Others are asked when they come up.
    fn ask(
        &self,
        key: u16,
        client: &Arc<Client>,
        principal: &Arc<str>,
        only: Option<&str>,
    ) -> Vec<Arc<Server>> {
        let mut offers = lock(&self.offers);
        offers.askers.entry(key).or_insert_with(|| (Arc::clone(client), Arc::clone(principal)));
        let matters = |server: &Arc<Server>| only.is_none_or(|only| *server.config.alias == *only);
        let servers = self.servers.all().into_iter().filter(matters);
        let fresh: Vec<_> =
            servers.filter(|s| offers.asked.insert((Arc::clone(&s.config.alias), key))).collect();
        fresh.into_iter().filter(|s| matches!(s.health(), Health::Ready(_))).collect()
    }

    /// How many tools each server offers to agents that declare nothing.
    pub fn tool_counts(&self) -> HashMap<Arc<str>, usize> {
        let offers = lock(&self.offers);
        let base = offers.known.iter().filter(|((_, key), _)| *key == 0);
        base.map(|((alias, _), offer)| (Arc::clone(alias), offer.items(Listing::Tools).len())).collect()
    }

    /// Why a server's lists, or some of them, are missing or old.
    pub fn unread(&self, server: &str) -> Option<String> {
        lock(&self.offers).unread.get(server).cloned()
    }

    /// Whether each enabled server has been listed or has failed its first attempt. Once listed it stays so, whatever a later reading
    /// brings.
    pub fn settled(&self) -> bool {
        let offers = lock(&self.offers);
        self.servers.all().iter().all(|server| match server.health() {
            Health::Disabled | Health::Down { .. } => true,
            Health::Starting => false,
            Health::Ready(_) => offers.read.contains_key(&(Arc::clone(&server.config.alias), 0)),
        })
    }

    /// Waits for [`Self::settled`] within the start's grace; servers whose last-known lists we have are not waited for.
    async fn settle(&self) {
        let mut changes = self.changes();
        let left = START_GRACE.saturating_sub(self.clock.instant().duration_since(self.started));
        let wait = async {
            while !self.known() {
                // Health changes that end without a list (a failed start) are only seen by looking again.
                let moved = tokio::time::timeout(Duration::from_millis(20), changes.changed()).await;
                if matches!(moved, Ok(Err(_))) {
                    return;
                }
            }
        };
        if tokio::time::timeout(left, wait).await.is_err() {
            tracing::debug!("listing without the servers that are still starting");
        }
    }

    fn known(&self) -> bool {
        let offers = lock(&self.offers);
        self.servers.all().iter().all(|server| match server.health() {
            Health::Disabled | Health::Down { .. } => true,
            Health::Starting | Health::Ready(_) => {
                let alias = &server.config.alias;
                offers.known.contains_key(&(Arc::clone(alias), 0)) || offers.unread.contains_key(alias)
            }
        })
    }

    /// Watches exactly the servers that are there.
    fn follow(self: &Arc<Self>) {
        let servers = self.servers.all();
        let mut watchers = lock(&self.watchers);
        let aliases: HashSet<Arc<str>> = servers.iter().map(|s| Arc::clone(&s.config.alias)).collect();
        watchers.retain(|alias, _| aliases.contains(alias));
        {
            let mut offers = lock(&self.offers);
            offers.known.retain(|(alias, _), _| aliases.contains(alias));
            offers.asked.retain(|(alias, _)| aliases.contains(alias));
            offers.read.retain(|(alias, _), _| aliases.contains(alias));
            offers.turns.retain(|(alias, _), _| aliases.contains(alias));
            offers.unread.retain(|alias, _| aliases.contains(alias));
        }
        for server in servers {
            let alias = Arc::clone(&server.config.alias);
            if watchers.get(&alias).is_some_and(|w| Arc::ptr_eq(&w.server, &server)) {
                continue;
            }
            lock(&self.offers).forget_readings(&alias);
            self.reread(&self.config.load(), Some(&server));
            let offer = self
                .saved
                .recall(&alias)
                .and_then(|text| Offer::recall(&server.config, &text, &self.config.load()));
            if let Some(offer) = offer {
                // Definitions kept by a version without pins are as good as first seen.
                self.pins.observe(server.config.trust, 0, offer.items(Listing::Tools), &*self.saved);
                lock(&self.offers).known.entry((Arc::clone(&alias), 0)).or_insert_with(|| Arc::new(offer));
            }
            // Subscribed before the first look, so no notice falls between.
            let notices = server.notices();
            let task = tokio::spawn(Arc::clone(self).watch(Arc::clone(&server), notices));
            watchers.insert(alias, Watcher { server, task });
        }
        drop(watchers);
        self.rebuild();
    }

    /// Reads what is known by the configuration of now, so that what it hides is gone at once: of the one server that has changed, or of all.
    fn reread(&self, config: &Config, only: Option<&Arc<Server>>) {
        let mut offers = lock(&self.offers);
        for ((alias, _), offer) in &mut offers.known {
            match only {
                Some(server) if server.config.alias != *alias => {}
                Some(server) => *offer = Arc::new(offer.reread(&server.config, config)),
                None => *offer = Arc::new(offer.reread(offer.config(), config)),
            }
        }
    }

    async fn watch(self: Arc<Self>, server: Arc<Server>, mut notices: broadcast::Receiver<Notice>) {
        let mut whole = self.refetch(&server, &ALL).await;
        let mut pause = RETRY_FIRST;
        let mut again = self.clock.instant() + pause;
        loop {
            if whole {
                pause = RETRY_FIRST;
            }
            let notice = tokio::select! {
                biased;
                // A fixed instant: a server that has always something to tell does not put it off.
                () = tokio::time::sleep_until(again.into()), if !whole => None,
                notice = notices.recv() => Some(notice),
            };
            let Some(notice) = notice else {
                pause = RETRY_LAST.min(pause * 2);
                whole = self.refetch(&server, &ALL).await;
                again = self.clock.instant() + pause;
                continue;
            };
            match notice {
                Ok(Notice::Ready) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    whole = self.refetch(&server, &ALL).await;
                    again = self.clock.instant() + pause;
                }
                Ok(Notice::Changed(listing)) => {
                    // A server that changes all the time is asked at most once a second.
                    let mut listings = HashSet::from([listing]);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    loop {
                        match notices.try_recv() {
                            Ok(Notice::Changed(listing)) => {
                                listings.insert(listing);
                            }
                            // What was lost may have been any of them.
                            Ok(Notice::Ready) | Err(broadcast::error::TryRecvError::Lagged(_)) => {
                                listings.extend(ALL);
                            }
                            Ok(Notice::Down | Notice::Updated(_) | Notice::Task(_) | Notice::Progress(_)) => {
                            }
                            Err(
                                broadcast::error::TryRecvError::Empty
                                | broadcast::error::TryRecvError::Closed,
                            ) => break,
                        }
                    }
                    let listings: Vec<_> = listings.into_iter().collect();
                    let read = self.refetch(&server, &listings).await;
                    if whole && !read {
                        again = self.clock.instant() + pause;
                    }
                    whole &= read;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(Notice::Down) => self.rebuild(),
                Ok(Notice::Updated(_) | Notice::Task(_) | Notice::Progress(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Lists one server for all who ask it. Whether there is nothing to repeat.
    async fn refetch(&self, server: &Arc<Server>, listings: &[Listing]) -> bool {
        let mut keys: Vec<u16> = {
            let offers = lock(&self.offers);
            let asked =
                |key: &u16| *key == 0 || offers.asked.contains(&(Arc::clone(&server.config.alias), *key));
            offers.askers.keys().copied().filter(asked).collect()
        };
        keys.sort_unstable();
        let mut whole = true;
        for key in keys {
            whole &= self.fetch(server, key, listings).await;
        }
        whole
    }

    /// Lists one server with one set of capabilities, when it is this reading's turn. Whether there is nothing to repeat.
    async fn fetch(&self, server: &Arc<Server>, key: u16, listings: &[Listing]) -> bool {
        let turn = self.turn(server, key).lock_owned().await;
        self.fetch_in_turn(turn, server, key, listings).await
    }

    fn turn(&self, server: &Arc<Server>, key: u16) -> Arc<tokio::sync::Mutex<()>> {
        let slot = (Arc::clone(&server.config.alias), key);
        Arc::clone(lock(&self.offers).turns.entry(slot).or_default())
    }

    /// A list that fails keeps its last-known items.
    async fn fetch_in_turn(
        &self,
        turn: OwnedMutexGuard<()>,
        server: &Arc<Server>,
        key: u16,
        listings: &[Listing],
    ) -> bool {
        let Some((client, principal)) = lock(&self.offers).askers.get(&key).cloned() else { return true };
        let Health::Ready(introduction) = server.health() else { return true };
        let slot = (Arc::clone(&server.config.alias), key);
        let before = {
            // What an agent's own capabilities add is unknown until listed; what the server offers anyone is not.
            let offers = lock(&self.offers);
            let base = (Arc::clone(&server.config.alias), 0);
            offers.known.get(&slot).or_else(|| offers.known.get(&base)).cloned()
        };
        let mut offer = before.map_or_else(|| Offer::new(Arc::clone(&server.config)), |o| (*o).clone());
        offer.is_of(&server.config, key);
        offer.introduction = Some(introduction);
        let (mut whole, mut any) = (true, false);
        let mut unread = None;
        for listing in listings {
            match server.list(*listing, &client, &principal).await {
                Ok((items, ttl_ms)) => {
                    any = true;
                    offer.put(*listing, &items, ttl_ms, &self.config.load(), self.clock.instant());
                }
                Err(failure) => {
                    whole = false;
                    tracing::warn!(server = %server.config.alias, error = %failure, "a list could not be read");
                    unread.get_or_insert_with(|| failure.to_string());
                }
            }
        }
        // A server that was replaced meanwhile has nothing to say any more.
        if !self.servers.get(&server.config.alias).is_some_and(|now| Arc::ptr_eq(&now, server)) {
            return true;
        }
        if key == 0 {
            let mut offers = lock(&self.offers);
            match unread {
                Some(why) => offers.unread.insert(Arc::clone(&server.config.alias), why),
                None => offers.unread.remove(&server.config.alias),
            };
        }
        if listings.contains(&Listing::Tools) {
            self.pins.observe(server.config.trust, key, offer.items(Listing::Tools), &*self.saved);
        }
        if key == 0 && whole {
            self.saved.save(&server.config.alias, offer.to_saved());
        }
        {
            let mut offers = lock(&self.offers);
            offers.read.insert(slot.clone(), Reading { ended: self.clock.instant(), whole });
            if any {
                offers.known.insert(slot, Arc::new(offer));
            }
        }
        self.rebuild();
        drop(turn);
        whole
    }

    /// Lists one server's tools anew, now, for agents of these capabilities.
    pub async fn refresh(&self, server: &str, client: &Client) {
        if let Some(server) = self.servers.get(server) {
            self.fetch(&server, client.capabilities.fingerprint(), &[Listing::Tools]).await;
        }
    }

    /// Asks servers again whose lists have outlived their `ttlMs` and that announce no changes. In the background, and not while the last
    /// question is still open.
    pub fn revalidate(self: &Arc<Self>, snapshot: &Snapshot) {
        let now = self.clock.instant();
        let key = snapshot.key();
        for alias in snapshot.expired(now) {
            let Some(server) = self.servers.get(&alias) else { continue };
            let read = lock(&self.offers).read.get(&(alias, key)).copied();
            if read.is_some_and(|read| now.saturating_duration_since(read.ended) < ASK_AGAIN) {
                continue;
            }
            let Ok(turn) = self.turn(&server, key).try_lock_owned() else { continue };
            let catalog = Arc::clone(self);
            tokio::spawn(async move { catalog.fetch_in_turn(turn, &server, key, &ALL).await });
        }
    }

    fn rebuild(&self) {
        let config = self.config.load_full();
        let servers = self.servers.all();
        let offers = lock(&self.offers);
        let mut next: HashMap<u16, Arc<Snapshot>> = HashMap::new();
        let current = self.snapshots.load_full();
        let mut changed = false;
        for key in offers.askers.keys() {
            let parts: Vec<(Arc<Offer>, bool)> = servers
                .iter()
                .filter_map(|server| {
                    let alias = &server.config.alias;
                    let offer = offers
                        .known
                        .get(&(Arc::clone(alias), *key))
                        .or_else(|| offers.known.get(&(Arc::clone(alias), 0)))?;
                    Some((Arc::clone(offer), matches!(server.health(), Health::Ready(_))))
                })
                .collect();
            let missing: Vec<Arc<str>> = servers
                .iter()
                .filter(|s| match s.health() {
                    Health::Disabled => false,
                    Health::Starting | Health::Down { .. } => true,
                    // Some of its lists are last-known only.
                    Health::Ready(_) => offers
                        .read
                        .get(&(Arc::clone(&s.config.alias), *key))
                        .or_else(|| offers.read.get(&(Arc::clone(&s.config.alias), 0)))
                        .is_some_and(|read| !read.whole),
                })
                .map(|s| Arc::clone(&s.config.alias))
                .collect();
            let asked: HashSet<Arc<str>> = servers
                .iter()
                .map(|s| Arc::clone(&s.config.alias))
                .filter(|alias| *key == 0 || offers.asked.contains(&(Arc::clone(alias), *key)))
                .collect();
            let asked = if asked.len() == servers.len() { Asked::All } else { Asked::Some(asked) };
            match current.get(key) {
                Some(old) if old.is_made_of(&parts, &missing, &asked, &config, self.pins.version()) => {
                    next.insert(*key, Arc::clone(old));
                }
                _ => {
                    changed = true;
                    let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
                    next.insert(
                        *key,
                        Arc::new(
                            Snapshot::merge(serial, *key, parts, missing, &config, &self.pins).asked(asked),
                        ),
                    );
                }
            }
        }
        // Stored under the lock, so that an older rebuild can't overwrite a newer one.
        self.snapshots.store(Arc::new(next));
        drop(offers);
        if changed {
            self.generation.send_modify(|g| *g += 1);
        }
    }
}

impl Offers {
    /// A server that was changed counts as never listed, and waits for no reading of its predecessor.
    fn forget_readings(&mut self, alias: &Arc<str>) {
        self.asked.retain(|(asked, _)| asked != alias);
        self.read.retain(|(read, _), _| read != alias);
        self.turns.retain(|(turn, _), _| turn != alias);
    }
}

const ALL: [Listing; 4] = [Listing::Tools, Listing::Prompts, Listing::Resources, Listing::Templates];

fn plain_client() -> Client {
    Client { revision: Revision::LATEST, info: None, label: None, capabilities: Capabilities::none() }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A snapshot of offers whose definitions are all seen for the first time.
#[cfg(test)]
pub(crate) fn merged(parts: Vec<(Arc<Offer>, bool)>, config: &Config) -> Snapshot {
    let pins = Pins::default();
    for (offer, _) in &parts {
        pins.observe(crate::config::Trust::Pin, 0, offer.items(Listing::Tools), &pins::Forgetful);
    }
    Snapshot::merge(1, 0, parts, Vec::new(), config, &pins)
}

/// Reads an item's string member.
fn string_of(object: &Object, key: &str) -> Option<String> {
    object.string(key).map(std::borrow::Cow::into_owned)
}
