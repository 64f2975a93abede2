use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::config;
use crate::secret::{self, Secret, hex};

/// The shortest key that somebody else made.
pub(super) const OWN_MIN: usize = 32;

/// A new agent's key and its SHA-256: `tgk_` and 32 random bytes in URL-safe base64 (43 characters). Only the hash is to be kept.
pub fn new_key() -> io::Result<(Secret<String>, [u8; 32])> {
    let key = random_text("tgk_")?;
    let hash = Sha256::digest(key.expose()).into();
    Ok((key, hash))
}

/// A key's hash as it stands in the configuration: `tgk_sha256:` and 64 hexadecimal digits.
pub fn hash_text(hash: &[u8; 32]) -> String {
    format!("{}{}", config::HASH, hex::encode(hash))
}

/// The operator token: `$TOLLGATE_OPERATOR_TOKEN`, else what is in `STATE/operator.token`, which is made (0600) when it is missing.
pub fn operator_token(state: &Path) -> io::Result<Secret<String>> {
    match read_operator_token(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known,
    }
    let mut text = Zeroizing::new(random_text("tgo_")?.expose().clone());
    text.push('\n');
    secret::create_new(&path(state), text.as_bytes())?;
    // Another process may have been first: what is in the file counts.
    read_operator_token(state)
}

/// The operator token as a command finds it: like [`operator_token`], but a missing file is [`io::ErrorKind::NotFound`].
pub fn read_operator_token(state: &Path) -> io::Result<Secret<String>> {
    const NAME: &str = "TOLLGATE_OPERATOR_TOKEN";
    let (token, origin) = match config::env(NAME) {
        Some(token) => (Secret::new(token), format!("`${NAME}`")),
        None => (secret::read_private(&path(state))?, format!("`{}`", path(state).display())),
    };
    let token = Secret::new(token.expose().trim().to_owned());
    if token.expose().chars().count() < OWN_MIN {
        let message = format!("{origin} holds less than {OWN_MIN} characters");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(token)
}

fn path(state: &Path) -> std::path::PathBuf {
    state.join("operator.token")
}

fn random_text(prefix: &str) -> io::Result<Secret<String>> {
    let bytes = Zeroizing::new(secret::random::<32>()?);
    // Room at once: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 43));
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
    Ok(Secret::new(std::mem::take(&mut *text)))
}
