use std::sync::Arc;

use hyper::Method;
use tokio::sync::{OnceCell, mpsc};

use super::line::Line;
use super::{Heard, Ids, Outcome, Reply, Setup};
use crate::fake::lock;
use crate::json::Json;
use crate::wire::http;
use crate::{Failure, Result};

/// An agent of HTTP+SSE (2024-11-05).
#[derive(Debug)]
pub(super) struct Agent {
    url: String,
    pub(super) setup: Setup,
    pub(super) ids: Ids,
    pub(super) heard: Heard,
    line: OnceCell<Line>,
}

impl Agent {
    pub(super) fn new(url: &str, setup: Setup) -> Self {
        let url = url.to_owned();
        Self { url, setup, ids: Ids::default(), heard: Heard::default(), line: OnceCell::new() }
    }

    pub(super) fn line(&self) -> Result<&Line> {
        self.line.get().ok_or_else(|| "the stream is not open".into())
    }

    /// Opens the stream, and shakes hands.
    pub(super) async fn initialize(&self) -> Result<Reply> {
        let mut headers = self.headers();
        headers.push(("accept".to_owned(), "text/event-stream".to_owned()));
        let mut stream = http::send(Method::GET, &self.url, &headers, String::new()).await?;
        let status = stream.status();
        if !stream.is_events() {
            return Ok(Reply { http: status, outcome: Outcome::Other(stream.text().await?), rounds: 0 });
        }
        let first = stream.event().await?.ok_or("the stream ended before its endpoint")?;
        if first.event != "endpoint" || !first.data.starts_with('/') {
            return Err(Failure::new(format!("the first event is no endpoint: {first:?}")));
        }
        let host = self.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let (endpoint, mut headers) = (format!("{host}{}", first.data), self.headers());
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        let (out, mut queue) = mpsc::unbounded_channel::<Json>();
        let (line, inbox) = Line::new(out, self.heard.clone());
        let complaints = Arc::clone(&line.complaints);
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                let posted = http::send(Method::POST, &endpoint, &headers, message.to_string()).await;
                if !posted.as_ref().is_ok_and(|answer| answer.status() == 202) {
                    lock(&complaints).push_str(&format!("{:?}\n", posted.map(|answer| answer.status())));
                }
            }
        });
        tokio::spawn(async move {
            while let Ok(Some(event)) = stream.event().await {
                if let Ok(message) = Json::parse(&event.data) {
                    inbox.take(message);
                }
            }
        });
        if self.line.set(line).is_err() {
            return Err("the stream is open already".into());
        }
        self.line()?.initialize(&self.setup, &self.ids).await
    }

    fn headers(&self) -> Vec<(String, String)> {
        let key = self.setup.key.iter().map(|key| ("authorization".to_owned(), format!("Bearer {key}")));
        let own = |name: &str| self.setup.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        key.filter(|(name, _)| !own(name)).chain(self.setup.headers.iter().cloned()).collect()
    }
}
