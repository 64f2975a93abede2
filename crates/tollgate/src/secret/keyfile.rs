use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{Secret, hex, random};

/// Reads a key file: 64 hexadecimal digits. A file that others may read or write is refused.
pub fn read_key(path: &Path) -> io::Result<Secret<[u8; 32]>> {
    let text = read_private(path)?;
    let key = hex::decode_32(text.expose().trim()).ok_or_else(|| {
        let message = format!("`{}` is not a key: it must hold 64 hexadecimal digits", path.display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })?;
    Ok(Secret::new(key))
}

/// Reads up to 4 KiB of text that is for its owner's eyes only: a file that others may read or write is refused.
pub fn read_private(path: &Path) -> io::Result<Secret<String>> {
    let file = File::open(path).map_err(|error| named(path, &error))?;
    if file.metadata()?.mode() & 0o077 != 0 {
        let message = format!("`{}` is open to other users: run `chmod 600` on it", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    // Room at once: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(4096).read_to_string(&mut text).map_err(|error| named(path, &error))?;
    Ok(Secret::new(std::mem::take(&mut *text)))
}

/// Reads a key file, or makes one (0600) of 32 random bytes, with its folder (0700). Whether it was made is the second value.
/// Of several processes that start at once, all end with the same key.
pub fn load_or_create(path: &Path) -> io::Result<(Secret<[u8; 32]>, bool)> {
    match read_key(path) {
        Ok(key) => return Ok((key, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut text = Zeroizing::new(hex::encode(Zeroizing::new(random::<32>()?).as_ref()));
    text.push('\n');
    let made = create_new(path, text.as_bytes())?;
    // Another process may have been first: what is in the file counts.
    Ok((read_key(path)?, made))
}

/// Puts `content` under `path` with mode 0600 unless something is there already (`false`); its folder is made (0700). Readers
/// see all of it or nothing.
pub fn create_new(path: &Path, content: &[u8]) -> io::Result<bool> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| named(folder, &error))?;
    let draft = folder.join(format!(".{}.new", hex::encode(&random::<8>()?)));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|error| named(&draft, &error))?;
    let linked = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| {
        // A link, unlike a rename, does not replace what another process put there meanwhile.
        std::fs::hard_link(&draft, path)
    });
    std::fs::remove_file(&draft)?;
    match linked {
        Ok(()) => {
            File::open(folder)?.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(named(path, &error)),
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {}", path.display(), error.to_string().to_lowercase()))
}
