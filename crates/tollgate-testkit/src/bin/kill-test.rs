//! `kill-test [N]`: kill -9 under load at N random instants (default 5). After each: no child and no child's child survives, the gateway is
//! ready again within a second, every call that a server saw has its entry, every call that was answered is closed as such, every entry
//! has an outcome, and every chain verifies.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tollgate_testkit::agent::{Agent, Setup};
use tollgate_testkit::fake::{Kind, Script, Server, stdio};
use tollgate_testkit::gateway::{Running, binary};
use tollgate_testkit::json::Json;
use tollgate_testkit::{Failure, Result};

/// How many agents call at once.
const AGENTS: usize = 4;

/// From the start of the process to `/readyz`.
const READY: Duration = Duration::from_secs(1);

/// How long a dead gateway's children may take to die: their guard gives them 0.25 s for their closed input and 0.25 s for SIGTERM.
const ORPHANED: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let times = std::env::args().nth(1).map_or(Ok(5), |n| n.parse::<usize>());
    let run = times.map_err(|e| Failure::new(e.to_string())).and_then(|times| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(run(times))
    });
    let (text, code) = match run {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(failure) => (format!("kill-test: {failure}\n"), ExitCode::FAILURE),
    };
    // Nobody may be reading.
    drop(std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()));
    code
}

/// What the agents know.
#[derive(Default)]
struct Told {
    next: AtomicU64,
    answered: Mutex<HashSet<String>>,
}

async fn run(times: usize) -> Result<String> {
    let web = Server::start(Kind::ModernHttp, Script::default()).await?;
    let pipe = Server::start(Kind::LegacyStdio, Script::default()).await?;
    let command: Vec<_> =
        pipe.command(&stdio::carrier()?).into_iter().chain(["--stubborn".to_owned()]).collect();
    let config = json!({
        "servers": { "web": { "url": web.url() }, "pipe": { "command": command } },
        "policy": { "default": "allow" },
        "ledger": { "payloads": "full" },
    });
    let mut gateway = Running::start(&binary()?, config.into(), &[]).await?;
    let told = Arc::new(Told::default());
    let mut report = String::new();
    for round in 1..=times {
        let instant = Duration::from_millis(50 + random() % 700);
        let load: Vec<_> =
            (0..AGENTS).map(|_| tokio::spawn(load(gateway.url("/mcp"), Arc::clone(&told)))).collect();
        tokio::time::sleep(instant).await;
        gateway.kill().await?;
        for agent in load {
            agent.abort();
        }
        let at = |failure: Failure| failure.while_doing(format!("round {round}, killed after {instant:?}"));
        gone(&pipe).await.map_err(at)?;
        let ready = gateway.restart(Duration::from_secs(10)).await.map_err(at)?;
        if ready > READY {
            return Err(at(Failure::new(format!("ready after {ready:?}"))));
        }
        let entries = judge(&gateway, &[&web, &pipe], &told).await.map_err(at)?;
        writeln!(report, "round {round}: killed after {instant:?}, ready after {ready:?}, {entries} entries")
            .map_err(|e| Failure::new(e.to_string()))?;
    }
    gateway.stop(Duration::from_secs(10)).await?;
    gone(&pipe).await?;
    writeln!(report, "{times} kills: nothing lost, nobody left").map_err(|e| Failure::new(e.to_string()))?;
    Ok(report)
}

fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// Calls one tool after another until the gateway is gone.
async fn load(endpoint: String, told: Arc<Told>) -> Result<()> {
    let agent = Agent::http(&endpoint, Setup::modern()).await?;
    loop {
        let number = told.next.fetch_add(1, Ordering::Relaxed);
        let tool = if number.is_multiple_of(2) { "web_echo" } else { "pipe_echo" };
        let text = format!("call-{number}");
        let reply = agent.call(tool, json!({ "text": text })).reply(Duration::from_secs(5)).await?;
        if reply.text()? == text {
            told.answered.lock().map_err(|_| "a poisoned lock")?.insert(text);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until none of the stdio fake's processes is left.
async fn gone(pipe: &Server) -> Result<()> {
    let deadline = tokio::time::Instant::now() + ORPHANED;
    loop {
        let left = stdio::processes(&pipe.address());
        if left.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(Failure::new(format!("processes {left:?} survive the gateway by {ORPHANED:?}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Compares what servers saw and agents got with the ledger; how many entries it has.
async fn judge(gateway: &Running, servers: &[&Server], told: &Told) -> Result<usize> {
    let entries = gateway.ledger().await?;
    let mut outcomes: HashMap<&str, Vec<&str>> = HashMap::new();
    for entry in &entries {
        let outcome = entry.text("outcome").ok_or_else(|| Failure::new(format!("no outcome: {entry}")))?;
        if let Some(text) = entry.at(&["args", "text"]).and_then(Json::as_str) {
            outcomes.entry(text).or_default().push(outcome);
        }
    }
    for server in servers {
        for call in server.received().iter().filter(|call| call.method == "tools/call") {
            let text = call.params.at(&["arguments", "text"]).and_then(Json::as_str).unwrap_or_default();
            match outcomes.get(text).map(Vec::as_slice) {
                Some([_]) => {}
                Some(several) => return Err(Failure::new(format!("`{text}` has {} entries", several.len()))),
                None => return Err(Failure::new(format!("a server saw `{text}`, the ledger did not"))),
            }
        }
        if let Some(fault) = server.faults().first() {
            return Err(Failure::new(format!("a server found a fault: {fault}")));
        }
    }
    for text in told.answered.lock().map_err(|_| "a poisoned lock")?.iter() {
        if outcomes.get(text.as_str()).map(Vec::as_slice) != Some(["ok"].as_slice()) {
            return Err(Failure::new(format!(
                "`{text}` was answered, the ledger says {:?}",
                outcomes.get(text.as_str())
            )));
        }
    }
    match gateway.run(&["ledger", "verify"]).await? {
        (Some(0), _, _) => Ok(entries.len()),
        (code, out, err) => Err(Failure::new(format!("ledger verify ended with {code:?}: {out}{err}"))),
    }
}
