//! A modern server's change stream: one `subscriptions/listen` for all that anyone here wants to know.
//! *Never* leaves a gap: a new stream is acknowledged before the old one is closed, and a lost one is told as a change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate_mcp::message::{Message, Notification};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, elements, quote, unquote};

use super::backoff::Backoff;
use super::bulletin::Bulletin;
use super::carrier::Carrier;
use super::introduction::Introduction;
use super::server::{Live, Room};
use super::subscribe::Uris;
use super::{Failure, Notice, Outbound, nobody};

/// How long a server may take to acknowledge.
const ACKNOWLEDGE: Duration = Duration::from_secs(10);

/// Subscriptions that come together are sent together.
const GATHER: Duration = Duration::from_millis(20);

/// Keeps the stream open for as long as the server is up.
pub(super) async fn keep(live: Arc<Live>, room: Arc<Room>, uris: Arc<Uris>) {
    let mut backoff = Backoff::new(room.clock.clone());
    let mut changed = uris.changed.subscribe();
    let mut again = false;
    loop {
        changed.borrow_and_update();
        let Some(params) = wanted(live.introduction(), &uris.all()) else {
            if changed.changed().await.is_err() {
                return;
            }
            continue;
        };
        match open(&live, params, &uris).await {
            Ok(carrier) => {
                backoff.reset();
                if std::mem::replace(&mut again, true) {
                    room.bulletin.tell(Notice::Ready);
                }
                follow(&live, &room.bulletin, &uris, carrier).await;
            }
            // It has no such stream, whatever it says of itself: what it lists is still asked for.
            Err(Some(why)) => {
                tracing::debug!(server = %room.config.alias, why, "no change stream");
            }
            Err(None) => return,
        }
        uris.honoured.send_replace(BTreeSet::new());
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Reads one stream, replacing it when the wanted set changes, until it ends.
async fn follow(live: &Arc<Live>, bulletin: &Arc<Bulletin>, uris: &Arc<Uris>, mut carrier: Carrier) {
    let mut changed = uris.changed.subscribe();
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
            alive = changed.changed() => {
                if alive.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
                changed.borrow_and_update();
                let Some(params) = wanted(live.introduction(), &uris.all()) else {
                    carrier.cancel();
                    return;
                };
                let next = open(live, params, uris).await;
                carrier.cancel();
                let Ok(next) = next else { return };
                carrier = next;
            }
        }
    }
}

/// Opens a stream and waits for its acknowledgement. `Err(None)` = the server does not know the method.
async fn open(live: &Arc<Live>, params: Object, uris: &Arc<Uris>) -> Result<Carrier, Option<String>> {
    let outbound = Outbound {
        method: Method::Listen,
        params,
        client: nobody(),
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
                    uris.honoured.send_replace(honoured(&notification));
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

fn honoured(notification: &Notification) -> BTreeSet<String> {
    let granted = notification.params.object("notifications");
    let uris = granted.and_then(|granted| granted.get("resourceSubscriptions"));
    let uris = uris.and_then(|uris| elements(&uris).ok()).unwrap_or_default();
    uris.iter().filter_map(|uri| Some(unquote(uri)?.into_owned())).collect()
}

/// The params, or `None` if there is nothing to listen to.
fn wanted(introduction: &Introduction, uris: &[String]) -> Option<Object> {
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
    if !uris.is_empty() {
        let uris: Vec<String> = uris.iter().map(|uri| quote(uri)).collect();
        members.push(format!(r#""resourceSubscriptions":[{}]"#, uris.join(",")));
    }
    if members.is_empty() {
        return None;
    }
    Object::scan(Bytes::from(format!(r#"{{"notifications":{{{}}}}}"#, members.join(",")))).ok()
}
