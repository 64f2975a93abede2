//! Exposed names: `{server}_{tool}`, always prefixed, `^[A-Za-z0-9_-]{1,max}$` (contract.md, "Exposed names"). *Never* splits a name:
//! the way back is a map.

use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

/// The exposed name of `original` on `server`.
///
/// Each character outside `[A-Za-z0-9_-]` becomes `_`; if anything was replaced or the result exceeds `max`: its first `max − 7`
/// characters + `_` + the first 6 hex digits of SHA-256(`server/original`).
pub fn expose(server: &str, original: &str, max: usize) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut replaced = false;
    let mut name: String = server
        .chars()
        .chain(['_'])
        .chain(original.chars())
        .map(|c| {
            replaced |= !plain(c);
            if plain(c) { c } else { '_' }
        })
        .collect();
    if replaced || name.len() > max {
        let digest = Sha256::new().chain_update(server).chain_update("/").chain_update(original).finalize();
        // All of it is ASCII by now.
        name.truncate(max.saturating_sub(7));
        name.push('_');
        name.extend(digest.iter().take(3).flat_map(|byte| [byte >> 4, byte & 15]).map(hex));
    }
    name
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

/// Matches `text` (`server/original`) against a glob: `*` is any run of characters (also empty, also `/`), everything else is literal.
/// Takes at most `pattern.len() * text.len()` steps.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and the text position up to which that star has eaten.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
            }
            Some(literal) if literal == c => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, eaten)) = star else { return false };
                star = Some((after, eaten + 1));
                p = after;
                t = eaten + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
}
