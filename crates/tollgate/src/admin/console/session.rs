//! Who is signed in. *Never* keeps a key or a cookie's value: only digests of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Form, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use super::super::Admin;
use super::page;
use crate::authenticate::{self, Operator};
use crate::secret::{Secret, hex, random};

/// How long a session lasts: a working day.
pub(super) const LASTS_MS: u64 = 12 * 3_600_000;

/// The most sessions; the oldest gives way.
const SESSIONS_MAX: usize = 256;

/// The sessions of this process: they end with it.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By the SHA-256 of the cookie's value.
    all: Mutex<HashMap<[u8; 32], Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    /// The SHA-256 of the key that signed in: a revoked key ends its sessions.
    key: [u8; 32],
    token: Arc<str>,
    until_ms: u64,
}

/// Who sits at the console.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// The operator.
    pub(super) operator: Arc<Operator>,
    /// What each form of this session carries.
    pub(super) token: Arc<str>,
}

impl Sessions {
    /// Signs in with an operator's key; the cookie's value. `None`: it is no operator's key.
    pub(super) fn enter(&self, admin: &Admin, key: String) -> std::io::Result<Option<String>> {
        let keys = admin.gate.keys.load();
        let Some(key) = authenticate::operator_mark(&keys, &Secret::new(key)) else { return Ok(None) };
        let cookie = hex::encode(&random::<32>()?);
        let token = Arc::from(hex::encode(&random::<32>()?));
        let now = admin.gate.clock.now_ms();
        let mut all = self.lock();
        all.retain(|_, session| session.until_ms > now);
        if all.len() >= SESSIONS_MAX {
            let oldest = all.iter().min_by_key(|(_, session)| session.until_ms).map(|(id, _)| *id);
            oldest.and_then(|id| all.remove(&id));
        }
        all.insert(digest(&cookie), Session { key, token, until_ms: now.saturating_add(LASTS_MS) });
        Ok(Some(cookie))
    }

    /// Who presents a session's cookie.
    pub(super) fn seat(&self, admin: &Admin, headers: &HeaderMap) -> Option<Seat> {
        let id = digest(cookie(headers)?);
        let session = self.lock().get(&id).cloned()?;
        let operator = authenticate::operator_marked(&admin.gate.keys.load(), &session.key);
        if let Some(operator) = operator.filter(|_| session.until_ms > admin.gate.clock.now_ms()) {
            return Some(Seat { operator, token: session.token });
        }
        self.lock().remove(&id);
        None
    }

    /// Ends a session.
    pub(super) fn leave(&self, headers: &HeaderMap) {
        if let Some(cookie) = cookie(headers) {
            self.lock().remove(&digest(cookie));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cookie's name. Cookies don't know ports: two gateways on one host have two names.
pub(super) fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
    port.map_or_else(|| "tollgate".to_owned(), |port| format!("tollgate_{port}"))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let name = cookie_name(headers);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name.as_str())?.strip_prefix('='))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A form of this session: its fields are reached through the token's check only.
#[derive(Debug)]
pub(super) struct Posted {
    /// Who sends it.
    pub(super) seat: Seat,
    fields: HashMap<String, String>,
}

impl Posted {
    /// A field's text; empty where it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl FromRequest<Admin> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, admin: &Admin) -> Result<Self, Response> {
        let refused = |status, why: &str| page::notice(status, "That form was not taken", why);
        let Some(seat) = request.extensions().get::<Seat>().cloned() else {
            return Err(refused(StatusCode::UNAUTHORIZED, "Sign in first."));
        };
        let Ok(Form(fields)) = Form::<HashMap<String, String>>::from_request(request, admin).await else {
            return Err(refused(StatusCode::BAD_REQUEST, "It could not be read."));
        };
        // Of digests, so that the time it takes says nothing.
        let given = fields.get("token").map(String::as_str).unwrap_or_default();
        if digest(given) != digest(&seat.token) {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "It came from a page of another session. Load the page anew and try again.",
            ));
        }
        Ok(Self { seat, fields })
    }
}
