//! What must not be printed, and how keys are kept and derived. *Never* has `Debug` of the inside, `Serialize` or `Clone`; one
//! reader.

use zeroize::Zeroize;

/// Hexadecimal text.
pub mod hex;

mod keyfile;
pub use keyfile::{create_new, load_or_create, read_key, read_private};

mod mac;
pub use mac::{Mac, derive};

/// A value that cannot be printed and is wiped when dropped.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The one reader.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `N` bytes of the system's randomness.
pub fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
