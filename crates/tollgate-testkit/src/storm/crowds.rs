//! Agents in crowds: storms of connections, streams that say nothing, heads, bodies and readers that take for ever.
//! *Never* counts on a crowd to behave; only on those who were there before.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::raw::{Conn, call, modern};
use super::rude::{Act, Dialect, Manner, Rude};
use super::{Setting, hold, listener, percentile, resident};
use crate::fake::{Kind, Script, Server};
use crate::gateway::Running;
use crate::{Failure, Result};

/// The most bytes that an idle stateless stream may cost, and a session with its stream.
const STREAM: u64 = 16 * 1024;
const SESSION: u64 = 16 * 1024;

/// Within this time what a crowd took is given back: 10,000 connections take 180 MB, and leave 1.1 to 1.5 times what was before them, by
/// what the allocator's pages are shared with.
const BACK: Duration = Duration::from_secs(30);

async fn one_server(setting: &Setting) -> Result<(Server, Running)> {
    let fake = Server::start(Kind::ModernHttp, Script::default()).await?;
    let config = json!({ "servers": { "s": { "url": fake.url() } }, "policy": { "default": "allow" } });
    let gateway = Running::start(&setting.binary, config.into(), &[]).await?;
    Ok((fake, gateway))
}

/// Calls on established connections, for as long as it is polled: the times.
async fn established(conns: &mut [Conn], times: &mut Vec<Duration>) -> Result<()> {
    for id in 0.. {
        for conn in &mut *conns {
            let start = Instant::now();
            let request = call(id, "s_echo", json!({ "text": "still here" }));
            let got = tokio::time::timeout(Duration::from_secs(30), conn.ask(&request)).await??;
            hold(got.text()? == "still here", || got.body.clone())?;
            times.push(start.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Runs `storm` while established callers call; it may not stop them.
async fn beside<T>(
    gateway: &Running,
    storm: impl Future<Output = Result<T>>,
) -> Result<(T, Duration, Duration, usize)> {
    let mut conns = Vec::new();
    for _ in 0..4 {
        let mut conn = Conn::open(&listener(gateway)).await?;
        conn.ask(&call(0, "s_echo", json!({ "text": "here" }))).await?;
        conns.push(conn);
    }
    let mut times = Vec::new();
    let done = tokio::select! {
        done = storm => done?,
        ended = established(&mut conns, &mut times) => {
            ended.map_err(|failure| failure.while_doing("an established caller"))?;
            return Err("the established callers left".into());
        }
    };
    let count = times.len();
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    // On a machine that does much else the slowest wait for it, not for us.
    hold(half < Duration::from_secs(2), || {
        format!("established callers waited {half:?} (p50), {most:?} (p99)")
    })?;
    Ok((done, half, most, count))
}

pub(super) async fn connections(setting: Setting) -> Result<String> {
    let (fake, gateway) = one_server(&setting).await?;
    let address = listener(&gateway);
    let total = setting.scale.connections;
    let before = resident(&gateway)?;
    let storm = async {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for lane in 0..50 {
            let (address, each) = (address.clone(), total / 50);
            tasks.spawn(async move {
                let mut open = Vec::with_capacity(each);
                for n in 0..each {
                    let mut conn = Conn::open(&address).await?;
                    let text = format!("{lane} {n}");
                    let got = conn.ask(&call(1, "s_echo", json!({ "text": text }))).await?;
                    hold(got.text()? == text, || format!("not `{text}`: {}", got.body))?;
                    open.push(conn);
                }
                Ok::<_, Failure>(open)
            });
        }
        let mut open = Vec::with_capacity(total);
        for lane in tasks.join_all().await {
            open.extend(lane?);
        }
        let took = start.elapsed();
        let high = resident(&gateway)?;
        Ok((open, took, high))
    };
    let ((open, took, high), half, most, count) = beside(&gateway, storm).await?;
    let count_open = open.len();
    drop(open);
    let gone = Instant::now();
    let mut after = resident(&gateway)?;
    let bound = before + before * 3 / 5;
    while after > bound && gone.elapsed() < BACK {
        tokio::time::sleep(Duration::from_millis(200)).await;
        after = resident(&gateway)?;
    }
    hold(after <= bound, || {
        format!(
            "{after} bytes are resident {BACK:?} after the crowd has gone, {before} before it, {high} with it"
        )
    })?;
    hold(fake.faults().is_empty(), || format!("{:?}", fake.faults()))?;
    Ok(format!(
        "{count_open} connections and calls in {took:?}; {count} calls of established callers meanwhile: p50 {half:?}, p99 {most:?}; \
         {} KiB before, {} KiB with all open, {} KiB {:?} after they were closed",
        before / 1024,
        high / 1024,
        after / 1024,
        gone.elapsed()
    ))
}

pub(super) async fn streams(setting: Setting) -> Result<String> {
    let (_fake, gateway) = one_server(&setting).await?;
    let address = listener(&gateway);
    // What the first ones bring into being is not theirs.
    let mut all = Vec::new();
    for n in 0..20 {
        all.push(listen(&address, n % 2 == 0).await?);
    }
    // One agent has at most 1,000 sessions.
    let sessions = (setting.scale.streams / 2).min(900);
    let counts = [setting.scale.streams - sessions, sessions];
    let storm = async {
        let mut each = [0; 2];
        for ((modern, many), each) in [true, false].into_iter().zip(counts).zip(&mut each) {
            let before = settled(&gateway).await?;
            for _ in 0..many {
                all.push(listen(&address, modern).await?);
            }
            let after = settled(&gateway).await?;
            *each = after.saturating_sub(before) / u64::try_from(many).unwrap_or(1);
        }
        Ok(each)
    };
    let (each, middle, most, count) = beside(&gateway, storm).await?;
    let [modern, session] = each;
    hold(modern <= STREAM && session <= SESSION, || {
        format!("{modern} bytes a stateless stream, {session} a session's")
    })?;
    Ok(format!(
        "{} idle streams: {modern} bytes a stateless one, {session} a session's; {count} calls beside them: p50 {middle:?}, p99 {most:?}",
        setting.scale.streams
    ))
}

/// What is resident a moment later.
async fn settled(gateway: &Running) -> Result<u64> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    resident(gateway)
}

/// Opens a stream, as a 2026-07-28 agent's or as a session's.
async fn listen(address: &str, stateless: bool) -> Result<Conn> {
    let mut conn = Conn::open(address).await?;
    if stateless {
        let wanted = json!({ "notifications": { "toolsListChanged": true } });
        conn.write(modern(1, "subscriptions/listen", wanted.into()).as_bytes()).await?;
        // Headers first, then the acknowledgement.
        conn.head().await?;
        return Ok(conn);
    }
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "crowd", "version": "1" } }
    });
    let got = conn.ask(&super::raw::post(&[], &body.to_string())).await?;
    let session = got.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
    let session = session.ok_or_else(|| Failure::new(got.head.clone()))?.to_owned();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let in_session = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    conn.ask(&super::raw::post(&in_session, &ready)).await?;
    let get = format!(
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nmcp-session-id: {session}\r\nmcp-protocol-version: 2025-11-25\r\n\r\n"
    );
    conn.write(get.as_bytes()).await?;
    let status = conn.head().await?;
    hold(status == 200, || format!("HTTP {status} to a session's stream"))?;
    Ok(conn)
}

pub(super) async fn slow(setting: Setting) -> Result<String> {
    let fake = Server::start(Kind::ModernHttp, Script::default()).await?;
    // Made once: the time that it takes is no fault of the gateway's.
    let large = "x".repeat(12 << 20);
    let large: Manner = Arc::new(move |heard| {
        let content = || format!(r#"[{{"type":"text","text":"{large}"}}]"#);
        let result = || format!(r#"{{"resultType":"complete","content":{}}}"#, content());
        let text = || format!(r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#, heard.id, result());
        (heard.method == "tools/call").then(|| Act::Text(text()))
    });
    let large = Rude::start(Dialect::Modern, large).await?;
    let servers = json!({ "s": { "url": fake.url() }, "large": large.config(&[]) });
    let config = json!({ "servers": servers, "policy": { "default": "allow" } });
    let gateway = Running::start(&setting.binary, config.into(), &[]).await?;
    let address = listener(&gateway);
    let many = setting.scale.streams / 2;
    let unread = many / 10;
    let storm = async {
        let (mut heads, mut bodies, mut readers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..many {
            let mut head = Conn::open(&address).await?;
            head.write(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nx-drip: ").await?;
            heads.push(head);
            let mut body = Conn::open(&address).await?;
            let text = call(1, "s_echo", json!({ "text": "x".repeat(1000) }));
            body.write(text.get(..text.len() - 900).unwrap_or_default().as_bytes()).await?;
            bodies.push(body);
        }
        for _ in 0..unread {
            let mut reader = Conn::open(&address).await?;
            reader.write(call(1, "large_poke", json!({})).as_bytes()).await?;
            readers.push(reader);
        }
        let start = Instant::now();
        let wait = Duration::from_secs(if setting.scale.patient { 45 } else { 12 });
        while start.elapsed() < wait {
            for conn in heads.iter_mut().chain(&mut bodies) {
                // Those that were cut off can't be written to.
                drop(conn.write(b"x").await);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        for head in &mut heads {
            hold(head.closes_within(Duration::from_secs(1)).await, || {
                "a dripping head is still open".to_owned()
            })?;
        }
        if setting.scale.patient {
            for body in &mut bodies {
                hold(body.closes_within(Duration::from_secs(1)).await, || {
                    "a dripping body is still open".to_owned()
                })?;
            }
        }
        Ok(readers)
    };
    let (readers, half, most, count) = beside(&gateway, storm).await?;
    let memory = resident(&gateway)? / (1 << 20);
    drop(readers);
    Ok(format!(
        "{many} dripping heads, {many} dripping bodies, {unread} readers that do not read; {count} calls beside them: p50 {half:?}, p99 {most:?}; {memory} MiB"
    ))
}
