//! A stream that stands for hours, with nothing on it for most of them. hyper keeps 16 KiB of buffers for each connection; so once such a
//! stream's head is due, its connection is taken from hyper and written here, in chunks, until it ends, and then closed.
//! *Never* reads a request: what a peer sends on it is for nobody.

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::Body as _;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::body::Body;

/// Writes the whole answer; dropping its body, if the peer goes.
pub(super) async fn write(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    response: Response<Body>,
    now_ms: u64,
) {
    // A peer that is gone has nobody left to tell.
    drop(stream(&mut io, response, now_ms).await);
    drop(io.shutdown().await);
}

async fn stream(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    response: Response<Body>,
    now_ms: u64,
) -> io::Result<()> {
    let (parts, mut body) = response.into_parts();
    io.write_all(&head(&parts, now_ms)?).await?;
    drop(parts);
    let mut deaf = false;
    while let Some(chunk) = poll_fn(|cx| poll_next(cx, io, &mut body, &mut deaf)).await? {
        // An empty chunk would be the last one.
        if !chunk.is_empty() {
            io.write_all(&framed(&chunk)?).await?;
        }
    }
    io.write_all(b"0\r\n\r\n").await
}

/// The status line and the headers, as hyper writes them.
fn head(parts: &http::response::Parts, now_ms: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(512);
    write!(head, "HTTP/1.1 {}\r\n", parts.status)?;
    for (name, value) in &parts.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let seconds = i64::try_from(now_ms / 1_000).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let imf = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    if let Ok(date) = date.format(&imf) {
        write!(head, "date: {date}\r\n")?;
    }
    head.extend_from_slice(b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    Ok(head)
}

fn framed(chunk: &Bytes) -> io::Result<Vec<u8>> {
    let mut framed = Vec::with_capacity(chunk.len().saturating_add(16));
    write!(framed, "{:x}\r\n", chunk.len())?;
    framed.extend_from_slice(chunk);
    framed.extend_from_slice(b"\r\n");
    Ok(framed)
}

/// The next chunk; `None` at the end of the body. An error if the peer goes.
fn poll_next(
    cx: &mut Context<'_>,
    io: &mut (impl AsyncRead + Unpin),
    body: &mut Body,
    deaf: &mut bool,
) -> Poll<io::Result<Option<Bytes>>> {
    match Pin::new(body).poll_frame(cx) {
        Poll::Ready(Some(Ok(frame))) => {
            return Poll::Ready(Ok(Some(frame.into_data().unwrap_or_default())));
        }
        Poll::Ready(Some(Err(never))) => match never {},
        Poll::Ready(None) => return Poll::Ready(Ok(None)),
        Poll::Pending => {}
    }
    if !*deaf {
        let mut space = [0; 32];
        let mut read = ReadBuf::new(&mut space);
        match Pin::new(io).poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) if read.filled().is_empty() => {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            // Nothing can be asked here. From now on its end shows when something is written.
            Poll::Ready(Ok(())) => *deaf = true,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {}
        }
    }
    Poll::Pending
}
