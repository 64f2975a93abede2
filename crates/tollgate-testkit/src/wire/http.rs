use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::sse::{Event, Reader};
use crate::{Failure, Result};

/// An answer whose body has not been read. Dropped, it closes the connection: to a 2026-07-28 server, that cancels.
#[derive(Debug)]
pub struct Answer {
    response: Response<Incoming>,
    connection: Connection,
    reader: Reader,
}

#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends one request on its own connection. `url` is `http://HOST:PORT/PATH`.
pub async fn send(method: Method, url: &str, headers: &[(String, String)], body: String) -> Result<Answer> {
    let rest = url.strip_prefix("http://").ok_or_else(|| Failure::new(format!("not a http url: `{url}`")))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let stream = TcpStream::connect(host).await.map_err(|e| Failure::from(e).while_doing(url))?;
    if !stream.peer_addr()?.ip().is_loopback() {
        return Err(Failure::new(format!("`{url}` is not on loopback")));
    }
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = Connection(tokio::spawn(async move {
        // A peer that goes away shows up in the body's reader.
        drop(connection.await);
    }));
    let mut request = Request::builder().method(method).uri(format!("/{path}"));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", host);
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
    Ok(Answer { response, connection, reader: Reader::default() })
}

/// A GET's whole answer: status and text.
pub async fn get(url: &str, headers: &[(String, String)]) -> Result<(u16, String)> {
    let answer = send(Method::GET, url, headers, String::new()).await?;
    Ok((answer.status(), answer.text().await?))
}

impl Answer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    }

    /// Whether the body is a stream of events.
    pub fn is_events(&self) -> bool {
        self.header("content-type").is_some_and(|value| value.starts_with("text/event-stream"))
    }

    /// The whole body.
    pub async fn text(self) -> Result<String> {
        let Self { response, connection, .. } = self;
        let bytes = response.into_body().collect().await?.to_bytes();
        drop(connection);
        String::from_utf8(bytes.to_vec()).map_err(|e| Failure::new(e.to_string()))
    }

    /// The next event; `None` at the end of the stream.
    pub async fn event(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.reader.next_event() {
                return Ok(Some(event));
            }
            match self.response.body_mut().frame().await.transpose()? {
                Some(frame) => {
                    if let Some(data) = frame.data_ref() {
                        self.reader.feed(data);
                    }
                }
                None => return Ok(None),
            }
        }
    }
}
