use std::io::{Read, Write};
use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::brain::{self, Ended, Port};
use super::http::{cancel, reserved};
use super::{Child, Kind, News, Script, Session, State, lock};
use crate::json::Json;
use crate::wire::{MODERN, RESERVED, rpc};
use crate::{Failure, Result};

/// The program that [`carry`]s: `$TOLLGATE_FAKE_SERVER`, else `fake-server` beside this executable or one folder up.
#[expect(clippy::disallowed_methods, reason = "where tests find their programs; not part of the gateway")]
pub fn carrier() -> Result<Vec<String>> {
    if let Ok(path) = std::env::var("TOLLGATE_FAKE_SERVER") {
        return Ok(vec![std::path::absolute(path)?.to_string_lossy().into_owned()]);
    }
    let here = std::env::current_exe()?;
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("fake-server"))
        .find(|path| path.is_file())
        .map(|path| vec![path.to_string_lossy().into_owned()])
        .ok_or_else(|| {
            Failure::new("no `fake-server` beside this test: cargo build -p tollgate-testkit --bins")
        })
}

/// The environment variable that a stubborn child's own child carries: the fake's address.
const CHILD_OF: &str = "TOLLGATE_FAKE_CHILD_OF";

/// The processes on this machine that belong to the stdio fake at `address`: its children, and their children.
pub fn processes(address: &str) -> Vec<u32> {
    let marks = [format!("--carry\0{address}"), format!("{CHILD_OF}={address}")];
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        ["cmdline", "environ"].iter().any(|file| {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            // A dead process that nobody has waited for has neither.
            marks.iter().any(|mark| text.contains(mark.as_str()))
        })
    })
    .collect()
}

/// A child's whole life: lines from standard input to the fake at `address`, its lines to standard output. First it says who it is.
/// A `stubborn` one stays when its input ends and only a signal ends it, and it has a child of its own.
///
/// # Errors
/// When the fake can't be reached or a pipe breaks.
pub fn carry(address: &str, stubborn: bool) -> Result<()> {
    let socket = std::net::TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let (mut up, mut down) = (socket.try_clone()?, socket);
    let names: Vec<String> =
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    let hello = json!({ "pid": std::process::id(), "env": names });
    up.write_all(format!("{hello}\n").as_bytes())?;
    let mut grandchild = if stubborn {
        let mut sleep = std::process::Command::new("sleep");
        // By this a search for survivors knows it.
        sleep.arg("600").env(CHILD_OF, address).stdin(std::process::Stdio::null());
        Some(sleep.spawn()?)
    } else {
        None
    };
    let (ended, wait) = std::sync::mpsc::channel::<()>();
    let input_ended = ended.clone();
    std::thread::spawn(move || {
        copy(&mut std::io::stdin().lock(), &mut up);
        if !stubborn {
            // The other side may have ended first.
            input_ended.send(()).ok();
        }
    });
    std::thread::spawn(move || {
        copy(&mut down, &mut std::io::stdout().lock());
        ended.send(()).ok();
    });
    wait.recv().ok();
    if stubborn {
        std::thread::sleep(std::time::Duration::from_mins(10));
    }
    if let Some(grandchild) = &mut grandchild {
        grandchild.kill()?;
    }
    Ok(())
}

fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let wrote = buffer.get(..count).map(|bytes| to.write_all(bytes).and_then(|()| to.flush()));
        if !matches!(wrote, Some(Ok(()))) {
            return;
        }
    }
}

/// Serves on this process's own standard input and output until the input ends: a fake for a hand-made config.
///
/// # Errors
/// When `kind` is not a stdio kind.
pub async fn serve_here(kind: Kind, script: Script) -> Result<()> {
    if !kind.is_stdio() {
        return Err(Failure::new(format!("{} is not spoken over pipes", kind.name())));
    }
    lines(BufReader::new(tokio::io::stdin()), tokio::io::stdout(), State::new(kind, script)).await;
    Ok(())
}

/// Each connection is one child.
pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut down = state.down.subscribe();
        let connection_state = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let (from, to) = stream.into_split();
            let mut from = BufReader::new(from);
            let mut hello = String::new();
            if from.read_line(&mut hello).await.is_err() {
                return;
            }
            if let Ok(hello) = Json::parse(&hello) {
                let pid = hello.get("pid").and_then(Json::as_u64).and_then(|pid| u32::try_from(pid).ok());
                let names = hello.get("env").map(Json::elements).unwrap_or_default();
                let env = names.iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect();
                lock(&connection_state.children).push(Child { pid: pid.unwrap_or_default(), env });
            }
            tokio::select! {
                () = lines(from, to, connection_state) => {}
                _ = down.changed() => {}
            }
        });
        state.track(&task);
    }
}

async fn lines(
    from: impl AsyncBufReadExt + Unpin,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    state: Arc<State>,
) {
    let (out, mut queue) = mpsc::unbounded_channel::<Json>();
    // Dropped with this future, so that a crash leaves nothing that holds the pipe.
    let mut helpers = tokio::task::JoinSet::new();
    helpers.spawn(async move {
        while let Some(message) = queue.recv().await {
            let line = format!("{message}\n");
            if to.write_all(line.as_bytes()).await.is_err() || to.flush().await.is_err() {
                return;
            }
        }
    });
    let session = Arc::new(Session { id: format!("pipe-{}", state.next_id()), ..Session::default() });
    helpers.spawn(announce(Arc::clone(&state), Arc::clone(&session), out.clone()));
    let mut lines = from.lines();
    let mut running = tokio::task::JoinSet::new();
    while let Ok(Some(line)) = lines.next_line().await {
        match Json::parse(&line) {
            Ok(message) => {
                for key in message.duplicates() {
                    state.fault(format!("key `{key}` stands twice in a request"));
                }
                receive(&state, &session, message, &out, &mut running);
            }
            Err(_) => state.fault(format!("a line is not JSON: {line}")),
        }
        while running.try_join_next().is_some() {}
    }
    drop(running);
    drop(helpers);
}

/// Says list changes to a legacy client that has shaken hands; modern ones subscribe.
pub(super) async fn announce(state: Arc<State>, session: Arc<Session>, out: mpsc::UnboundedSender<Json>) {
    let mut lists = state.announce.subscribe();
    while let Ok(news) = lists.recv().await {
        let agreed = !state.kind.is_modern() && !lock(&session.revision).is_empty();
        if agreed && let Some(note) = session.news(&state, &news) {
            drop(out.send(note));
        }
    }
}

pub(super) fn receive(
    state: &Arc<State>,
    session: &Arc<Session>,
    message: Json,
    out: &mpsc::UnboundedSender<Json>,
    running: &mut tokio::task::JoinSet<()>,
) {
    let params = message.get("params").cloned().unwrap_or_default();
    let id = message.get("id").cloned();
    let Some(method) = message.text("method").map(ToOwned::to_owned) else {
        let asked = id.and_then(|id| id.as_u64()).and_then(|id| lock(&state.asks).remove(&id));
        match asked {
            Some(asked) => drop(asked.send(message)),
            None => state.fault(format!("a response to nothing: {message}")),
        }
        return;
    };
    let Some(id) = id else {
        state.receive(&method, &params, &[]);
        cancel(state, &session.id, &method, &params);
        return;
    };
    if let Err(error) = admit(state, session, &method, &params) {
        drop(out.send(rpc::error(Some(id), error)));
        return;
    }
    state.receive(&method, &params, &[]);
    if method == "initialize" {
        drop(out.send(rpc::result(id, brain::initialize(state, session, &params))));
        return;
    }
    if method == "subscriptions/listen" {
        running.spawn(subscription(Arc::clone(state), id, params, out.clone()));
        return;
    }
    let (told, cancel) = watch::channel(false);
    let key = format!("{} {id}", session.id);
    lock(&state.calls).insert(key.clone(), told);
    let port = Port { out: out.clone(), closing_cancels: true, cancel };
    let (state, session) = (Arc::clone(state), Arc::clone(session));
    running.spawn(async move {
        let ended = brain::answer(&state, &session, &method, &params, &port).await;
        lock(&state.calls).remove(&key);
        let last = match ended {
            Ended::Result(result) => rpc::result(id, result),
            Ended::Error(error, _) => rpc::error(Some(id), error),
            Ended::Cancelled => return,
        };
        drop(port.out.send(last));
    });
}

/// The error object for what this era refuses on a pipe.
fn admit(state: &State, session: &Session, method: &str, params: &Json) -> Result<(), Json> {
    let meta = params.get("_meta").cloned().unwrap_or_default();
    let version = meta.text(&format!("{RESERVED}protocolVersion"));
    if state.kind.is_modern() {
        if version != Some(MODERN) {
            let data = json!({ "supported": [MODERN], "requested": version });
            return Err(rpc::error_object(-32022, "unsupported version").with("data", data));
        }
        if meta.get(&format!("{RESERVED}clientCapabilities")).is_none() {
            state.fault(format!("{method} without clientCapabilities"));
            return Err(rpc::error_object(-32602, "no clientCapabilities"));
        }
        return Ok(());
    }
    if method == "server/discover" {
        return Err(rpc::error_object(-32601, "method not found"));
    }
    reserved(state, params);
    if method != "initialize" && method != "ping" && lock(&session.revision).is_empty() {
        state.fault(format!("{method} before the handshake"));
        return Err(rpc::error_object(-32600, "not initialized"));
    }
    Ok(())
}

/// One `subscriptions/listen`: the acknowledgement, then the list changes that were asked for, for as long as somebody reads.
pub(super) async fn subscription(
    state: Arc<State>,
    id: Json,
    params: Json,
    out: mpsc::UnboundedSender<Json>,
) {
    let asked = params.get("notifications").cloned().unwrap_or_default();
    super::task::listened(&state, &params, &asked);
    let meta = Json::object().with("_meta", Json::object().with(&format!("{RESERVED}subscriptionId"), id));
    let mut lists = state.announce.subscribe();
    let acknowledged = meta.clone().with("notifications", asked.clone());
    drop(out.send(rpc::notification("notifications/subscriptions/acknowledged", acknowledged)));
    for id in asked.get("taskIds").map(Json::elements).unwrap_or_default() {
        // What was over before is told at once.
        let task = id.as_str().and_then(|id| super::task::told_to_modern(&state, id));
        if let Some(task) = task.filter(|task| task.text("status") == Some("completed")) {
            let params = task.with("_meta", meta.get("_meta").cloned().unwrap_or_default());
            drop(out.send(rpc::notification("notifications/tasks", params)));
        }
    }
    loop {
        tokio::select! {
            () = out.closed() => return,
            news = lists.recv() => match news {
                Ok(News::List(list)) if asked.get(&format!("{list}ListChanged")) == Some(&Json::Bool(true)) => {
                    drop(out.send(rpc::notification(&format!("notifications/{list}/list_changed"), meta.clone())));
                }
                Ok(News::Resource(uri)) => {
                    let uris = asked.get("resourceSubscriptions").map(Json::elements).unwrap_or_default();
                    if uris.iter().any(|asked| asked.as_str() == Some(&uri)) {
                        let params = meta.clone().with("uri", uri);
                        drop(out.send(rpc::notification("notifications/resources/updated", params)));
                    }
                }
                Ok(News::Task(id)) => {
                    let ids = asked.get("taskIds").map(Json::elements).unwrap_or_default();
                    if ids.iter().any(|asked| asked.as_str() == Some(&id))
                        && let Some(task) = super::task::told_to_modern(&state, &id)
                    {
                        let params = task.with("_meta", meta.get("_meta").cloned().unwrap_or_default());
                        drop(out.send(rpc::notification("notifications/tasks", params)));
                    }
                }
                Ok(News::List(_) | News::Progress(..)) => {}
                Err(_) => return,
            }
        }
    }
}
