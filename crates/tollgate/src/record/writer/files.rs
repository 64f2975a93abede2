//! The names of the files under `STATE/ledger`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// A segment's path. Segments count from 1.
pub(in crate::record) fn segment(dir: &Path, chain: &str, number: u32) -> PathBuf {
    dir.join(format!("{chain}.{number:06}.jsonl"))
}

/// A chain's lock file.
pub(in crate::record) fn lock(dir: &Path, chain: &str) -> PathBuf {
    dir.join(format!("{chain}.lock"))
}

/// What the directory holds, by chain (oldest first: ids begin with their time).
#[derive(Debug, Default)]
pub(in crate::record) struct Chain {
    /// Number and path, in order. Some may be empty: preallocated, not yet used.
    pub(in crate::record) segments: BTreeMap<u32, PathBuf>,
    /// There is a lock file: the chain is alive, or died and was not finished.
    pub(in crate::record) unfinished: bool,
}

/// Lists the directory; what is not ours is left alone. A missing directory is empty.
pub(in crate::record) fn list(dir: &Path) -> io::Result<BTreeMap<String, Chain>> {
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(chains),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((chain, rest)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        if chain.len() != 36 || Uuid::try_parse(chain).is_err() {
            continue;
        }
        if rest == "lock" {
            chains.entry(chain.to_owned()).or_default().unfinished = true;
        } else if let Some(number) = rest.strip_suffix(".jsonl").and_then(|number| number.parse().ok()) {
            chains.entry(chain.to_owned()).or_default().segments.insert(number, entry.path());
        }
    }
    Ok(chains)
}

/// Opens and locks a chain's lock file, creating it if asked; `None` if a living process holds it, or there is none.
pub(in crate::record) fn try_lock(path: &Path, create: bool) -> io::Result<Option<File>> {
    let file = match open_lock(path, create) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Holds the directory while chains are made, finished or dropped: released when the file is dropped.
pub(in crate::record) fn lock_directory(dir: &Path, create: bool) -> io::Result<File> {
    let file = open_lock(&dir.join("lock"), create)?;
    file.lock()?;
    Ok(file)
}

fn open_lock(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(path)
}

/// Whether a living process holds a chain's lock. Ask it with the directory held.
pub(in crate::record) fn is_held(path: &Path) -> io::Result<bool> {
    let file = match open_lock(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
