use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hyper::Method;
use tokio::sync::watch;

use super::{Heard, Ids, Outcome, Reply, Setup, Sink, asks, gather};
use crate::fake::lock;
use crate::json::Json;
use crate::wire::{header_value, http, rpc};
use crate::{Failure, Result};

/// An agent on streamable HTTP.
#[derive(Debug)]
pub(super) struct Agent {
    endpoint: String,
    pub(super) setup: Setup,
    pub(super) ids: Ids,
    session: Arc<Mutex<Option<String>>>,
    calls: Mutex<HashMap<u64, watch::Sender<bool>>>,
    pub(super) heard: Heard,
}

impl Agent {
    pub(super) fn new(endpoint: &str, setup: Setup) -> Self {
        let endpoint = endpoint.to_owned();
        Self {
            endpoint,
            setup,
            ids: Ids::default(),
            session: Arc::default(),
            calls: Mutex::default(),
            heard: Heard::default(),
        }
    }

    pub(super) async fn initialize(&self) -> Result<Reply> {
        let message = rpc::request(self.ids.next(), "initialize", self.setup.initialize());
        let answer = self.post(&message).await?;
        let session = answer.header("mcp-session-id");
        *lock(&self.session) = session;
        let reply = self.last(answer, None).await?;
        if reply.result().is_ok() {
            self.post(&rpc::notification("notifications/initialized", Json::object())).await?;
            if let Some(level) = &self.setup.log_level {
                let params = Json::object().with("level", level.as_str());
                let answer = self.post(&rpc::request(self.ids.next(), "logging/setLevel", params)).await?;
                self.last(answer, None).await?.result()?;
            }
        }
        Ok(reply)
    }

    /// Runs a request to its end: all rounds of it.
    pub(super) async fn run(&self, id: u64, method: &str, params: Json, sink: &Sink) -> Result<Reply> {
        let (told, mut cancel) = watch::channel(false);
        lock(&self.calls).insert(id, told);
        tokio::select! {
            reply = self.rounds(id, method, params, sink) => reply,
            // Leaving this future drops the connection.
            _ = cancel.wait_for(|told| *told) => Err("cancelled by the agent".into()),
        }
    }

    async fn rounds(&self, id: u64, method: &str, params: Json, sink: &Sink) -> Result<Reply> {
        let (mut id, mut params, mut rounds) = (id, params, 0);
        loop {
            let stamped = self.setup.stamp(&params, id);
            let answer = self.post(&rpc::request(id, method, stamped)).await?;
            let mut reply = self.last(answer, Some(sink)).await?;
            reply.rounds = rounds;
            let Some(asked) = asks(&reply) else { return Ok(reply) };
            params = gather(asked, &params, sink).await?;
            id = self.ids.next();
            rounds += 1;
        }
    }

    pub(super) async fn cancel(&self, id: u64) -> Result<()> {
        if self.setup.is_modern() {
            if let Some(call) = lock(&self.calls).get(&id) {
                call.send(true).ok();
            }
            // The closed connection has to reach the peer.
            tokio::task::yield_now().await;
            return Ok(());
        }
        let params = Json::object().with("requestId", id).with("reason", "the user gave up");
        self.post(&rpc::notification("notifications/cancelled", params)).await.map(drop)
    }

    pub(super) async fn leave(&self) -> Result<()> {
        if lock(&self.session).is_some() {
            http::send(Method::DELETE, &self.endpoint, &self.headers(&Json::Null), String::new()).await?;
        }
        Ok(())
    }

    pub(super) async fn batch(&self, requests: Vec<(&str, Json)>) -> Result<Vec<Reply>> {
        let messages: Vec<_> = requests
            .into_iter()
            .map(|(method, params)| rpc::request(self.ids.next(), method, params))
            .collect();
        let ids: Vec<_> = messages.iter().map(|message| message.get("id").cloned()).collect();
        let answer = self.post(&Json::Array(messages)).await?;
        let status = answer.status();
        let answers = Json::parse(&answer.text().await?)?;
        let of = |id: &Option<Json>| answers.elements().iter().find(|answer| answer.get("id") == id.as_ref());
        ids.iter()
            .map(|id| of(id).map(|answer| Reply::read(status, answer, 0)).ok_or_else(|| "no answer".into()))
            .collect()
    }

    pub(super) async fn broken_off(&self, method: &str, params: Json) -> Result<Vec<Json>> {
        let id = self.ids.next();
        let mut stream = self.post(&rpc::request(id, method, self.setup.stamp(&params, id))).await?;
        let (mut messages, mut last) = (Vec::new(), String::new());
        while messages.is_empty() {
            let event = stream.event().await?.ok_or("the stream ended before its first message")?;
            last = event.id.ok_or("an event without an id")?;
            if !event.data.is_empty() {
                messages.push(Json::parse(&event.data)?);
            }
        }
        drop(stream);
        let mut headers = self.headers(&Json::Null);
        headers.retain(|(name, _)| name != "accept");
        headers.push(("accept".to_owned(), "text/event-stream".to_owned()));
        headers.push(("last-event-id".to_owned(), last));
        let mut rest = http::send(Method::GET, &self.endpoint, &headers, String::new()).await?;
        while let Some(event) = rest.event().await? {
            if event.data.is_empty() {
                continue;
            }
            let message = Json::parse(&event.data)?;
            let over = message.get("id").and_then(Json::as_u64) == Some(id);
            messages.push(message);
            if over {
                return Ok(messages);
            }
        }
        Err(Failure::new(format!("the rest never came: {messages:?}")))
    }

    /// Opens the session's standing stream.
    pub(super) async fn listen(&self) -> Result<()> {
        let mut headers = self.headers(&Json::Null);
        headers.retain(|(name, _)| name != "accept");
        headers.push(("accept".to_owned(), "text/event-stream".to_owned()));
        let mut stream = http::send(Method::GET, &self.endpoint, &headers, String::new()).await?;
        if stream.status() != 200 {
            return Err(Failure::new(format!("GET was answered with HTTP {}", stream.status())));
        }
        let heard = self.heard.clone();
        tokio::spawn(async move {
            while let Ok(Some(event)) = stream.event().await {
                if let Ok(message) = Json::parse(&event.data)
                    && let Some(method) = message.text("method")
                {
                    heard.push(method, message.get("params").cloned().unwrap_or_default());
                }
            }
        });
        Ok(())
    }

    async fn post(&self, message: &Json) -> Result<http::Answer> {
        http::send(Method::POST, &self.endpoint, &self.headers(message), message.to_string()).await
    }

    fn headers(&self, message: &Json) -> Vec<(String, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
        ];
        let method = message.text("method").unwrap_or_default();
        if self.setup.is_modern() {
            headers.push(("mcp-protocol-version", self.setup.revision.clone()));
            headers.push(("mcp-method", method.to_owned()));
            let key = match method {
                "tools/call" | "prompts/get" => "name",
                "resources/read" => "uri",
                "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
                _ => "",
            };
            if let Some(name) = message.get("params").and_then(|params| params.text(key)) {
                headers.push(("mcp-name", header_value(name)));
            }
        } else if let Some(session) = &*lock(&self.session) {
            headers.push(("mcp-session-id", session.clone()));
            if self.setup.revision.as_str() >= "2025-06-18" {
                headers.push(("mcp-protocol-version", self.setup.revision.clone()));
            }
        }
        if let Some(key) = &self.setup.key {
            headers.push(("authorization", format!("Bearer {key}")));
        }
        let replaced = |name: &str| self.setup.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let standard = headers.into_iter().filter(|(name, _)| !replaced(name));
        let standard = standard.map(|(name, value)| (name.to_owned(), value));
        standard.chain(self.setup.headers.iter().cloned()).collect()
    }

    /// Reads an answer to its last message; what comes before goes to `sink`.
    async fn last(&self, mut answer: http::Answer, sink: Option<&Sink>) -> Result<Reply> {
        let status = answer.status();
        if !answer.is_events() {
            let body = answer.text().await?;
            return Ok(match Json::parse(&body) {
                Ok(message) => Reply::read(status, &message, 0),
                Err(_) => Reply { http: status, outcome: Outcome::Other(body), rounds: 0 },
            });
        }
        while let Some(event) = answer.event().await? {
            if event.data.is_empty() {
                continue;
            }
            let message = Json::parse(&event.data)?;
            let Some(method) = message.text("method") else { return Ok(Reply::read(status, &message, 0)) };
            let params = message.get("params").cloned().unwrap_or_default();
            match (message.get("id"), sink) {
                (Some(id), _) if method == "ping" => {
                    drop(self.post(&rpc::result(id.clone(), Json::object())).await?);
                }
                (Some(id), Some(sink)) => self.asked(id.clone(), method.to_owned(), params, sink),
                (None, Some(sink)) => sink.notify(method, params),
                (_, None) => {}
            }
        }
        Err(Failure::new("the stream ended without a response"))
    }

    /// A server's own request: the answer goes in a POST of its own while the stream goes on.
    fn asked(&self, id: Json, method: String, params: Json, sink: &Sink) {
        let sink = sink.clone();
        let headers = self.headers(&Json::Null);
        let endpoint = self.endpoint.clone();
        tokio::spawn(async move {
            if let Ok(answer) = sink.ask(&method, params).await {
                let body = rpc::result(id, answer).to_string();
                // A refused answer shows in the call that waits for it.
                drop(http::send(Method::POST, &endpoint, &headers, body).await);
            }
        });
    }
}
