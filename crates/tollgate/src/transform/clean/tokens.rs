//! Values as tokens, and back. A token opens for the caller it was made for, whatever tool it is given to.

use memchr::memmem;
use tollgate_mcp::object::quote;
use tollgate_policy::redact::StandIn;

use super::Maker;
use crate::seal::Purpose;

/// What a token starts with.
pub(super) const MARK: &str = "tgt_";
/// How long a value can be taken back: longer than a conversation, shorter than a log is kept.
const TTL_MS: u64 = 30 * 24 * 3600 * 1000;
/// Expiries are rounded, so that a value has one token for as long.
const ROUND_MS: u64 = 24 * 3600 * 1000;
/// Longer values are masked: their tokens would fill a model's context.
const VALUE_MAX: usize = 4_096;

impl StandIn for Maker<'_> {
    fn hash(&self, kind: &str, value: &str) -> String {
        format!("[{kind}:{}]", self.sealer.pseudonym(value))
    }

    fn token(&self, kind: &str, value: &str, raw: bool) -> String {
        if value.len() > VALUE_MAX {
            return format!("[redacted:{kind}]");
        }
        let plain = [&[u8::from(raw)], value.as_bytes()].concat();
        let expires = (self.now_ms + TTL_MS).next_multiple_of(ROUND_MS);
        let sealed = self.sealer.seal_same(Purpose::Value, self.principal, &plain, expires);
        // An own detector's name may have dashes; here only the mark's own underscores divide.
        format!("{MARK}{}_{sealed}", kind.replace('-', ""))
    }
}

impl Maker<'_> {
    /// JSON text with this caller's tokens turned back into their values; `None` = there are none. A value never breaks out of the
    /// string it stands in.
    pub(super) fn restore(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut kept = 0;
        for place in memmem::find_iter(text, MARK.as_bytes()) {
            if place < kept {
                continue;
            }
            let Some((end, raw, value)) = self.open(text, place) else { continue };
            let byte =
                |place: Option<usize>| place.and_then(|place| text.get(place)).copied().unwrap_or_default();
            let quote_before = byte(place.checked_sub(1)) == b'"' && byte(place.checked_sub(2)) != b'\\';
            let whole = quote_before && byte(Some(end)) == b'"';
            let safe = !value.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'));
            let (from, to, value) = match (whole, raw) {
                (true, true) if !is_key(text, end + 1) => (place - 1, end + 1, value),
                (true, _) => (place - 1, end + 1, quote(&value)),
                // Within a longer text, which may be JSON itself, only what means nothing there goes in.
                (false, false) if safe => (place, end, value),
                (false, _) => continue,
            };
            out.extend_from_slice(text.get(kept..from).unwrap_or_default());
            out.extend_from_slice(value.as_bytes());
            kept = to;
        }
        (kept > 0).then(|| {
            out.extend_from_slice(text.get(kept..).unwrap_or_default());
            out
        })
    }

    /// The token that starts at `place`: its end, whether its value is JSON text, the value.
    fn open(&self, text: &[u8], place: usize) -> Option<(usize, bool, String)> {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let rest = text.get(place..)?;
        let run = rest.iter().take(8_192).take_while(|byte| word(byte)).count();
        let mut token = std::str::from_utf8(rest.get(..run)?).ok()?;
        // What follows may look like more of it: `tgt_email_…-2026`.
        for _ in 0..4 {
            let sealed = token.strip_prefix(MARK)?.split_once('_')?.1;
            if let Ok(plain) = self.sealer.open(Purpose::Value, self.principal, sealed, self.now_ms) {
                let (raw, value) = plain.split_first()?;
                return Some((place + token.len(), *raw == 1, String::from_utf8(value.to_vec()).ok()?));
            }
            token = token.get(..token.rfind(['-', '_'])?)?;
        }
        None
    }
}

/// Whether the string that ends here is a member's key.
fn is_key(text: &[u8], end: usize) -> bool {
    let next = text.get(end..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace());
    next == Some(&b':')
}
