use core::net::Ipv6Addr;

use super::super::bytes::{at, before, is_word, part, run};
use super::super::{Found, Kind, Which};
use super::spoken_of;

/// An IPv4 address; not one of this host, and no version of anything.
pub(super) fn four(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let last = before(text, start);
    if is_word(last) || matches!(last, b'.' | b'-' | b'+') {
        return None;
    }
    let (mut octets, mut place) = ([0_u8; 4], start);
    for (n, octet) in octets.iter_mut().enumerate() {
        if n > 0 {
            if at(text, place) != b'.' {
                return None;
            }
            place += 1;
        }
        let end = run(text, place, 4, |byte| byte.is_ascii_digit());
        let digits = std::str::from_utf8(part(text, place, end)).ok()?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        *octet = digits.parse().ok()?;
        place = end;
    }
    let next = at(text, place);
    if is_word(next) || matches!(next, b'.' | b'-' | b'+') && at(text, place + 1).is_ascii_alphanumeric() {
        return None;
    }
    let ours = matches!(octets, [0 | 127 | 255, ..]);
    let version =
        || spoken_of(text, start, &[b"version", b" ver", b"release", b"build", b"==", b">=", b"~="]);
    (!ours && !version()).then_some((start, place))
}

/// IPv6 addresses, found by their colons.
pub(super) fn six(text: &[u8], found: &mut Vec<Found>) {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let mut place = 0;
    while let Some(colon) = text.get(place..).and_then(|rest| memchr::memchr(b':', rest)).map(|at| place + at)
    {
        place = colon + 1;
        if !is_part(at(text, colon + 1)) {
            continue;
        }
        let head = part(text, colon.saturating_sub(4), colon);
        let start = colon - head.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let mut end = run(text, start, 46, is_part);
        place = end.max(place);
        while matches!(before(text, end), b':' | b'.')
            && end > start
            && part(text, start, end).windows(2).last() != Some(b"::")
        {
            end -= 1;
        }
        if is_word(before(text, start))
            || matches!(before(text, start), b':' | b'.')
            || is_word(at(text, end))
        {
            continue;
        }
        let candidate = part(text, start, end);
        let colons = memchr::memchr_iter(b':', candidate).count();
        let telling = colons >= 3 && candidate.len() >= 7 && candidate.iter().any(u8::is_ascii_digit);
        let address = std::str::from_utf8(candidate).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
        if telling && address.is_some_and(|address| !address.is_loopback()) {
            found.push(Found { start, end, which: Which::Built(Kind::Ip) });
        }
    }
}
