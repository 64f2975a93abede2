//! Why there is no room for another session, whatever its transport.

use http::{Response, StatusCode};

use super::body::Body;
use super::reply;

/// Why there is no new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// This principal has as many as it may, all in use.
    Principal,
    /// There are too many altogether.
    All,
    /// No randomness for an id.
    NoId,
}

impl Full {
    /// The answer; `what` is full: `session`, `stream`.
    pub(super) fn refuse(self, what: &str) -> Response<Body> {
        match self {
            Self::Principal => reply::too_many(&format!("too many {what}s of this agent are in use")),
            Self::All | Self::NoId => {
                let error = format!("no room for a new {what}");
                reply::retry_after(reply::refuse(StatusCode::SERVICE_UNAVAILABLE, &error, "try again soon"))
            }
        }
    }
}
