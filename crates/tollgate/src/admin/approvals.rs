//! Questions and grants over the admin API. *Never* answers on a GET.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;

use super::{Admin, refusal};
use crate::approve::inbox::{AnswerError, Decision, No, Yes};
use crate::authenticate::Operator;
use crate::store::StoreError;

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/api/v1/approvals", get(list))
        .route("/api/v1/approvals/{id}", get(show))
        .route("/api/v1/approvals/{id}/approve", post(approve))
        .route("/api/v1/approvals/{id}/deny", post(deny))
        .route("/api/v1/grants", get(grants))
        .route("/api/v1/grants/{id}/revoke", post(revoke))
}

#[derive(Debug, Deserialize)]
struct Which {
    #[serde(default)]
    all: bool,
}

async fn list(State(admin): State<Admin>, Query(which): Query<Which>) -> Response {
    match admin.gate.questions(which.all).await {
        Ok(questions) => Json(questions).into_response(),
        Err(error) => unreadable(&error),
    }
}

async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    match admin.gate.question(&id).await {
        Ok(Some(question)) => Json(question).into_response(),
        Ok(None) => refusal(StatusCode::NOT_FOUND, "there is no such question"),
        Err(error) => unreadable(&error),
    }
}

async fn approve(
    State(admin): State<Admin>,
    Extension(operator): Extension<Arc<Operator>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Option<Json<Yes>>,
) -> Response {
    let yes = body.map(|Json(yes)| yes).unwrap_or_default();
    let decision = match yes.decision(admin.gate.clock.now_ms()) {
        Ok(decision) => decision,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    answer(&admin, &id, &operator, &headers, decision).await
}

async fn deny(
    State(admin): State<Admin>,
    Extension(operator): Extension<Arc<Operator>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Option<Json<No>>,
) -> Response {
    let no = body.map(|Json(no)| no).unwrap_or_default();
    answer(&admin, &id, &operator, &headers, no.decision()).await
}

async fn answer(
    admin: &Admin,
    id: &str,
    operator: &Operator,
    headers: &HeaderMap,
    decision: Decision,
) -> Response {
    match admin.gate.answer_question(id, operator, via(headers), decision).await {
        Ok(question) => Json(question).into_response(),
        Err(error) => {
            let status = match &error {
                AnswerError::Unknown => StatusCode::NOT_FOUND,
                AnswerError::Over(_) | AnswerError::Twice | AnswerError::Differs => StatusCode::CONFLICT,
                AnswerError::NotYours(_) | AnswerError::Requester => StatusCode::FORBIDDEN,
                AnswerError::Bad(_) => StatusCode::BAD_REQUEST,
                AnswerError::Store(error) => return unreadable(error),
            };
            refusal(status, &error.to_string())
        }
    }
}

async fn grants(State(admin): State<Admin>, Query(which): Query<Which>) -> Response {
    match admin.gate.grants(which.all).await {
        Ok(grants) => Json(grants).into_response(),
        Err(error) => unreadable(&error),
    }
}

async fn revoke(
    State(admin): State<Admin>,
    Extension(operator): Extension<Arc<Operator>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    match admin.gate.revoke_grant(&id, &operator, via(&headers)).await {
        Ok(true) => Json(serde_json::json!({ "revoked": id })).into_response(),
        Ok(false) => refusal(StatusCode::NOT_FOUND, "there is no such grant, or it is revoked already"),
        Err(error) => unreadable(&error),
    }
}

/// Which of our own programs asks; told by itself, for the ledger only.
fn via(headers: &HeaderMap) -> &'static str {
    match headers.get("x-tollgate-via").and_then(|value| value.to_str().ok()) {
        Some("cli") => "cli",
        Some(_) | None => "api",
    }
}

fn unreadable(error: &StoreError) -> Response {
    tracing::error!(%error, "the inbox cannot be used");
    refusal(StatusCode::SERVICE_UNAVAILABLE, "the state cannot be read or written")
}
