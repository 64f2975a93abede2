//! The pinned tools: what is accepted, what waits, how they differ.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;

use super::{Admin, refusal};
use crate::authenticate;
use crate::call::Credential;
use crate::secret::Secret;

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    /// `SERVER` or `SERVER/TOOL`.
    of: Option<String>,
    /// `changed`: only what waits.
    state: Option<String>,
}

pub(super) async fn list(State(admin): State<Admin>, Query(which): Query<Which>) -> Response {
    let catalog = Arc::clone(&admin.gate.catalog);
    let Which { of, state } = which;
    let told = tokio::task::spawn_blocking(move || catalog.pins(of.as_deref())).await;
    match told {
        Ok(Ok(mut pins)) => {
            pins.retain(|pin| state.as_ref().is_none_or(|state| pin.state == *state));
            Json(pins).into_response()
        }
        Ok(Err(why)) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &why),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the pins could not be read"),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Acceptance {
    /// `SERVER` or `SERVER/TOOL`.
    of: String,
    /// What was looked at: how the waiting definition's digest begins. Another one is not accepted.
    #[serde(default)]
    digest: String,
}

pub(super) async fn accept(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Json(wanted): Json<Acceptance>,
) -> Response {
    let by = operator(&admin, &headers);
    let catalog = Arc::clone(&admin.gate.catalog);
    let accept = move || catalog.accept(&wanted.of, &wanted.digest, &by);
    changed("accepted", accept, StatusCode::INTERNAL_SERVER_ERROR).await
}

#[derive(Debug, Deserialize)]
pub(super) struct Forgetting {
    /// `SERVER`.
    of: String,
}

pub(super) async fn forget(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Json(wanted): Json<Forgetting>,
) -> Response {
    let by = operator(&admin, &headers);
    let catalog = Arc::clone(&admin.gate.catalog);
    changed("forgotten", move || catalog.forget(&wanted.of, &by), StatusCode::CONFLICT).await
}

/// Changes the pins, off the threads that calls are on, and tells of which tools: `server/original`, under what was `done` to them.
async fn changed(
    done: &'static str,
    change: impl FnOnce() -> Result<Vec<String>, String> + Send + 'static,
    refused: StatusCode,
) -> Response {
    match tokio::task::spawn_blocking(change).await {
        Ok(Ok(tools)) => Json(HashMap::from([(done, tools)])).into_response(),
        Ok(Err(why)) => refusal(refused, &why),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the pins could not be written"),
    }
}

/// Who accepts: the guard before this has judged the token.
fn operator(admin: &Admin, headers: &HeaderMap) -> String {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    let credential =
        token.map_or(Credential::None, |token| Credential::Bearer(Secret::new(token.to_owned())));
    authenticate::operator(&admin.gate.keys.load(), &credential)
        .map_or_else(|_| "operator".to_owned(), |operator| operator.name.to_string())
}
