use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tollgate_mcp::sse::Decoder;

use super::{Listener, Server, Settings};
use crate::clock::Clock;
use crate::receive::fake::Fake;

mod ask;
mod connection;
mod guard;
mod legacy;
mod listen;
mod modern;
mod sse;
mod streams;

/// A running listener with a scripted path behind it.
pub(super) struct World {
    pub(super) fake: Arc<Fake>,
    pub(super) clock: Clock,
    pub(super) server: Server,
}

pub(super) async fn world() -> World {
    world_with(|_| {}).await
}

pub(super) async fn world_with(change: impl FnOnce(&mut Settings)) -> World {
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
    change(&mut settings);
    let (fake, clock) = (Fake::new(), Clock::adjustable());
    let listener = Listener::bind(settings).await.unwrap();
    let server = listener.serve(Arc::clone(&fake), clock.clone(), crate::workers::Hands::default());
    World { fake, clock, server }
}

/// What came back, whole.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(super) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A response being read. Dropping it closes its connection.
pub(super) struct Open {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Incoming,
    decoder: Decoder,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Open {
    /// The next event: its id, and its data as JSON (`null` where empty). `None` = the stream has ended.
    pub(super) async fn event(&mut self) -> Option<(Option<String>, Value)> {
        tokio::time::timeout(Duration::from_secs(5), self.read()).await.expect("no event in time")
    }

    /// The next event's data.
    pub(super) async fn data(&mut self) -> Value {
        self.event().await.expect("the stream has ended").1
    }

    async fn read(&mut self) -> Option<(Option<String>, Value)> {
        loop {
            if let Some(event) = self.decoder.next().unwrap() {
                let data = if event.data.is_empty() {
                    Value::Null
                } else {
                    // Only an `endpoint` event holds no JSON.
                    serde_json::from_slice(&event.data)
                        .unwrap_or_else(|_| Value::from(std::str::from_utf8(&event.data).unwrap()))
                };
                return Some((event.id, data));
            }
            match self.body.frame().await {
                Some(frame) => self.decoder.feed(frame.unwrap().into_data().unwrap()),
                None => return None,
            }
        }
    }

    /// Nothing comes for a while.
    pub(super) async fn silent(&mut self) {
        let silence = tokio::time::timeout(Duration::from_millis(150), self.read()).await;
        assert!(silence.is_err(), "expected silence, got {silence:?}");
    }
}

pub(super) async fn open(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Open {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(async move {
        let _ended = connection.await;
    });
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", address.to_string());
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    Open {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
        decoder: Decoder::new(1 << 24),
        connection,
    }
}

pub(super) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Got {
    let mut open = open(address, method, path, headers, body).await;
    let mut text = Vec::new();
    while let Some(frame) = open.body.frame().await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    Got { status: open.status, headers: open.headers.clone(), text: String::from_utf8(text).unwrap() }
}

const MEDIA: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

fn with<'a>(base: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers: Vec<_> = base
        .iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name))
        .copied()
        .collect();
    headers.extend_from_slice(changes);
    headers
}

/// A modern request's text.
pub(super) fn modern_body(method: &str, rest: &str) -> String {
    modern_body_of("2026-07-28", method, rest)
}

pub(super) fn modern_body_of(version: &str, method: &str, rest: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{rest}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"t","version":"1"}}}}}}}}"#
    )
}

impl World {
    pub(super) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// POSTs with the usual media types; `changes` replace or (with an empty value) remove headers.
    pub(super) async fn post(&self, changes: &[(&str, &str)], body: &str) -> Got {
        send(self.address(), Method::POST, "/mcp", &with(&MEDIA, changes), body).await
    }

    pub(super) async fn post_open(&self, changes: &[(&str, &str)], body: &str) -> Open {
        open(self.address(), Method::POST, "/mcp", &with(&MEDIA, changes), body).await
    }

    /// Calls a tool in the modern way.
    pub(super) async fn call(&self, tool: &str) -> Got {
        let body = modern_body("tools/call", &format!(r#""name":"{tool}","#));
        self.post(&modern_headers("tools/call", tool), &body).await
    }

    /// Initializes a legacy session.
    pub(super) async fn session(&self, version: &str, capabilities: &str) -> Session<'_> {
        self.session_of("", version, capabilities).await
    }

    pub(super) async fn session_of(
        &self,
        who: &'static str,
        version: &str,
        capabilities: &str,
    ) -> Session<'_> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"old","version":"2"}}}}}}"#
        );
        let got = self.post(&[("authorization", who)], &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        let id = got.header("mcp-session-id").expect("no session id").to_owned();
        let version = got.json()["result"]["protocolVersion"].as_str().unwrap().to_owned();
        Session { world: self, who, id, version }
    }
}

pub(super) fn modern_headers<'a>(method: &'a str, name: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)]
}

/// A legacy agent.
pub(super) struct Session<'a> {
    pub(super) world: &'a World,
    who: &'static str,
    pub(super) id: String,
    pub(super) version: String,
}

impl Session<'_> {
    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        vec![
            ("mcp-session-id", self.id.as_str()),
            ("mcp-protocol-version", self.version.as_str()),
            ("authorization", self.who),
        ]
    }

    pub(super) async fn post(&self, body: &str) -> Got {
        self.world.post(&self.headers(), body).await
    }

    pub(super) async fn post_open(&self, body: &str) -> Open {
        self.world.post_open(&self.headers(), body).await
    }

    pub(super) async fn request(&self, id: u64, method: &str, params: &str) -> Got {
        self.post(&request(id, method, params)).await
    }

    pub(super) async fn get(&self, last: &str) -> Open {
        let headers = with(&self.headers(), &[("accept", "text/event-stream"), ("last-event-id", last)]);
        open(self.world.address(), Method::GET, "/mcp", &headers, "").await
    }

    pub(super) async fn delete(&self) -> u16 {
        send(self.world.address(), Method::DELETE, "/mcp", &self.headers(), "").await.status
    }
}

pub(super) fn request(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// Waits until `met`, or fails.
pub(super) async fn until(what: &str, met: impl Fn() -> bool) {
    for _ in 0..200 {
        if met() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
