//! A gateway with recording servers of every kind behind it, and every road that leads to it.
//! *Never* builds a message for its sender: what is on the road was written byte by byte.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::raw::{Conn, Got, post};
use super::rude::{Dialect, Heard, Rude};
use super::{Setting, listener};
use crate::gateway::Running;
use crate::json::Json;
use crate::wire::{LEGACY, MODERN, RESERVED};
use crate::{Failure, Result};

/// The keys of two agents.
pub(super) const ALICE: &str = "alice-alice-alice-alice-alice-alice";
pub(super) const BOB: &str = "bobby-bobby-bobby-bobby-bobby-bobby";

/// Where an answer must come from by.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tools' servers: `m`, `l` and `p`.
pub const SERVERS: [&str; 3] = ["m", "l", "p"];

/// The servers and their gateway. `secret` is denied everywhere.
#[derive(Debug)]
pub struct Field {
    /// The gateway.
    pub gateway: Running,
    servers: Vec<Rude>,
}

impl Field {
    /// Starts all of it; `more` servers beside the recorders.
    pub async fn start(setting: &Setting, more: &[(&str, serde_json::Value)]) -> Result<Self> {
        let mut servers = Json::object();
        let mut rude = Vec::new();
        for (alias, dialect) in SERVERS.into_iter().zip([Dialect::Modern, Dialect::Legacy, Dialect::Pipe]) {
            let server = Rude::polite(dialect).await?;
            servers.set(alias, Json::from(server.config(&setting.carrier)));
            rude.push(server);
        }
        for (alias, config) in more {
            servers.set(alias, Json::from(config.clone()));
        }
        let config = Json::object()
            .with("servers", servers)
            .with(
                "policy",
                json!({ "default": "allow", "rules": [
                    { "id": "secrets", "deny": "*/secret" }, { "id": "not-bob", "deny": "m/poke", "for": { "agent": "bob" } }
                ] }),
            )
            .with("agents", json!({ "alice": { "keys": ["${env:ALICE}"] }, "bob": { "keys": ["${env:BOB}"] } }))
            .with("ledger", json!({ "payloads": "full" }));
        let env = [("ALICE".to_owned(), ALICE.to_owned()), ("BOB".to_owned(), BOB.to_owned())];
        let gateway = Running::start(&setting.binary, config, &env).await?;
        Ok(Self { gateway, servers: rude })
    }

    /// Every tool call that any server received.
    pub fn calls(&self) -> Vec<Heard> {
        self.servers.iter().flat_map(Rude::calls).collect()
    }

    /// How many tool calls one server received, and the last of them.
    pub fn last_call(&self, server: &str) -> (usize, Option<Heard>) {
        let place = SERVERS.iter().position(|alias| *alias == server);
        place.and_then(|place| self.servers.get(place)).map_or((0, None), Rude::last_call)
    }

    /// Everything that any server received.
    pub fn heard(&self) -> Vec<Heard> {
        self.servers.iter().flat_map(Rude::heard).collect()
    }

    /// `HOST:PORT` of the agents' listener.
    pub fn address(&self) -> String {
        listener(&self.gateway)
    }
}

/// A way in.
#[derive(Debug)]
pub enum Road {
    /// 2026-07-28 over HTTP.
    Modern(Conn),
    /// A session over HTTP: its revision and id.
    Session(Conn, String, String),
    /// HTTP+SSE of 2024-11-05.
    Sse(Box<Sse>),
    /// `tollgate stdio`: its revision.
    Pipe(Box<Pipe>, String),
}

/// A stream of HTTP+SSE, and where it says that messages go.
#[derive(Debug)]
pub struct Sse {
    stream: Conn,
    text: String,
    posts: Conn,
    path: String,
}

/// A gateway as a child.
#[derive(Debug)]
pub struct Pipe {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Road {
    /// Every road: stateless HTTP, a session of every revision, HTTP+SSE, and both eras over a pipe.
    pub async fn all(field: &Field) -> Result<Vec<Self>> {
        let mut roads = vec![Self::Modern(Conn::open(&field.address()).await?)];
        for revision in LEGACY.into_iter().skip(1) {
            roads.push(Self::session(field, revision, None).await?);
        }
        roads.push(Self::Sse(Box::new(Sse::open(field).await?)));
        for revision in ["2025-11-25", MODERN] {
            roads.push(Self::pipe(field, revision).await?);
        }
        Ok(roads)
    }

    /// A session of `revision`.
    pub async fn session(field: &Field, revision: &str, key: Option<&str>) -> Result<Self> {
        let mut conn = Conn::open(&field.address()).await?;
        let bearer = key.map(|key| format!("Bearer {key}"));
        let authorization: Vec<(&str, &str)> = bearer.iter().map(|b| ("authorization", b.as_str())).collect();
        let got = conn.ask(&post(&authorization, &initialize(revision))).await?;
        let id = got.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        let id = id.ok_or_else(|| Failure::new(format!("no session: {}{}", got.head, got.body)))?.to_owned();
        let mut road = Self::Session(conn, revision.to_owned(), id);
        if let Self::Session(conn, revision, id) = &mut road {
            let mut headers =
                vec![("mcp-session-id", id.as_str()), ("mcp-protocol-version", revision.as_str())];
            headers.extend(&authorization);
            conn.ask(&post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)).await?;
        }
        Ok(road)
    }

    async fn pipe(field: &Field, revision: &str) -> Result<Self> {
        let words = field.gateway.stdio_command();
        let (program, words) = words.split_first().ok_or("no command")?;
        let mut child = Command::new(program)
            .args(words)
            .envs(field.gateway.env().iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a pipe is missing".into());
        };
        let mut pipe = Pipe { _child: child, input, output: BufReader::new(output).lines() };
        if revision != MODERN {
            pipe.ask(initialize(revision).as_bytes()).await?;
            pipe.input.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").await?;
        }
        Ok(Self::Pipe(Box::new(pipe), revision.to_owned()))
    }

    /// For a report.
    pub fn name(&self) -> String {
        match self {
            Self::Modern(_) => format!("{MODERN} over HTTP"),
            Self::Session(_, revision, _) => format!("{revision} over HTTP"),
            Self::Sse(_) => "2024-11-05 over HTTP+SSE".to_owned(),
            Self::Pipe(_, revision) => format!("{revision} over stdio"),
        }
    }

    /// Whether it is stateless.
    pub fn is_modern(&self) -> bool {
        match self {
            Self::Modern(_) => true,
            Self::Session(..) | Self::Sse(_) => false,
            Self::Pipe(_, revision) => revision == MODERN,
        }
    }

    /// What `META` stands for in a message on this road.
    pub fn meta(&self) -> String {
        if !self.is_modern() {
            return r#""_meta":{}"#.to_owned();
        }
        format!(r#""_meta":{{"{RESERVED}protocolVersion":"{MODERN}","{RESERVED}clientCapabilities":{{}}}}"#)
    }

    /// Sends a message as it is, and gives what came back; a road that was closed is opened anew. `name` goes into `Mcp-Name`.
    pub async fn send(&mut self, field: &Field, name: &str, message: &[u8]) -> Result<Answer> {
        match self {
            Self::Pipe(pipe, _) => pipe.ask(message).await,
            Self::Sse(sse) => sse.ask(field, message).await,
            Self::Modern(conn) => {
                let headers =
                    [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", name)];
                through(conn, field, &headers, message).await
            }
            Self::Session(conn, revision, id) => {
                let headers = [("mcp-protocol-version", revision.as_str()), ("mcp-session-id", id.as_str())];
                through(conn, field, &headers, message).await
            }
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The message, if it is one.
    pub message: Option<Json>,
}

impl Answer {
    fn of(got: &Got) -> Self {
        Self { message: got.message().ok() }
    }

    /// Whether it is a tool's good result.
    pub fn is_ok(&self) -> bool {
        let result = self.message.as_ref().and_then(|message| message.get("result"));
        result.is_some_and(|result| result.get("isError") != Some(&Json::Bool(true)))
    }
}

async fn through(conn: &mut Conn, field: &Field, headers: &[(&str, &str)], message: &[u8]) -> Result<Answer> {
    let mut bytes = post(headers, "");
    bytes.truncate(bytes.len() - "content-length: 0\r\n\r\n".len());
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", message.len()).as_bytes());
    bytes.extend_from_slice(message);
    conn.write(&bytes).await?;
    let got = tokio::time::timeout(PATIENCE, conn.answer()).await??;
    if got.is_last() {
        *conn = Conn::open(&field.address()).await?;
    }
    Ok(Answer::of(&got))
}

impl Sse {
    async fn open(field: &Field) -> Result<Self> {
        let mut stream = Conn::open(&field.address()).await?;
        stream.write(b"GET /sse HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await?;
        let status = stream.head().await?;
        if status != 200 {
            return Err(Failure::new(format!("/sse: HTTP {status}")));
        }
        let posts = Conn::open(&field.address()).await?;
        let mut sse = Self { stream, text: String::new(), posts, path: String::new() };
        sse.path = tokio::time::timeout(PATIENCE, sse.data()).await??;
        sse.ask(field, initialize("2024-11-05").as_bytes()).await?;
        sse.post(field, br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await?;
        Ok(sse)
    }

    /// The next event's data.
    async fn data(&mut self) -> Result<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(ToOwned::to_owned);
                let rest = rest.to_owned();
                self.text = rest;
                match data {
                    Some(data) => return Ok(data),
                    None => continue,
                }
            }
            let chunk = self.stream.chunk().await?;
            if chunk.is_empty() {
                return Err("the stream ended".into());
            }
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    async fn post(&mut self, field: &Field, message: &[u8]) -> Result<Got> {
        let head = post(&[], "").replace("POST /mcp ", &format!("POST {} ", self.path));
        let head = head.replace("content-length: 0", &format!("content-length: {}", message.len()));
        self.posts.write(&[head.as_bytes(), message].concat()).await?;
        let got = tokio::time::timeout(PATIENCE, self.posts.answer()).await??;
        if got.is_last() {
            self.posts = Conn::open(&field.address()).await?;
        }
        Ok(got)
    }

    /// What is refused is refused on the POST; what is taken is answered on the stream.
    async fn ask(&mut self, field: &Field, message: &[u8]) -> Result<Answer> {
        let got = self.post(field, message).await?;
        if got.status >= 300 {
            return Ok(Answer::of(&got));
        }
        loop {
            let message = Json::parse(&tokio::time::timeout(PATIENCE, self.data()).await??)?;
            if message.get("method").is_none() {
                return Ok(Answer { message: Some(message) });
            }
        }
    }
}

impl Pipe {
    async fn ask(&mut self, message: &[u8]) -> Result<Answer> {
        self.input.write_all(message).await?;
        // Whatever a line feed in it made of it is not a request with this id.
        self.input.write_all(b"\n").await?;
        self.input.flush().await?;
        loop {
            let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await??;
            let line = line.ok_or("the gateway closed its pipe")?;
            let message = Json::parse(&line)?;
            if message.get("method").is_none() {
                return Ok(Answer { message: Some(message) });
            }
        }
    }
}

fn initialize(revision: &str) -> String {
    json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": { "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "a\n{\"audit\":\"forged\"}", "version": "1" } }
    })
    .to_string()
}
