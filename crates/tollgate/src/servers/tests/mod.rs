//! Servers as agents' calls meet them: both eras over both transports, with servers that misbehave.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test wants one thing and shows whatever else came")]

pub(crate) mod fake;
mod fleet;
mod http;
mod sse;
mod stdio;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

use super::bulletin::Bulletin;
use super::credential::Resolve;
use super::held::Held;
use super::server::Room;
use super::{Event, Exchange, Failure, Health, Outbound, Server, Servers};
use crate::call::Client;
use crate::clock::Clock;
use crate::config::{Auth, Over, Piece, Processes, Share, Template, Timeout, Transport};
use crate::secret::Secret;

/// Resolves `${secret:NAME}` to `NAME-value`, and after its first change to `NAME-value-1`, ….
#[derive(Debug)]
pub(crate) struct Plain(pub(crate) tokio::sync::watch::Sender<u64>);

impl Plain {
    pub(crate) fn new() -> Self {
        Self(tokio::sync::watch::channel(0).0)
    }
}

impl Resolve for Plain {
    fn resolve(&self, template: &Template) -> Result<Secret<String>, String> {
        let texts = template.0.iter().map(|piece| match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Secret(name) if name == "missing" => Err("secret `missing`: not set".to_owned()),
            Piece::Secret(name) => Ok(match *self.0.borrow() {
                0 => format!("{name}-value"),
                version => format!("{name}-value-{version}"),
            }),
            Piece::Env(name) => Err(format!("no environment in tests: {name}")),
        });
        texts.collect::<Result<String, String>>().map(Secret::new)
    }

    fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.subscribe()
    }
}

pub(crate) fn guard() -> PathBuf {
    let mut path = std::env::current_exe().expect("own path");
    path.pop();
    path.pop();
    path.push("examples/guard");
    path
}

/// How much of unfinished answers may be held in a test.
const HELD: usize = 18 * 1024 * 1024;

pub(crate) const QUICK: Timeout =
    Timeout { start: Duration::from_secs(10), call: Duration::from_secs(5), idle: Duration::from_secs(5) };

pub(crate) fn config(transport: Transport, timeout: Timeout) -> crate::config::Server {
    crate::config::Server {
        trust: crate::config::Trust::Pin,
        alias: Arc::from("fake"),
        transport,
        enabled: true,
        hidden: tollgate_policy::hidden::Hidden::default(),
        labels: Vec::new(),
        timeout,
        expose: Vec::new(),
        overrides: BTreeMap::new(),
    }
}

pub(crate) fn http_transport(url: &str) -> Transport {
    Transport::Http {
        url: url.to_owned(),
        over: Over::Auto,
        headers: BTreeMap::new(),
        auth: Some(Auth::Bearer(Template(vec![Piece::Secret("token".to_owned())]))),
        ca: None,
    }
}

pub(crate) fn program(script: &str, share: Share) -> Transport {
    Transport::Stdio {
        command: vec!["python3".to_owned(), "-u".to_owned(), "-c".to_owned(), script.to_owned()],
        cwd: None,
        env: BTreeMap::from([(
            "API_TOKEN".to_owned(),
            Template(vec![Piece::Secret("child-token".to_owned())]),
        )]),
        processes: Processes { share, max: 4, idle: Duration::from_mins(10) },
    }
}

pub(crate) fn start(transport: Transport, timeout: Timeout) -> Arc<Server> {
    start_with(transport, timeout, Arc::new(Plain::new()))
}

pub(crate) fn start_with(transport: Transport, timeout: Timeout, resolve: Arc<Plain>) -> Arc<Server> {
    Server::start(Room {
        config: Arc::new(config(transport, timeout)),
        clock: Clock::system(),
        resolve,
        guard: guard(),
        hands: crate::workers::Hands::default(),
        bulletin: Bulletin::new(),
        held: Arc::new(Held::new(HELD)),
    })
}

/// All servers of a configuration.
pub(crate) fn start_all(config: &crate::config::Config) -> Arc<Servers> {
    Servers::with(config, Clock::system(), Arc::new(Plain::new()), guard(), crate::workers::Hands::default())
}

/// Ends a server and everything of it.
pub(crate) async fn end(server: &Arc<Server>) {
    server.retire(true);
    server.ended().await;
}

pub(crate) fn object(text: &str) -> Object {
    Object::scan(Bytes::from(text.to_owned())).expect("an object")
}

pub(crate) fn client(capabilities: &str) -> Arc<Client> {
    Arc::new(Client {
        revision: Revision::V2026_07_28,
        info: Some(Bytes::from_static(br#"{"name":"agent","version":"1"}"#)),
        label: None,
        capabilities: Capabilities::read(object(capabilities), Revision::V2026_07_28),
    })
}

pub(crate) fn call(tool: &str, client: &Arc<Client>, principal: &str) -> Outbound {
    Outbound {
        method: Method::ToolsCall,
        params: object(&format!(
            r#"{{"name":"{tool}","arguments":{{"a":1}},"_meta":{{"x/y":1,"io.modelcontextprotocol/forged":1}}}}"#
        )),
        client: Arc::clone(client),
        principal: Arc::from(principal),
        progress: false,
        log_level: None,
        marks: Arc::from([]),
    }
}

/// The text of a finished tool call; panics on any other end.
pub(crate) fn text(event: Event) -> String {
    match event {
        Event::Done(Ok(answer)) => String::from_utf8(answer.object.text().to_vec()).expect("text"),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn finish(exchange: &mut Exchange) -> Event {
    loop {
        match exchange.next().await {
            Event::Progress(_) | Event::Log(_) => {}
            end => return end,
        }
    }
}

pub(crate) async fn ask(server: &Arc<Server>, outbound: Outbound) -> Event {
    match server.send(outbound).await {
        Ok(mut exchange) => finish(&mut exchange).await,
        Err(failure) => Event::Failed(failure),
    }
}

pub(crate) async fn ready(server: &Arc<Server>) -> Arc<super::Introduction> {
    for _ in 0..400 {
        if let Health::Ready(introduction) = server.health() {
            return introduction;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{:?}", server.health());
}

pub(crate) fn unavailable(event: Event) -> (String, bool) {
    match event {
        Event::Failed(Failure::Unavailable { why, sent, .. }) => (why, sent),
        other => panic!("{other:?}"),
    }
}
