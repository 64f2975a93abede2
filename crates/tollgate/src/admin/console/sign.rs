//! Signing in and out. *Never* says why a key is not an operator's.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::super::{Admin, public_authority};
use super::page::html;
use super::see_other;
use super::session::{LASTS_MS, Posted, Sessions, cookie_name};

#[derive(Template)]
#[template(path = "console/sign-in.html")]
struct SignIn<'a> {
    next: &'a str,
    error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "console/again.html")]
struct Again<'a> {
    next: &'a str,
}

pub(super) async fn page(Query(query): Query<HashMap<String, String>>) -> Response {
    ask(StatusCode::OK, query.get("next").map_or("/console", |next| own_place(next)), None)
}

/// The form, and what was wrong.
pub(super) fn ask(status: StatusCode, next: &str, error: Option<&str>) -> Response {
    html(status, &SignIn { next, error })
}

/// A page that goes where it was to go, this time from our own origin.
pub(super) fn again(next: &str) -> Response {
    html(StatusCode::OK, &Again { next })
}

pub(super) async fn enter(
    State(admin): State<Admin>,
    Extension(sessions): Extension<Arc<Sessions>>,
    headers: HeaderMap,
    Form(fields): Form<HashMap<String, String>>,
) -> Response {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let next = own_place(field("next"));
    match sessions.enter(&admin, field("key").trim().to_owned()) {
        Ok(Some(cookie)) => {
            let mut response = see_other(next);
            set(&admin, &headers, &mut response, &cookie, LASTS_MS / 1000);
            response
        }
        Ok(None) => ask(
            StatusCode::UNAUTHORIZED,
            next,
            Some("This is no operator's key. An agent's key does not open the console."),
        ),
        Err(error) => {
            tracing::error!(%error, "a session could not be made");
            ask(StatusCode::SERVICE_UNAVAILABLE, next, Some("No session could be made. Try again."))
        }
    }
}

pub(super) async fn leave(
    State(admin): State<Admin>,
    Extension(sessions): Extension<Arc<Sessions>>,
    headers: HeaderMap,
    _posted: Posted,
) -> Response {
    sessions.leave(&headers);
    let mut response = see_other("/console/sign-in");
    set(&admin, &headers, &mut response, "", 0);
    response
}

/// A place of the console; anything else is its front page.
fn own_place(place: &str) -> &str {
    let inside = place.strip_prefix("/console");
    let good = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    if good { place } else { "/console" }
}

fn set(admin: &Admin, headers: &HeaderMap, response: &mut Response, value: &str, seconds: u64) {
    let config = admin.gate.config.load();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let behind_tls = config.admin_url.as_deref().is_some_and(|url| {
        url.starts_with("https://") && public_authority(url).is_some_and(|a| a.eq_ignore_ascii_case(host))
    });
    let secure = if behind_tls { "; Secure" } else { "" };
    let name = cookie_name(headers);
    let text = format!("{name}={value}; Path=/console; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    if let Ok(cookie) = HeaderValue::try_from(text) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
