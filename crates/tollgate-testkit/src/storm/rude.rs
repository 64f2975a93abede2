//! Servers by the byte: polite until told otherwise, and everything that reaches them is kept as it came.
//! *Never* shares code with the gateway: what it recorded is what a server would have parsed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Result;
use crate::fake::lock;
use crate::json::Json;
use crate::wire::{MODERN, rpc};

/// What it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Stateless HTTP (2026-07-28).
    Modern,
    /// HTTP with a session (2025-11-25).
    Legacy,
    /// Lines, 2025-11-25; its child is a carrier (`fake::stdio::carry`).
    Pipe,
}

/// One message as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The HTTP head; empty on a pipe.
    pub head: String,
    /// The body or line.
    pub body: String,
    /// Its method; empty for a response.
    pub method: String,
    /// Its params.
    pub params: Json,
    /// Its id; `null` for what has none.
    pub id: Json,
}

/// What it does instead of answering politely.
#[derive(Clone, Debug)]
pub enum Act {
    /// Never answers.
    Hang,
    /// A result.
    Result(Json),
    /// This, as an answer's whole text, whatever its id should be.
    Text(String),
    /// A result that is so many bytes long.
    Flood(u64),
    /// A polite answer, byte after byte with a pause in between.
    Drip(Duration),
    /// A redirect there.
    Redirect(String),
    /// Closes the connection.
    Close,
}

/// How it behaves: `None` = politely.
pub type Manner = Arc<dyn Fn(&Heard) -> Option<Act> + Send + Sync>;

struct Inner {
    dialect: Dialect,
    manner: Manner,
    heard: Mutex<Vec<Heard>>,
}

/// A running one. Dropped, it is gone.
pub struct Rude {
    inner: Arc<Inner>,
    address: String,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Rude {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rude({})", self.address)
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Rude {
    /// Starts one.
    pub async fn start(dialect: Dialect, manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let inner = Arc::new(Inner { dialect, manner, heard: Mutex::default() });
        let all = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            // Dropped with the task, so that nothing outlives it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&all);
                connections.spawn(async move {
                    // A peer that goes away is no news here.
                    drop(match inner.dialect {
                        Dialect::Pipe => inner.lines(stream).await,
                        Dialect::Modern | Dialect::Legacy => inner.serve(stream).await,
                    });
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { inner, address, task })
    }

    /// One that is always polite.
    pub async fn polite(dialect: Dialect) -> Result<Self> {
        Self::start(dialect, Arc::new(|_| None)).await
    }

    /// Its place in a configuration; `carrier` starts a child that carries its lines.
    pub fn config(&self, carrier: &[String]) -> serde_json::Value {
        match self.inner.dialect {
            Dialect::Pipe => {
                let words = ["--carry".to_owned(), self.address.clone()];
                json!({ "command": carrier.iter().cloned().chain(words).collect::<Vec<_>>() })
            }
            Dialect::Modern | Dialect::Legacy => json!({ "url": format!("http://{}/mcp", self.address) }),
        }
    }

    /// What came, in order.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.inner.heard).clone()
    }

    /// How many tool calls came, and the last of them.
    pub fn last_call(&self) -> (usize, Option<Heard>) {
        let heard = lock(&self.inner.heard);
        let mut calls = heard.iter().filter(|heard| heard.method == "tools/call");
        let last = calls.clone().next_back().cloned();
        (calls.by_ref().count(), last)
    }

    /// The tool calls that came.
    pub fn calls(&self) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.method == "tools/call").collect()
    }
}

impl Inner {
    fn take(&self, top: String, body: String) -> Option<Heard> {
        let message = Json::parse(&body).ok();
        let text = |key: &str| message.as_ref().and_then(|m| m.text(key)).unwrap_or_default().to_owned();
        let get = |key: &str| message.as_ref().and_then(|m| m.get(key)).cloned();
        let heard = Heard {
            head: top,
            body,
            method: text("method"),
            params: get("params").unwrap_or_default(),
            id: get("id").unwrap_or(Json::Null),
        };
        lock(&self.heard).push(heard.clone());
        message.is_some().then_some(heard)
    }

    async fn serve(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let (from, mut to) = stream.into_split();
        let mut from = BufReader::new(from);
        loop {
            let mut top = String::new();
            while !top.ends_with("\r\n\r\n") {
                if from.read_line(&mut top).await? == 0 {
                    return Ok(());
                }
            }
            let lower = top.to_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            from.read_exact(&mut body).await?;
            if !lower.starts_with("post") {
                to.write_all(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n").await?;
                continue;
            }
            let Some(heard) = self.take(top, String::from_utf8_lossy(&body).into_owned()) else {
                to.write_all(b"HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n").await?;
                continue;
            };
            if heard.id == Json::Null {
                to.write_all(b"HTTP/1.1 202 Yes\r\ncontent-length: 0\r\n\r\n").await?;
                continue;
            }
            let polite = || http(&rpc::result(heard.id.clone(), self.answer(&heard)).to_string());
            match (self.manner)(&heard) {
                None if self.refuses(&heard) => {
                    let error = rpc::error(Some(heard.id.clone()), rpc::error_object(-32000, "no"));
                    let text = error.to_string();
                    let length = text.len();
                    let top = format!(
                        "HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                    );
                    to.write_all(format!("{top}{text}").as_bytes()).await?;
                }
                None => to.write_all(polite().as_bytes()).await?,
                Some(Act::Hang) => std::future::pending().await,
                Some(Act::Result(result)) => {
                    to.write_all(http(&rpc::result(heard.id.clone(), result).to_string()).as_bytes()).await?;
                }
                Some(Act::Text(text)) => to.write_all(http(&text).as_bytes()).await?,
                Some(Act::Flood(bytes)) => return flood(&mut to, bytes).await,
                Some(Act::Drip(pause)) => {
                    for byte in polite().as_bytes() {
                        to.write_all(std::slice::from_ref(byte)).await?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Some(Act::Redirect(there)) => {
                    let text =
                        format!("HTTP/1.1 307 There\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n");
                    to.write_all(text.as_bytes()).await?;
                }
                Some(Act::Close) => return Ok(()),
            }
        }
    }

    /// What a server with sessions says to a probe, and to whoever has none.
    fn refuses(&self, heard: &Heard) -> bool {
        self.dialect == Dialect::Legacy
            && heard.method != "initialize"
            && !heard.head.to_lowercase().contains("mcp-session-id: s1\r\n")
    }

    async fn lines(&self, stream: TcpStream) -> Result<()> {
        let (from, mut to) = stream.into_split();
        let mut lines = BufReader::new(from).lines();
        // Who the carrier is.
        lines.next_line().await?;
        while let Some(line) = lines.next_line().await? {
            let Some(heard) = self.take(String::new(), line) else { continue };
            if heard.id == Json::Null {
                continue;
            }
            let polite = || rpc::result(heard.id.clone(), self.answer(&heard)).to_string();
            let text = match (self.manner)(&heard) {
                None if heard.method == "server/discover" => {
                    rpc::error(Some(heard.id.clone()), rpc::error_object(-32601, "no")).to_string()
                }
                None => polite(),
                Some(Act::Result(result)) => rpc::result(heard.id.clone(), result).to_string(),
                Some(Act::Text(text)) => text,
                Some(Act::Flood(bytes)) => {
                    let end = bytes / 65_536;
                    to.write_all(b"{\"jsonrpc\":\"2.0\",\"result\":\"").await?;
                    for _ in 0..end {
                        to.write_all(&vec![b'x'; 65_536]).await?;
                    }
                    "\"}".to_owned()
                }
                Some(Act::Close) => return Ok(()),
                Some(Act::Hang | Act::Drip(_) | Act::Redirect(_)) => continue,
            };
            to.write_all(format!("{text}\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn answer(&self, heard: &Heard) -> Json {
        let capabilities = json!({ "tools": {} });
        let modern = self.dialect == Dialect::Modern;
        let result: Json = match heard.method.as_str() {
            "server/discover" => {
                json!({ "supportedVersions": [MODERN], "capabilities": capabilities }).into()
            }
            "initialize" => json!({
                "protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": { "name": "rude", "version": "1" }
            })
            .into(),
            "tools/list" => json!({ "tools": [tool("echo"), tool("poke"), tool("secret")] }).into(),
            "tools/call" => {
                let arguments = heard.params.get("arguments").cloned().unwrap_or_default();
                let text = arguments.text("text").map_or_else(|| arguments.to_string(), ToOwned::to_owned);
                json!({ "content": [{ "type": "text", "text": text }] }).into()
            }
            _ => Json::object(),
        };
        if !modern {
            return result;
        }
        let result = result.with("resultType", "complete");
        match heard.method.as_str() {
            "tools/list" | "server/discover" => result.with("ttlMs", 0_u64).with("cacheScope", "private"),
            _ => result,
        }
    }
}

/// A tool that takes anything.
pub fn tool(name: &str) -> serde_json::Value {
    json!({ "name": name, "description": "A tool", "inputSchema": { "type": "object" } })
}

fn http(text: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: s1\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
}

/// A body without a length, so that only counting it ends it.
async fn flood(to: &mut (impl AsyncWriteExt + Unpin), bytes: u64) -> Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    to.write_all(head.as_bytes()).await?;
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 65_536, b'x');
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..bytes / 65_536 {
        to.write_all(&chunk).await?;
    }
    Ok(())
}
