//! HTTP by the byte: a kept-alive connection that writes whatever a test wants and reads one answer at a time.
//! *Never* tidies what it sends.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::json::Json;
use crate::wire::{MODERN, RESERVED};
use crate::{Failure, Result};

/// A connection.
#[derive(Debug)]
pub struct Conn {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Got {
    /// Whether the connection ends with this answer.
    pub fn is_last(&self) -> bool {
        self.head.contains("\r\nconnection: close")
    }

    /// The JSON-RPC message in the body: the whole of it, or the last event of a stream.
    pub fn message(&self) -> Result<Json> {
        let last = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        Json::parse(last.unwrap_or(&self.body))
    }

    /// The first text block of a tool's result.
    pub fn text(&self) -> Result<String> {
        let message = self.message()?;
        let content = message.at(&["result", "content"]).map(Json::elements).unwrap_or_default();
        let text = content.first().and_then(|block| block.text("text"));
        text.map(ToOwned::to_owned).ok_or_else(|| Failure::new(format!("no text in {message}")))
    }

    /// The refusal's code, if it is one.
    pub fn refusal(&self) -> Option<String> {
        let message = self.message().ok()?;
        let at = |path: &[&str]| message.at(path).and_then(Json::as_str).map(ToOwned::to_owned);
        at(&["result", "_meta", "dev.tollgate/refusal", "code"]).or_else(|| at(&["error", "data", "code"]))
    }
}

impl Conn {
    /// Connects to `HOST:PORT`.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Writes a request and reads its answer.
    pub async fn ask(&mut self, request: &str) -> Result<Got> {
        self.write(request.as_bytes()).await?;
        self.answer().await
    }

    /// Reads an answer's head and leaves its body: the status.
    pub async fn head(&mut self) -> Result<u16> {
        let (status, _) = self.read_head().await?;
        Ok(status)
    }

    async fn read_head(&mut self) -> Result<(u16, String)> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        Ok((status, head))
    }

    /// Reads one answer.
    pub async fn answer(&mut self) -> Result<Got> {
        let (status, head) = self.read_head().await?;
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        let body = if header("transfer-encoding") == Some("chunked") {
            self.chunks().await?
        } else {
            let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            while self.buffer.len() < length {
                self.more().await?;
            }
            self.buffer.drain(..length).collect()
        };
        Ok(Got { status, body: String::from_utf8_lossy(&body).into_owned(), head })
    }

    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    /// Reads one chunk of a body; the last one is empty.
    pub async fn chunk(&mut self) -> Result<Vec<u8>> {
        let line = loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                break self.buffer.drain(..end + 2).collect::<Vec<u8>>();
            }
            self.more().await?;
        };
        let size = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(size.trim(), 16).map_err(|e| Failure::new(e.to_string()))?;
        while self.buffer.len() < size + 2 {
            self.more().await?;
        }
        let chunk = self.buffer.drain(..size).collect();
        self.buffer.drain(..2);
        Ok(chunk)
    }

    /// Reads whatever comes until the peer closes; `false` = it does not within `patience`.
    pub async fn closes_within(&mut self, patience: Duration) -> bool {
        let end = async { while self.more().await.is_ok() {} };
        tokio::time::timeout(patience, end).await.is_ok()
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(Failure::new("the connection was closed")),
            _ => Ok(()),
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A POST to `/mcp` with these headers besides `Host`, the media types and the length.
pub fn post(headers: &[(&str, &str)], body: &str) -> String {
    let mut text = String::from(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n",
    );
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    format!("{text}content-length: {}\r\n\r\n{body}", body.len())
}

/// A request of 2026-07-28, well-formed.
pub fn modern(id: u64, method: &str, params: Json) -> String {
    let meta = json!({
        format!("{RESERVED}protocolVersion"): MODERN,
        format!("{RESERVED}clientCapabilities"): {},
    });
    let name = params.text("name").map(ToOwned::to_owned);
    let body = crate::wire::rpc::request(id, method, params.with("_meta", meta)).to_string();
    let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
    if let Some(name) = &name {
        headers.push(("mcp-name", name));
    }
    post(&headers, &body)
}

/// A tool call of 2026-07-28.
pub fn call(id: u64, tool: &str, arguments: serde_json::Value) -> String {
    modern(id, "tools/call", Json::object().with("name", tool).with("arguments", Json::from(arguments)))
}
