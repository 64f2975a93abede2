//! The pipe's one writer: messages from all requests, one line each, flushed when nothing more waits.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tollgate_mcp::line;
use tollgate_mcp::rope::Rope;

use crate::receive::legacy::Outlet;

/// How many messages may wait for a slow reader before their makers are slowed down.
const WAITING_MAX: usize = 64;

/// Where lines go. Sending to a writer that has ended does nothing.
#[derive(Clone, Debug)]
pub(super) struct Lines(mpsc::Sender<Rope>);

impl Lines {
    pub(super) async fn send(&self, message: Rope) {
        // A broken pipe ends the server by itself.
        drop(self.0.send(message).await);
    }
}

impl Outlet for Lines {
    async fn send(&self, message: Rope) {
        Self::send(self, message).await;
    }
}

/// Starts the writer. It ends when every [`Lines`] is gone, or when writing fails.
pub(super) fn spawn<W: AsyncWrite + Unpin + Send + 'static>(
    writer: W,
) -> (Lines, JoinHandle<io::Result<()>>) {
    let (sender, waiting) = mpsc::channel(WAITING_MAX);
    (Lines(sender), tokio::spawn(write(writer, waiting)))
}

async fn write<W: AsyncWrite + Unpin>(writer: W, mut waiting: mpsc::Receiver<Rope>) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    while let Some(message) = waiting.recv().await {
        for piece in line::encode(message).pieces() {
            writer.write_all(piece).await?;
        }
        if waiting.is_empty() {
            writer.flush().await?;
        }
    }
    writer.flush().await
}
