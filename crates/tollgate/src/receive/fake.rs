//! A scripted path: what tests put behind the edges.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc};
use tollgate_mcp::error::{INVALID_PARAMS, RpcError};
use tollgate_mcp::method::{Kind, Listing, Method};
use tollgate_mcp::object::{self, Object};
use tollgate_mcp::translate::{Answer, CacheHint, ResultType};

use crate::call::{
    Arrival, Caller, Cancel, Credential, Ending, Endpoint, Handle, NotAdmitted, Outgoing, Part, PartKind,
    Peer, Reply, TaskPage,
};

/// What arrived, as far as tests look at it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) params: String,
    pub(super) principal: String,
    pub(super) client: Option<String>,
    pub(super) session: Option<String>,
    pub(super) log_level: Option<&'static str>,
    pub(super) param_headers: Option<Vec<(String, Bytes)>>,
}

#[derive(Debug)]
pub(super) struct FakeReply(Ending);

impl Reply for FakeReply {
    fn into_ending(self) -> Ending {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Fake {
    pub(super) seen: Mutex<Vec<Seen>>,
    pub(super) peers: Mutex<Vec<Peer>>,
    /// Walks that saw their cancel fire, or were dropped before their end; those that listen are counted on their own, since a
    /// session's listener replaces them as it sees fit.
    pub(super) cancelled: Arc<AtomicUsize>,
    pub(super) unheard: Arc<AtomicUsize>,
    pub(super) finished: Arc<AtomicUsize>,
    /// What listen walks send on.
    pub(super) news: broadcast::Sender<(PartKind, String)>,
    /// Ends listen walks.
    pub(super) over: broadcast::Sender<()>,
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            peers: Mutex::default(),
            cancelled: Arc::default(),
            unheard: Arc::default(),
            finished: Arc::default(),
            news: broadcast::channel(64).0,
            over: broadcast::channel(4).0,
        })
    }

    pub(super) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("nothing arrived")
    }

    pub(super) fn arrivals(&self, method: Method) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.method == method).cloned().collect()
    }
}

/// Counts a walk as cancelled unless it ended.
struct Ended {
    cancelled: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
    done: bool,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let count = if self.done { &self.finished } else { &self.cancelled };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Handle for Fake {
    type Reply = FakeReply;

    fn admit(
        &self,
        credential: &Credential,
        peer: &Peer,
        endpoint: &Endpoint,
    ) -> Result<Arc<Caller>, NotAdmitted> {
        self.peers.lock().unwrap().push(peer.clone());
        let principal = match credential {
            Credential::None => "anonymous",
            Credential::Bearer(token) if token.expose() == "alice" => "alice",
            Credential::Bearer(token) if token.expose() == "bob" => "bob",
            Credential::Bearer(token) if token.expose() == "none" => {
                return Err(NotAdmitted::Unauthenticated { presented: false });
            }
            Credential::Bearer(_) | Credential::Unreadable => {
                return Err(NotAdmitted::Unauthenticated { presented: true });
            }
        };
        if *endpoint == Endpoint::Server("missing".into()) {
            return Err(NotAdmitted::NoSuchEndpoint);
        }
        Ok(Arc::new(Caller {
            agent: principal.into(),
            user: None,
            tenant: None,
            groups: Vec::new(),
            principal: principal.into(),
            own_conversations: false,
        }))
    }

    fn handle(self: &Arc<Self>, arrival: Arrival, cancel: Cancel) -> Outgoing<FakeReply> {
        self.seen.lock().unwrap().push(Seen {
            method: arrival.method,
            params: String::from_utf8(arrival.params.text().to_vec()).unwrap(),
            principal: arrival.caller.principal.to_string(),
            client: arrival.client.label.as_deref().map(str::to_owned),
            session: arrival.session.as_deref().map(str::to_owned),
            log_level: arrival.log_level.map(crate::call::LogLevel::as_str),
            param_headers: arrival.param_headers.clone(),
        });
        let (parts, receiver) = mpsc::channel(64);
        let fake = Arc::clone(self);
        let cancelled = if arrival.method == Method::Listen { &self.unheard } else { &self.cancelled };
        let cancelled = Arc::clone(cancelled);
        let walk = async move {
            let mut ended = Ended { cancelled, finished: Arc::clone(&fake.finished), done: false };
            let ending = tokio::select! {
                ending = fake.walk(arrival, parts) => { ended.done = true; ending }
                () = cancel.fired() => Ending::Error(RpcError::new(-1, "cancelled")),
            };
            FakeReply(ending)
        };
        Outgoing::new(Box::pin(walk), receiver)
    }

    fn now_ms(&self) -> u64 {
        1_785_240_896_789
    }

    fn server_info(&self) -> Bytes {
        Bytes::from_static(br#"{"name":"fake","version":"1"}"#)
    }

    fn status_page(&self, question: &str) -> Option<String> {
        (question == "known").then(|| "<!doctype html><p>it waits".to_owned())
    }

    fn count(&self, _label: &'static str) {}

    async fn tasks(self: &Arc<Self>, _caller: &Caller, _cursor: Option<&str>) -> Result<TaskPage, RpcError> {
        Ok(TaskPage::default())
    }
}

impl Fake {
    async fn walk(&self, arrival: Arrival, parts: mpsc::Sender<Box<Part>>) -> Ending {
        match arrival.method.kind() {
            Kind::Discover => complete(
                r#"{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{"tools":{"listChanged":true}},"instructions":"hi"}"#,
                true,
            ),
            Kind::List(Listing::Tools) => complete(r#"{"tools":[]}"#, true),
            Kind::Tool => {
                let name = arrival.params.string("name").unwrap_or_default().into_owned();
                self.tool(&name, &arrival.params, arrival.progress.as_ref(), parts).await
            }
            Kind::Prompt => asks(r#"{"r":{"method":"roots/list"}}"#, Some("s")),
            Kind::Listen => self.listen(&arrival.params, parts).await,
            Kind::List(_) | Kind::Resource | Kind::Completion | Kind::Task | Kind::Edge => {
                Ending::Error(RpcError::new(INVALID_PARAMS, "no such thing"))
            }
        }
    }

    async fn tool(
        &self,
        name: &str,
        params: &Object,
        progress: Option<&Bytes>,
        parts: mpsc::Sender<Box<Part>>,
    ) -> Ending {
        let responses = params.get("inputResponses").map(|r| String::from_utf8(r.to_vec()).unwrap());
        let state = params.string("requestState").map(std::borrow::Cow::into_owned);
        let done = |text: &str| {
            complete(&format!(r#"{{"content":[{{"type":"text","text":{}}}]}}"#, object::quote(text)), false)
        };
        match name {
            "echo" => done("echo"),
            "big" => done(&"x".repeat(300_000)),
            "progress" => {
                let token = progress.map_or("0".into(), |token| String::from_utf8(token.to_vec()).unwrap());
                for step in 1..=3 {
                    let params = format!(r#"{{"progressToken":{token},"progress":{step}}}"#);
                    let part = Part { kind: PartKind::Progress, params: Bytes::from(params).into() };
                    parts.send(Box::new(part)).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                done("progressed")
            }
            // Ends its stream in the middle of the call.
            "pause" => {
                let kind = PartKind::Paused { retry_ms: 70 };
                parts.send(Box::new(Part { kind, params: tollgate_mcp::rope::Rope::new() })).await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
                done("paused")
            }
            "slow" => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                done("slow")
            }
            "hang" => std::future::pending().await,
            "started" => {
                let params = Bytes::from_static(br#"{"progressToken":1,"progress":1}"#);
                parts.send(Box::new(Part { kind: PartKind::Progress, params: params.into() })).await.unwrap();
                tokio::time::sleep(Duration::from_millis(400)).await;
                done("late")
            }
            "ask" => match responses {
                None => asks(
                    r#"{"k\"1":{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}}}"#,
                    Some("state-1"),
                ),
                Some(responses) => done(&format!("{responses} {}", state.unwrap_or_default())),
            },
            "ask-two" => match responses {
                None => asks(
                    r#"{"a":{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}},"b":{"method":"roots/list"}}"#,
                    None,
                ),
                Some(responses) => done(&format!("{responses} {state:?}")),
            },
            "ask-url" => match responses {
                None => asks(
                    r#"{"u":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x.example/"}}}"#,
                    Some("u"),
                ),
                Some(responses) => done(&responses),
            },
            // Asks by the same url again, as a server does that has not seen the user yet.
            "ask-url-twice" => match state.as_deref() {
                Some("2") => done(&responses.unwrap_or_default()),
                state => asks(
                    r#"{"u":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x.example/"}}}"#,
                    Some(if state.is_none() { "1" } else { "2" }),
                ),
            },
            "sample" => match responses {
                None => asks(
                    r#"{"s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}"#,
                    Some("s"),
                ),
                Some(responses) => done(&responses),
            },
            "forever" => asks(
                r#"{"k":{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}}}"#,
                Some("again"),
            ),
            "poll" => match state.as_deref() {
                None => asks("", Some("p0")),
                Some("p0") => asks("", Some("p1")),
                Some(state) => done(state),
            },
            _ => Ending::Error(RpcError::new(INVALID_PARAMS, "unknown tool")),
        }
    }

    /// Acknowledges what was asked for, resources only below `known:`; then passes the news on.
    async fn listen(&self, params: &Object, parts: mpsc::Sender<Box<Part>>) -> Ending {
        let mut news = self.news.subscribe();
        let mut over = self.over.subscribe();
        let wanted = params.object("notifications").unwrap_or_else(Object::empty);
        let uris = wanted.get("resourceSubscriptions").and_then(|uris| object::elements(&uris).ok());
        let known: Vec<String> = uris
            .unwrap_or_default()
            .iter()
            .map(|uri| String::from_utf8(uri.to_vec()).unwrap())
            .filter(|uri| uri.starts_with("\"known:"))
            .collect();
        let ack = format!(
            r#"{{"notifications":{{"toolsListChanged":true,"resourceSubscriptions":[{}]}}}}"#,
            known.join(",")
        );
        let part = Part { kind: PartKind::Acknowledged, params: Bytes::from(ack).into() };
        parts.send(Box::new(part)).await.unwrap();
        loop {
            tokio::select! {
                said = news.recv() => {
                    let (kind, params) = said.unwrap();
                    parts.send(Box::new(Part { kind, params: Bytes::from(params).into() })).await.unwrap();
                }
                _ = over.recv() => return complete("{}", false),
            }
        }
    }
}

fn complete(text: &str, cacheable: bool) -> Ending {
    Ending::Answer(Answer {
        object: Object::scan(Bytes::from(text.to_owned())).unwrap(),
        kind: ResultType::Complete,
        cache: cacheable.then_some(CacheHint { ttl_ms: 0, public: false }),
    })
}

fn asks(requests: &str, state: Option<&str>) -> Ending {
    let mut members = vec![r#""resultType":"input_required""#.to_owned()];
    if !requests.is_empty() {
        members.push(format!(r#""inputRequests":{requests}"#));
    }
    if let Some(state) = state {
        members.push(format!(r#""requestState":"{state}""#));
    }
    Ending::Answer(Answer {
        object: Object::scan(Bytes::from(format!("{{{}}}", members.join(",")))).unwrap(),
        kind: ResultType::InputRequired,
        cache: None,
    })
}
