//! A gateway that is told to stop while it is called. *Never* lets a request go unanswered that was sent before the listener closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::raw::{Conn, call, modern};
use super::{Setting, hold, listener, until};
use crate::fake::{Kind, Script, Server};
use crate::gateway::{Running, signal};
use crate::json::Json;
use crate::{Failure, Result};

/// Callers, each of which calls every 40 ms, and some of whose calls take 150: more than 200 calls a second.
const CALLERS: usize = 24;
const EVERY: Duration = Duration::from_millis(40);

/// How one caller's call went.
enum Went {
    Answered {
        last: bool,
    },
    /// There was nobody to connect to.
    Refused,
}

pub(super) async fn under_load(setting: Setting) -> Result<String> {
    let fake = Server::start(Kind::ModernHttp, Script::default()).await?;
    let config = json!({
        "servers": { "s": { "url": fake.url() } }, "policy": { "default": "allow" }, "ledger": { "payloads": "full" },
    });
    let mut gateway = Running::start(&setting.binary, config.into(), &[]).await?;
    let (mut calls, mut slowest) = (0, Duration::ZERO);
    for stop in 0..setting.scale.stops {
        if stop > 0 {
            gateway.restart(Duration::from_secs(10)).await?;
        }
        let at = |failure: Failure| failure.while_doing(format!("stop {stop}"));
        let answered = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (address, answered) = (listener(&gateway), Arc::clone(&answered));
            callers.spawn(async move { load(&address, caller, stop, &answered).await });
        }
        tokio::time::sleep(Duration::from_millis(700) + EVERY / 20 * u32::try_from(stop).unwrap_or(0)).await;
        let start = tokio::time::Instant::now();
        gateway.stop(Duration::from_secs(10)).await.map_err(at)?;
        slowest = slowest.max(start.elapsed());
        for caller in callers.join_all().await {
            caller.map_err(at)?;
        }
        calls += answered.load(Ordering::Relaxed);
    }
    gateway.restart(Duration::from_secs(10)).await?;
    let received = fake.received().iter().filter(|heard| heard.method == "tools/call").count();
    hold(received == calls, || format!("{calls} calls were answered, {received} were received"))?;
    let entries = gateway.ledger().await?;
    let closed =
        |entry: &&Json| entry.text("method") == Some("tools/call") && entry.text("outcome") == Some("ok");
    let closed = entries.iter().filter(closed).count();
    hold(closed == calls, || format!("{calls} calls were answered, {closed} entries say so"))?;
    Ok(format!(
        "{} stops under load: {calls} calls, each answered, received and recorded once; slowest stop {slowest:?}",
        setting.scale.stops
    ))
}

/// Calls until there is nobody to call. Half of the callers keep their connection for as long as they may.
async fn load(address: &str, caller: usize, stop: usize, answered: &AtomicUsize) -> Result<()> {
    let mut kept: Option<Conn> = None;
    for n in 0.. {
        let text = format!("{stop} {caller} {n}");
        match once(address, &mut kept, &text)
            .await
            .map_err(|failure| failure.while_doing(format!("call {text}")))?
        {
            Went::Answered { last } => {
                answered.fetch_add(1, Ordering::Relaxed);
                if last || caller.is_multiple_of(2) {
                    kept = None;
                }
            }
            Went::Refused => return Ok(()),
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}

async fn once(address: &str, kept: &mut Option<Conn>, text: &str) -> Result<Went> {
    let conn = match kept {
        Some(conn) => conn,
        None => match Conn::open(address).await {
            Ok(conn) => kept.insert(conn),
            Err(_) => return Ok(Went::Refused),
        },
    };
    // Every third call is at its server for a while.
    let slow = text.ends_with(['0', '3', '6', '9']);
    let request = if slow {
        call(1, "s_slow", json!({ "ms": 150 }))
    } else {
        call(1, "s_echo", json!({ "text": text }))
    };
    let got = conn.ask(&request).await?;
    let said = got.text()?;
    hold(said == text || (slow && said == "waited"), || format!("`{said}`"))?;
    Ok(Went::Answered { last: got.is_last() })
}

pub(super) async fn idle(setting: Setting) -> Result<String> {
    let fake = Server::start(Kind::ModernHttp, Script::default()).await?;
    let config = json!({ "servers": { "s": { "url": fake.url() } }, "policy": { "default": "allow" } });
    let mut gateway = Running::start(&setting.binary, config.into(), &[]).await?;
    let address = listener(&gateway);
    let list = modern(1, "tools/list", Json::object());
    let mut conns = Vec::new();
    for _ in 0..3 {
        let mut conn = Conn::open(&address).await?;
        let got = conn.ask(&list).await?;
        hold(got.status == 200 && !got.is_last(), || got.head.clone())?;
        conns.push(conn);
    }
    let pid = gateway.pid().ok_or("no gateway runs")?;
    signal(pid, rustix::process::Signal::TERM)?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let [asks, silent, starts] = conns.as_mut_slice() else { return Err("three connections".into()) };
    let got = asks.ask(&list).await?;
    hold(got.status == 200 && got.is_last(), || format!("not told of the end: {}", got.head))?;
    hold(asks.closes_within(Duration::from_secs(1)).await, || "an answered connection stays".to_owned())?;
    // A head that never ends holds up nobody.
    starts.write(b"POST /mcp HTTP/1.1\r\n").await?;
    for conn in [silent, starts] {
        hold(conn.closes_within(Duration::from_secs(3)).await, || "an idle connection stays".to_owned())?;
    }
    hold(Conn::open(&address).await.is_err(), || "the listener is still open".to_owned())?;
    let start = tokio::time::Instant::now();
    gateway.ended(Duration::from_secs(10)).await?;
    Ok(format!("ended {:?} after its last connection", start.elapsed()))
}

/// The log's reader goes away: nothing else does.
pub(super) async fn unread(setting: Setting) -> Result<String> {
    let fake = Server::start(Kind::ModernHttp, Script::default()).await?;
    let config = json!({
        "servers": { "s": { "url": fake.url() }, "crashes": { "command": ["sh", "-c", "exit 3"] } },
        "policy": { "default": "allow" },
    });
    let mut gateway = Running::start(&setting.binary, config.into(), &[]).await?;
    gateway.stop(Duration::from_secs(10)).await?;
    let mut deaf = tokio::process::Command::new(&setting.binary)
        .args(["up", "--config"])
        .arg(gateway.config())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    drop(deaf.stderr.take());
    let address = listener(&gateway);
    let answers = || async {
        let Ok(mut conn) = Conn::open(&address).await else { return Ok(false) };
        Ok(conn.ask(&call(1, "s_echo", json!({ "text": "on" }))).await?.text().is_ok_and(|text| text == "on"))
    };
    until("it answers", Duration::from_secs(10), answers).await?;
    // Failures are what it has to say the most about.
    fake.crash();
    let mut conn = Conn::open(&address).await?;
    let got = conn.ask(&call(1, "s_echo", json!({ "text": "off" }))).await?;
    hold(got.refusal().as_deref() == Some("server.unavailable"), || got.body.clone())?;
    fake.restart().await?;
    until("the server is back", Duration::from_secs(20), answers).await?;
    let pid = deaf.id().ok_or("it is gone")?;
    signal(pid, rustix::process::Signal::TERM)?;
    let status = tokio::time::timeout(Duration::from_secs(15), deaf.wait()).await??;
    hold(status.success(), || format!("ended with {status}"))?;
    Ok("answered, recovered and drained without a reader of its log".to_owned())
}
