//! Where a server is, and how it is reached: TCP, or TLS with the platform's roots and an extra CA.
//! *Never* follows a redirect to somewhere else.

use std::io::{self, IoSlice};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// One server's address.
pub(super) struct Target {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The `Host` header.
    pub(super) authority: HeaderValue,
    /// The path and query, as requests carry it.
    pub(super) path: Uri,
    /// How long an unused connection is kept.
    pub(super) idle: Duration,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({}:{})", self.host, self.port)
    }
}

impl Target {
    /// Reads an `http:` or `https:` URL; reads the extra CA's file.
    pub(super) fn new(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|why| format!("`url` is not a URL: {why}"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err("`url` must begin with http:// or https://".to_owned()),
        };
        let host = uri.host().ok_or("`url` names no host")?.to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let authority = match uri.port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).map_err(|why| why.to_string())?;
            Some((connector(ca)?, name))
        } else {
            None
        };
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Self {
            host,
            port,
            tls,
            authority: HeaderValue::try_from(authority).map_err(|why| why.to_string())?,
            path: path.parse().map_err(|why: http::uri::InvalidUri| why.to_string())?,
            // Common servers close after 5 s (Node, uvicorn) or, behind a load balancer, after 60 s. A connection that is closed
            // just as we write loses a call that may have run, so ours ends first.
            idle: Duration::from_secs(if secure { 30 } else { 4 }),
        })
    }

    /// Connects.
    pub(super) async fn dial(&self) -> Result<Io, String> {
        match tokio::time::timeout(CONNECT, self.connect()).await {
            Ok(Ok(io)) => Ok(io),
            Ok(Err(why)) => Err(format!("cannot connect to {}:{}: {why}", self.host, self.port)),
            Err(_elapsed) => Err(format!("cannot connect to {}:{} within 10 s", self.host, self.port)),
        }
    }

    async fn connect(&self) -> io::Result<Io> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Io::Plain(stream),
            Some((connector, name)) => Io::Tls(Box::new(connector.connect(name.clone(), stream).await?)),
        })
    }
}

fn connector(ca: Option<&Path>) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = match ca {
        None => Verifier::new(Arc::clone(&provider)),
        Some(path) => {
            let unreadable = |why| format!("cannot read `{}`: {why}", path.display());
            let roots: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
            Verifier::new_with_extra_roots(roots.map_err(unreadable)?, Arc::clone(&provider))
        }
    };
    let verifier = verifier.map_err(|why| why.to_string())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A connected stream.
#[derive(Debug)]
pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
