use std::time::Duration;

use serde_json::json;

use super::{modern_body, modern_headers, until, world};
use crate::call::PartKind;

const ID: &str = "io.modelcontextprotocol/subscriptionId";

/// Checklist 55, 56, 58: acknowledged first, every message named, an empty result at the end.
#[tokio::test]
async fn everything_on_a_listen_stream_names_its_subscription() {
    let world = world().await;
    let body = modern_body("subscriptions/listen", r#""notifications":{"toolsListChanged":true},"#)
        .replace(r#""id":7"#, r#""id":"l-1""#);
    let mut open = world.post_open(&modern_headers("subscriptions/listen", ""), &body).await;
    assert_eq!(open.headers["content-type"], "text/event-stream");
    let ack = open.data().await;
    assert_eq!(ack["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(ack["params"]["_meta"][ID], "l-1");
    open.silent().await;
    world.fake.news.send((PartKind::ToolsChanged, String::new())).unwrap();
    let changed = open.data().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"][ID], "l-1");
    let update = r#"{"uri":"known:a","_meta":{"x":1}}"#;
    world.fake.news.send((PartKind::ResourceUpdated, update.into())).unwrap();
    let updated = open.data().await;
    assert_eq!(updated["params"], json!({"uri": "known:a", "_meta": {"x": 1, ID: "l-1"}}));
    world.fake.over.send(()).unwrap();
    let last = open.data().await;
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!("l-1"), &json!("complete")));
    assert_eq!(last["result"]["_meta"][ID], "l-1");
    assert!(open.event().await.is_none());
}

#[tokio::test]
async fn a_number_stays_a_number_and_leaving_cancels() {
    let world = world().await;
    let body = modern_body("subscriptions/listen", r#""notifications":{},"#);
    let mut open = world.post_open(&modern_headers("subscriptions/listen", ""), &body).await;
    assert_eq!(open.data().await["params"]["_meta"][ID], 7);
    drop(open);
    until("cancelled", || world.fake.unheard.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn draining_ends_listening() {
    let world = world().await;
    let body = modern_body("subscriptions/listen", r#""notifications":{},"#);
    let mut open = world.post_open(&modern_headers("subscriptions/listen", ""), &body).await;
    open.data().await;
    assert!(world.server.drain(Duration::from_secs(5)).await);
    // The scripted path ends a cancelled walk with an error; it comes, and the stream ends.
    assert_eq!(open.data().await["id"], 7);
    assert!(open.event().await.is_none());
}
