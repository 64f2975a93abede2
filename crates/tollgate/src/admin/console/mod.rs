//! The operators' console: pages at `/console`, made here, with nothing fetched from elsewhere. Who signs in with an operator's token
//! gets a session in a cookie; each form carries that session's token and comes from our own origin. *Never* takes an agent's key,
//! answers on a GET, or shows what a server or an agent said other than escaped and with hidden characters visible.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use super::Admin;
use session::Sessions;

mod assets;
mod inbox;
mod page;
mod pins;
mod question;
mod session;
mod sign;
#[cfg(test)]
mod tests;
mod text;

/// Nothing but our own files, no inline script or style, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Part of the addresses of what a browser keeps.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const HTMX_REQUEST: &str = "hx-request";

/// The pages. Those that need a session ask for it here.
pub(super) fn routes(admin: &Admin) -> Router<Admin> {
    let sessions = Arc::new(Sessions::default());
    let closed = Router::new()
        .route("/console", get(inbox::inbox))
        .route("/console/waiting", get(inbox::waiting))
        .route("/console/approvals/{id}", get(question::show))
        .route("/console/approvals/{id}/state", get(question::state))
        .route("/console/approvals/{id}/approve", post(question::approve))
        .route("/console/approvals/{id}/deny", post(question::deny))
        .route("/console/grants", get(inbox::grants))
        .route("/console/grants/{id}/revoke", post(inbox::revoke))
        .route("/console/pins", get(pins::list))
        .route("/console/pin", get(pins::show).post(pins::accept))
        .route("/console/sign-out", post(sign::leave))
        .route_layer(middleware::from_fn_with_state(admin.clone(), seated));
    Router::new()
        .route("/console/", get(|| async { see_other("/console") }))
        .route("/console/sign-in", get(sign::page).post(sign::enter))
        .route("/console/assets/{name}", get(assets::file))
        .merge(closed)
        .layer(middleware::from_fn(own_page))
        .layer(Extension(sessions))
}

/// What every answer says to the browser, and what every POST must come with.
async fn own_page(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::POST && !is_own(request.headers()) {
        (StatusCode::FORBIDDEN, "forms are taken from the console's own pages only\n").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Forms say where they come from; nobody else learns an address.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a browser says that our own page sends this: the listener has compared `Origin` with the host already, so it has to be there.
fn is_own(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        && headers.get("sec-fetch-site").is_none_or(|site| site.as_bytes() == b"same-origin")
}

/// Lets in who has a session whose key is still an operator's; shows others where to sign in.
async fn seated(
    State(admin): State<Admin>,
    Extension(sessions): Extension<Arc<Sessions>>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if let Some(seat) = sessions.seat(&admin, headers) {
        request.extensions_mut().insert(seat);
        return next.run(request).await;
    }
    let wanted = request.uri().path_and_query().map_or("/console", |place| place.as_str());
    if request.method() != Method::GET {
        return sign::ask(StatusCode::UNAUTHORIZED, "/console", Some("Your session is over: sign in again."));
    }
    if headers.contains_key(HTMX_REQUEST) {
        // The page around the part goes there.
        return (StatusCode::UNAUTHORIZED, [("hx-refresh", "true")]).into_response();
    }
    // The cookie is not sent when another site's link leads here (a chat, say): once more, from our own page.
    if headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site") {
        return sign::again(wanted);
    }
    sign::ask(StatusCode::UNAUTHORIZED, wanted, None)
}

fn see_other(place: &str) -> Response {
    let location = HeaderValue::try_from(place).unwrap_or(HeaderValue::from_static("/console"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}
