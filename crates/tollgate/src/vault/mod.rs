//! Credentials at rest: XChaCha20-Poly1305, random nonce, the entry's name as associated data.
//! *Only* `servers/credential.rs` and the connect flow may name this module on the path; the CLI and admin API set and list.
//! *Never* hands a value to anything that prints.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::config::{VaultKey, is_secret_name};
use crate::secret::{self, Secret};

mod master;

/// Proves that a key is the right one. Its name is none that an entry can have.
const CHECK: &str = ".check";

/// The longest value.
const VALUE_MAX: usize = 64 * 1024;

/// A sealed value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// 24 random bytes.
    pub nonce: Vec<u8>,
    /// The value, encrypted, and its tag.
    pub ciphertext: Vec<u8>,
}

/// What a [`BlobStore`] says when it fails.
pub type StoreFailure = Box<dyn std::error::Error + Send + Sync>;

/// Where sealed values are kept.
pub trait BlobStore: Send + Sync {
    /// Keeps or replaces one.
    fn put(&self, name: &str, sealed: &Sealed, now_ms: u64) -> Result<(), StoreFailure>;

    /// One, if there is one.
    fn get(&self, name: &str) -> Result<Option<Sealed>, StoreFailure>;

    /// All names.
    fn list(&self) -> Result<Vec<String>, StoreFailure>;

    /// Removes one; `false` if there was none.
    fn remove(&self, name: &str) -> Result<bool, StoreFailure>;

    /// Moves after every change, of this process (before the change returns) and of others (soon).
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Why the vault can't serve.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The master key can't be had.
    #[error("the vault's key cannot be read: {0}")]
    Key(String),
    /// The master key is another one.
    #[error("the vault's key is not the one that its entries were sealed with")]
    WrongKey,
    /// No such entry.
    #[error("there is no secret `{0}` in the vault")]
    Missing(String),
    /// Not a name.
    #[error("`{0}` is not a secret's name: it is made of letters, digits and `. _ - /`, 128 at most")]
    Name(String),
    /// Empty or too long.
    #[error("a secret has 1 to {VALUE_MAX} bytes")]
    Value,
    /// An entry was changed by something else than a vault.
    #[error("secret `{0}` is damaged: set it again")]
    Damaged(String),
    /// The system has no randomness.
    #[error("no random bytes: {0}")]
    Random(std::io::Error),
    /// The store fails.
    #[error("the vault's store fails: {0}")]
    Store(StoreFailure),
}

/// The vault. Its calls may block on the store for about a millisecond; a value that was read before and has not changed since
/// costs a look-up.
pub struct Vault {
    cipher: XChaCha20Poly1305,
    blobs: Arc<dyn BlobStore>,
    changes: watch::Receiver<u64>,
    read: Mutex<Read>,
    warning: Option<String>,
}

/// What was read while `changes` stood at `at`.
#[derive(Default)]
struct Read {
    at: u64,
    values: HashMap<String, Arc<Secret<String>>>,
}

impl Vault {
    /// Opens the vault in `blobs` with the master key from `source`, or else from `STATE/vault.key`, which is made (0600) for an
    /// empty vault. Runs the source's command, if it is one, for up to 30 s. `now_ms` is the Unix time.
    pub fn open(
        source: Option<&VaultKey>,
        state: &Path,
        blobs: Arc<dyn BlobStore>,
        now_ms: u64,
    ) -> Result<Self, VaultError> {
        let check = blobs.get(CHECK).map_err(VaultError::Store)?;
        let (key, warning) = match source {
            Some(source) => (master::read(source)?, None),
            None => master::beside(&state.join("vault.key"), check.is_none())?,
        };
        let key = secret::derive(key.expose(), "tollgate vault v1");
        let vault = Self {
            cipher: XChaCha20Poly1305::new(key.expose().into()),
            changes: blobs.changes(),
            blobs,
            read: Mutex::default(),
            warning,
        };
        match check {
            Some(sealed) => drop(vault.unseal(CHECK, &sealed).ok_or(VaultError::WrongKey)?),
            None => vault.put(CHECK, CHECK.as_bytes(), now_ms)?,
        }
        Ok(vault)
    }

    /// What the operator should know about where the key is.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Keeps or replaces `value` under `name`. It applies at once, in every process that shares the state.
    pub fn set(&self, name: &str, value: &Secret<String>, now_ms: u64) -> Result<(), VaultError> {
        if !is_secret_name(name) {
            return Err(VaultError::Name(name.to_owned()));
        }
        if value.expose().is_empty() || value.expose().len() > VALUE_MAX {
            return Err(VaultError::Value);
        }
        self.put(name, value.expose().as_bytes(), now_ms)
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Result<Arc<Secret<String>>, VaultError> {
        // Read first: a change between here and the store makes what is kept look older than it is, never newer.
        let at = *self.changes.borrow();
        if let Some(value) = self.known(name, at) {
            return Ok(value);
        }
        let missing = || VaultError::Missing(name.to_owned());
        if !is_secret_name(name) {
            return Err(missing());
        }
        let sealed = self.blobs.get(name).map_err(VaultError::Store)?.ok_or_else(missing)?;
        let value = self.unseal(name, &sealed).ok_or_else(|| VaultError::Damaged(name.to_owned()))?;
        let value = Arc::new(Secret::new(value));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.at == at {
            read.values.insert(name.to_owned(), Arc::clone(&value));
        }
        Ok(value)
    }

    /// The names, sorted.
    pub fn list(&self) -> Result<Vec<String>, VaultError> {
        let mut names = self.blobs.list().map_err(VaultError::Store)?;
        names.retain(|name| name != CHECK);
        names.sort();
        Ok(names)
    }

    /// Removes `name`; `false` if there was none.
    pub fn remove(&self, name: &str) -> Result<bool, VaultError> {
        if !is_secret_name(name) {
            return Ok(false);
        }
        self.blobs.remove(name).map_err(VaultError::Store)
    }

    /// Moves after every change: what was made of a value is then to be made again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    fn known(&self, name: &str, at: u64) -> Option<Arc<Secret<String>>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.at != at {
            *read = Read { at, values: HashMap::new() };
        }
        read.values.get(name).map(Arc::clone)
    }

    fn put(&self, name: &str, value: &[u8], now_ms: u64) -> Result<(), VaultError> {
        let nonce = secret::random::<24>().map_err(VaultError::Random)?;
        let payload = Payload { msg: value, aad: name.as_bytes() };
        let ciphertext =
            self.cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| VaultError::Value)?;
        let sealed = Sealed { nonce: nonce.to_vec(), ciphertext };
        self.blobs.put(name, &sealed, now_ms).map_err(VaultError::Store)
    }

    fn unseal(&self, name: &str, sealed: &Sealed) -> Option<String> {
        let nonce: [u8; 24] = sealed.nonce.as_slice().try_into().ok()?;
        let payload = Payload { msg: &sealed.ciphertext, aad: name.as_bytes() };
        let plain = self.cipher.decrypt(XNonce::from_slice(&nonce), payload).ok()?;
        String::from_utf8(plain).map_err(|error| drop(Zeroizing::new(error.into_bytes()))).ok()
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

#[cfg(test)]
mod tests;
