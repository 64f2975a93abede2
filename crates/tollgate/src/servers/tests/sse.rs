//! Over HTTP+SSE of 2024-11-05.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_mcp::revision::Revision;

use super::super::{Event, Health, Reaction, Server};
use super::fake::{Events, Fake, Reply, Seen};
use super::{QUICK, ask, call, client, end, finish, http_transport, object, ready, start, text, unavailable};
use crate::config::{Over, Timeout, Transport};

/// What a POST of a session does.
type Script = dyn Fn(&Seen, &Events) -> Option<Reply> + Send + Sync;

/// The streams by session number, and a second hand for what a POST leads to.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<HashMap<usize, Events>>>);

impl Streams {
    fn cut(&self) {
        for (_, events) in self.0.lock().unwrap().drain() {
            tokio::spawn(async move { events.cut().await });
        }
    }
}

/// A server of HTTP+SSE with its streams at `/mcp` and its messages at `/m?s=N`. `script` comes before what is usual.
async fn older(script: impl Fn(&Seen, &Events) -> Option<Reply> + Send + Sync + 'static) -> (Fake, Streams) {
    let streams = Streams::default();
    let (made, all, script) = (AtomicUsize::new(0), streams.clone(), Box::new(script) as Box<Script>);
    let fake = Fake::start(move |seen| {
        if seen.verb == "GET" {
            let number = made.fetch_add(1, Ordering::SeqCst) + 1;
            let (reply, events) = Reply::stream();
            all.0.lock().unwrap().insert(number, events.clone());
            tokio::spawn(async move {
                events.raw(&format!(": hello\n\nevent: endpoint\ndata: /m?s={number}\n\n")).await;
            });
            return reply;
        }
        let session = seen.path.strip_prefix("/m?s=").and_then(|number| number.parse().ok());
        let Some(events) = session.and_then(|number: usize| all.0.lock().unwrap().get(&number).cloned())
        else {
            return Reply::empty(405);
        };
        if let Some(reply) = script(&seen, &events) {
            return reply;
        }
        let result = match seen.method() {
            "initialize" => {
                json!({"protocolVersion":"2024-11-05","serverInfo":{"name":"older","version":"1"},
                "capabilities":{"tools":{"listChanged":true}}})
            }
            "tools/call" => json!({"content":[{"type":"text","text":seen.path}]}),
            _ => json!({}),
        };
        if !seen.body["id"].is_null() && !seen.method().is_empty() {
            say(&events, json!({"jsonrpc":"2.0","id":seen.body["id"],"result":result}));
        }
        Reply::empty(202)
    })
    .await;
    (fake, streams)
}

fn say(events: &Events, message: Value) {
    let events = events.clone();
    tokio::spawn(async move { events.message(&message).await });
}

fn over(url: &str, over: Over) -> Transport {
    match http_transport(url) {
        Transport::Http { url, headers, auth, ca, .. } => Transport::Http { url, over, headers, auth, ca },
        Transport::Stdio { .. } => panic!("not HTTP"),
    }
}

fn sse(fake: &Fake) -> Arc<Server> {
    start(over(&fake.url, Over::Sse), QUICK)
}

#[tokio::test]
async fn calls_go_out_by_post_and_come_back_on_the_stream() {
    let (fake, _streams) = older(|_, _| None).await;
    let server = sse(&fake);
    assert_eq!(ready(&server).await.revision, Revision::V2024_11_05);
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("/m?s=1"));
    let kinds: Vec<String> =
        fake.seen().iter().map(|seen| format!("{} {} {}", seen.verb, seen.path, seen.method())).collect();
    assert_eq!(
        kinds,
        [
            "GET /mcp ",
            "POST /m?s=1 initialize",
            "POST /m?s=1 notifications/initialized",
            "POST /m?s=1 tools/call"
        ]
    );
    for seen in fake.seen() {
        assert_eq!(seen.header("authorization"), Some("Bearer token-value"));
    }
    let sent = &fake.saw("tools/call")[0].body["params"]["_meta"];
    assert_eq!(*sent, json!({"x/y": 1}));
    end(&server).await;
}

#[tokio::test]
async fn it_is_found_where_the_newer_transport_is_refused() {
    let (fake, _streams) = older(|_, _| None).await;
    let server = start(over(&fake.url, Over::Auto), QUICK);
    ready(&server).await;
    assert_eq!(fake.seen()[0].method(), "server/discover");
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("/m?s=1"));
    end(&server).await;
}

#[tokio::test]
async fn nothing_else_makes_it_look_for_a_stream() {
    for (mode, status) in [(Over::Http, 405), (Over::Auto, 401), (Over::Auto, 503), (Over::Auto, 302)] {
        let fake = Fake::start(move |_| Reply::empty(status)).await;
        let server = start(over(&fake.url, mode), QUICK);
        for _ in 0..200 {
            if matches!(server.health(), Health::Down { .. }) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(matches!(server.health(), Health::Down { .. }), "{mode:?} {status}");
        assert!(fake.seen().iter().all(|seen| seen.verb == "POST"), "{mode:?} {status}");
        end(&server).await;
    }
}

/// Neither our messages nor our credential go where a server points to.
#[tokio::test]
async fn an_endpoint_of_another_origin_is_refused() {
    let other = Fake::start(|_| Reply::empty(202)).await;
    let elsewhere = other.url.clone();
    let fake = Fake::start(move |seen| {
        if seen.verb == "POST" {
            return Reply::empty(405);
        }
        let (reply, events) = Reply::stream();
        let elsewhere = elsewhere.clone();
        tokio::spawn(async move {
            events.raw(&format!("event: endpoint\ndata: {elsewhere}\n\n")).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        });
        reply
    })
    .await;
    let server = sse(&fake);
    let why = loop {
        if let Health::Down { why } = server.health() {
            break why;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(why.contains("another origin"), "{why}");
    assert!(other.seen().is_empty());
    end(&server).await;
}

#[tokio::test]
async fn a_question_is_asked_on_the_only_call_of_its_principals_own_stream() {
    let (fake, _streams) = older(|seen, events| {
        if seen.method() == "tools/call" {
            say(events, json!({"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}));
            events_later(events, seen.body["id"].clone());
            return Some(Reply::empty(202));
        }
        None
    })
    .await;
    let server = sse(&fake);
    ready(&server).await;
    let mut exchange = server.send(call("t", &client(r#"{"sampling":{}}"#), "alice")).await.expect("sent");
    let Event::Asked(questions) = exchange.next().await else { panic!("not asked") };
    assert_eq!(questions[0].method, "sampling/createMessage");
    let answer = object(r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}"#);
    exchange.answer(vec![(questions[0].key.clone(), Reaction::Result(answer))]).await;
    assert!(text(finish(&mut exchange).await).contains("later"));
    // The base stream declared nothing; hers is another one.
    let declared: Vec<Value> =
        fake.saw("initialize").iter().map(|seen| seen.body["params"]["capabilities"].clone()).collect();
    assert_eq!(declared, [json!({}), json!({"sampling":{}})]);
    assert_eq!(fake.seen().iter().filter(|seen| seen.body["result"]["model"] == "m").count(), 1);
    end(&server).await;
}

fn events_later(events: &Events, id: Value) {
    let events = events.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        events
            .message(&json!({"jsonrpc":"2.0","id":id,"result":{"content":[{"type":"text","text":"later"}]}}))
            .await;
    });
}

/// Some servers answer the POST of a request only when they have answered the request.
#[tokio::test]
async fn a_post_that_is_held_holds_nothing_up() {
    let (fake, _streams) = older(|seen, events| {
        (seen.method() == "tools/call").then(|| {
            events_later(events, seen.body["id"].clone());
            Reply::hang()
        })
    })
    .await;
    let server = sse(&fake);
    assert!(text(ask(&server, call("t", &client("{}"), "p")).await).contains("later"));
    end(&server).await;
}

#[tokio::test]
async fn a_lost_stream_ends_its_calls_and_is_opened_again() {
    let (fake, streams) =
        older(|seen, _| (seen.body["params"]["name"] == "hang").then(|| Reply::empty(202))).await;
    let server = sse(&fake);
    ready(&server).await;
    let mut exchange = server.send(call("hang", &client("{}"), "p")).await.expect("sent");
    while fake.saw("tools/call").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    streams.cut();
    let (why, sent) = unavailable(finish(&mut exchange).await);
    assert!(sent, "{why}");
    drop(exchange);
    let again = async {
        loop {
            match ask(&server, call("t", &client("{}"), "p")).await {
                Event::Done(_) => return,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again).await.expect("never back");
    assert!(fake.seen().iter().filter(|seen| seen.verb == "GET").count() >= 2);
    end(&server).await;
}

#[tokio::test]
async fn a_refused_message_did_not_run_and_a_forgotten_session_is_made_anew() {
    let forget = Arc::new(AtomicUsize::new(0));
    let status = Arc::clone(&forget);
    let (fake, _streams) = older(move |seen, _| {
        let status = u16::try_from(status.swap(0, Ordering::SeqCst)).unwrap();
        (seen.method() == "tools/call" && status > 0).then(|| Reply::empty(status))
    })
    .await;
    let server = sse(&fake);
    ready(&server).await;
    for (status, sent) in [(400, false), (500, true), (404, false)] {
        forget.store(status, Ordering::SeqCst);
        let (why, was_sent) = unavailable(ask(&server, call("t", &client("{}"), "p")).await);
        assert_eq!(was_sent, sent, "{why}");
    }
    let again = async {
        while fake.seen().iter().filter(|seen| seen.verb == "GET").count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again).await.expect("no new stream");
    end(&server).await;
}

#[tokio::test]
async fn a_cancel_is_posted_and_an_event_over_the_limit_ends_the_stream() {
    let (fake, _streams) = older(|seen, events| {
        let name = &seen.body["params"]["name"];
        if name == "huge" {
            let events = events.clone();
            tokio::spawn(async move {
                for _ in 0..18 {
                    events.raw(&format!("data: {}\n", "x".repeat(1 << 20))).await;
                }
            });
        }
        (name == "hang" || name == "huge").then(|| Reply::empty(202))
    })
    .await;
    let timeout = Timeout { call: Duration::from_secs(20), ..QUICK };
    let server = start(over(&fake.url, Over::Sse), timeout);
    ready(&server).await;
    let exchange = server.send(call("hang", &client("{}"), "p")).await.expect("sent");
    while fake.saw("tools/call").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(exchange);
    while fake.saw("notifications/cancelled").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = fake.saw("tools/call")[0].body["id"].clone();
    assert_eq!(fake.saw("notifications/cancelled")[0].body["params"]["requestId"], id);
    match ask(&server, call("huge", &client("{}"), "p")).await {
        Event::Failed(super::super::Failure::TooLarge { .. }) => {}
        other => panic!("{other:?}"),
    }
    end(&server).await;
}

/// Streams of a gateway that ends are closed.
#[tokio::test]
async fn its_end_closes_the_streams() {
    let (fake, _streams) = older(|_, _| None).await;
    let server = sse(&fake);
    ready(&server).await;
    drop(ask(&server, call("t", &client(r#"{"roots":{}}"#), "p")).await);
    end(&server).await;
    let closed = async {
        while fake.open() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(6), closed).await.expect("still open");
}
