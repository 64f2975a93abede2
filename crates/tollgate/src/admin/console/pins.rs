//! Tools whose definitions changed: what differs, and the button that accepts exactly what was looked at.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::super::Admin;
use super::page::{Frame, html, notice, unreadable};
use super::see_other;
use super::session::{Posted, Seat};
use super::text::{apart, seen, span};
use crate::catalog::{Finding, PinState};

#[derive(Template)]
#[template(path = "console/pins.html")]
struct List {
    frame: Frame,
    held: Vec<Held>,
    pinned: usize,
}

#[derive(Template)]
#[template(path = "console/pin.html")]
struct One {
    frame: Frame,
    tool: String,
    held: Vec<Held>,
}

/// A tool whose definition waits.
struct Held {
    /// As the API names it.
    of: String,
    tool: String,
    since: String,
    digest: String,
    places: Vec<Place>,
    findings: Vec<Finding>,
    accepted_by: String,
    accepted: String,
}

/// One place that differs.
struct Place {
    path: String,
    before: Option<(String, String, String)>,
    after: Option<(String, String, String)>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    of: String,
}

pub(super) async fn list(State(admin): State<Admin>, Extension(seat): Extension<Seat>) -> Response {
    match pins(&admin, None).await {
        Ok(pins) => {
            let held: Vec<Held> = pins.iter().filter_map(|pin| held(&admin, pin)).collect();
            let pinned = pins.len().saturating_sub(held.len());
            html(StatusCode::OK, &List { frame: Frame::new(&seat, "pins"), held, pinned })
        }
        Err(error) => unreadable(&error),
    }
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Extension(seat): Extension<Seat>,
    Query(which): Query<Which>,
) -> Response {
    one(&admin, &seat, &which.of, StatusCode::OK, None).await
}

pub(super) async fn accept(State(admin): State<Admin>, posted: Posted) -> Response {
    let (of, digest) = (posted.field("of").to_owned(), posted.field("digest").to_owned());
    if !of.contains('/') || digest.len() != 64 {
        return notice(StatusCode::BAD_REQUEST, "That form was not taken", "It names no definition.");
    }
    let by = posted.seat.operator.name.to_string();
    let catalog = Arc::clone(&admin.gate.catalog);
    let wanted = of.clone();
    let done = tokio::task::spawn_blocking(move || catalog.accept(&wanted, &digest, &by)).await;
    match done {
        Ok(Ok(accepted)) if accepted.is_empty() => {
            let why = "the definition changed again, or somebody has accepted it; nothing was accepted now";
            one(&admin, &posted.seat, &of, StatusCode::CONFLICT, Some(why.to_owned())).await
        }
        Ok(Ok(_)) => see_other("/console/pins"),
        Ok(Err(error)) => unreadable(&error),
        Err(error) => unreadable(&error),
    }
}

async fn one(admin: &Admin, seat: &Seat, of: &str, status: StatusCode, error: Option<String>) -> Response {
    let found = match pins(admin, Some(of.to_owned())).await {
        Ok(found) => found,
        Err(error) => return unreadable(&error),
    };
    if found.is_empty() || !of.contains('/') {
        return notice(StatusCode::NOT_FOUND, "There is no such tool", "No pin has this name.");
    }
    let frame = Frame { error, ..Frame::new(seat, "pins") };
    let held = found.iter().filter_map(|pin| held(admin, pin)).collect();
    html(status, &One { frame, tool: seen(of), held })
}

async fn pins(admin: &Admin, only: Option<String>) -> Result<Vec<PinState>, String> {
    let catalog = Arc::clone(&admin.gate.catalog);
    let read = tokio::task::spawn_blocking(move || catalog.pins(only.as_deref())).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
}

fn held(admin: &Admin, pin: &PinState) -> Option<Held> {
    let now = admin.gate.clock.now_ms();
    let waiting = pin.waiting.as_ref()?;
    let places = waiting.changes.iter().map(|change| {
        let (before, after) = match (change.before.as_deref(), change.after.as_deref()) {
            (Some(before), Some(after)) => {
                let (head, old, new, tail) = apart(before, after);
                (Some((head.clone(), old, tail.clone())), Some((head, new, tail)))
            }
            (before, after) => {
                let whole = |text: &str| (String::new(), text.to_owned(), String::new());
                (before.map(whole), after.map(whole))
            }
        };
        Place { path: change.path.clone(), before, after }
    });
    Some(Held {
        of: pin.tool.clone(),
        tool: seen(&pin.tool),
        since: span(now.saturating_sub(waiting.since_ms)),
        digest: waiting.digest.clone(),
        places: places.collect(),
        findings: pin.findings.clone(),
        accepted_by: seen(&pin.by),
        accepted: span(now.saturating_sub(pin.since_ms)),
    })
}
