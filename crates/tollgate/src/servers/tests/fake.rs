//! An HTTP server whose every answer the test decides.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) verb: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) head: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name).map(|value| value.to_str().expect("ASCII"))
    }
}

/// What to answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: Vec<(&'static str, String)>,
    pub(crate) body: Answering,
}

pub(crate) enum Answering {
    Whole(Bytes),
    /// Pieces as they are sent; `Err` breaks the connection.
    Pieces(mpsc::Receiver<Result<Bytes, std::io::Error>>),
    /// Never.
    Hang,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            head: vec![("content-type", "application/json".to_owned())],
            body: Answering::Whole(Bytes::from(body.to_string())),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it reads better where it is called")]
    pub(crate) fn result(seen: &Seen, result: Value) -> Self {
        Self::json(200, &json!({"jsonrpc":"2.0","id":seen.body["id"],"result":result}))
    }

    pub(crate) fn error(status: u16, seen: &Seen, code: i64) -> Self {
        Self::json(
            status,
            &json!({"jsonrpc":"2.0","id":seen.body["id"],"error":{"code":code,"message":"no"}}),
        )
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, head: vec![], body: Answering::Whole(Bytes::new()) }
    }

    pub(crate) fn hang() -> Self {
        Self { status: 200, head: vec![], body: Answering::Hang }
    }

    /// A stream of events, and what sends them.
    pub(crate) fn stream() -> (Self, Events) {
        let (to, from) = mpsc::channel(64);
        let head = vec![("content-type", "text/event-stream".to_owned())];
        (Self { status: 200, head, body: Answering::Pieces(from) }, Events(to))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.head.push((name, value.to_owned()));
        self
    }
}

/// The sending side of a stream.
#[derive(Clone)]
pub(crate) struct Events(pub(crate) mpsc::Sender<Result<Bytes, std::io::Error>>);

impl Events {
    pub(crate) async fn message(&self, message: &Value) {
        self.raw(&format!("event: message\ndata: {message}\n\n")).await;
    }

    pub(crate) async fn raw(&self, text: &str) {
        drop(self.0.send(Ok(Bytes::from(text.to_owned()))).await);
    }

    pub(crate) async fn cut(&self) {
        drop(self.0.send(Err(std::io::Error::other("cut"))).await);
    }
}

type Script = dyn Fn(Seen) -> Reply + Send + Sync;

/// The server.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<std::sync::atomic::AtomicUsize>,
    open: Arc<std::sync::atomic::AtomicUsize>,
    accept: Arc<tokio::task::AbortHandle>,
}

impl Fake {
    pub(crate) async fn start(script: impl Fn(Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1:0", script).await
    }

    /// Over TLS, as `localhost` of the tests' own authority.
    pub(crate) async fn start_secure(script: impl Fn(Seen) -> Reply + Send + Sync + 'static) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/servers/tests/tls");
        let chain = vec![CertificateDer::from_pem_file(folder.join("leaf.pem")).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(folder.join("leaf.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        let mut fake = Self::listen("127.0.0.1:0", Some(TlsAcceptor::from(Arc::new(config))), script).await;
        fake.url = fake.url.replace("http://127.0.0.1", "https://localhost");
        fake
    }

    pub(crate) async fn start_on(at: &str, script: impl Fn(Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(at, None, script).await
    }

    async fn listen(
        at: &str,
        tls: Option<TlsAcceptor>,
        script: impl Fn(Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        use std::sync::atomic::Ordering;
        let listener = tokio::net::TcpListener::bind(at).await.expect("bound");
        let url = format!("http://{}/mcp", listener.local_addr().expect("address"));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let script: Arc<Script> = Arc::new(script);
        let (connections, open) = (Arc::default(), Arc::default());
        let shared = (Arc::clone(&seen), Arc::clone(&connections), Arc::clone(&open));
        let accept = tokio::spawn(async move {
            let (seen, connections, open) = shared;
            let mut all = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                stream.set_nodelay(true).expect("nodelay");
                let counts: (Arc<std::sync::atomic::AtomicUsize>, Arc<std::sync::atomic::AtomicUsize>) =
                    (Arc::clone(&connections), Arc::clone(&open));
                counts.0.fetch_add(1, Ordering::SeqCst);
                counts.1.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                let tls = tls.clone();
                all.spawn(async move {
                    let service = service_fn(move |request| {
                        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                        async move { Ok::<_, Infallible>(answer(request, &*script, &seen).await) }
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    match tls {
                        None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(server.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                    counts.1.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, seen, connections, open, accept: Arc::new(accept.abort_handle()) }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }

    pub(crate) fn saw(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method() == method).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(std::sync::atomic::Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Closes the listener and all connections.
    pub(crate) fn stop(&self) {
        self.accept.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    script: &Script,
    seen: &Mutex<Vec<Seen>>,
) -> Response<http_body_util::combinators::BoxBody<Bytes, std::io::Error>> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let this = Seen {
        verb: parts.method.to_string(),
        path: parts.uri.to_string(),
        head: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    };
    seen.lock().expect("lock").push(this.clone());
    let reply = script(this);
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).expect("status"));
    for (name, value) in reply.head {
        response = response.header(name, value);
    }
    let body = match reply.body {
        Answering::Whole(bytes) => http_body_util::Full::new(bytes).map_err(|never| match never {}).boxed(),
        Answering::Pieces(from) => Pieces(from).boxed(),
        Answering::Hang => std::future::pending().await,
    };
    response.body(body).expect("response")
}

struct Pieces(mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
