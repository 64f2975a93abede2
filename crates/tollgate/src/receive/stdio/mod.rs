//! The gateway as a stdio server for one agent: newline-delimited JSON, both eras on one pipe, chosen per message.
//! *Never* opens a port; what it writes besides messages goes nowhere.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tollgate_mcp::error::{INVALID_REQUEST, RpcError};
use tollgate_mcp::line::Decoder;
use tollgate_mcp::message;

use super::Patience;
use crate::call::{Canceller, Credential, Endpoint, Handle, NotAdmitted, Peer};
use pipe::Pipe;

mod modern;
mod pipe;
mod writer;

#[cfg(test)]
mod tests;

/// What the stdio server needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The endpoint it stands for.
    pub endpoint: Endpoint,
    /// Bytes of one message.
    pub line_bytes: usize,
    /// Levels of nesting in a message's JSON.
    pub depth: usize,
    /// Requests in flight at a time.
    pub in_flight: usize,
    /// How long requests in flight may take to end after the input has ended.
    pub drain: Duration,
    /// How a legacy agent is asked.
    pub patience: Patience,
}

impl Settings {
    /// Everything by default, for `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            line_bytes: 4 * 1024 * 1024,
            depth: 64,
            in_flight: 256,
            drain: Duration::from_secs(5),
            patience: Patience::default(),
        }
    }
}

/// Why the server did not end with its input.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The credential does not open the gateway, or there is no such endpoint.
    #[error("not admitted: {0:?}")]
    NotAdmitted(NotAdmitted),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

/// Serves one agent until its input ends, `stop` fires or its output breaks; then waits for what is in flight, at most `settings.drain`.
pub async fn run<H, R, W>(
    handle: Arc<H>,
    mut reader: R,
    writer: W,
    credential: Credential,
    settings: Settings,
    stop: Canceller,
) -> Result<(), Broken>
where
    H: Handle,
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let peer = Peer { address: None, local: true };
    handle.admit(&credential, &peer, &settings.endpoint).map_err(Broken::NotAdmitted)?;
    let (lines, mut writing) = writer::spawn(writer);
    let mut decoder = Decoder::new(settings.line_bytes);
    let drain = settings.drain;
    let mut pipe = Pipe::new(handle, credential, peer, settings, lines);
    let mut chunk = vec![0; CHUNK];
    let stopped = stop.cancel();
    let ended = loop {
        let read = tokio::select! {
            read = reader.read(&mut chunk) => read,
            Some(_) = pipe.tasks.join_next() => continue,
            written = &mut writing => break flatten(written),
            () = stopped.fired() => break Ok(()),
        };
        match read {
            Ok(0) => break Ok(()),
            Ok(read) => decoder.feed(chunk.get(..read).unwrap_or_default()),
            Err(error) => break Err(error),
        }
        loop {
            match decoder.next() {
                Ok(Some(line)) => pipe.line(line).await,
                Ok(None) => break,
                Err(too_long) => {
                    let error = RpcError::new(INVALID_REQUEST, too_long.to_string());
                    pipe.lines.send(message::write_error(None, &error)).await;
                }
            }
        }
    };
    // Whoever waits gets its answer or its end; then the writer sees that nobody is left.
    let settled = tokio::time::timeout(drain, pipe.settle()).await;
    drop(pipe);
    if settled.is_ok() && !writing.is_finished() {
        let written = tokio::time::timeout(drain, &mut writing).await;
        return Ok(ended.and(written.map_or(Ok(()), flatten))?);
    }
    writing.abort();
    Ok(ended?)
}

fn flatten(written: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}
