//! Finding out what an HTTP server is: the probe of `protocol.md` §1.12.

use std::sync::Arc;

use bytes::Bytes;
use http::Method as Verb;
use tollgate_mcp::message::{self, Id, Message, Outcome};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::sse;

use super::body::Body;
use super::call::is_stream;
use super::session::Sessions;
use super::{Http, Wire, head};
use crate::servers::introduction::{self, Finding, Introduction};
use crate::servers::params::{self, Stamp};
use crate::servers::{Failure, nobody};

/// A probe's answer is read no further.
const PROBE_MAX: usize = 1024 * 1024;

impl Http {
    /// Probes the server, or goes the way that `era` remembers. Nothing inconclusive is remembered.
    pub(in crate::servers) async fn connect(wire: Arc<Wire>, era: &mut Option<Era>) -> Result<Self, String> {
        if era.take() == Some(Era::Legacy) {
            match greet(&wire).await {
                Ok((sessions, introduction)) => {
                    *era = Some(Era::Legacy);
                    return Ok(Self { wire, introduction: Arc::new(introduction), sessions: Some(sessions) });
                }
                // It was reached, and is not what it was.
                Err(_) if wire.lost.borrow().is_none() => {}
                Err(why) => return Err(why),
            }
        }
        // Whatever fails from here on is a reason to probe anew next time.
        let (sessions, introduction) = match discover(&wire).await {
            Finding::Modern(introduction) => (None, introduction),
            Finding::Legacy => {
                let (sessions, introduction) = greet(&wire).await?;
                (Some(sessions), introduction)
            }
            Finding::Unfit(why) | Finding::Inconclusive(why) => return Err(why),
        };
        *era = Some(introduction.revision.era());
        Ok(Self { wire, introduction: Arc::new(introduction), sessions })
    }
}

async fn greet(wire: &Arc<Wire>) -> Result<(Arc<Sessions>, Introduction), String> {
    Sessions::open(wire).await.map_err(|failure| match failure {
        Failure::Unavailable { why, .. } => why,
        Failure::Timeout { .. } | Failure::NoRoom { .. } | Failure::TooLarge { .. } => failure.to_string(),
    })
}

async fn discover(wire: &Arc<Wire>) -> Finding {
    match probe(wire).await {
        Ok((status, outcome)) => introduction::over_http(status, outcome.as_ref()),
        Err(why) => Finding::Inconclusive(why),
    }
}

/// Sends `server/discover`: the HTTP status, and the JSON-RPC outcome where there was one.
async fn probe(wire: &Arc<Wire>) -> Result<(u16, Option<Outcome>), String> {
    let client = nobody();
    let stamp = Stamp {
        revision: Revision::V2026_07_28,
        client: &client,
        declare: true,
        progress: None,
        log_level: None,
    };
    let params = params::outbound(Method::Discover, &Object::empty(), stamp);
    let mut head = wire.post_head();
    head::modern(&mut head, Method::Discover, &Object::empty(), &[])?;
    let body = message::write_request(&Id::number(wire.mint()), Method::Discover.as_str(), params);
    let mut flight = wire.start(Verb::POST, head, Body::new(body)).await.map_err(|broken| broken.why)?;
    let parts = flight.head().await.map_err(|broken| broken.why)?;
    let status = parts.status.as_u16();
    let mut decoder = is_stream(&parts.headers).then(|| sse::Decoder::new(PROBE_MAX));
    let mut text = Vec::new();
    while let Some(chunk) = flight.chunk().await.map_err(|broken| broken.why)? {
        match &mut decoder {
            None => text.extend_from_slice(&chunk),
            Some(decoder) => {
                decoder.feed(chunk);
                while let Some(event) = decoder.next().map_err(|why| why.to_string())? {
                    if let Some(outcome) = outcome(&event.data) {
                        return Ok((status, Some(outcome)));
                    }
                }
            }
        }
        if text.len() > PROBE_MAX {
            return Err("its answer to `server/discover` is too large".to_owned());
        }
    }
    Ok((status, outcome(&Bytes::from(text))))
}

fn outcome(text: &Bytes) -> Option<Outcome> {
    match message::read_server(text).ok()? {
        Message::Response(response) => Some(response.outcome),
        Message::Request(_) | Message::Notification(_) => None,
    }
}

impl Http {
    /// Asks the server once more what it is: whether that is another era than it was found to be of.
    pub(super) async fn is_another(&self) -> bool {
        let found = tokio::time::timeout(self.wire.timeout.start, discover(&self.wire)).await;
        match (found, self.introduction.revision.era()) {
            (Ok(Finding::Modern(_)), Era::Legacy) | (Ok(Finding::Legacy), Era::Modern) => true,
            // It is what it was; or nothing is known of it, and nothing is changed.
            (Ok(Finding::Modern(_)), Era::Modern)
            | (Ok(Finding::Legacy), Era::Legacy)
            | (Ok(Finding::Unfit(_) | Finding::Inconclusive(_)) | Err(_), _) => false,
        }
    }

    /// What it said of itself.
    pub(in crate::servers) fn introduction(&self) -> &Arc<Introduction> {
        &self.introduction
    }
}
