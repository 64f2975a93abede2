//! The vault's sealed values and the catalog's last-known lists, in the state database.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::catalog::{Memory, Pin, Pinboard};
use crate::clock::Clock;
use crate::record::Ledger;
use crate::secret::hex;
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
    pub(super) ledger: Ledger,
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

impl Pinboard for Remembered {
    fn pins(&self, texts: bool) -> Result<Vec<Pin>, String> {
        self.store.pins(texts).map_err(|e| e.to_string())
    }

    fn keep(&self, fresh: &[Pin], changed: &[Pin]) -> Result<(), String> {
        self.store.keep_pins(fresh, changed).map_err(|e| e.to_string())
    }

    fn accept(&self, what: &str, digest: &str, by: &str) -> Result<Vec<String>, String> {
        let (server, tool) = match what.split_once('/') {
            Some((server, tool)) => (server, Some(tool)),
            None => (what, None),
        };
        let accepted = self
            .store
            .accept_pins(server, tool, digest, by, self.clock.now_ms())
            .map_err(|e| e.to_string())?;
        for tool in &accepted {
            self.tell("tool accepted", &[("tool", tool), ("by", by)]);
        }
        Ok(accepted)
    }

    fn forget(&self, server: &str, listed: &HashSet<Arc<str>>, by: &str) -> Result<Vec<String>, String> {
        let forgotten = self.store.forget_pins(server, listed).map_err(|e| e.to_string())?;
        for tool in &forgotten {
            self.tell("tool forgotten", &[("tool", tool), ("by", by)]);
        }
        Ok(forgotten)
    }

    fn note(&self, pin: &Pin) {
        let tool = format!("{}/{}", pin.server, pin.tool);
        self.tell(
            "tool accepted",
            &[("tool", &tool), ("by", &pin.by), ("digest", &hex::encode(&pin.accepted.digest))],
        );
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}

impl Remembered {
    fn tell(&self, name: &'static str, about: &[(&'static str, &str)]) {
        if let Err(error) = self.ledger.note(name, about) {
            tracing::error!(?error, "what became of a pin could not be noted in the ledger");
        }
    }
}
