//! All of them together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::{Event, Health};
use super::fake::{Fake, Reply, Seen};
use super::{ask, call, client, ready, start_all, text};
use crate::config::Config;

fn config(servers: &str) -> Config {
    crate::config::load(Path::new("tollgate.yaml"), &format!("servers:\n{servers}")).expect("a configuration")
}

async fn fake() -> Fake {
    Fake::start(|seen: Seen| match seen.method() {
        "server/discover" => {
            Reply::result(&seen, json!({"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}))
        }
        _ if seen.body["params"]["name"] == "slow" => {
            let (reply, events) = Reply::stream();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(600)).await;
                let id = &seen.body["id"];
                events.message(&json!({"jsonrpc":"2.0","id":id,"result":{"content":["slow"]}})).await;
            });
            reply
        }
        _ => Reply::result(&seen, json!({"content":[]})),
    })
    .await
}

#[tokio::test]
async fn a_change_leaves_unchanged_servers_and_lets_calls_of_others_finish() {
    let (a, b) = (fake().await, fake().await);
    let before = config(&format!("  a: {{ url: \"{}\" }}\n  b: {{ url: \"{}\" }}\n", a.url, b.url));
    let servers = start_all(&before);
    let (old_a, old_b) = (servers.get("a").expect("a"), servers.get("b").expect("b"));
    ready(&old_a).await;
    ready(&old_b).await;
    let mut slow = old_b.send(call("slow", &client("{}"), "p")).await.expect("sent");
    let after =
        config(&format!("  a: {{ url: \"{}\" }}\n  c: {{ url: \"{}\", enabled: false }}\n", a.url, b.url));
    servers.apply(&after);
    assert!(Arc::ptr_eq(&servers.get("a").expect("a"), &old_a));
    assert!(servers.get("b").is_none());
    assert!(matches!(servers.get("c").expect("c").health(), Health::Disabled));
    assert_eq!(servers.all().len(), 2);
    assert!(text(slow.next().await).contains("slow"));
    drop(slow);
    tokio::time::timeout(Duration::from_secs(3), old_b.ended()).await.expect("it ends after its last call");
    assert!(matches!(ask(&old_b, call("t", &client("{}"), "p")).await, Event::Failed(_)));
    text(ask(&old_a, call("t", &client("{}"), "p")).await);
    servers.shutdown().await;
    assert!(matches!(old_a.health(), Health::Down { .. }));
}

#[tokio::test]
async fn a_dead_server_delays_no_other() {
    let alive = fake().await;
    let servers = start_all(&config(&format!(
        "  dead: {{ url: \"http://10.255.255.1:9/mcp\" }}\n  hung: {{ command: [sleep, \"600\"] }}\n  fine: {{ url: \"{}\" }}\n",
        alive.url
    )));
    let fine = servers.get("fine").expect("fine");
    let quick = tokio::time::timeout(Duration::from_secs(2), ask(&fine, call("t", &client("{}"), "p"))).await;
    text(quick.expect("at once"));
    tokio::time::timeout(Duration::from_secs(8), servers.shutdown()).await.expect("all end");
}
