use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::brain::{self, Ended, Port};
use super::{Session, State, lock};
use crate::Result;
use crate::json::Json;
use crate::wire::{MODERN, RESERVED, header_value, rpc};

pub(super) type Reply = Response<BoxBody<Bytes, Infallible>>;

/// A stream of events; ends when its last sender is gone.
pub(super) struct Events(pub(super) mpsc::UnboundedReceiver<Json>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|message| {
            message.map(|message| {
                // Where messages go comes as plain text.
                let (event, data) = match message.as_str() {
                    Some(endpoint) => ("endpoint", endpoint.to_owned()),
                    None => ("message", message.to_string()),
                };
                Ok(Frame::data(Bytes::from(format!("event: {event}\ndata: {data}\n\n"))))
            })
        })
    }
}

pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection_state = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&connection_state);
                async move { Ok::<_, Infallible>(serve(&state, request).await) }
            });
            // A peer that hangs up is no news here.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
        state.track(&task);
    }
}

pub(super) fn plain(status: u16, body: &str) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(body.to_owned())).boxed());
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    if body.starts_with('{') {
        response
            .headers_mut()
            .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    }
    response
}

fn refusal(status: u16, id: Option<Json>, code: i64, message: &str) -> Reply {
    plain(status, &rpc::error(id, rpc::error_object(code, message)).to_string())
}

pub(super) fn stream(events: mpsc::UnboundedReceiver<Json>) -> Reply {
    let mut response = Response::new(Events(events).boxed());
    let kind = hyper::header::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert("content-type", kind);
    response
}

/// A request's headers, in lower case.
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn of(request: &Request<Incoming>) -> Self {
        let value =
            |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self(request.headers().iter().map(|(name, v)| (name.as_str().to_owned(), value(v))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

async fn serve(state: &Arc<State>, request: Request<Incoming>) -> Reply {
    let headers = Headers::of(&request);
    let method = request.method().clone();
    if request.uri().path() != "/mcp" {
        return plain(404, "no such page");
    }
    if method != Method::POST {
        return if state.kind.is_modern() { plain(405, "") } else { session_verb(state, &method, &headers) };
    }
    let accepts = headers.get("accept").unwrap_or_default();
    if !(accepts.contains("application/json") && accepts.contains("text/event-stream")) {
        state.fault(format!("`Accept: {accepts}` does not list both types"));
        return plain(406, "");
    }
    let Ok(body) = request.into_body().collect().await else { return plain(400, "") };
    let Ok(message) = Json::parse(&String::from_utf8_lossy(&body.to_bytes())) else {
        state.fault("a body is not JSON");
        return refusal(400, None, -32700, "parse error");
    };
    for key in message.duplicates() {
        state.fault(format!("key `{key}` stands twice in a request"));
    }
    if state.kind.is_modern() {
        modern(state, &headers, message).await
    } else {
        legacy(state, &headers, message).await
    }
}

/// GET and DELETE of a session.
fn session_verb(state: &Arc<State>, method: &Method, headers: &Headers) -> Reply {
    let Some(id) = headers.get("mcp-session-id") else { return plain(400, "no session") };
    let Some(session) = lock(&state.sessions).get(id).cloned() else {
        return plain(404, "no such session");
    };
    if *method == Method::DELETE {
        lock(&state.sessions).remove(id);
        return plain(200, "");
    }
    let (tx, rx) = mpsc::unbounded_channel();
    let (mut lists, told) = (state.announce.subscribe(), Arc::clone(state));
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tx.closed() => return,
                news = lists.recv() => match news {
                    Ok(news) => {
                        if let Some(note) = session.news(&told, &news) {
                            drop(tx.send(note));
                        }
                    }
                    Err(_) => return,
                }
            }
        }
    });
    state.track(&task);
    stream(rx)
}

async fn legacy(state: &Arc<State>, headers: &Headers, message: Json) -> Reply {
    let id = message.get("id").cloned();
    let params = message.get("params").cloned().unwrap_or_default();
    let method = message.text("method").map(ToOwned::to_owned);
    if method.as_deref() == Some("initialize") {
        state.receive("initialize", &params, &headers.0);
        let session = Arc::new(Session { id: format!("session-{}", state.next_id()), ..Session::default() });
        let result = brain::initialize(state, &session, &params);
        lock(&state.sessions).insert(session.id.clone(), Arc::clone(&session));
        let mut reply = plain(200, &rpc::result(id.unwrap_or(Json::Null), result).to_string());
        if let Ok(value) = session.id.parse() {
            reply.headers_mut().insert("mcp-session-id", value);
        }
        return reply;
    }
    let Some(session) = headers.get("mcp-session-id") else {
        // What the TypeScript SDK's servers say to a probe.
        return refusal(400, None, -32000, "Bad Request: Server not initialized");
    };
    let Some(session) = lock(&state.sessions).get(session).cloned() else {
        return refusal(404, None, -32001, "Session not found");
    };
    let agreed = lock(&session.revision).clone();
    let said = headers.get("mcp-protocol-version");
    if said.is_some_and(|said| said != agreed) || (said.is_none() && agreed.as_str() >= "2025-06-18") {
        state.fault(format!("`MCP-Protocol-Version: {said:?}` in a session of {agreed}"));
        return refusal(400, id, -32000, "bad protocol version");
    }
    reserved(state, &params);
    let Some(method) = method else {
        let asked = id.and_then(|id| id.as_u64()).and_then(|id| lock(&state.asks).remove(&id));
        match asked {
            Some(asked) => drop(asked.send(message)),
            None => state.fault(format!("a response to nothing: {message}")),
        }
        return plain(202, "");
    };
    state.receive(&method, &params, &headers.0);
    let Some(id) = id else {
        cancel(state, &session.id, &method, &params);
        return plain(202, "");
    };
    run(state, &session, id, method, params).await
}

/// `P/…` keys belong to 2026-07-28 hops; go-sdk's servers refuse them in a session.
pub(super) fn reserved(state: &State, params: &Json) {
    for (key, _) in params.get("_meta").map(Json::members).unwrap_or_default() {
        if key.starts_with(RESERVED) && key != "io.modelcontextprotocol/related-task" {
            state.fault(format!("`{key}` in a session with a handshake"));
        }
    }
}

/// Acts on `notifications/cancelled`.
pub(super) fn cancel(state: &State, session: &str, method: &str, params: &Json) {
    if method != "notifications/cancelled" {
        return;
    }
    let id = params.get("requestId").cloned().unwrap_or(Json::Null);
    if let Some(call) = lock(&state.calls).get(&format!("{session} {id}")) {
        // A call that has just ended can't be cancelled any more.
        call.send(true).ok();
    }
}

async fn modern(state: &Arc<State>, headers: &Headers, message: Json) -> Reply {
    let id = message.get("id").cloned();
    let params = message.get("params").cloned().unwrap_or_default();
    let Some(method) = message.text("method").map(ToOwned::to_owned) else {
        state.fault(format!("a response to a stateless server: {message}"));
        return refusal(400, None, -32600, "not a request");
    };
    let Some(id) = id else { return plain(202, "") };
    if let Err((code, why)) = judge(state, headers, &method, &params) {
        let excused = code == -32020 && lock(&state.script).quietly;
        if method != "initialize" && !excused {
            state.fault(format!("{method}: {why}"));
        }
        let mut error = rpc::error_object(code, &why);
        if code == -32022 {
            error = error.with("data", json!({ "supported": [MODERN], "requested": "?" }));
        }
        return plain(400, &rpc::error(Some(id), error).to_string());
    }
    state.receive(&method, &params, &headers.0);
    if method == "subscriptions/listen" {
        return listen(state, &id, &params);
    }
    let session = Session::default();
    run(state, &Arc::new(session), id, method, params).await
}

/// What 2026-07-28 makes a server check (basic/transports/streamable-http).
fn judge(state: &State, headers: &Headers, method: &str, params: &Json) -> Result<(), (i64, String)> {
    let meta = params.get("_meta").cloned().unwrap_or_default();
    let version = meta.text(&format!("{RESERVED}protocolVersion"));
    let said = headers.get("mcp-protocol-version");
    if version.is_none() && said.is_none() {
        return Err((-32022, "this server speaks 2026-07-28 only".to_owned()));
    }
    if version != said {
        return Err((-32020, format!("version header {said:?}, body {version:?}")));
    }
    if version != Some(MODERN) {
        return Err((-32022, format!("unsupported version {version:?}")));
    }
    if meta.get(&format!("{RESERVED}clientCapabilities")).is_none() {
        return Err((-32602, "no clientCapabilities".to_owned()));
    }
    if headers.get("mcp-method") != Some(method) {
        return Err((-32020, format!("Mcp-Method {:?}", headers.get("mcp-method"))));
    }
    let name = match method {
        "tools/call" | "prompts/get" => params.text("name"),
        "resources/read" => params.text("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => params.text("taskId"),
        _ => None,
    };
    let wanted = name.map(header_value);
    if headers.get("mcp-name") != wanted.as_deref() {
        return Err((-32020, format!("Mcp-Name {:?}, body {wanted:?}", headers.get("mcp-name"))));
    }
    if headers.get("mcp-session-id").is_some() {
        state.fault("Mcp-Session-Id on a stateless request");
    }
    mirrored(state, headers, method, params)
}

/// `Mcp-Param-*` of the tool's marked arguments.
fn mirrored(state: &State, headers: &Headers, method: &str, params: &Json) -> Result<(), (i64, String)> {
    if method != "tools/call" {
        return Ok(());
    }
    let script = lock(&state.script);
    let Some(tool) = script.tools.iter().find(|tool| Some(tool.name()) == params.text("name")) else {
        return Ok(());
    };
    let properties =
        tool.definition.at(&["inputSchema", "properties"]).map(Json::members).unwrap_or_default();
    for (property, schema) in properties {
        let Some(mark) = schema.text("x-mcp-header") else { continue };
        let wanted = match params.at(&["arguments", property]) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(header_value(text)),
            Some(other) => Some(other.to_string()),
        };
        let header = format!("mcp-param-{}", mark.to_ascii_lowercase());
        if headers.get(&header) != wanted.as_deref() {
            return Err((-32020, format!("{header} is {:?}, body {wanted:?}", headers.get(&header))));
        }
    }
    Ok(())
}

fn listen(state: &Arc<State>, id: &Json, params: &Json) -> Reply {
    let (tx, rx) = mpsc::unbounded_channel();
    let task = tokio::spawn(super::stdio::subscription(Arc::clone(state), id.clone(), params.clone(), tx));
    state.track(&task);
    stream(rx)
}

/// Runs one request, and answers as JSON or as a stream.
async fn run(state: &Arc<State>, session: &Arc<Session>, id: Json, method: String, params: Json) -> Reply {
    let (out, rx) = mpsc::unbounded_channel();
    let (told, cancel) = watch::channel(false);
    let key = format!("{} {id}", session.id);
    let modern = state.kind.is_modern();
    let port = Port { out, closing_cancels: modern, cancel };
    if !modern {
        lock(&state.calls).insert(key.clone(), told);
    }
    if !brain::streams(state, &method, &params) {
        let ended = brain::answer(state, session, &method, &params, &port).await;
        lock(&state.calls).remove(&key);
        return match ended {
            Ended::Result(result) => plain(200, &rpc::result(id, result).to_string()),
            Ended::Error(error, status) => {
                plain(if modern { status } else { 200 }, &rpc::error(Some(id), error).to_string())
            }
            Ended::Cancelled => plain(200, ""),
        };
    }
    let (state_, session) = (Arc::clone(state), Arc::clone(session));
    let task = tokio::spawn(async move {
        let ended = brain::answer(&state_, &session, &method, &params, &port).await;
        lock(&state_.calls).remove(&key);
        let last = match ended {
            Ended::Result(result) => rpc::result(id, result),
            Ended::Error(error, _) => rpc::error(Some(id), error),
            Ended::Cancelled => return,
        };
        // The client may have gone.
        drop(port.out.send(last));
    });
    state.track(&task);
    stream(rx)
}
