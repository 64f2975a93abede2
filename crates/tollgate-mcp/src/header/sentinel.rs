//! `=?base64?…?=`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Malformed;

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// A header's value for `text`: plain where it is printable ASCII without edge white space and does not itself look like the sentinel,
/// else `=?base64?…?=`.
pub fn encode(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(is_printable)
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && payload(text).is_none();
    if plain { Cow::Borrowed(text) } else { Cow::Owned(format!("{OPEN}{}{CLOSE}", STANDARD.encode(text))) }
}

/// The text that a header's value stands for. OWS is trimmed; the sentinel is decoded strictly.
///
/// # Errors
/// Bad alphabet, padding, or UTF-8 inside the sentinel; a value that is not visible ASCII.
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    let value = trim(value);
    if !value.iter().copied().all(is_printable) {
        return Err(Malformed);
    }
    let value = std::str::from_utf8(value).map_err(|_| Malformed)?;
    let Some(payload) = payload(value) else {
        return Ok(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(payload).map_err(|_| Malformed)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed)
}

/// Without optional white space around it (RFC 9110, 5.6.3).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What stands between the markers, which are exact; half a sentinel, or one in another case, is literal.
fn payload(text: &str) -> Option<&str> {
    text.strip_prefix(OPEN)?.strip_suffix(CLOSE)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}
