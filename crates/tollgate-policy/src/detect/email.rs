//! Addresses: RFC 5321 as people write it, with a domain that can be one.

use memchr::memchr_iter;

use super::bytes::{at, before, is_word, part, run};
use super::{Found, Kind, Which};

/// Generic domains that people have mail at; every two-letter one counts anyway.
const GENERIC: &[&str] = &[
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "name",
    "pro",
    "aero",
    "coop",
    "museum",
    "mobi",
    "asia",
    "jobs",
    "travel",
    "tel",
    "cat",
    "post",
    "app",
    "dev",
    "page",
    "xyz",
    "online",
    "site",
    "tech",
    "store",
    "cloud",
    "shop",
    "blog",
    "club",
    "live",
    "news",
    "agency",
    "email",
    "company",
    "group",
    "world",
    "today",
    "space",
    "website",
    "solutions",
    "services",
    "digital",
    "media",
    "example",
    "test",
    "invalid",
    "local",
    "internal",
    "corp",
    "lan",
    "home",
    "bank",
    "finance",
    "money",
    "health",
    "care",
    "clinic",
    "legal",
    "law",
    "consulting",
    "studio",
    "design",
    "academy",
    "school",
    "university",
    "institute",
    "foundation",
    "network",
    "systems",
    "software",
    "technology",
    "energy",
    "engineering",
    "global",
    "international",
    "berlin",
    "london",
    "paris",
    "nyc",
    "wien",
    "hamburg",
    "koeln",
    "team",
    "works",
    "zone",
    "life",
    "love",
    "fun",
    "game",
    "games",
    "art",
    "photo",
    "photography",
    "music",
    "film",
    "tv",
    "ltd",
    "gmbh",
    "inc",
    "llc",
    "holdings",
    "ventures",
    "capital",
    "partners",
    "exchange",
    "support",
    "help",
    "chat",
    "social",
    "community",
    "center",
    "city",
    "country",
    "eus",
    "gal",
    "scot",
    "wales",
    "swiss",
    "africa",
    "arab",
    "top",
    "vip",
    "icu",
    "one",
    "wtf",
    "ninja",
    "guru",
    "expert",
    "marketing",
    "events",
    "tours",
    "house",
    "estate",
    "properties",
    "rentals",
    "fit",
    "fitness",
    "yoga",
    "kitchen",
    "restaurant",
    "cafe",
    "bar",
    "pub",
    "wine",
    "beer",
    "coffee",
    "pizza",
    "bio",
    "eco",
    "green",
    "org",
    "ngo",
    "ong",
    "charity",
    "church",
    "faith",
];

/// Endings of files, which look like domains behind `icon@2x`.
const FILES: &[&str] = &["js", "ts", "py", "rs", "md", "sh", "cc", "pl", "so", "go", "rb"];

pub(super) fn find(text: &[u8], found: &mut Vec<Found>) {
    for place in memchr_iter(b'@', text) {
        if let Some((start, end)) = address(text, place) {
            found.push(Found { start, end, which: Which::Built(Kind::Email) });
        }
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

fn address(text: &[u8], place: usize) -> Option<(usize, usize)> {
    let from = place.saturating_sub(64);
    let name = part(text, from, place);
    let length = name.iter().rev().take_while(|byte| is_local(**byte)).count();
    let name = part(text, place - length, place);
    let skip = name.iter().position(u8::is_ascii_alphanumeric)?;
    let start = place - length + skip;
    if before(text, place) == b'.' || before(text, start) == b'@' {
        return None;
    }
    // A longer name is none; a letter beyond ASCII before it belongs to it.
    if start == from && is_local(before(text, start)) {
        return None;
    }
    let end = run(text, place + 1, 253, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let mut domain = part(text, place + 1, end);
    while let Some(shorter) = domain.strip_suffix(b".").or_else(|| domain.strip_suffix(b"-")) {
        domain = shorter;
    }
    // `a@b.com.` ends a sentence; `a@b.com-x` does not.
    let labels: Vec<&[u8]> = domain.split(|byte| *byte == b'.').collect();
    let (last, rest) = labels.split_last()?;
    let bad = |label: &&[u8]| label.is_empty() || label.len() > 63 || label.starts_with(b"-");
    if rest.is_empty() || labels.iter().any(bad) || !is_top(last) {
        return None;
    }
    let end = place + 1 + domain.len();
    let next = at(text, end);
    if is_word(next) || matches!(next, b'(' | b'@') {
        return None;
    }
    // `git@host.com:owner/name` is no address.
    if next == b':'
        && (name.ends_with(b"git") || is_word(at(text, end + 1)) && !at(text, end + 1).is_ascii_digit())
    {
        let is_password = part(text, place.saturating_sub(length + 3), place - length) == b"://";
        if name.ends_with(b"git") || is_password {
            return None;
        }
    }
    // Our own stand-in.
    (!domain.eq_ignore_ascii_case(b"redacted.invalid")).then_some((start, end))
}

fn is_top(label: &[u8]) -> bool {
    if label.len() < 2 || !label.iter().all(u8::is_ascii_alphabetic) {
        return label.starts_with(b"xn--");
    }
    let mut lower = [0_u8; 16];
    let Some(lower) = lower.get_mut(..label.len()) else { return false };
    lower.copy_from_slice(label);
    lower.make_ascii_lowercase();
    let Ok(label) = std::str::from_utf8(lower) else { return false };
    if label.len() == 2 { !FILES.contains(&label) } else { GENERIC.contains(&label) }
}
