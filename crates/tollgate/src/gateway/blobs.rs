//! The vault's sealed values and the catalog's last-known lists, in the state database.

use bytes::Bytes;
use tokio::sync::watch;

use crate::catalog::Memory;
use crate::clock::Clock;
use crate::store::{Blob, Store};
use crate::vault::{BlobStore, Sealed, StoreFailure};

/// The store as the vault sees it.
#[derive(Debug)]
pub struct Blobs(pub Store);

impl BlobStore for Blobs {
    fn put(&self, name: &str, sealed: &Sealed, now_ms: u64) -> Result<(), StoreFailure> {
        let blob = Blob { nonce: sealed.nonce.clone(), ciphertext: sealed.ciphertext.clone() };
        Ok(self.0.put_secret(name, &blob, now_ms)?)
    }

    fn get(&self, name: &str) -> Result<Option<Sealed>, StoreFailure> {
        Ok(self.0.secret(name)?.map(|blob| Sealed { nonce: blob.nonce, ciphertext: blob.ciphertext }))
    }

    fn list(&self) -> Result<Vec<String>, StoreFailure> {
        Ok(self.0.secret_names()?)
    }

    fn remove(&self, name: &str) -> Result<bool, StoreFailure> {
        Ok(self.0.remove_secret(name)?)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes()
    }
}

/// The store as the catalog sees it.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) store: Store,
    pub(super) clock: Clock,
}

/// The name of a server's lists among its definitions.
pub(super) const LISTS: &str = "lists";

impl Memory for Remembered {
    fn recall(&self, server: &str) -> Option<Bytes> {
        self.store.definitions(server, LISTS).ok().flatten().map(Bytes::from)
    }

    fn save(&self, server: &str, lists: Bytes) {
        if let Err(error) = self.store.put_definitions(server, LISTS, &lists, self.clock.now_ms()) {
            tracing::warn!(%error, %server, "its definitions could not be saved for the next start");
        }
    }
}
