//! Credentials: the vendors' own prefixes, tokens and keys with a shape, and random values under a telling name.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::bytes::{at, before, is_base64, is_url64, is_word, part, run};
use super::{Found, Kind, Which};

mod assigned;
mod vendors;

use vendors::{Alphabet, VENDORS, Vendor};

/// Behind the vendors' prefixes come those that need more than an alphabet.
#[derive(Clone, Copy)]
enum Special {
    Jwt,
    Pem,
    Bearer,
    Address,
    Telegram,
    Assigned,
}

const SPECIAL: &[(&str, Special)] = &[
    ("eyJ", Special::Jwt),
    ("-----BEGIN ", Special::Pem),
    ("bearer ", Special::Bearer),
    ("authorization: basic ", Special::Bearer),
    ("://", Special::Address),
    (":AA", Special::Telegram),
    ("passw", Special::Assigned),
    ("passphrase", Special::Assigned),
    ("passcode", Special::Assigned),
    ("pwd", Special::Assigned),
    ("secret", Special::Assigned),
    ("token", Special::Assigned),
    ("api_key", Special::Assigned),
    ("apikey", Special::Assigned),
    ("api-key", Special::Assigned),
    ("access_key", Special::Assigned),
    ("accesskey", Special::Assigned),
    ("access-key", Special::Assigned),
    ("auth_key", Special::Assigned),
    ("authkey", Special::Assigned),
    ("accountkey", Special::Assigned),
    ("account_key", Special::Assigned),
    ("private_key", Special::Assigned),
    ("privatekey", Special::Assigned),
    ("signing_key", Special::Assigned),
    ("encryption_key", Special::Assigned),
    ("credential", Special::Assigned),
];

struct Table {
    automaton: AhoCorasick,
}

/// `None` only if the table above were no table; then secrets would never be found, which the tests would tell.
static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| {
    let literals =
        VENDORS.iter().map(|vendor| vendor.prefix).chain(SPECIAL.iter().map(|(literal, _)| *literal));
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(literals)
        .ok()?;
    Some(Table { automaton })
});

pub(super) fn find(text: &[u8], found: &mut Vec<Found>) {
    let Some(table) = &*TABLE else { return };
    // What starts within something found is part of it.
    let mut behind = 0;
    for hit in table.automaton.find_overlapping_iter(text) {
        if hit.start() < behind {
            continue;
        }
        let place = hit.pattern().as_usize();
        let span = match VENDORS.get(place) {
            Some(vendor) => vendor_key(text, vendor, hit.start()),
            None => SPECIAL
                .get(place.saturating_sub(VENDORS.len()))
                .and_then(|(_, special)| special_key(text, *special, hit.start(), hit.end())),
        };
        if let Some((start, end)) = span
            && start >= behind
        {
            behind = end;
            found.push(Found { start, end, which: Which::Built(Kind::Secret) });
        }
    }
}

fn vendor_key(text: &[u8], vendor: &Vendor, start: usize) -> Option<(usize, usize)> {
    let body = start + vendor.prefix.len();
    if part(text, start, body) != vendor.prefix.as_bytes() || continues(text, start) {
        return None;
    }
    let end = run(text, body, vendor.most + 1, |byte| vendor.alphabet.has(byte));
    let length = end - body;
    if length < vendor.least || length > vendor.most && vendor.exact {
        return None;
    }
    // Words joined by dashes are no key: `sk-learn-something-or-other`.
    let key = part(text, body, end);
    let random = vendor.exact
        || vendor.alphabet == Alphabet::Hex
        || key.iter().any(u8::is_ascii_digit)
        || key.iter().any(u8::is_ascii_uppercase) && key.iter().any(u8::is_ascii_lowercase);
    if !random || is_dummy(key) {
        return None;
    }
    // Longer ones end where their alphabet does.
    let end = if vendor.exact { end } else { run(text, end, 4_096, |byte| vendor.alphabet.has(byte)) };
    let scheme = start.saturating_sub(8);
    let start = if part(text, scheme, start) == b"https://" { scheme } else { start };
    (!is_alnum(at(text, end))).then_some((start, end))
}

/// Whether a prefix is only the tail of another word. Escapes before it (`\nsk-…`) are no word.
fn continues(text: &[u8], start: usize) -> bool {
    let last = before(text, start);
    let escaped = start.checked_sub(2).is_some_and(|place| at(text, place) == b'\\')
        && matches!(last, b'n' | b't' | b'r');
    is_alnum(last) && !escaped
        || matches!(last, b'/' | b'+') && is_alnum(before(text, start - 1)) && long_base64(text, start)
}

/// Within a long stretch of base64 anything occurs.
fn long_base64(text: &[u8], start: usize) -> bool {
    let near = part(text, start.saturating_sub(48), start);
    near.len() == 48 && near.iter().all(|byte| is_base64(*byte))
}

fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// `xxxxxxxx…`, `0000…`, `EXAMPLE`: what documents show instead of a key.
fn is_dummy(key: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in key {
        if let Some(slot) = seen.get_mut(usize::from(byte.to_ascii_lowercase())) {
            *slot = true;
        }
    }
    seen.iter().filter(|slot| **slot).count() < 5
}

fn special_key(text: &[u8], special: Special, start: usize, end: usize) -> Option<(usize, usize)> {
    match special {
        Special::Jwt => jwt(text, start),
        Special::Pem => pem(text, start),
        Special::Bearer => bearer(text, start, end),
        Special::Address => address(text, end),
        Special::Telegram => telegram(text, start),
        Special::Assigned => assigned::value(text, start, end),
    }
}

/// The longest part of a token that is looked at.
const MOST: usize = 16_384;

/// RFC 7519: three parts of base64, of which the first two are objects.
fn jwt(text: &[u8], start: usize) -> Option<(usize, usize)> {
    if part(text, start, start + 3) != b"eyJ" || is_url64(before(text, start)) {
        return None;
    }
    let first = run(text, start, MOST, is_url64);
    if first < start + 12 || at(text, first) != b'.' {
        return None;
    }
    let second = run(text, first + 1, MOST, is_url64);
    let signed = part(text, first + 1, first + 4) == b"eyJ";
    if !signed && second - first > 1 || at(text, second) != b'.' {
        return None;
    }
    let mut end = run(text, second + 1, MOST, is_url64);
    // The compact form of RFC 7516 has five parts.
    while at(text, end) == b'.' && is_url64(at(text, end + 1)) && !signed {
        end = run(text, end + 1, MOST, is_url64);
    }
    (end > start + 30).then_some((start, end))
}

/// RFC 7468, with line ends as they are or escaped.
fn pem(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let label = start + "-----BEGIN ".len();
    let dashes = run(text, label, 64, |byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9'));
    let kind = part(text, label, dashes);
    if part(text, start, label) != b"-----BEGIN "
        || !kind.ends_with(b"PRIVATE KEY") && !kind.ends_with(b"PRIVATE KEY BLOCK")
    {
        return None;
    }
    let body = run(text, dashes, 8, |byte| byte == b'-');
    let is_body = |byte: u8| {
        is_base64(byte) || byte.is_ascii_whitespace() || matches!(byte, b'\\' | b':' | b',' | b'-' | b'"')
    };
    let in_lines = |byte: u8| is_body(byte) && byte != b'-';
    let mut end = run(text, body, 65_536, in_lines);
    if end < body + 32 {
        return None;
    }
    let footer = b"-----END ";
    if part(text, end, end + footer.len()) == footer {
        end = run(text, end + footer.len(), 64, |byte| byte.is_ascii_uppercase() || byte == b' ');
        end = run(text, end, 5, |byte| byte == b'-');
    }
    Some((start, end))
}

fn bearer(text: &[u8], start: usize, value: usize) -> Option<(usize, usize)> {
    if is_alnum(before(text, start)) {
        return None;
    }
    let end =
        run(text, value, 4_096, |byte| is_url64(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'='));
    let token = part(text, value, end);
    let mixed = token.iter().any(u8::is_ascii_digit) && token.iter().any(u8::is_ascii_alphabetic);
    (token.len() >= 16 && mixed && !is_dummy(token)).then_some((value, end))
}

/// The password of `scheme://user:password@host`.
fn address(text: &[u8], user: usize) -> Option<(usize, usize)> {
    let plain = |byte: u8| {
        byte > b' ' && byte < 0x7f && !matches!(byte, b'/' | b'@' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`')
    };
    let colon = run(text, user, 64, |byte| plain(byte) && byte != b':');
    if at(text, colon) != b':' {
        return None;
    }
    let end = run(text, colon + 1, 256, plain);
    let password = part(text, colon + 1, end);
    let variable = password.starts_with(b"$")
        || password.starts_with(b"{")
        || password.starts_with(b"[")
        || password.starts_with(b"%s");
    let fits = at(text, end) == b'@' && password.len() >= 3 && !variable;
    (fits && password.iter().any(|byte| *byte != b'*' && *byte != b'x')).then_some((colon + 1, end))
}

/// A bot's token: an id before the colon, 35 characters behind it.
fn telegram(text: &[u8], colon: usize) -> Option<(usize, usize)> {
    let digits = part(text, colon.saturating_sub(10), colon)
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let start = colon - digits;
    let end = run(text, colon + 1, 64, is_url64);
    let fits = (8..=10).contains(&digits) && end - colon == 36 && !is_word(before(text, start));
    (fits && part(text, colon, colon + 3) == b":AA").then_some((start, end))
}
