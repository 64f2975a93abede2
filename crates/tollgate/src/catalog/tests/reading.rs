//! How often a server is asked for its lists, and what one failure costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::catalog::pins::Forgetful;
use crate::catalog::{Catalog, Memory, Snapshot};
use crate::clock::Clock;
use crate::config::Config;
use crate::servers::tests::fake::{Fake, Reply, Seen};
use crate::servers::tests::start_all;
use crate::servers::{Listing, Servers};
use crate::testing::config;

impl Memory for Forgetful {
    fn recall(&self, _server: &str) -> Option<bytes::Bytes> {
        None
    }

    fn save(&self, _server: &str, _lists: bytes::Bytes) {}
}

/// A server that announces no changes; `list` says how it answers each `tools/list`, counted from 0.
async fn fake(list: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Fake {
    let asked = AtomicUsize::new(0);
    Fake::start(move |seen: Seen| match seen.method() {
        "server/discover" => {
            Reply::result(&seen, json!({"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}))
        }
        "tools/list" => list(asked.fetch_add(1, Ordering::SeqCst), &seen),
        _ => Reply::empty(405),
    })
    .await
}

fn tools(names: &[&str]) -> Value {
    let tools: Vec<Value> = names.iter().map(|n| json!({"name":n,"inputSchema":{"type":"object"}})).collect();
    json!({"tools":tools,"ttlMs":0,"cacheScope":"private","resultType":"complete"})
}

fn over(fake: &Fake) -> (Arc<Config>, Arc<Servers>, Arc<Catalog>) {
    let config = Arc::new(config(&format!("servers:\n  files: {{ url: \"{}\" }}\n", fake.url)));
    let servers = start_all(&config);
    let catalog =
        Catalog::start(Arc::clone(&config), Arc::clone(&servers), Clock::system(), Box::new(Forgetful));
    (config, servers, catalog)
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.items(Listing::Tools).iter().map(|item| &*item.original).collect()
}

/// The snapshot as soon as it is as wanted, without asking for anything.
async fn once(catalog: &Arc<Catalog>, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let wait = async {
        loop {
            let snapshot = catalog.base_snapshot().await;
            if wanted(&snapshot) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never came")
}

/// Longer than a server's lists count as new.
const EXPIRES: Duration = Duration::from_millis(1_100);

#[tokio::test]
async fn a_slow_server_is_not_asked_again_while_it_is_being_asked() {
    let open = Arc::new(AtomicBool::new(false));
    let (gate, late) = (Arc::clone(&open), Duration::from_millis(10));
    let fake = fake(move |n, seen| {
        if n == 0 {
            return Reply::result(seen, tools(&["old"]));
        }
        let (reply, events) = Reply::stream();
        let (id, gate) = (seen.body["id"].clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            while !gate.load(Ordering::SeqCst) {
                tokio::time::sleep(late).await;
            }
            events.message(&json!({"jsonrpc":"2.0","id":id,"result":tools(&["new"])})).await;
        });
        reply
    })
    .await;
    let (_, servers, catalog) = over(&fake);
    let snapshot = once(&catalog, |s| names(s) == ["old"]).await;
    tokio::time::sleep(EXPIRES).await;
    for _ in 0..20 {
        catalog.revalidate(&snapshot);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fake.saw("tools/list").len(), 2, "one list request after the other asked it again");
    open.store(true, Ordering::SeqCst);
    once(&catalog, |s| names(s) == ["new"]).await;
    servers.shutdown().await;
}

#[tokio::test]
async fn one_failed_reading_does_not_make_a_server_unlisted() {
    let fake = fake(|n, seen| match n {
        0 => Reply::result(seen, tools(&["kept"])),
        _ => Reply::error(200, seen, -32_603),
    })
    .await;
    let (_, servers, catalog) = over(&fake);
    let snapshot = once(&catalog, |s| names(s) == ["kept"]).await;
    assert!(catalog.settled() && snapshot.degraded().is_empty());
    tokio::time::sleep(EXPIRES).await;
    catalog.revalidate(&snapshot);
    let after = once(&catalog, |s| !s.degraded().is_empty()).await;
    assert_eq!(names(&after), ["kept"], "what was known stays");
    assert!(catalog.settled(), "it was listed once");
    // It answers at once, but no: a list request each may not mean a question each.
    for _ in 0..20 {
        catalog.revalidate(&after);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(fake.saw("tools/list").len(), 2);
    servers.shutdown().await;
}

#[tokio::test]
async fn a_list_that_could_not_be_read_is_read_again_by_itself() {
    let fake = fake(|n, seen| match n {
        0 => Reply::error(200, seen, -32_603),
        _ => Reply::result(seen, tools(&["back"])),
    })
    .await;
    let (_, servers, catalog) = over(&fake);
    let first = once(&catalog, |s| !s.degraded().is_empty() && catalog.settled()).await;
    assert_eq!((names(&first).len(), &*first.degraded()[0]), (0, "files"));
    let back = once(&catalog, |s| names(s) == ["back"]).await;
    assert!(back.degraded().is_empty());
    servers.shutdown().await;
}

#[tokio::test]
async fn what_a_changed_configuration_hides_is_gone_before_the_server_answers_again() {
    let fake = fake(|n, seen| match n {
        0 => Reply::result(seen, tools(&["read", "admin"])),
        _ => Reply::hang(),
    })
    .await;
    let (_, servers, catalog) = over(&fake);
    once(&catalog, |s| names(s) == ["read", "admin"]).await;
    let hiding = Arc::new(config(&format!(
        "servers:\n  files: {{ url: \"{}\", tools: {{ expose: ['*', '!admin'] }} }}\n",
        fake.url
    )));
    servers.apply(&hiding);
    catalog.apply(Arc::clone(&hiding));
    assert_eq!(names(&*catalog.base_snapshot().await), ["read"]);
    servers.shutdown().await;
}

#[tokio::test]
async fn a_server_that_always_has_something_to_tell_does_not_put_off_its_next_reading() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |seen: Seen| match seen.method() {
        "server/discover" => Reply::result(
            &seen,
            json!({"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}}}),
        ),
        "tools/list" => match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::error(200, &seen, -32_603),
            _ => Reply::result(&seen, tools(&["back"])),
        },
        "subscriptions/listen" => {
            let (reply, events) = Reply::stream();
            let wanted = seen.body["params"]["notifications"].clone();
            let meta = json!({"io.modelcontextprotocol/subscriptionId":seen.body["id"]});
            tokio::spawn(async move {
                let params = json!({"_meta":meta,"notifications":wanted});
                let method = "notifications/subscriptions/acknowledged";
                events.message(&json!({"jsonrpc":"2.0","method":method,"params":params})).await;
                for n in 0..200 {
                    let (method, params) =
                        ("notifications/resources/updated", json!({"uri":format!("a:{n}")}));
                    events.message(&json!({"jsonrpc":"2.0","method":method,"params":params})).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
            reply
        }
        _ => Reply::empty(405),
    })
    .await;
    let (_, servers, catalog) = over(&fake);
    once(&catalog, |s| names(s) == ["back"]).await;
    servers.shutdown().await;
}
