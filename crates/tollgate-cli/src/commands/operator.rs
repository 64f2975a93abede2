//! The admin API of a running gateway, for the commands that use it.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tollgate::authenticate::read_operator_token;
use tollgate::config::Config;
use tollgate::gateway::ABOUT;
use tollgate::secret::Secret;

use crate::stop::Stop;

/// The most that an answer may hold, in bytes.
const LIMIT: usize = 64 * 1024 * 1024;

/// A running gateway.
pub(super) struct Running {
    admin: String,
    token: Secret<String>,
}

#[derive(Deserialize)]
struct About {
    admin: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Running {
    /// The gateway that runs on this state directory, if one answers.
    pub(super) async fn find(config: &Config) -> Option<Self> {
        let about = std::fs::read(config.state.join(ABOUT)).ok()?;
        let about: About = serde_json::from_slice(&about).ok()?;
        let token = read_operator_token(&config.state).ok()?;
        let running = Self { admin: about.admin, token };
        running.send(Method::GET, "/healthz", Bytes::new()).await.ok()?;
        Some(running)
    }

    /// Reads a path.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Stop> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Posts JSON to a path.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: Bytes) -> Result<T, Stop> {
        self.ask(Method::POST, path, body).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, Stop> {
        let (status, text) = self.send(method, path, body).await.map_err(|e| {
            Stop::failed(format!("the running gateway at {} does not answer: {e}", self.admin))
        })?;
        if status != 200 {
            let why = serde_json::from_slice::<Refusal>(&text)
                .map_or_else(|_| format!("status {status}"), |r| r.error);
            return Err(Stop::failed(why));
        }
        serde_json::from_slice(&text)
            .map_err(|e| Stop::failed(format!("the running gateway answers oddly: {e}")))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = tokio::net::TcpStream::connect(&self.admin).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.admin)
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .header("content-type", "application/json")
            .header("x-tollgate-via", "cli")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let text = Limited::new(response.into_body(), LIMIT).collect().await?.to_bytes();
        driver.abort();
        Ok((status, text))
    }
}
