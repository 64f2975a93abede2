//! One process (or event stream), introduced: spawned, probed for its era, and its link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tollgate_mcp::message::{self, Id, Message, Outcome};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::rope::Rope;

use super::Way;
use super::child::{self, Program, Started};
use super::link::{Asking, Call, Link};
use crate::call::{Client, LogLevel};
use crate::servers::http::{Wire, initialize_params};
use crate::servers::introduction::{self, Finding, Introduction};
use crate::servers::params::{self, SELF, Stamp, declared};
use crate::servers::registry::Place;
use crate::servers::server::Room;
use crate::servers::{Failure, nobody, sse};

/// How long a server may take to answer the first question. Old ones may stay silent on a method they don't know.
const PROBE: Duration = Duration::from_secs(5);

/// How long setting a log level may hold up a call.
const LEVEL: Duration = Duration::from_secs(5);

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) link: Arc<Link>,
    pub(super) introduction: Arc<Introduction>,
    /// One call that can be asked at a time, where anything can be asked: a question on a pipe names no call.
    pub(super) turn: Option<Arc<Semaphore>>,
    pub(super) used_ms: AtomicU64,
    level: AtomicU8,
    ended: watch::Receiver<Option<String>>,
    _leash: Leash,
}

impl Process {
    /// Why it ended, once it has.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_closed) => "its process is gone".to_owned(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.link.calls.is_closed()
    }

    /// Closes its input; it ends by itself or by its guard.
    pub(super) fn stop(&self) {
        self.link.stop();
    }

    /// Makes its log level at least as verbose as `level`. One that does not obey is no reason to fail a call.
    pub(super) async fn raise(&self, level: LogLevel) {
        let place = level as u8 + 1;
        let set = self.level.load(Ordering::Acquire);
        if set != 0 && set <= place {
            return;
        }
        self.level.store(place, Ordering::Release);
        let id = self.link.mint();
        let params = Rope::from(Bytes::from(format!(r#"{{"level":{}}}"#, quote(level.as_str()))));
        let request = message::write_request(&Id::number(id), Method::SetLevel.as_str(), params);
        let setting = async {
            let mut call = self.link.open(id, request, Place::default(), None).await?;
            outcome(&mut call).await
        };
        drop(tokio::time::timeout(LEVEL, setting).await);
    }
}

/// Ends a process that nobody has any more.
#[derive(Debug)]
struct Leash(Arc<Link>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A process that has not been introduced.
struct Raw {
    link: Arc<Link>,
    leash: Leash,
    ended: watch::Receiver<Option<String>>,
}

async fn spawn(room: &Room, way: &Way, client: &Client, private: bool) -> Result<Raw, String> {
    match way {
        Way::Program => {
            let (program, _) = super::program(room).ok_or("it is not a program")?;
            run(room, program, client, private)
        }
        Way::Events(wire) => stream(room, wire, client, private).await,
    }
}

/// Opens an event stream.
async fn stream(room: &Room, wire: &Arc<Wire>, client: &Client, private: bool) -> Result<Raw, String> {
    let stream = sse::open(wire).await?;
    let (alias, capabilities) = (&room.config.alias, client.capabilities.clone());
    let link = Link::posting(stream.posts.clone(), alias, &room.bulletin, capabilities, private);
    let (end, ended) = watch::channel(None);
    let reader = Arc::clone(&link);
    tokio::spawn(async move {
        let why = tokio::select! {
            why = stream.read(&reader) => why,
            () = reader.stopped() => "it was ended",
        };
        reader.calls.close(reader.unavailable(why, true));
        // Nobody may be left to hear it.
        drop(end.send(Some(why.to_owned())));
    });
    Ok(Raw { leash: Leash(Arc::clone(&link)), link, ended })
}

fn run(room: &Room, program: Program<'_>, client: &Client, private: bool) -> Result<Raw, String> {
    let place = room.hands.place();
    let beside = place.as_ref().map_or_else(Handle::current, |place| place.runtime.clone());
    let Started { input, output, body } = child::start(room, program, &beside)?;
    let (link, waiting) = Link::new(&room.config.alias, &room.bulletin, client.capabilities.clone(), private);
    let (end, ended) = watch::channel(None);
    let writer = Arc::clone(&link);
    beside.spawn(async move { writer.write_all(waiting, input).await });
    let reader = Arc::clone(&link);
    beside.spawn(async move {
        let _place = place;
        reader.read_all(output).await;
        // The output is closed: calls end now, even if the process takes its time.
        reader.calls.close(reader.unavailable("its process ended", true));
        reader.stop();
        let why = body.end().await;
        // Nobody may be left to hear it.
        drop(end.send(Some(why)));
    });
    Ok(Raw { leash: Leash(Arc::clone(&link)), link, ended })
}

/// Spawns a process for `client` and finds out what it speaks, or goes the way that `era` remembers.
pub(super) async fn introduce(
    room: &Room,
    way: &Way,
    client: &Client,
    private: bool,
    era: &mut Option<Era>,
) -> Result<Process, String> {
    let mut raw = spawn(room, way, client, private).await?;
    let introduced = match (way, *era) {
        // The stream is of a revision with a handshake.
        (Way::Events(_), _) | (Way::Program, Some(Era::Legacy)) => greet(&raw.link, client).await,
        (Way::Program, Some(Era::Modern) | None) => match meet(&raw.link, client).await {
            Meeting::Introduced(introduced) => introduced,
            // Some old servers die of a first request that is not `initialize`.
            Meeting::Legacy if raw.link.calls.is_closed() => {
                raw = spawn(room, way, client, private).await?;
                greet(&raw.link, client).await
            }
            Meeting::Legacy => greet(&raw.link, client).await,
        },
    };
    *era = None;
    let introduction = match introduced {
        Ok(introduction) => introduction,
        Err(why) => return Err(explain(raw, why).await),
    };
    *era = Some(introduction.revision.era());
    let asks = introduction.revision.era() == Era::Legacy && client.capabilities.interactive();
    Ok(Process {
        link: raw.link,
        introduction: Arc::new(introduction),
        turn: asks.then(|| Arc::new(Semaphore::new(1))),
        used_ms: AtomicU64::new(room.clock.now_ms()),
        level: AtomicU8::new(0),
        ended: raw.ended,
        _leash: raw.leash,
    })
}

/// The process's own words, if it ended, say more than a missing answer.
async fn explain(mut raw: Raw, why: String) -> String {
    let ended = raw.link.calls.is_closed();
    raw.link.stop();
    if ended
        && let Ok(Ok(told)) =
            tokio::time::timeout(Duration::from_secs(5), raw.ended.wait_for(Option::is_some)).await
    {
        return told.clone().unwrap_or(why);
    }
    why
}

/// What probing with `server/discover` led to.
enum Meeting {
    /// It introduced itself, or can't be used.
    Introduced(Result<Introduction, String>),
    /// It does not know the method: `initialize` is next.
    Legacy,
}

/// Probes: `server/discover` first. A server that is silent for long may be slow to start, or an old one that never answers what it
/// does not know: then `initialize` goes out too, and the first answer says which it is.
async fn meet(link: &Arc<Link>, client: &Client) -> Meeting {
    let mut probe = std::pin::pin!(discover(link));
    let found = match tokio::time::timeout(PROBE, &mut probe).await {
        Ok(found) => found,
        Err(_) => {
            tokio::select! {
                biased;
                found = &mut probe => found,
                introduced = greet(link, client) => return Meeting::Introduced(introduced),
            }
        }
    };
    match found {
        Ok(Some(introduction)) => {
            link.settle(Asking::Never);
            Meeting::Introduced(Ok(introduction))
        }
        Ok(None) => Meeting::Legacy,
        Err(why) => Meeting::Introduced(Err(why)),
    }
}

async fn greet(link: &Arc<Link>, client: &Client) -> Result<Introduction, String> {
    link.settle(Asking::Declared);
    initialize(link, client).await
}

/// `server/discover`: `None` = it is a legacy server.
async fn discover(link: &Arc<Link>) -> Result<Option<Introduction>, String> {
    let client = nobody();
    let stamp = Stamp {
        revision: Revision::V2026_07_28,
        client: &client,
        declare: true,
        progress: None,
        log_level: None,
    };
    let params = params::outbound(Method::Discover, &Object::empty(), stamp);
    let id = link.mint();
    let request = message::write_request(&Id::number(id), Method::Discover.as_str(), params);
    let asking = async {
        // Cancelling a method that it may not know would only confuse it.
        let mut call = link.open(id, request, Place::default(), None).await?.uncancellable();
        outcome(&mut call).await
    };
    let Ok(outcome) = asking.await else { return Ok(None) };
    match introduction::over_pipe(&outcome) {
        Finding::Modern(introduction) => Ok(Some(introduction)),
        Finding::Legacy => Ok(None),
        Finding::Unfit(why) | Finding::Inconclusive(why) => Err(why),
    }
}

async fn initialize(link: &Arc<Link>, client: &Client) -> Result<Introduction, String> {
    let id = link.mint();
    let info = client.info.as_deref().unwrap_or(SELF.as_bytes());
    let revision = Revision::LATEST_LEGACY;
    let params = initialize_params(revision, &declared(&client.capabilities, revision), info);
    let request = message::write_request(&Id::number(id), Method::Initialize.as_str(), params);
    let why = |failure| match failure {
        Failure::Unavailable { why, .. } => why,
        Failure::Timeout { .. } | Failure::NoRoom { .. } | Failure::TooLarge { .. } => {
            "it did not answer `initialize`".to_owned()
        }
    };
    let mut call = link.open(id, request, Place::default(), None).await.map_err(why)?.uncancellable();
    let introduction = match outcome(&mut call).await.map_err(why)? {
        Outcome::Result(result) => introduction::initialized(&result)?,
        Outcome::Error(error) => return Err(format!("it refused `initialize` with {}", error.code)),
    };
    link.write(message::write_notification("notifications/initialized", Rope::new())).await?;
    Ok(introduction)
}

/// The answer to a request of ours.
async fn outcome(call: &mut Call) -> Result<Outcome, Failure> {
    loop {
        if let Message::Response(response) = call.message().await? {
            call.finish();
            return Ok(response.outcome);
        }
    }
}
