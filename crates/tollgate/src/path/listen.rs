//! `subscriptions/listen`: list changes as this caller sees them, updates of resources it may read, and its tasks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tollgate_mcp::object::{Object, elements, quote, unquote};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::{Answer, ResultType};
use tollgate_mcp::uri;

use crate::call::{Arrival, Cancel, Code, Ending, Endpoint, Part, PartKind, Refused};
use crate::catalog::Snapshot;
use crate::conversation::Here;
use crate::record::{Close, Outcome, Reply, Said};
use crate::resolve::{Scope, locate, needs_tasks};
use crate::servers::{Listing, Notice, Subscription};

use super::{Gate, give_up, refuse, refused_with};

/// How long the acknowledgement waits for servers to accept subscriptions: it cannot be amended later.
const ACKNOWLEDGE: Duration = Duration::from_secs(2);
/// The most URIs of one listen.
const URIS: usize = 1_000;

/// What a listen asked for, as far as it is honoured.
#[derive(Debug, Default)]
struct Honoured {
    /// The lists, and the digest last seen of each.
    lists: Vec<(Listing, PartKind, Vec<[u8; 16]>)>,
    /// The subscribed resources.
    resources: Vec<Watched>,
    /// The handles of the followed tasks.
    tasks: Vec<String>,
}

/// Boxed: a channel sets room aside for 32.
pub(super) type Update = Box<Updated>;

/// What changed beside lists.
#[derive(Debug)]
pub(super) enum Updated {
    /// At this server the resource of this original URI.
    Resource(Arc<str>, String),
    /// At this server any resource may have: what it said of them was missed.
    Missed(Arc<str>),
    /// A task, or its progress, as its agent gets it.
    Task(Part),
}

#[derive(Debug)]
struct Watched {
    server: Arc<str>,
    original: Arc<str>,
    shown: String,
    /// Counts back when dropped.
    _subscription: Subscription,
}

impl Gate {
    pub(super) async fn listen(
        self: Arc<Self>,
        arrival: Arrival,
        cancel: Cancel,
        out: mpsc::Sender<Box<Part>>,
    ) -> Reply {
        let (mut entry, here) = self.begin_in(&arrival);
        let here = match here {
            Ok(here) => here,
            Err(error) => return Box::pin(entry.close(refused_with(&error), Ending::Error(error))).await,
        };
        if !arrival.client.capabilities.tasks && speaks_of_tasks(&arrival) {
            let error = needs_tasks();
            return Box::pin(entry.close(refused_with(&error), Ending::Error(error))).await;
        }
        entry.facts_mut().verdict = Some(Said::Allow);
        let mut draining = self.draining.subscribe();
        let mut changes = self.catalog.changes();
        let snapshot = self
            .catalog
            .snapshot(&arrival.client, &arrival.caller.principal, arrival.endpoint.server())
            .await;
        if Box::pin(entry.commit()).await.is_err() {
            let refused =
                Refused::new(Code::LedgerUnavailable, Arc::from("listening"), "the ledger cannot be written");
            return Box::pin(refuse(entry, Outcome::Refused, &refused, arrival.method)).await;
        }
        let (updates, mut queue) = mpsc::channel(16);
        let mut feeds = JoinSet::new();
        // One server's own endpoint relays what that server says, even where its list came out the same.
        let mut own = match &arrival.endpoint {
            Endpoint::Server(alias) => self.servers.get(alias).map(|server| server.notices()),
            Endpoint::Whole | Endpoint::View(_) => None,
        };
        // What is done once is boxed, so that it takes no room while nothing happens; nor may an old snapshot outlive its time here.
        let mut honoured = Box::pin(self.honour(&arrival, &here, &snapshot, &mut feeds, &updates)).await;
        drop((snapshot, here));
        if out.send(Box::new(acknowledgement(&honoured))).await.is_err() {
            return Box::pin(give_up(entry)).await;
        }
        loop {
            let parts = tokio::select! {
                // A closed stream.
                () = out.closed() => return Box::pin(give_up(entry)).await,
                // The gateway drains, or the agent unsubscribes: the stream ends as it should.
                () = ended(&cancel, &mut draining) => {
                    let answer = Answer { object: Object::empty(), kind: ResultType::Complete, cache: None };
                    return Box::pin(entry.close(Close::of(Outcome::Ok), Ending::Answer(answer))).await;
                }
                moved = changes.changed() => {
                    if moved.is_err() {
                        return Box::pin(give_up(entry)).await;
                    }
                    let snapshot = self.catalog.snapshot(&arrival.client, &arrival.caller.principal, arrival.endpoint.server()).await;
                    self.changed(&arrival, &snapshot, &mut honoured)
                }
                said = said(&mut own) => honoured.lists.iter().filter(|(listing, ..)| *listing == said).map(|(_, kind, _)| {
                    Part { kind: *kind, params: Rope::from(Bytes::from_static(b"{}")) }
                }).collect(),
                Some(update) = queue.recv() => match *update {
                    Updated::Resource(server, original) => self.updated(&arrival, &honoured, &server, &original),
                    Updated::Missed(server) => self.missed(&arrival, &honoured, &server),
                    Updated::Task(part) => vec![part],
                },
            };
            for part in parts {
                if out.send(Box::new(part)).await.is_err() {
                    return Box::pin(give_up(entry)).await;
                }
            }
        }
    }

    async fn honour(
        self: &Arc<Self>,
        arrival: &Arrival,
        here: &Here,
        snapshot: &Arc<Snapshot>,
        feeds: &mut JoinSet<()>,
        updates: &mpsc::Sender<Update>,
    ) -> Honoured {
        let mut honoured = Honoured::default();
        let Some(wanted) = arrival.params.object("notifications") else { return honoured };
        for (key, kind, listing) in [
            ("toolsListChanged", PartKind::ToolsChanged, Listing::Tools),
            ("promptsListChanged", PartKind::PromptsChanged, Listing::Prompts),
            ("resourcesListChanged", PartKind::ResourcesChanged, Listing::Resources),
        ] {
            if wanted.slice(key) == Some(b"true".as_slice()) {
                let seen = self.digests(arrival, snapshot, listing);
                honoured.lists.push((listing, kind, seen));
            }
        }
        let uris = wanted.get("resourceSubscriptions").and_then(|a| elements(&a).ok()).unwrap_or_default();
        let mut fed: Vec<Arc<str>> = Vec::new();
        let subscribing = async {
            for text in uris.iter().take(URIS) {
                let Some(shown) = unquote(text) else { continue };
                let readable = self.readable(arrival, here, snapshot, &shown);
                let Some((server, original)) = readable else { continue };
                let Some(at) = self.servers.get(&server) else { continue };
                if !fed.contains(&server) {
                    // That it has started is no news to who waited for it.
                    if at.introduction().await.is_err() {
                        continue;
                    }
                    // Heard from before it is subscribed, so that no update falls between.
                    feeds.spawn(feed(Arc::clone(&server), at.notices(), updates.clone()));
                    fed.push(Arc::clone(&server));
                }
                let subscribed = at.subscribe(&original, &arrival.client, &arrival.caller.principal).await;
                if let Some(subscription) = subscribed {
                    let shown = shown.into_owned();
                    honoured.resources.push(Watched { server, original, shown, _subscription: subscription });
                }
            }
        };
        if tokio::time::timeout(ACKNOWLEDGE, subscribing).await.is_err() {
            tracing::warn!("some resource subscriptions were not accepted in time; they are left out");
        }
        if wanted.find("taskIds").is_some() {
            honoured.tasks = self.follow_tasks(arrival, &wanted, feeds, updates, ACKNOWLEDGE).await;
        }
        honoured
    }

    /// The server and original URI, if this caller may read it here.
    fn readable(
        &self,
        arrival: &Arrival,
        here: &Here,
        snapshot: &Arc<Snapshot>,
        shown: &str,
    ) -> Option<(Arc<str>, Arc<str>)> {
        let config = self.config.load();
        let scope = Scope::of(&config, &arrival.endpoint, &arrival.caller)?;
        let (server, original, _) = locate(&scope, &config, snapshot, shown)?;
        self.may_hear(arrival, here, &server, &original).then_some((server, original))
    }

    /// Whether this caller may be told of a resource, by the labels that its server has now.
    fn may_hear(&self, arrival: &Arrival, here: &Here, server: &str, original: &str) -> bool {
        let config = self.config.load();
        let Some(known) = config.servers.get(server) else { return false };
        let labels: Vec<Arc<str>> = known.labels.iter().map(|label| Arc::from(label.as_str())).collect();
        self.decider.may_subscribe(arrival, here, (server, original), &labels, self.clock.now_ms())
    }

    fn digests(&self, arrival: &Arrival, snapshot: &Arc<Snapshot>, listing: Listing) -> Vec<[u8; 16]> {
        let listings: &[Listing] = match listing {
            Listing::Resources => &[Listing::Resources, Listing::Templates],
            Listing::Tools => &[Listing::Tools],
            Listing::Prompts => &[Listing::Prompts],
            Listing::Templates => &[Listing::Templates],
        };
        listings
            .iter()
            .filter_map(|l| {
                self.written(&arrival.caller, &arrival.client, &arrival.endpoint, snapshot, *l, None)
            })
            .map(|list| list.digest)
            .collect()
    }

    /// A change is told only to those whose view it changed.
    fn changed(&self, arrival: &Arrival, snapshot: &Arc<Snapshot>, honoured: &mut Honoured) -> Vec<Part> {
        let mut parts = Vec::new();
        for (listing, kind, seen) in &mut honoured.lists {
            let now = self.digests(arrival, snapshot, *listing);
            if now != *seen {
                *seen = now;
                parts.push(Part { kind: *kind, params: Rope::from(Bytes::from_static(b"{}")) });
            }
        }
        parts
    }

    /// An update reaches those who subscribed to that URI or to a parent of it, and may still read it.
    fn updated(
        &self,
        arrival: &Arrival,
        honoured: &Honoured,
        server: &Arc<str>,
        original: &str,
    ) -> Vec<Part> {
        let within = |parent: &str| {
            original == parent
                || original
                    .strip_prefix(parent)
                    .is_some_and(|rest| parent.ends_with('/') || rest.starts_with('/'))
        };
        let watched = honoured.resources.iter().find(|w| w.server == *server && within(&w.original));
        let Some(watched) = watched else { return Vec::new() };
        // What its conversation has come to since it subscribed counts.
        let Ok(here) = self.conversations.of(arrival, self.clock.now_ms()) else { return Vec::new() };
        if !self.may_hear(arrival, &here, server, original) {
            return Vec::new();
        }
        let shown = if *original == *watched.original {
            watched.shown.clone()
        } else if matches!(arrival.endpoint, Endpoint::Server(_)) {
            original.to_owned()
        } else {
            uri::expose(server, original)
        };
        vec![resource_updated(&shown)]
    }

    /// What may have been missed is told of every resource that is subscribed there, once.
    fn missed(&self, arrival: &Arrival, honoured: &Honoured, server: &Arc<str>) -> Vec<Part> {
        let Ok(here) = self.conversations.of(arrival, self.clock.now_ms()) else { return Vec::new() };
        let watched = honoured.resources.iter().filter(|watched| watched.server == *server);
        let heard = watched.filter(|watched| self.may_hear(arrival, &here, server, &watched.original));
        heard.map(|watched| resource_updated(&watched.shown)).collect()
    }
}

fn resource_updated(shown: &str) -> Part {
    let params = Rope::from(Bytes::from(format!("{{\"uri\":{}}}", quote(shown))));
    Part { kind: PartKind::ResourceUpdated, params }
}

fn speaks_of_tasks(arrival: &Arrival) -> bool {
    arrival.params.object("notifications").is_some_and(|wanted| wanted.find("taskIds").is_some())
}

async fn ended(cancel: &Cancel, draining: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = cancel.fired() => {}
        // A gateway that is gone drains too.
        _ = draining.wait_for(|d| *d) => {}
    }
}

/// The next list that the endpoint's own server says has changed.
async fn said(notices: &mut Option<broadcast::Receiver<Notice>>) -> Listing {
    loop {
        let Some(open) = notices else { return std::future::pending().await };
        match open.recv().await {
            Ok(Notice::Changed(Listing::Templates)) => return Listing::Resources,
            Ok(Notice::Changed(listing)) => return listing,
            Ok(Notice::Ready | Notice::Down | Notice::Updated(_) | Notice::Task(_) | Notice::Progress(_))
            | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => *notices = None,
        }
    }
}

/// Passes on what a server says of its resources, until nobody wants it. What was missed is one update, however much it was.
async fn feed(server: Arc<str>, mut notices: broadcast::Receiver<Notice>, updates: mpsc::Sender<Update>) {
    loop {
        let update = match notices.recv().await {
            Ok(Notice::Updated(uri)) => Updated::Resource(Arc::clone(&server), uri),
            // A server that came back may have changed something meanwhile.
            Ok(Notice::Ready) => Updated::Missed(Arc::clone(&server)),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                // All of it is told at once: what is still there need not be heard.
                notices = notices.resubscribe();
                Updated::Missed(Arc::clone(&server))
            }
            Ok(Notice::Down | Notice::Changed(_) | Notice::Task(_) | Notice::Progress(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if updates.send(Box::new(update)).await.is_err() {
            return;
        }
    }
}

fn acknowledgement(honoured: &Honoured) -> Part {
    let mut members: Vec<String> = honoured
        .lists
        .iter()
        .map(|(listing, _, _)| {
            let key = match listing {
                Listing::Tools => "toolsListChanged",
                Listing::Prompts => "promptsListChanged",
                Listing::Resources | Listing::Templates => "resourcesListChanged",
            };
            format!("\"{key}\":true")
        })
        .collect();
    if !honoured.resources.is_empty() {
        let uris: Vec<String> = honoured.resources.iter().map(|w| quote(&w.shown)).collect();
        members.push(format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
    }
    if !honoured.tasks.is_empty() {
        let handles: Vec<String> = honoured.tasks.iter().map(|handle| quote(handle)).collect();
        members.push(format!("\"taskIds\":[{}]", handles.join(",")));
    }
    let params = format!("{{\"notifications\":{{{}}}}}", members.join(","));
    Part { kind: PartKind::Acknowledged, params: Rope::from(Bytes::from(params)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{broadcast, mpsc};

    use super::{Updated, feed};
    use crate::servers::Notice;

    #[tokio::test]
    async fn what_was_missed_is_told_once_for_all_resources() {
        let (tell, told) = broadcast::channel(2);
        for n in 0..5 {
            tell.send(Notice::Updated(format!("a:{n}"))).expect("heard");
        }
        let (updates, mut queue) = mpsc::channel(16);
        let feed = tokio::spawn(feed(Arc::from("files"), told, updates));
        let first = *queue.recv().await.expect("an update");
        assert!(matches!(first, Updated::Missed(server) if *server == *"files"));
        for notice in [Notice::Updated("b:1".to_owned()), Notice::Ready] {
            tell.send(notice).expect("heard");
        }
        let second = *queue.recv().await.expect("an update");
        assert!(matches!(second, Updated::Resource(_, uri) if uri == "b:1"));
        let third = *queue.recv().await.expect("an update");
        assert!(matches!(third, Updated::Missed(_)));
        drop(tell);
        assert!(queue.recv().await.is_none());
        feed.await.expect("it ended");
    }
}
