use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use super::{Ids, PATIENCE, Reply, Setup, Sink, asks, gather};
use crate::fake::lock;
use crate::json::Json;
use crate::wire::rpc;
use crate::{Failure, Result};

/// An agent on a child's pipes.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) setup: Setup,
    pub(super) ids: Ids,
    lines: mpsc::UnboundedSender<Json>,
    waiting: Waiting,
    complaints: Arc<Mutex<String>>,
    _child: Child,
}

/// The calls that wait for a response, with where their other messages go.
type Waiting = Arc<Mutex<HashMap<u64, (oneshot::Sender<Json>, Option<Sink>)>>>;

impl Agent {
    pub(super) fn start(command: &[String], env: &[(String, String)], setup: Setup) -> Result<Self> {
        let (program, arguments) = command.split_first().ok_or("an empty command")?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(env.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| Failure::from(e).while_doing(program))?;
        let (lines, mut queue) = mpsc::unbounded_channel::<Json>();
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if stdin.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        let waiting = Waiting::default();
        let stdout = child.stdout.take().ok_or("no stdout")?;
        tokio::spawn(read(stdout, Arc::clone(&waiting), lines.clone()));
        let complaints = Arc::<Mutex<String>>::default();
        let (stderr, kept) = (child.stderr.take().ok_or("no stderr")?, Arc::clone(&complaints));
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                lock(&kept).extend([&line, "\n"]);
            }
        });
        Ok(Self { setup, ids: Ids::default(), lines, waiting, complaints, _child: child })
    }

    pub(super) async fn initialize(&self) -> Result<Reply> {
        let reply = self.exchange(self.ids.next(), "initialize", self.setup.initialize(), None);
        let reply = tokio::time::timeout(PATIENCE, reply).await??;
        if reply.result().is_ok() {
            self.say(rpc::notification("notifications/initialized", Json::object()))?;
            if let Some(level) = &self.setup.log_level {
                let params = Json::object().with("level", level.as_str());
                self.exchange(self.ids.next(), "logging/setLevel", params, None).await?.result()?;
            }
        }
        Ok(reply)
    }

    pub(super) async fn run(&self, id: u64, method: &str, params: Json, sink: &Sink) -> Result<Reply> {
        let (mut id, mut params, mut rounds) = (id, params, 0);
        loop {
            let stamped = self.setup.stamp(&params, id);
            let mut reply = self.exchange(id, method, stamped, Some(sink.clone())).await?;
            reply.rounds = rounds;
            let Some(asked) = asks(&reply) else { return Ok(reply) };
            params = gather(asked, &params, sink).await?;
            id = self.ids.next();
            rounds += 1;
        }
    }

    pub(super) fn cancel(&self, id: u64) -> Result<()> {
        let params = Json::object().with("requestId", id).with("reason", "the user gave up");
        self.say(rpc::notification("notifications/cancelled", params))
    }

    fn say(&self, message: Json) -> Result<()> {
        self.lines.send(message).map_err(|_| "the child does not read".into())
    }

    async fn exchange(&self, id: u64, method: &str, params: Json, sink: Option<Sink>) -> Result<Reply> {
        let (tx, response) = oneshot::channel();
        lock(&self.waiting).insert(id, (tx, sink));
        self.say(rpc::request(id, method, params))?;
        let message = response.await.map_err(|_| {
            Failure::new(format!("the child ended without a response: {}", lock(&self.complaints)))
        })?;
        Ok(Reply::read(200, &message, 0))
    }
}

/// Reads the child's lines and hands each to whom it concerns. Requests and logs carry no call's id: they go to the oldest open call.
async fn read(stdout: ChildStdout, waiting: Waiting, lines: mpsc::UnboundedSender<Json>) {
    let mut from = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = from.next_line().await {
        let Ok(message) = Json::parse(&line) else { continue };
        let id = message.get("id").cloned();
        let Some(method) = message.text("method").map(ToOwned::to_owned) else {
            let waiter = id.and_then(|id| id.as_u64()).and_then(|id| lock(&waiting).remove(&id));
            if let Some((waiter, _)) = waiter {
                // A call that was given up has nobody to tell.
                drop(waiter.send(message));
            }
            continue;
        };
        let params = message.get("params").cloned().unwrap_or_default();
        if let (Some(id), "ping") = (&id, method.as_str()) {
            drop(lines.send(rpc::result(id.clone(), Json::object())));
            continue;
        }
        let token = params.get("progressToken").and_then(Json::as_u64);
        let sink = {
            let waiting = lock(&waiting);
            let named = token.and_then(|token| waiting.get(&token));
            let oldest = || waiting.iter().min_by_key(|(id, _)| **id).map(|(_, entry)| entry);
            named.or_else(oldest).and_then(|(_, sink)| sink.clone())
        };
        match (id, sink) {
            (Some(id), Some(sink)) => {
                let lines = lines.clone();
                tokio::spawn(async move {
                    if let Ok(answer) = sink.ask(&method, params).await {
                        drop(lines.send(rpc::result(id, answer)));
                    }
                });
            }
            (None, Some(sink)) => sink.notify(&method, params),
            (_, None) => {}
        }
    }
    lock(&waiting).clear();
}
