use sha2::{Digest, Sha256};

use super::Secret;

/// HMAC-SHA-256 (RFC 2104) with the key absorbed once, so that a digest costs no key schedule.
#[derive(Clone)]
pub struct Mac {
    inner: Sha256,
    outer: Sha256,
}

impl Mac {
    /// From a 32-byte key.
    pub fn new(key: &[u8; 32]) -> Self {
        let block = |pad: u8| {
            let mut block = [pad; 64];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            Sha256::new_with_prefix(block)
        };
        Self { inner: block(0x36), outer: block(0x5c) }
    }

    /// The code of the concatenation of `parts`.
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.inner.clone();
        for part in parts {
            inner.update(part);
        }
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        outer.finalize().into()
    }
}

impl std::fmt::Debug for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mac(…)")
    }
}

/// The key for one use of a master key: the first block of HKDF-Expand (RFC 5869) with `label` as info. The master key is
/// uniformly random, so the extract step is left out.
pub fn derive(master: &[u8; 32], label: &str) -> Secret<[u8; 32]> {
    Secret::new(Mac::new(master).digest(&[label.as_bytes(), &[1]]))
}
