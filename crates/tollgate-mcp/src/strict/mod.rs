//! The strict reader of requests: refuses whatever two parsers could read differently.
//!
//! The grammar is `serde_json`'s; this adds depth, duplicate keys and case twins. *Never* changes or copies what it reads.

use serde::de::IgnoredAny;

mod twin;
mod walk;

#[cfg(test)]
mod tests;

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not UTF-8.
    #[error("the body is not valid UTF-8 (at byte {at})")]
    Utf8 {
        /// Offset in bytes.
        at: usize,
    },
    /// Not JSON.
    #[error("the body is not valid JSON: {why}")]
    Json {
        /// What the parser says, with its place.
        why: String,
    },
    /// Nested deeper than the limit.
    #[error("nested deeper than {limit} levels")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// A key twice in one object, also when escaped differently.
    #[error("duplicate key `{key}`")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// A key that differs from a protocol key only by case or Unicode folding.
    #[error("key `{key}` is a twin of the protocol key `{protocol}`")]
    Twin {
        /// As sent.
        key: String,
        /// What it could be taken for.
        protocol: &'static str,
    },
}

/// Reads the whole text strictly: UTF-8, JSON, depth ≤ `depth` (at most 126), no duplicate keys at any level, and no case twins of
/// protocol keys in the envelope, `params`, `params._meta` and `params.ref` (not inside `arguments`). Numbers of any size pass: they
/// are forwarded as sent.
pub fn check(text: &[u8], depth: usize) -> Result<(), Fault> {
    let text = simdutf8::compat::from_utf8(text).map_err(|error| Fault::Utf8 { at: error.valid_up_to() })?;
    match walk::walk(text, depth) {
        // serde_json reads numbers as f64: what doesn't fit one is checked by its grammar alone.
        Err(Fault::Json { why }) if why.starts_with("number out of range") => {
            walk::walk(&without_numbers(text), depth)
        }
        other => other,
    }
}

/// The same text with every well-formed number replaced by a zero of the same length.
fn without_numbers(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut in_string = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let rest = bytes.get_mut(at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .position(|b| !matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
                    .unwrap_or(rest.len());
                let token = rest.get_mut(..length).unwrap_or_default();
                if serde_json::from_slice::<IgnoredAny>(token).is_ok() {
                    token.fill(b' ');
                    if let Some(first) = token.first_mut() {
                        *first = b'0';
                    }
                }
                at += length.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    String::from_utf8(bytes).unwrap_or_default()
}
