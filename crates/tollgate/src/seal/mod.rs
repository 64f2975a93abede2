//! One AEAD module for request state, cursors, session ids and task ids: each with a purpose label, key id and expiry.
//! *Never* reads a clock: the time is handed in. A token opens only for the purpose and the principal it was made for.

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
}

/// The token does not open: tampered, expired, another principal's or another purpose's. One message for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid or expired token")]
pub struct Unopenable;

/// Seals and opens tokens with keys derived from one master key (kept in the state directory, 0600).
#[derive(Debug)]
pub struct Sealer {
    key: crate::secret::Secret<[u8; 32]>,
}

impl Sealer {
    /// From a 32-byte key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: crate::secret::Secret::new(key) }
    }

    /// Seals `plain` for `principal` until `expires_ms` (Unix epoch). The token is URL-safe base64 without padding.
    pub fn seal(&self, purpose: Purpose, principal: &str, plain: &[u8], expires_ms: u64) -> String {
        let _ = (purpose, principal, plain, expires_ms, self.key.expose());
        todo!("Sealer::seal")
    }

    /// Opens a token.
    pub fn open(
        &self,
        purpose: Purpose,
        principal: &str,
        token: &str,
        now_ms: u64,
    ) -> Result<Vec<u8>, Unopenable> {
        let _ = (purpose, principal, token, now_ms);
        todo!("Sealer::open")
    }
}
