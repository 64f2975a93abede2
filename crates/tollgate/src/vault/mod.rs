//! Credentials at rest: XChaCha20-Poly1305, random nonce, the entry's name as associated data.
//! *Only* `servers/credential.rs` and the connect flow may name this module on the path; the CLI and admin API set and list.

/// The vault.
#[derive(Debug)]
pub struct Vault {
    _private: (),
}
