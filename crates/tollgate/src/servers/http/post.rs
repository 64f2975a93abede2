//! One POST to somebody who is no MCP server, on a connection of its own. *Never* follows a redirect or reads the answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::dial::Target;

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts JSON; the answer's status, or why there is none.
pub async fn post_json(
    url: &str,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
) -> Result<u16, String> {
    let posted = async {
        let target = Target::new(url, None)?;
        let io = TokioIo::new(target.dial().await?);
        let (mut sender, connection) = http1::handshake(io).await.map_err(|why| why.to_string())?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(Method::POST).uri(target.path.clone());
        request = request.header(HOST, target.authority.clone()).header(CONTENT_TYPE, "application/json");
        request = request.header(CONTENT_LENGTH, body.len());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|why| why.to_string())?;
        let status = sender.send_request(request).await.map(|response| response.status().as_u16());
        driver.abort();
        status.map_err(|why| why.to_string())
    };
    match tokio::time::timeout(PATIENCE, posted).await {
        Ok(done) => done,
        Err(_elapsed) => Err("no answer within 10 s".to_owned()),
    }
}
