use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};

use super::{Heard, Ids, PATIENCE, Reply, Setup, Sink, asks, gather};
use crate::fake::lock;
use crate::json::Json;
use crate::wire::{RESERVED, rpc};
use crate::{Failure, Result};

/// One channel for all messages both ways: a pipe, or an event stream and its POSTs.
#[derive(Debug)]
pub(super) struct Line {
    out: mpsc::UnboundedSender<Json>,
    waiting: Waiting,
    /// What the other side complained of, for whoever gets no answer.
    pub(super) complaints: Arc<Mutex<String>>,
}

/// The calls that wait for a response, with where their other messages go.
type Waiting = Arc<Mutex<HashMap<u64, (oneshot::Sender<Json>, Option<Sink>)>>>;

/// The receiving side.
pub(super) struct Inbox {
    out: mpsc::UnboundedSender<Json>,
    waiting: Waiting,
    heard: Heard,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        lock(&self.waiting).clear();
    }
}

impl Line {
    /// A line that writes to `out`, and what is to be given what comes in.
    pub(super) fn new(out: mpsc::UnboundedSender<Json>, heard: Heard) -> (Self, Inbox) {
        let waiting = Waiting::default();
        let inbox = Inbox { out: out.clone(), waiting: Arc::clone(&waiting), heard };
        (Self { out, waiting, complaints: Arc::default() }, inbox)
    }

    pub(super) async fn initialize(&self, setup: &Setup, ids: &Ids) -> Result<Reply> {
        let reply = self.exchange(ids.next(), "initialize", setup.initialize(), None);
        let reply = tokio::time::timeout(PATIENCE, reply).await??;
        if reply.result().is_ok() {
            self.say(rpc::notification("notifications/initialized", Json::object()))?;
            if let Some(level) = &setup.log_level {
                let params = Json::object().with("level", level.as_str());
                self.exchange(ids.next(), "logging/setLevel", params, None).await?.result()?;
            }
        }
        Ok(reply)
    }

    pub(super) async fn run(
        &self,
        (setup, ids): (&Setup, &Ids),
        id: u64,
        method: &str,
        params: Json,
        sink: &Sink,
    ) -> Result<Reply> {
        let (mut id, mut params, mut rounds) = (id, params, 0);
        loop {
            let stamped = setup.stamp(&params, id);
            let mut reply = self.exchange(id, method, stamped, Some(sink.clone())).await?;
            reply.rounds = rounds;
            let Some(asked) = asks(&reply) else { return Ok(reply) };
            params = gather(asked, &params, sink).await?;
            id = ids.next();
            rounds += 1;
        }
    }

    pub(super) fn cancel(&self, id: u64) -> Result<()> {
        // Nothing that comes from now on is for it.
        lock(&self.waiting).remove(&id);
        let params = Json::object().with("requestId", id).with("reason", "the user gave up");
        self.say(rpc::notification("notifications/cancelled", params))
    }

    pub(super) fn say(&self, message: Json) -> Result<()> {
        self.out.send(message).map_err(|_| "the other side does not read".into())
    }

    pub(super) async fn batch(&self, ids: &Ids, requests: Vec<(&str, Json)>) -> Result<Vec<Reply>> {
        let (mut messages, mut waits) = (Vec::new(), Vec::new());
        for (method, params) in requests {
            let (tx, response) = oneshot::channel();
            let id = ids.next();
            lock(&self.waiting).insert(id, (tx, None));
            messages.push(rpc::request(id, method, params));
            waits.push(response);
        }
        self.say(Json::Array(messages))?;
        let mut replies = Vec::new();
        for wait in waits {
            let message =
                tokio::time::timeout(PATIENCE, wait).await?.map_err(|e| Failure::new(e.to_string()))?;
            replies.push(Reply::read(200, &message, 0));
        }
        Ok(replies)
    }

    async fn exchange(&self, id: u64, method: &str, params: Json, sink: Option<Sink>) -> Result<Reply> {
        let (tx, response) = oneshot::channel();
        lock(&self.waiting).insert(id, (tx, sink));
        self.say(rpc::request(id, method, params))?;
        let message = response.await.map_err(|_| {
            Failure::new(format!("the other side ended without a response: {}", lock(&self.complaints)))
        })?;
        Ok(Reply::read(200, &message, 0))
    }
}

impl Inbox {
    /// Hands one message (or a batch) to whom it concerns. Requests and logs carry no call's id: they go to the oldest open call.
    pub(super) fn take(&self, message: Json) {
        if let Json::Array(messages) = message {
            for message in messages {
                self.take(message);
            }
            return;
        }
        let id = message.get("id").cloned();
        let Some(method) = message.text("method").map(ToOwned::to_owned) else {
            let waiter = id.and_then(|id| id.as_u64()).and_then(|id| lock(&self.waiting).remove(&id));
            if let Some((waiter, _)) = waiter {
                // A call that was given up has nobody to tell.
                drop(waiter.send(message));
            }
            return;
        };
        let params = message.get("params").cloned().unwrap_or_default();
        if let (Some(id), "ping") = (&id, method.as_str()) {
            drop(self.out.send(rpc::result(id.clone(), Json::object())));
            return;
        }
        let subscription = params.at(&["_meta", &format!("{RESERVED}subscriptionId")]);
        let token = params.get("progressToken").or(subscription).and_then(Json::as_u64);
        // Of a call that is over: of the task that it made.
        let later = method == "notifications/progress"
            && token.is_some_and(|token| !lock(&self.waiting).contains_key(&token));
        let sink = {
            let waiting = lock(&self.waiting);
            let named = token.and_then(|token| waiting.get(&token));
            let oldest = || waiting.iter().min_by_key(|(id, _)| **id).map(|(_, entry)| entry);
            named.or_else(oldest).and_then(|(_, sink)| sink.clone())
        };
        match (id, sink) {
            (Some(id), Some(sink)) => {
                let out = self.out.clone();
                tokio::spawn(async move {
                    if let Ok(answer) = sink.ask(&method, params).await {
                        drop(out.send(rpc::result(id, answer)));
                    }
                });
            }
            (None, _) if later || token.is_none() && Heard::concerns(&method) => {
                self.heard.push(&method, params);
            }
            (None, Some(sink)) => sink.notify(&method, params),
            (_, None) => {}
        }
    }
}
