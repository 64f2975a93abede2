//! The operators' listener: health, metrics, the admin API and the console. Every path but `/healthz` and `/readyz` needs the operator's
//! token, or a session that began with it.
//! *Never* takes a command or a URL to run from a request, and never takes an agent's credential.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpListener;

use crate::authenticate;
use crate::call::{Credential, Endpoint};
use crate::inspect::Around;
use crate::path::Gate;
use crate::secret::Secret;

mod approvals;
mod console;
mod metrics;
mod pins;
mod reply;
#[cfg(test)]
mod tests;

/// What the admin listener serves.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The gate.
    pub gate: Arc<Gate>,
}

/// Serves until `stop` is true; returns the bound address at once.
pub async fn serve(
    listen: SocketAddr,
    admin: Admin,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let bound = listener.local_addr()?;
    let open =
        Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).merge(reply::routes());
    let closed = Router::new()
        .route("/metrics", get(metrics::page))
        .route("/api/v1/servers", get(servers))
        .route("/api/v1/tools", get(tools))
        .route("/api/v1/call", post(call))
        .merge(approvals::routes())
        .route("/api/v1/pins", get(pins::list))
        .route("/api/v1/pins/accept", post(pins::accept))
        .route("/api/v1/pins/forget", post(pins::forget))
        .route("/api/v1/explain", post(explain))
        .route("/api/v1/openapi.json", get(openapi))
        .route_layer(middleware::from_fn_with_state(admin.clone(), guarded));
    let app = open
        .merge(closed)
        .merge(console::routes(&admin))
        .layer(middleware::from_fn_with_state(admin.clone(), own_host))
        .with_state(admin);
    tokio::spawn(async move {
        let stopped = async move {
            // An ended sender stops it too.
            drop(stop.wait_for(|s| *s).await);
        };
        if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the admin listener ended");
        }
    });
    Ok(bound)
}

/// Another site's page must not reach an operator's loopback port under a name of its own (DNS rebinding): the `Host` is an address,
/// `localhost`, or the configured public name, and no browser's cross-origin request passes.
async fn own_host(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let config = admin.gate.config.load_full();
    let public = config.admin_url.as_deref().and_then(public_authority);
    // Our own pages' forms name their origin: the address they were served at.
    let own_origin = |origin: &str| {
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        authority.is_some_and(|a| {
            a.eq_ignore_ascii_case(host) || public.is_some_and(|p| a.eq_ignore_ascii_case(p))
        })
    };
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    if !origins.all(|origin| origin.to_str().is_ok_and(own_origin)) {
        return refusal(StatusCode::FORBIDDEN, "cross-origin requests are refused");
    }
    let name =
        host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let ours = config.hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
        || public.is_some_and(|p| p.eq_ignore_ascii_case(host));
    if !(ours || name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()) {
        return refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "this host name is not served here; add it to `allow.hosts`",
        );
    }
    next.run(request).await
}

/// Host and port of the public URL.
fn public_authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    Some(rest.split_once('/').map_or(rest, |(authority, _)| authority))
}

async fn guarded(State(admin): State<Admin>, mut request: Request, next: Next) -> Response {
    let mut presented = request.headers().get_all(header::AUTHORIZATION).iter();
    let credential = match (presented.next(), presented.next()) {
        (None, _) => Credential::None,
        (Some(value), None) => match value.to_str().ok().and_then(|v| v.strip_prefix("Bearer ")) {
            Some(token) => Credential::Bearer(Secret::new(token.to_owned())),
            None => Credential::Unreadable,
        },
        (Some(_), Some(_)) => Credential::Unreadable,
    };
    match authenticate::operator(&admin.gate.keys.load(), &credential) {
        Ok(operator) => {
            request.extensions_mut().insert(operator);
            next.run(request).await
        }
        Err(_) => {
            refusal(StatusCode::UNAUTHORIZED, "an operator's token is needed; see STATE/operator.token")
        }
    }
}

async fn healthz(State(admin): State<Admin>) -> Response {
    if admin.gate.ledger.is_writable() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be written\n").into_response()
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    if admin.gate.is_ready() {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "servers are still starting\n").into_response()
    }
}

async fn servers(State(admin): State<Admin>) -> Response {
    Json(admin.gate.server_states()).into_response()
}

#[derive(Debug, Deserialize)]
struct AsAgent {
    #[serde(rename = "as")]
    agent: Option<String>,
    view: Option<String>,
}

async fn tools(State(admin): State<Admin>, Query(query): Query<AsAgent>) -> Response {
    let agent = query.agent.as_deref().unwrap_or("local");
    let Some(caller) = admin.gate.keys.load().named(agent) else {
        return refusal(StatusCode::NOT_FOUND, &format!("there is no agent `{agent}`"));
    };
    let endpoint = query.view.map_or(Endpoint::Whole, |view| Endpoint::View(Arc::from(view)));
    Json(admin.gate.tool_states(&caller, &endpoint).await).into_response()
}

#[derive(Debug, Deserialize, Serialize)]
struct CallRequest {
    tool: String,
    args: Box<RawValue>,
    #[serde(rename = "as")]
    agent: Option<String>,
    reason: Option<String>,
}

async fn call(State(admin): State<Admin>, Json(request): Json<CallRequest>) -> Response {
    let agent = request.agent.as_deref().unwrap_or("local");
    let Some(caller) = admin.gate.keys.load().named(agent) else {
        return refusal(StatusCode::NOT_FOUND, &format!("there is no agent `{agent}`"));
    };
    match admin.gate.call_once(caller, &request.tool, &request.args, request.reason.as_deref()).await {
        Ok(outcome) => Json(outcome).into_response(),
        Err(why) => refusal(StatusCode::BAD_REQUEST, &why),
    }
}

#[derive(Debug, Deserialize)]
struct ExplainRequest {
    tool: String,
    args: Box<RawValue>,
    #[serde(rename = "as")]
    agent: Option<String>,
    #[serde(default)]
    around: Around,
}

async fn explain(State(admin): State<Admin>, Json(request): Json<ExplainRequest>) -> Response {
    let agent = request.agent.as_deref().unwrap_or("local");
    let Some(caller) = admin.gate.keys.load().named(agent) else {
        return refusal(StatusCode::NOT_FOUND, &format!("there is no agent `{agent}`"));
    };
    match admin.gate.explain(&caller, &request.tool, &request.args, &request.around).await {
        Ok(explained) => Json(explained).into_response(),
        Err(why) => refusal(StatusCode::BAD_REQUEST, &why),
    }
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(serde_json::json!({ "error": why }))).into_response()
}
