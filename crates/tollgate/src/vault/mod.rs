//! Credentials at rest: XChaCha20-Poly1305, random nonce, the entry's name as associated data.
//! *Only* `servers/credential.rs` and the connect flow may name this module on the path; the CLI and admin API set and list.

/// The vault.
#[derive(Debug)]
pub struct Vault {
    _private: (),
}

impl Vault {
    /// The value under `name`.
    pub fn get(&self, name: &str) -> Result<crate::secret::Secret<String>, String> {
        let _name = name;
        todo!("Vault::get")
    }
}
