//! What all pages share.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::session::Seat;

/// The frame around a signed-in page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The operator's name.
    pub(super) operator: String,
    /// The session's token, for its forms.
    pub(super) token: String,
    /// Which entry of the menu it is: `inbox`, `grants`, `pins`.
    pub(super) place: &'static str,
    /// What happened, or went wrong: a sentence.
    pub(super) error: Option<String>,
}

impl Frame {
    pub(super) fn new(seat: &Seat, place: &'static str) -> Self {
        Self { operator: seat.operator.name.to_string(), token: seat.token.to_string(), place, error: None }
    }

    pub(super) fn with_error(self, error: String) -> Self {
        Self { error: Some(error), ..self }
    }
}

#[derive(Template)]
#[template(path = "console/notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
}

/// A page as an answer.
pub(super) fn html<T: Template>(status: StatusCode, page: &T) -> Response {
    match page.render() {
        Ok(text) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be written\n").into_response()
        }
    }
}

/// A page that only says something.
pub(super) fn notice(status: StatusCode, title: &str, text: &str) -> Response {
    html(status, &Notice { title, text })
}

/// The state could not be read or written.
pub(super) fn unreadable(error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "the console cannot read the state");
    notice(
        StatusCode::SERVICE_UNAVAILABLE,
        "The state cannot be read or written",
        "The gateway's log says why. Nothing was approved, denied or accepted.",
    )
}
