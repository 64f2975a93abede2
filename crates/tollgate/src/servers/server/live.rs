//! A server that has been introduced, over whichever transport.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::super::bulletin::Bulletin;
use super::super::carrier::Carrier;
use super::super::credential::Resolve;
use super::super::held::Held;
use super::super::http::Http;
use super::super::introduction::Introduction;
use super::super::stdio::Stdio;
use super::super::{Failure, Outbound};
use crate::clock::Clock;
use crate::config;
use crate::workers::Hands;

/// What a server's parts need from outside.
#[derive(Debug)]
pub(in crate::servers) struct Room {
    pub(in crate::servers) config: Arc<config::Server>,
    pub(in crate::servers) clock: Clock,
    pub(in crate::servers) resolve: Arc<dyn Resolve>,
    pub(in crate::servers) guard: PathBuf,
    pub(in crate::servers) hands: Hands,
    pub(in crate::servers) bulletin: Arc<Bulletin>,
    /// Of all servers.
    pub(in crate::servers) held: Arc<Held>,
}

/// A server that has been introduced.
#[derive(Debug)]
pub(in crate::servers) enum Live {
    Http(Http),
    /// A process, or an event stream and its POSTs: one channel for all messages.
    Stdio(Stdio),
}

impl Live {
    pub(in crate::servers) fn introduction(&self) -> &Arc<Introduction> {
        match self {
            Self::Http(http) => http.introduction(),
            Self::Stdio(stdio) => stdio.introduction(),
        }
    }

    /// Opens one request: its id and what carries it.
    pub(in crate::servers) async fn open(&self, outbound: &Outbound) -> Result<(u64, Carrier), Failure> {
        match self {
            Self::Http(http) => {
                let id = http.wire.mint();
                Ok((id, Carrier::Http(http.open(id, outbound).await?)))
            }
            Self::Stdio(stdio) => {
                let (id, call) = stdio.open(outbound).await?;
                Ok((id, Carrier::Pipe(call)))
            }
        }
    }

    pub(super) async fn lost(&self) -> String {
        match self {
            Self::Http(http) => http.lost().await,
            Self::Stdio(stdio) => stdio.lost().await,
        }
    }

    /// Whether it was started with a credential that is another one now.
    pub(super) fn is_outdated(&self, room: &Room) -> bool {
        match self {
            Self::Http(http) => http.wire.is_outdated(room),
            Self::Stdio(stdio) => stdio.is_outdated(),
        }
    }

    /// Whether a call has to wait for [`Self::settled`].
    pub(super) fn is_doubted(&self) -> bool {
        match self {
            Self::Http(http) => http.is_doubted(),
            Self::Stdio(_) => false,
        }
    }

    /// Waits for the verdict on a server that may have become another one.
    pub(super) async fn settled(&self) {
        match self {
            Self::Http(http) => http.settled().await,
            Self::Stdio(_) => {}
        }
    }

    /// Whether it is known to be lost, even if its supervisor has not come to that yet.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Http(http) => http.is_over(),
            Self::Stdio(stdio) => stdio.is_over(),
        }
    }

    /// Moves when what was subscribed has to be subscribed again; `None` = never.
    pub(super) fn renewals(&self) -> Option<watch::Receiver<u64>> {
        match self {
            Self::Http(http) => Some(http.wire.renewed.subscribe()),
            Self::Stdio(_) => None,
        }
    }

    pub(super) async fn reap(&self) {
        match self {
            Self::Http(http) => http.reap().await,
            Self::Stdio(stdio) => stdio.reap(),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Http(http) => http.close().await,
            Self::Stdio(stdio) => stdio.close().await,
        }
    }
}
