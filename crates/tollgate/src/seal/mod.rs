//! One AEAD module for request state, cursors, session ids and task ids: each with a purpose label, key id and expiry.
//! *Never* reads a clock: the time is handed in. A token opens only for the purpose and the principal it was made for.
//!
//! A token is URL-safe base64 without padding of
//! `key id (1 byte) ‖ nonce (24) ‖ XChaCha20-Poly1305(expiry, Unix ms, big endian (8) ‖ plain) ‖ tag (16)`,
//! with `purpose ‖ 0 ‖ key id ‖ principal` as associated data. Each purpose has a cipher key and a nonce key of its own, derived
//! from the master key once, when the process starts.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

use crate::secret::{self, Mac};

const KEY_ID: usize = 1;
const NONCE: usize = 24;
const EXPIRY: usize = 8;
const TAG: usize = 16;

/// What a token is for. Part of the associated data: a cursor cannot be replayed as state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `requestState`.
    State,
    /// A list's cursor.
    Cursor,
    /// A legacy session's id.
    Session,
    /// A task's id.
    Task,
    /// A link that answers a question.
    Reply,
}

/// The token does not open: tampered, expired, another principal's or another purpose's. One message for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid or expired token")]
pub struct Unopenable;

/// Seals and opens tokens with keys derived from one master key (kept in the state directory, 0600).
pub struct Sealer {
    key_id: u8,
    state: Keys,
    cursor: Keys,
    session: Keys,
    task: Keys,
    reply: Keys,
    /// Makes two tokens of the same content differ, within a process (the count) and between processes (the salt).
    salt: [u8; 16],
    count: AtomicU64,
}

struct Keys {
    label: &'static str,
    cipher: XChaCha20Poly1305,
    nonces: Mac,
}

impl Sealer {
    /// From a 32-byte key.
    pub fn new(key: [u8; 32]) -> Self {
        let key = secret::Secret::new(key);
        let [key_id, ..] = *secret::derive(key.expose(), "tollgate seal v1: key id").expose();
        let keys = |label: &'static str| Keys {
            label,
            cipher: XChaCha20Poly1305::new(
                secret::derive(key.expose(), &format!("tollgate seal v1: {label}")).expose().into(),
            ),
            nonces: Mac::new(
                secret::derive(key.expose(), &format!("tollgate seal v1: nonces of {label}")).expose(),
            ),
        };
        Self {
            key_id,
            state: keys("state"),
            cursor: keys("cursor"),
            session: keys("session"),
            task: keys("task"),
            reply: keys("reply"),
            // Nonces are synthetic (see `seal`): without randomness equal tokens become visible, nothing else is lost.
            salt: secret::random().unwrap_or_default(),
            count: AtomicU64::new(0),
        }
    }

    /// With the key in `STATE/seal.key`, which is made (0600) when it is missing. Processes that share a state directory share it.
    pub fn load_or_create(state: &Path) -> std::io::Result<Self> {
        let (key, _made) = secret::load_or_create(&state.join("seal.key"))?;
        Ok(Self::new(*key.expose()))
    }

    /// A key for another use of the same file: names that must not be guessed.
    pub fn derive_for(state: &Path, purpose: &str) -> std::io::Result<secret::Secret<[u8; 32]>> {
        let (key, _made) = secret::load_or_create(&state.join("seal.key"))?;
        Ok(secret::derive(key.expose(), &format!("tollgate {purpose} v1")))
    }

    /// Seals `plain` for `principal` until `expires_ms` (Unix epoch). The token is URL-safe base64 without padding.
    pub fn seal(&self, purpose: Purpose, principal: &str, plain: &[u8], expires_ms: u64) -> String {
        let keys = self.keys(purpose);
        let expiry = expires_ms.to_be_bytes();
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let length = u64::try_from(principal.len()).unwrap_or(u64::MAX).to_be_bytes();
        // A synthetic nonce (a keyed digest of all that goes in, as in SIV) needs no random source that could fail or repeat:
        // two equal nonces mean two equal tokens.
        let digest = keys.nonces.digest(&[&self.salt, &count, &expiry, &length, principal.as_bytes(), plain]);
        let (nonce, _) = digest.split_at(NONCE);
        let mut body = Vec::with_capacity(EXPIRY + plain.len());
        body.extend_from_slice(&expiry);
        body.extend_from_slice(plain);
        let aad = self.associated(keys, principal);
        let tag = keys
            .cipher
            .encrypt_in_place_detached(XNonce::from_slice(nonce), &aad, &mut body)
            // Only a body of 256 GiB fails, and such a tag opens nothing.
            .unwrap_or_default();
        let mut token = Vec::with_capacity(KEY_ID + NONCE + body.len() + TAG);
        token.push(self.key_id);
        token.extend_from_slice(nonce);
        token.extend_from_slice(&body);
        token.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Opens a token.
    pub fn open(
        &self,
        purpose: Purpose,
        principal: &str,
        token: &str,
        now_ms: u64,
    ) -> Result<Vec<u8>, Unopenable> {
        let keys = self.keys(purpose);
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| Unopenable)?;
        let (&key_id, rest) = token.split_first().ok_or(Unopenable)?;
        if key_id != self.key_id {
            return Err(Unopenable);
        }
        let (nonce, rest) = rest.split_at_checked(NONCE).ok_or(Unopenable)?;
        let body = rest.len().checked_sub(TAG).ok_or(Unopenable)?;
        let (body, tag) = rest.split_at_checked(body).ok_or(Unopenable)?;
        let mut body = body.to_vec();
        let aad = self.associated(keys, principal);
        keys.cipher
            .decrypt_in_place_detached(XNonce::from_slice(nonce), &aad, &mut body, Tag::from_slice(tag))
            .map_err(|_| Unopenable)?;
        let expiry = body.first_chunk::<EXPIRY>().copied().ok_or(Unopenable)?;
        if u64::from_be_bytes(expiry) <= now_ms {
            return Err(Unopenable);
        }
        body.drain(..EXPIRY);
        Ok(body)
    }

    fn keys(&self, purpose: Purpose) -> &Keys {
        match purpose {
            Purpose::State => &self.state,
            Purpose::Cursor => &self.cursor,
            Purpose::Session => &self.session,
            Purpose::Task => &self.task,
            Purpose::Reply => &self.reply,
        }
    }

    fn associated(&self, keys: &Keys, principal: &str) -> Vec<u8> {
        // The label has no zero byte and the principal comes last, so no two pairs give the same bytes.
        [keys.label.as_bytes(), &[0, self.key_id], principal.as_bytes()].concat()
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests;
