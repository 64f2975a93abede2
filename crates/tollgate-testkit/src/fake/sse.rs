use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::http::{Headers, Reply, plain, stream};
use super::{Session, State, lock, stdio};
use crate::json::Json;

/// One open stream.
struct Open {
    session: Arc<Session>,
    out: mpsc::UnboundedSender<Json>,
    running: Mutex<JoinSet<()>>,
}

type All = Arc<Mutex<HashMap<String, Arc<Open>>>>;

pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    let all = All::default();
    while let Ok((stream, _)) = listener.accept().await {
        let (connection_state, all) = (Arc::clone(&state), Arc::clone(&all));
        let task = tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (state, all) = (Arc::clone(&connection_state), Arc::clone(&all));
                async move { Ok::<_, Infallible>(serve(&state, &all, request).await) }
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

async fn serve(state: &Arc<State>, all: &All, request: Request<Incoming>) -> Reply {
    let headers = Headers::of(&request);
    let (path, query) =
        (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    match (request.method(), path.as_str()) {
        (&Method::GET, "/sse") => open(state, all, &headers),
        (&Method::POST, "/messages") => {
            let Some(open) = lock(all).get(&query).cloned() else { return plain(404, "no such session") };
            if !headers.get("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
                state.fault("a message that is not said to be JSON");
                return plain(415, "");
            }
            let Ok(body) = request.into_body().collect().await else { return plain(400, "") };
            let Ok(message) = Json::parse(&String::from_utf8_lossy(&body.to_bytes())) else {
                state.fault("a body is not JSON");
                return plain(400, "");
            };
            for key in message.duplicates() {
                state.fault(format!("key `{key}` stands twice in a request"));
            }
            stdio::receive(state, &open.session, message, &open.out, &mut lock(&open.running));
            plain(202, "Accepted")
        }
        // As old servers answer whoever tries the newer transport.
        (&Method::POST, "/sse") => plain(405, ""),
        _ => plain(404, "no such page"),
    }
}

fn open(state: &Arc<State>, all: &All, headers: &Headers) -> Reply {
    if !headers.get("accept").unwrap_or_default().contains("text/event-stream") {
        state.fault("a stream was opened without `Accept: text/event-stream`");
        return plain(406, "");
    }
    let number = state.next_id();
    let session = Arc::new(Session { id: format!("stream-{number}"), ..Session::default() });
    let (out, events) = mpsc::unbounded_channel();
    let name = format!("session={number}");
    // A string is the endpoint.
    drop(out.send(Json::from(format!("/messages?{name}"))));
    let open = Arc::new(Open { session: Arc::clone(&session), out: out.clone(), running: Mutex::default() });
    lock(all).insert(name.clone(), open);
    let task = tokio::spawn(stdio::announce(Arc::clone(state), session, out.clone()));
    state.track(&task);
    let all = Arc::clone(all);
    tokio::spawn(async move {
        out.closed().await;
        task.abort();
        lock(&all).remove(&name);
    });
    stream(events)
}
