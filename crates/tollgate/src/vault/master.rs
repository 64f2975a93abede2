use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::VaultError;
use crate::config::{self, VaultKey};
use crate::secret::{self, Secret, hex};

/// How long a command may take to print the key: a human may have to unlock something.
const PATIENCE: Duration = Duration::from_secs(30);

/// The key from where the configuration says.
pub(super) fn read(source: &VaultKey) -> Result<Secret<[u8; 32]>, VaultError> {
    match source {
        VaultKey::File(path) => secret::read_key(path).map_err(|error| VaultError::Key(error.to_string())),
        VaultKey::Env(name) => {
            let text = config::env(name)
                .map(Zeroizing::new)
                .ok_or_else(|| VaultError::Key(format!("environment variable `{name}` is not set")))?;
            decode(&text, &format!("environment variable `{name}`"))
        }
        VaultKey::Command(command) => run(command, PATIENCE),
    }
}

/// The key in the state directory, made there for a new vault. With a warning, because who copies the data copies the key.
pub(super) fn beside(path: &Path, new: bool) -> Result<(Secret<[u8; 32]>, Option<String>), VaultError> {
    let key = if new { secret::load_or_create(path).map(|(key, _made)| key) } else { secret::read_key(path) };
    let key = key.map_err(|error| VaultError::Key(error.to_string()))?;
    let warning = format!(
        "the vault's key is `{}`, beside the data that it protects: set `vault.key` to keep it elsewhere",
        path.display()
    );
    Ok((key, Some(warning)))
}

fn decode(text: &str, origin: &str) -> Result<Secret<[u8; 32]>, VaultError> {
    let key = hex::decode_32(text.trim());
    key.map(Secret::new)
        .ok_or_else(|| VaultError::Key(format!("{origin} does not give 64 hexadecimal digits")))
}

pub(super) fn run(command: &[String], patience: Duration) -> Result<Secret<[u8; 32]>, VaultError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(VaultError::Key("the command is empty".to_owned()));
    };
    let failed = |what: &str| VaultError::Key(format!("command `{program}` {what}"));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&format!("does not start: {}", error.to_string().to_lowercase())))?;
    let output = child.stdout.take().ok_or_else(|| failed("has no output"))?;
    let (sender, receiver) = mpsc::channel();
    // Reading has no timeout of its own. When the time is over, the kill below ends it.
    std::thread::spawn(move || {
        let mut text = Zeroizing::new(String::with_capacity(1024));
        let read = output.take(1024).read_to_string(&mut text).map(|_| text);
        drop(sender.send(read));
    });
    let text = receiver.recv_timeout(patience);
    if text.is_err() {
        // An error means that it ended by itself just now.
        child.kill().unwrap_or_default();
    }
    let status = child.wait().map_err(|error| failed(&error.to_string().to_lowercase()))?;
    let text = text.map_err(|_| failed(&format!("printed nothing for {} s", patience.as_secs())))?;
    if !status.success() {
        return Err(failed("failed"));
    }
    decode(&text.map_err(|_| failed("printed something that is not text"))?, &format!("command `{program}`"))
}
