//! Servers that die, forget their sessions and come back as something else.
//! *Never* counts a call as lost that was answered, nor as answered that a server did not see.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::raw::{Conn, call};
use super::{Setting, hold, listener, resident, until};
use crate::agent::{Agent, Setup};
use crate::fake::{Kind, Script, Server, stdio};
use crate::gateway::{Running, signal};
use crate::json::Json;
use crate::{Failure, Result};

/// How many servers are killed at a time: each is started again at most once a second.
const AT_A_TIME: usize = 6;

fn config(servers: Json) -> Json {
    Json::object().with("servers", servers).with("policy", json!({ "default": "allow" }))
}

/// A fake's place in a configuration.
fn place(server: &Server, setting: &Setting) -> serde_json::Value {
    if server.kind().is_stdio() {
        json!({ "command": server.command(&setting.carrier) })
    } else {
        json!({ "url": server.url() })
    }
}

pub(super) async fn kills(setting: Setting) -> Result<String> {
    let mut pipes = Vec::new();
    let mut servers = Json::object();
    for n in 0..AT_A_TIME {
        let kind = if n % 2 == 0 { Kind::LegacyStdio } else { Kind::ModernStdio };
        let pipe = Server::start(kind, Script::default()).await?;
        servers.set(&format!("s{n}"), place(&pipe, &setting));
        pipes.push(pipe);
    }
    let mut gateway = Running::start(&setting.binary, config(servers), &[]).await?;
    let each = setting.scale.kills.div_ceil(AT_A_TIME);
    let usual: Vec<usize> = pipes.iter().map(|pipe| stdio::processes(&pipe.address()).len()).collect();
    let mut before = 0;
    // In parts, to see whether memory grows with the kills.
    for part in 0..5 {
        let from = each * part / 5;
        let to = each * (part + 1) / 5;
        let mut tasks = JoinSet::new();
        for (n, pipe) in pipes.drain(..).enumerate() {
            let address = listener(&gateway);
            tasks.spawn(async move {
                let killed = kill(&address, n, &pipe, from..to).await;
                (n, pipe, killed)
            });
        }
        let mut back = tasks.join_all().await;
        back.sort_by_key(|(n, ..)| *n);
        for (_, pipe, killed) in back {
            killed.map_err(|failure| Failure::new(format!("{failure}\n{}", gateway.log())))?;
            pipes.push(pipe);
        }
        if part == 0 {
            before = resident(&gateway)?;
        }
    }
    let after = resident(&gateway)?;
    let patience = Duration::from_secs(5);
    for (pipe, usual) in pipes.iter().zip(&usual) {
        let address = pipe.address();
        until("every process but the last one's is gone", patience, || async {
            Ok(stdio::processes(&address).len() <= *usual)
        })
        .await?;
    }
    hold(after < before + before / 4 + (4 << 20), || format!("{before} bytes resident, then {after}"))?;
    gateway.stop(Duration::from_secs(20)).await?;
    for pipe in &pipes {
        let left = stdio::processes(&pipe.address());
        hold(left.is_empty(), || format!("{left:?} outlive the gateway"))?;
        hold(pipe.faults().is_empty(), || format!("{:?}", pipe.faults()))?;
    }
    Ok(format!(
        "{} kills: nobody left; {before} bytes resident after a fifth of them, {after} after all",
        each * AT_A_TIME
    ))
}

/// Kills a server's process, then calls until it is back; no call may reach it twice.
async fn kill(address: &str, n: usize, pipe: &Server, rounds: std::ops::Range<usize>) -> Result<()> {
    for round in rounds {
        let pid = pipe.children().last().map(|child| child.pid).ok_or("no child was started")?;
        // It may be on its way out already.
        drop(signal(pid, rustix::process::Signal::KILL));
        let mut attempt = 0;
        until("the server is back", Duration::from_secs(20), || {
            attempt += 1;
            let text = format!("{n}-{round}-{attempt}");
            async move {
                let mut conn = Conn::open(address).await?;
                let got = conn.ask(&call(1, &format!("s{n}_echo"), json!({ "text": text }))).await?;
                let refused = got.refusal();
                hold(refused.as_deref().is_none_or(|code| code == "server.unavailable"), || {
                    got.body.clone()
                })?;
                Ok(refused.is_none())
            }
        })
        .await?;
        let calls = pipe.take_calls(1, Duration::from_secs(1)).await;
        let mut texts: Vec<_> = calls.iter().map(|call| call.params.to_string()).collect();
        texts.sort_unstable();
        hold(texts.windows(2).all(|two| two.first() != two.last()), || {
            format!("a call came twice: {texts:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn once(setting: Setting) -> Result<String> {
    let mut servers = Json::object();
    let mut fakes = Vec::new();
    for (kind, name) in Kind::ALL {
        let fake = Server::start(kind, Script::default()).await?;
        servers.set(name, place(&fake, &setting));
        fakes.push((name, fake));
    }
    let gateway = Running::start(&setting.binary, config(servers), &[]).await?;
    for revision in ["2025-11-25", "2026-07-28"] {
        for (name, fake) in &fakes {
            let at = |failure: Failure| failure.while_doing(format!("{revision} to {name}"));
            received_once(&gateway, revision, name, fake).await.map_err(at)?;
        }
    }
    Ok("8 calls to servers that died of them: one receipt each".to_owned())
}

async fn received_once(gateway: &Running, revision: &str, name: &str, fake: &Server) -> Result<()> {
    let agent = Agent::http(&gateway.url("/mcp"), Setup::of(revision)).await?;
    let echo = format!("{name}_echo");
    until("it answers", Duration::from_secs(20), || async {
        let reply = agent.call(&echo, json!({ "text": "ready?" })).reply(Duration::from_secs(5)).await?;
        Ok(reply.text().is_ok_and(|text| text == "ready?"))
    })
    .await?;
    fake.take_calls(1, Duration::from_secs(1)).await;
    let mut pending = agent.call(&format!("{name}_slow"), json!({ "ms": 60_000 }));
    let calls = fake.take_calls(1, Duration::from_secs(5)).await;
    hold(calls.len() == 1, || format!("{calls:?}"))?;
    fake.crash();
    fake.restart().await?;
    let reply = pending.reply(Duration::from_secs(10)).await?;
    let refusal = reply.result()?.at(&["_meta", "dev.tollgate/refusal"]).cloned().unwrap_or_default();
    hold(refusal.text("code") == Some("server.unavailable"), || format!("{reply:?}"))?;
    hold(refusal.text("because").is_some_and(|because| because.contains("may have run")), || {
        format!("{refusal}")
    })?;
    hold(refusal.get("retry_after_ms").is_none(), || format!("a retry is advised: {refusal}"))?;
    until("it is back", Duration::from_secs(20), || async {
        let reply = agent.call(&echo, json!({ "text": "back?" })).reply(Duration::from_secs(5)).await?;
        Ok(reply.text().is_ok_and(|text| text == "back?"))
    })
    .await?;
    let slow = |call: &crate::fake::Received| {
        call.method == "tools/call" && call.params.text("name") == Some("slow")
    };
    let again = fake.take_calls(1, Duration::from_secs(1)).await.iter().filter(|call| slow(call)).count();
    hold(again == 0, || "the call was sent again".to_owned())
}

pub(super) async fn forgotten(setting: Setting) -> Result<String> {
    let fake = Server::start(Kind::LegacyHttp, Script::default()).await?;
    let servers = Json::object().with("s", place(&fake, &setting));
    let gateway = Running::start(&setting.binary, config(servers), &[]).await?;
    let mut errors = 0;
    for revision in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let agent = Agent::http(&gateway.url("/mcp"), Setup::of(revision)).await?;
        agent.call("s_echo", json!({ "text": "before" })).reply(Duration::from_secs(5)).await?;
        fake.forget_sessions();
        for n in 0..5 {
            let text = format!("{revision} {n}");
            let reply = agent.call("s_echo", json!({ "text": text })).reply(Duration::from_secs(5)).await?;
            errors += u32::from(reply.text() != Ok(&text));
            let same = |call: &crate::fake::Received| {
                call.params.at(&["arguments", "text"]) == Some(&Json::from(text.as_str()))
            };
            let receipts = fake.received().iter().filter(|call| same(call)).count();
            hold(receipts <= 1, || format!("`{text}` was received {receipts} times"))?;
        }
    }
    hold(errors == 0, || format!("agents noticed {errors} errors of 3 forgotten sessions"))?;
    hold(fake.faults().is_empty(), || format!("{:?}", fake.faults()))?;
    Ok("3 forgotten sessions, no agent noticed".to_owned())
}

pub(super) async fn another_era(setting: Setting) -> Result<String> {
    let (legacy, modern) = (Kind::LegacyHttp, Kind::ModernHttp);
    let mut fakes = Vec::new();
    let mut servers = Json::object();
    for (n, kind) in [legacy, modern].into_iter().enumerate() {
        let fake = Server::start(kind, Script::default()).await?;
        servers.set(&format!("s{n}"), place(&fake, &setting));
        fakes.push(fake);
    }
    let gateway = Running::start(&setting.binary, config(servers), &[]).await?;
    let agent = Agent::http(&gateway.url("/mcp"), Setup::modern()).await?;
    let mut report = Vec::new();
    // There and back again, as soon as the last change was noticed.
    for round in 0..2 {
        for (n, place) in fakes.iter_mut().enumerate() {
            let (address, other) = (place.address(), if place.kind().is_modern() { legacy } else { modern });
            // Gone, and there again as another one, before anybody calls.
            place.crash();
            *place = Server::start_at(other, Script::default(), &address).await?;
            let (mut errors, mut longest) = (0, Duration::ZERO);
            for text in 0..5 {
                let text = format!("call {round} {text}");
                let before = tokio::time::Instant::now();
                let mut pending = agent.call(&format!("s{n}_echo"), json!({ "text": text }));
                errors += u32::from(pending.reply(Duration::from_secs(10)).await?.text() != Ok(&text));
                longest = longest.max(before.elapsed());
            }
            let told = || {
                format!("{errors} errors and {longest:?} after a change of era of s{n}:\n{}", gateway.log())
            };
            hold(errors <= 1 && longest < Duration::from_secs(3), told)?;
            report.push(format!("to {}: {errors} errors, {longest:?} at most", other.name()));
        }
    }
    Ok(report.join("; "))
}
