//! A modern server's change stream: one `subscriptions/listen` for all that anyone here wants to know.
//! *Never* leaves a gap: a new stream is acknowledged before the old one is closed, and a lost one is told as a change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tollgate_mcp::message::{Message, Notification};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, elements, quote, unquote};
use tollgate_mcp::revision::Era;

use super::backoff::Backoff;
use super::bulletin::Bulletin;
use super::carrier::Carrier;
use super::introduction::Introduction;
use super::server::{Live, Room};
use super::subscribe::Uris;
use super::{Failure, Notice, Outbound, nobody, nobody_with_tasks};
use crate::call::Client;

/// How long a server may take to acknowledge.
const ACKNOWLEDGE: Duration = Duration::from_secs(10);

/// Subscriptions that come together are sent together.
const GATHER: Duration = Duration::from_millis(20);

/// What the stream is to tell of, beside the lists.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    pub(super) uris: Arc<Uris>,
    pub(super) tasks: Arc<Uris>,
}

impl Topics {
    /// What the stream in use was acknowledged with; `None` = there is none.
    fn honoured(&self, granted: Option<&Object>) {
        self.uris.honoured.send_replace(members(granted, "resourceSubscriptions"));
        self.tasks.honoured.send_replace(members(granted, "taskIds"));
    }

    fn changes(&self) -> Changes {
        Changes { uris: self.uris.changed.subscribe(), tasks: self.tasks.changed.subscribe() }
    }
}

/// When what is to be told changes.
struct Changes {
    uris: watch::Receiver<u64>,
    tasks: watch::Receiver<u64>,
}

impl Changes {
    /// All changes so far are known.
    fn seen(&mut self) {
        self.uris.borrow_and_update();
        self.tasks.borrow_and_update();
    }

    /// `Err` = the server is gone.
    async fn next(&mut self) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            changed = self.uris.changed() => changed,
            changed = self.tasks.changed() => changed,
        }
    }
}

/// Keeps the stream open for as long as the server is up.
pub(super) async fn keep(live: Arc<Live>, room: Arc<Room>, topics: Topics) {
    let mut backoff = Backoff::new(room.clock.clone());
    let mut changes = topics.changes();
    let mut again = false;
    loop {
        changes.seen();
        let Some(wanted) = Wanted::of(live.introduction(), &topics) else {
            if changes.next().await.is_err() {
                return;
            }
            continue;
        };
        match open(&live, wanted, &topics).await {
            Ok(carrier) => {
                backoff.reset();
                if std::mem::replace(&mut again, true) {
                    room.bulletin.tell(Notice::Ready);
                }
                follow(&live, &room.bulletin, &topics, &mut changes, carrier).await;
            }
            // It has no such stream, whatever it says of itself: what it lists is still asked for.
            Err(Some(why)) => {
                tracing::debug!(server = %room.config.alias, why, "no change stream");
            }
            Err(None) => return,
        }
        topics.honoured(None);
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Reads one stream, replacing it when the wanted set changes, until it ends.
async fn follow(
    live: &Arc<Live>,
    bulletin: &Arc<Bulletin>,
    topics: &Topics,
    changes: &mut Changes,
    mut carrier: Carrier,
) {
    loop {
        tokio::select! {
            message = carrier.message() => match message {
                Ok(Message::Notification(notification)) => {
                    if notification.method == "notifications/cancelled" {
                        return;
                    }
                    bulletin.take(&notification);
                }
                Ok(Message::Request(_)) => {}
                Ok(Message::Response(_)) | Err(_) => {
                    carrier.finish();
                    return;
                }
            },
            alive = changes.next() => {
                if alive.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
                changes.seen();
                let Some(wanted) = Wanted::of(live.introduction(), topics) else {
                    carrier.cancel();
                    return;
                };
                // What is told meanwhile is told on the old one only.
                let next = tokio::select! {
                    next = open(live, wanted, topics) => next,
                    () = rest(bulletin, &mut carrier) => return,
                };
                drop(tokio::time::timeout(GATHER, rest(bulletin, &mut carrier)).await);
                carrier.cancel();
                let Ok(next) = next else { return };
                carrier = next;
            }
        }
    }
}

/// Reads a stream that is about to be replaced, until it ends.
async fn rest(bulletin: &Arc<Bulletin>, carrier: &mut Carrier) {
    while let Ok(message) = carrier.message().await {
        match message {
            Message::Notification(notification) if notification.method == "notifications/cancelled" => return,
            Message::Notification(notification) => {
                bulletin.take(&notification);
            }
            Message::Request(_) => {}
            Message::Response(_) => return,
        }
    }
}

/// Opens a stream, without tasks if it is not to be had with them, and waits for its acknowledgement. `Err(None)` = the server does not know
/// the method.
async fn open(live: &Arc<Live>, wanted: Wanted, topics: &Topics) -> Result<Carrier, Option<String>> {
    if let Some(whole) = wanted.with_tasks {
        // A task may be another credential's there: then its changes are found by looking, and those of the lists told all the same.
        match (open_once(live, whole, nobody_with_tasks(), topics).await, &wanted.without) {
            (Err(Some(why)), Some(_)) => tracing::debug!(why, "no change stream with tasks"),
            (opened, _) => return opened,
        }
    }
    match wanted.without {
        Some(params) => open_once(live, params, nobody(), topics).await,
        None => Err(Some("nothing is wanted".to_owned())),
    }
}

async fn open_once(
    live: &Arc<Live>,
    params: Object,
    client: Arc<Client>,
    topics: &Topics,
) -> Result<Carrier, Option<String>> {
    let outbound = Outbound {
        method: Method::Listen,
        params,
        client,
        principal: Arc::from(""),
        progress: false,
        log_level: None,
        marks: Arc::from([]),
    };
    let opening = async {
        let (_id, mut carrier) = live.open(&outbound).await.map_err(|failure| Some(why(&failure)))?;
        loop {
            match carrier.message().await {
                Ok(Message::Notification(notification)) if is_acknowledgement(&notification) => {
                    topics.honoured(notification.params.object("notifications").as_ref());
                    return Ok(carrier);
                }
                Ok(Message::Notification(_) | Message::Request(_)) => {}
                Ok(Message::Response(response)) => {
                    carrier.finish();
                    return Err(match response.outcome {
                        tollgate_mcp::message::Outcome::Error(error)
                            if error.code == tollgate_mcp::error::METHOD_NOT_FOUND =>
                        {
                            None
                        }
                        tollgate_mcp::message::Outcome::Error(error) => Some(format!("error {}", error.code)),
                        tollgate_mcp::message::Outcome::Result(_) => Some("it ended at once".to_owned()),
                    });
                }
                Err(failure) => return Err(Some(why(&failure))),
            }
        }
    };
    match tokio::time::timeout(ACKNOWLEDGE, opening).await {
        Ok(opened) => opened,
        Err(_elapsed) => Err(Some("it was not acknowledged".to_owned())),
    }
}

fn why(failure: &Failure) -> String {
    match failure {
        Failure::Unavailable { why, .. } => why.clone(),
        Failure::Timeout { .. } | Failure::NoRoom { .. } | Failure::TooLarge { .. } => failure.to_string(),
    }
}

fn is_acknowledgement(notification: &Notification) -> bool {
    notification.method == "notifications/subscriptions/acknowledged"
}

fn members(granted: Option<&Object>, name: &str) -> BTreeSet<String> {
    let members = granted.and_then(|granted| elements(&granted.get(name)?).ok()).unwrap_or_default();
    members.iter().filter_map(|text| Some(unquote(text)?.into_owned())).collect()
}

/// The params with the followed tasks, where there are any, and without them.
struct Wanted {
    with_tasks: Option<Object>,
    without: Option<Object>,
}

impl Wanted {
    /// `None` = there is nothing to listen to.
    fn of(introduction: &Introduction, topics: &Topics) -> Option<Self> {
        let mut members = Vec::new();
        for (capability, name) in [
            ("tools", "toolsListChanged"),
            ("prompts", "promptsListChanged"),
            ("resources", "resourcesListChanged"),
        ] {
            if introduction.flag(capability, "listChanged") {
                members.push(format!(r#""{name}":true"#));
            }
        }
        let uris = topics.uris.all();
        if !uris.is_empty() {
            members.push(format!(r#""resourceSubscriptions":[{}]"#, quoted(&uris)));
        }
        let without = (!members.is_empty()).then(|| params(&members)).flatten();
        let tasks = if introduction.tasks() == Some(Era::Modern) { topics.tasks.all() } else { Vec::new() };
        let with_tasks = if tasks.is_empty() {
            None
        } else {
            members.push(format!(r#""taskIds":[{}]"#, quoted(&tasks)));
            params(&members)
        };
        (with_tasks.is_some() || without.is_some()).then_some(Self { with_tasks, without })
    }
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join(",")
}

fn params(members: &[String]) -> Option<Object> {
    Object::scan(Bytes::from(format!(r#"{{"notifications":{{{}}}}}"#, members.join(",")))).ok()
}
