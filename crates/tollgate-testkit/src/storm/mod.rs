//! Storms: servers that come and go, lie and flood; agents that come in crowds, drip and never read; a gateway that is told to stop.
//! Each trial runs the real binary over real sockets, in a short form for every change and a long one (`scripts/storm`).
//! *Never* judged by a figure that another program on the machine could spoil: figures are reported, promises are asserted.

/// HTTP by the byte.
pub mod raw;

/// Servers that do as they are told, whatever that is.
pub mod rude;

/// Ten servers, nine of them bad.
mod ten;

/// Servers that die, forget and change.
mod deaths;

/// Agents in crowds.
mod crowds;

/// SIGTERM under load.
mod drain;

/// Recording servers behind a gateway, and every road to it.
pub mod field;

/// What a message can do, row by row.
mod hostile;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crate::gateway::Running;
use crate::{Failure, Result};

pub use hostile::ROWS;

/// What a trial needs to know.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The binary under test.
    pub binary: PathBuf,
    /// What starts a child that carries lines; see [`crate::fake::stdio::carry`].
    pub carrier: Vec<String>,
    /// How much of everything.
    pub scale: Scale,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Calls that are timed.
    pub calls: usize,
    /// Kills of a stdio server.
    pub kills: usize,
    /// Connections of a storm.
    pub connections: usize,
    /// Idle streams.
    pub streams: usize,
    /// Times that a gateway is stopped under load.
    pub stops: usize,
    /// Messages that are forwarded and read by other parsers.
    pub messages: u32,
    /// Whether to wait for the limits that take half a minute.
    pub patient: bool,
}

impl Scale {
    /// For every change: seconds.
    pub fn short() -> Self {
        Self {
            calls: 200,
            kills: 30,
            connections: 500,
            streams: 200,
            stops: 2,
            messages: 200,
            patient: false,
        }
    }

    /// Before a release: minutes.
    pub fn long() -> Self {
        Self {
            calls: 2_000,
            kills: 1_000,
            connections: 10_000,
            streams: 2_000,
            stops: 20,
            messages: 2_000,
            patient: true,
        }
    }
}

/// A trial's run: its report, or what did not hold.
pub type Run = Pin<Box<dyn Future<Output = Result<String>>>>;

/// A trial: its name and what it does.
pub type Trial = (&'static str, fn(Setting) -> Run);

/// Every trial.
pub const TRIALS: [Trial; 16] = [
    ("one good server among nine bad ones", |setting| Box::pin(ten::run(setting))),
    ("a server that is silent is left alone and comes back", |setting| Box::pin(ten::silent(setting))),
    ("a stdio server is killed again and again", |setting| Box::pin(deaths::kills(setting))),
    ("a call to a server that dies is received once", |setting| Box::pin(deaths::once(setting))),
    ("a forgotten session is made anew", |setting| Box::pin(deaths::forgotten(setting))),
    ("a server comes back in another era", |setting| Box::pin(deaths::another_era(setting))),
    ("a storm of connections", |setting| Box::pin(crowds::connections(setting))),
    ("idle streams", |setting| Box::pin(crowds::streams(setting))),
    ("slow heads, bodies and readers", |setting| Box::pin(crowds::slow(setting))),
    ("sigterm under load", |setting| Box::pin(drain::under_load(setting))),
    ("an idle connection is told of the end", |setting| Box::pin(drain::idle(setting))),
    ("a log that nobody reads", |setting| Box::pin(drain::unread(setting))),
    ("no message is judged as one thing and forwarded as another", |setting| {
        Box::pin(hostile::twins(setting))
    }),
    ("headers and bodies agree or are refused", |setting| Box::pin(hostile::heads(setting))),
    ("bytes that are no request reach no server", |setting| Box::pin(hostile::framing(setting))),
    ("answers, handles and logs stay whose they are", |setting| Box::pin(hostile::handles(setting))),
];

/// The pages of memory that a gateway has resident, in bytes.
fn resident(gateway: &Running) -> Result<u64> {
    let pid = gateway.pid().ok_or("no gateway runs")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| "no VmRSS".into())
}

/// `HOST:PORT` of the agents' listener.
fn listener(gateway: &Running) -> String {
    gateway.url("").trim_start_matches("http://").to_owned()
}

/// The value below which `percent` of all are.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Tries until it holds.
async fn until<F: Future<Output = Result<bool>>>(
    what: &str,
    patience: Duration,
    mut check: impl FnMut() -> F,
) -> Result<Duration> {
    let start = tokio::time::Instant::now();
    loop {
        if check().await.map_err(|failure| failure.while_doing(what))? {
            return Ok(start.elapsed());
        }
        if start.elapsed() > patience {
            return Err(Failure::new(format!("not within {patience:?}: {what}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Fails with this text unless it holds.
fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::new(otherwise())) }
}
