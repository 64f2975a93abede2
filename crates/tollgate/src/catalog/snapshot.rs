//! One server's offer, and the merge of all of them.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use tollgate_mcp::name::glob;
use tollgate_mcp::object::{Object, elements};
use tollgate_mcp::revision::Era;
use tollgate_mcp::translate::TaskSupport;

use crate::config::{self, Config, Transport};
use crate::servers::{Introduction, Listing};

use super::item::Item;
use super::lint::{Finding, Names};
use super::list::{List, ListKey};
use super::pins::Pins;
use super::{ALL, TTL_MS, lock, stated};

/// What one server lists to one set of declared capabilities.
#[derive(Clone, Debug)]
pub struct Offer {
    config: Arc<config::Server>,
    /// What the server says of itself, or last said; `None` where that is not known.
    pub introduction: Option<Arc<Introduction>>,
    items: [Arc<Vec<Arc<Item>>>; 4],
    ttl_ms: Option<u64>,
    listed_at: Option<Instant>,
    /// For agents of which capabilities; 0 = for anyone.
    variant: u16,
    /// The longest name and whether header marks are strict: how each of `items` was read.
    read_with: [(usize, bool); 4],
}

impl Offer {
    /// Nothing listed yet.
    pub fn new(config: Arc<config::Server>) -> Self {
        Self {
            config,
            introduction: None,
            items: Default::default(),
            ttl_ms: None,
            listed_at: None,
            variant: 0,
            read_with: Default::default(),
        }
    }

    /// Says whose it is: a server's configuration may have changed since it listed.
    pub(super) fn is_of(&mut self, config: &Arc<config::Server>, variant: u16) {
        self.variant = variant;
        if self.config == *config {
            return;
        }
        self.config = Arc::clone(config);
        self.read_with = Default::default();
    }

    /// Replaces one list. Entries that are not readable are left out with a warning; so are tools that `expose` leaves out.
    pub fn put(
        &mut self,
        listing: Listing,
        texts: &[Bytes],
        ttl_ms: Option<u64>,
        config: &Config,
        now: Instant,
    ) {
        let strict_marks = matches!(self.config.transport, Transport::Http { .. })
            && self.introduction.as_ref().is_some_and(|i| i.revision.era() == Era::Modern);
        let mut items: Vec<Arc<Item>> = Vec::with_capacity(texts.len());
        let mut names = std::collections::HashSet::new();
        // Servers that announce no changes are asked every second: what is as before is not read again.
        let with = (config.names_max, strict_marks);
        let same = self.read_with.get(index(listing)) == Some(&with);
        let before: HashMap<&Bytes, &Arc<Item>> =
            self.items(listing).iter().filter(|_| same).map(|i| (i.text(), i)).collect();
        for text in texts {
            if let Some(item) = before.get(text)
                && names.insert(Arc::clone(&item.original))
            {
                items.push(Arc::clone(item));
                continue;
            }
            match Item::read(listing, &self.config, text, config.names_max, strict_marks) {
                Ok(item) if listing == Listing::Tools && !exposes(&self.config.expose, &item.original) => {}
                Ok(item) if !names.insert(Arc::clone(&item.original)) => {
                    tracing::warn!(server = %self.config.alias, name = %item.original, "listed twice; the first one counts");
                }
                Ok(item) => items.push(Arc::new(item)),
                Err(why) => tracing::warn!(server = %self.config.alias, %why, "left out of the list"),
            }
        }
        self.tell(listing, &items, &before);
        if let Some(slot) = self.items.get_mut(index(listing)) {
            *slot = Arc::new(items);
        }
        if let Some(read_with) = self.read_with.get_mut(index(listing)) {
            *read_with = with;
        }
        self.ttl_ms = match (self.ttl_ms, ttl_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.listed_at = Some(now);
    }

    /// Says what stands out in what is not pinned: `servers pins` has the tools only.
    fn tell(&self, listing: Listing, items: &[Arc<Item>], before: &HashMap<&Bytes, &Arc<Item>>) {
        let fresh = |item: &&Arc<Item>| !item.findings.is_empty() && !before.contains_key(item.text());
        let mut told = items.iter().filter(fresh).filter(|_| listing != Listing::Tools);
        if let Some(item) = told.next()
            && let Some(Finding { kind, path, evidence }) = item.findings.first()
        {
            let more = told.count();
            tracing::warn!(server = %self.config.alias, name = %item.original, kind, path, evidence, more, "stands out in its description");
        }
    }

    /// One list.
    pub fn items(&self, listing: Listing) -> &[Arc<Item>] {
        self.items.get(index(listing)).map_or(&[], |items| items.as_slice())
    }

    /// The four lists and the introduction as one JSON object, to be recalled after a restart.
    pub fn to_saved(&self) -> Bytes {
        let mut text = String::from("{");
        for listing in ALL {
            if text.len() > 1 {
                text.push(',');
            }
            write!(text, "\"{listing:?}\":[").unwrap_or_default();
            for (n, item) in self.items(listing).iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                text.push_str(&String::from_utf8_lossy(item.text()));
            }
            text.push(']');
        }
        if let Some(introduction) = &self.introduction {
            text.push_str(",\"introduction\":");
            text.push_str(&introduction.to_saved());
        }
        text.push('}');
        Bytes::from(text)
    }

    /// Reads [`Self::to_saved`] back; `None` if it is not that.
    pub fn recall(config: &Arc<config::Server>, saved: &Bytes, whole: &Config) -> Option<Self> {
        let saved = Object::scan(saved.clone()).ok()?;
        let mut offer = Self::new(Arc::clone(config));
        offer.introduction =
            saved.object("introduction").and_then(|i| Introduction::recall(&i)).map(Arc::new);
        for listing in ALL {
            let texts = elements(&saved.get(&format!("{listing:?}"))?).ok()?;
            offer.take(listing, &texts, whole);
        }
        Some(offer)
    }

    /// The same lists, read by another configuration of their server.
    #[must_use]
    pub fn reread(&self, config: &Arc<config::Server>, whole: &Config) -> Self {
        let mut offer = Self { config: Arc::clone(config), read_with: Default::default(), ..self.clone() };
        for listing in ALL {
            let texts: Vec<Bytes> = self.items(listing).iter().map(|item| item.text().clone()).collect();
            offer.take(listing, &texts, whole);
        }
        offer
    }

    /// The configuration it was read by.
    pub fn config(&self) -> &Arc<config::Server> {
        &self.config
    }

    /// Replaces one list by one that was read before.
    fn take(&mut self, listing: Listing, texts: &[Bytes], whole: &Config) {
        let read = |text| Item::read(listing, &self.config, text, whole.names_max, false).ok();
        let shown = |item: &Item| listing != Listing::Tools || exposes(&self.config.expose, &item.original);
        let items = texts.iter().filter_map(read).filter(shown).map(Arc::new).collect();
        if let Some(slot) = self.items.get_mut(index(listing)) {
            *slot = Arc::new(items);
        }
    }

    /// Milliseconds for which these lists may still be cached; 0 where nothing announces their changes.
    fn remaining_ms(&self, now: Instant) -> u64 {
        let age = self
            .listed_at
            .map_or(0, |at| u64::try_from(now.duration_since(at).as_millis()).unwrap_or(u64::MAX));
        match (&self.introduction, self.ttl_ms) {
            (Some(_), Some(ttl)) => ttl.saturating_sub(age),
            (Some(introduction), None) if announces(&introduction.capabilities) => TTL_MS,
            (Some(_) | None, _) => 0,
        }
    }

    fn is_expired(&self, now: Instant) -> bool {
        let Some(introduction) = &self.introduction else { return false };
        let Some(at) = self.listed_at else { return false };
        let age = now.duration_since(at).as_millis();
        // A server that wants no caching and announces nothing is asked again at most once a second.
        !announces(&introduction.capabilities) && age > u128::from(self.ttl_ms.unwrap_or(0)).max(1_000)
    }
}

fn announces(capabilities: &Object) -> bool {
    ["tools", "prompts", "resources"].iter().all(|kind| {
        capabilities.object(kind).is_none_or(|c| c.slice("listChanged") == Some(b"true".as_slice()))
    })
}

fn exposes(patterns: &[String], original: &str) -> bool {
    let (without, with): (Vec<_>, Vec<_>) = patterns.iter().partition(|p| p.starts_with('!'));
    let excluded = without.iter().any(|p| p.strip_prefix('!').is_some_and(|p| glob(p, original)));
    !excluded && (with.is_empty() || with.iter().any(|p| glob(p, original)))
}

const fn index(listing: Listing) -> usize {
    match listing {
        Listing::Tools => 0,
        Listing::Prompts => 1,
        Listing::Resources => 2,
        Listing::Templates => 3,
    }
}

/// Which servers were asked to list for a snapshot's capabilities; of the others it has what they offer anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Every one.
    All,
    /// These.
    Some(HashSet<Arc<str>>),
}

/// All offers for one set of declared capabilities, merged. Immutable; lists are written once for all callers who see the same.
#[derive(Debug)]
pub struct Snapshot {
    serial: u64,
    key: u16,
    parts: Vec<(Arc<Offer>, bool)>,
    missing: Vec<Arc<str>>,
    asked: Asked,
    digest: Arc<str>,
    all: [Vec<Arc<Item>>; 4],
    exposed_tools: HashMap<Arc<str>, usize>,
    exposed_prompts: HashMap<Arc<str>, usize>,
    own_tools: HashMap<(Arc<str>, Arc<str>), usize>,
    own_prompts: HashMap<(Arc<str>, Arc<str>), usize>,
    owners: HashMap<Arc<str>, Option<Arc<str>>>,
    lists: Mutex<HashMap<ListKey, Arc<List>>>,
    /// The pins' version.
    pins: u64,
    /// The operator's labels of whole servers.
    labels: HashMap<Arc<str>, Arc<[Arc<str>]>>,
}

impl Snapshot {
    /// Nothing.
    pub fn empty() -> Self {
        Self {
            serial: 0,
            key: 0,
            parts: Vec::new(),
            missing: Vec::new(),
            asked: Asked::All,
            digest: Arc::from(""),
            all: Default::default(),
            exposed_tools: HashMap::new(),
            exposed_prompts: HashMap::new(),
            own_tools: HashMap::new(),
            own_prompts: HashMap::new(),
            owners: HashMap::new(),
            lists: Mutex::default(),
            pins: 0,
            labels: HashMap::new(),
        }
    }

    /// The operator's labels of a whole server.
    pub fn labels_of(&self, server: &str) -> &[Arc<str>] {
        self.labels.get(server).map_or(&[], |labels| labels)
    }

    /// Merges offers, in the order of their aliases. Of two items with the same exposed name both are left out: a clash must never
    /// decide which server gets a call.
    pub(super) fn merge(
        serial: u64,
        key: u16,
        parts: Vec<(Arc<Offer>, bool)>,
        missing: Vec<Arc<str>>,
        config: &Config,
        pins: &Pins,
    ) -> Self {
        let mut snapshot = Self {
            serial,
            key,
            missing,
            digest: Arc::clone(&config.digest),
            pins: pins.version(),
            ..Self::empty()
        };
        for (offer, _) in &parts {
            if !offer.config.labels.is_empty() {
                let labels = offer.config.labels.iter().map(|l| Arc::from(l.as_str())).collect();
                snapshot.labels.insert(Arc::clone(&offer.config.alias), labels);
            }
            for listing in ALL {
                if let Some(all) = snapshot.all.get_mut(index(listing)) {
                    all.extend(offer.items(listing).iter().map(Arc::clone));
                }
            }
        }
        let [tools, prompts, resources, _] = &mut snapshot.all;
        judge(tools, &parts, pins);
        drop_clashes(tools);
        drop_clashes(prompts);
        stated::ask(tools, config);
        for (n, item) in tools.iter().enumerate() {
            snapshot.exposed_tools.insert(Arc::clone(&item.exposed), n);
            snapshot.own_tools.insert((Arc::clone(&item.server), Arc::clone(&item.original)), n);
        }
        for (n, item) in prompts.iter().enumerate() {
            snapshot.exposed_prompts.insert(Arc::clone(&item.exposed), n);
            snapshot.own_prompts.insert((Arc::clone(&item.server), Arc::clone(&item.original)), n);
        }
        for item in resources {
            snapshot
                .owners
                .entry(Arc::clone(&item.original))
                .and_modify(|owner| *owner = None)
                .or_insert_with(|| Some(Arc::clone(&item.server)));
        }
        snapshot.parts = parts;
        snapshot
    }

    /// Whether merging these again would give the same.
    pub fn is_made_of(
        &self,
        parts: &[(Arc<Offer>, bool)],
        missing: &[Arc<str>],
        asked: &Asked,
        config: &Config,
        pins: u64,
    ) -> bool {
        self.asked == *asked
            && self.pins == pins
            && self.digest == config.digest
            && self.missing == missing
            && self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(a, b)| Arc::ptr_eq(&a.0, &b.0) && a.1 == b.1)
    }

    /// The same, for servers of which only some were asked.
    #[must_use]
    pub fn asked(mut self, asked: Asked) -> Self {
        self.asked = asked;
        self
    }

    /// Whether the one server that matters, or all, were asked.
    pub fn has_asked(&self, only: Option<&str>) -> bool {
        match &self.asked {
            Asked::All => true,
            Asked::Some(asked) => only.is_some_and(|only| asked.contains(only)),
        }
    }

    /// Its number: larger for later ones.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The capabilities' fingerprint it stands for.
    pub fn key(&self) -> u16 {
        self.key
    }

    /// All items of a list, in order. A tool's place in it is its index in per-caller tables.
    pub fn items(&self, listing: Listing) -> &[Arc<Item>] {
        self.all.get(index(listing)).map_or(&[], Vec::as_slice)
    }

    /// The tool of this exposed name.
    pub fn exposed_tool(&self, name: &str) -> Option<(usize, &Arc<Item>)> {
        let n = *self.exposed_tools.get(name)?;
        Some((n, self.items(Listing::Tools).get(n)?))
    }

    /// The tool of this name on that server.
    pub fn own_tool(&self, server: &Arc<str>, name: &str) -> Option<(usize, &Arc<Item>)> {
        let n = *self.own_tools.get(&(Arc::clone(server), Arc::from(name)))?;
        Some((n, self.items(Listing::Tools).get(n)?))
    }

    /// The tool of this `server/original`.
    pub fn labelled_tool(&self, label: &str) -> Option<(usize, &Arc<Item>)> {
        let (server, name) = label.split_once('/')?;
        self.own_tool(&Arc::from(server), name)
    }

    /// The prompt of this exposed name.
    pub fn exposed_prompt(&self, name: &str) -> Option<(usize, &Arc<Item>)> {
        let n = *self.exposed_prompts.get(name)?;
        Some((n, self.items(Listing::Prompts).get(n)?))
    }

    /// The prompt of this name on that server.
    pub fn own_prompt(&self, server: &Arc<str>, name: &str) -> Option<(usize, &Arc<Item>)> {
        let n = *self.own_prompts.get(&(Arc::clone(server), Arc::from(name)))?;
        Some((n, self.items(Listing::Prompts).get(n)?))
    }

    /// The one server that lists this original URI; `None` if none or several do.
    pub fn owner(&self, uri: &str) -> Option<&Arc<str>> {
        self.owners.get(uri)?.as_ref()
    }

    /// Whether a tool can be called as a task: where its server makes any, as its definition says; a server of 2026-07-28 makes one of
    /// any call as it likes.
    pub fn task_support(&self, item: &Item) -> TaskSupport {
        let of = self.introductions().find(|(server, _)| **server == item.server);
        match of.and_then(|(_, introduction)| introduction.tasks()) {
            Some(Era::Legacy) => item.task,
            Some(Era::Modern) => TaskSupport::Optional,
            None => TaskSupport::Forbidden,
        }
    }

    /// What each server said of itself, by alias.
    pub fn introductions(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Introduction>)> {
        self.parts.iter().filter_map(|(o, _)| Some((&o.config.alias, o.introduction.as_ref()?)))
    }

    /// The servers whose lists are missing or last-known only.
    pub fn degraded(&self) -> &[Arc<str>] {
        &self.missing
    }

    /// How long these lists may be cached: the least of the servers' remaining times.
    pub fn ttl_ms(&self, server: Option<&str>, now: Instant) -> u64 {
        let parts = self.parts.iter().filter(|(o, _)| server.is_none_or(|s| *o.config.alias == *s));
        let least = parts.map(|(o, ready)| if *ready { o.remaining_ms(now) } else { 0 }).min().unwrap_or(0);
        if self.missing.is_empty() { least } else { least.min(1_000) }
    }

    /// The servers whose lists should be read again.
    pub fn expired(&self, now: Instant) -> Vec<Arc<str>> {
        self.parts
            .iter()
            .filter(|(o, ready)| *ready && o.is_expired(now))
            .map(|(o, _)| Arc::clone(&o.config.alias))
            .collect()
    }

    /// The written list under `key`, made by `write` if nobody asked before.
    pub fn list(&self, key: ListKey, write: impl FnOnce(&ListKey) -> List) -> Arc<List> {
        if let Some(list) = lock(&self.lists).get(&key) {
            return Arc::clone(list);
        }
        let list = Arc::new(write(&key));
        Arc::clone(lock(&self.lists).entry(key).or_insert(list))
    }
}

/// Marks the tools that are held and what stands out in them beside all others.
fn judge(tools: &mut [Arc<Item>], parts: &[(Arc<Offer>, bool)], pins: &Pins) {
    let all = tools.to_vec();
    let names = Names::new(all.iter().filter_map(|tool| tool.name()));
    let of: HashMap<&str, &Offer> = parts.iter().map(|(offer, _)| (&*offer.config.alias, &**offer)).collect();
    for tool in tools.iter_mut() {
        let Some(offer) = of.get(&*tool.server) else { continue };
        let held = pins.holds(offer.config.trust, offer.variant, tool);
        let beside = tool.name().map(|name| names.findings(name, || tool.canonical())).unwrap_or_default();
        if held || !beside.is_empty() {
            *tool = Arc::new(tool.judged(held, beside));
        }
    }
}

fn drop_clashes(items: &mut Vec<Arc<Item>>) {
    let mut seen: HashMap<Arc<str>, usize> = HashMap::new();
    for item in items.iter() {
        *seen.entry(Arc::clone(&item.exposed)).or_default() += 1;
    }
    items.retain(|item| {
        let clash = seen.get(&item.exposed).is_some_and(|n| *n > 1);
        if clash {
            tracing::error!(name = %item.exposed, tool = %item.label, "two tools have this exposed name: both are left out; rename one");
        }
        !clash
    });
}
