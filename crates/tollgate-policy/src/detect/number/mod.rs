//! Numbers with a meaning. Each candidate starts where digits do, and is bounded: together they are linear.

use super::bytes::{at, before, is_word, part, run};
use super::{Found, Kind, Kinds, Which};

mod bank;
mod card;
mod ip;
mod phone;

pub(super) fn find(text: &[u8], kinds: Kinds, found: &mut Vec<Found>) {
    let digits = [Kind::Phone, Kind::Card, Kind::Iban, Kind::Ssn, Kind::Ip].map(|kind| kinds.has(kind));
    if digits == [false; 5] {
        return;
    }
    let mut place = 0;
    while let Some(skip) = text.get(place..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let start = place + skip;
        let end = one(text, start, kinds, found);
        place = end.unwrap_or_else(|| run(text, start, usize::MAX, |byte| byte.is_ascii_digit()));
    }
    if kinds.has(Kind::Ip) {
        ip::six(text, found);
    }
}

/// Looks at the digits that start here; where it ends, if it is something.
fn one(text: &[u8], start: usize, kinds: Kinds, found: &mut Vec<Found>) -> Option<usize> {
    let mut keep = |kind, (start, end): (usize, usize)| {
        found.push(Found { start, end, which: Which::Built(kind) });
        end
    };
    if kinds.has(Kind::Iban)
        && let Some(span) = bank::iban(text, start)
    {
        return Some(keep(Kind::Iban, span));
    }
    if kinds.has(Kind::Card)
        && let Some(span) = card::card(text, start)
    {
        return Some(keep(Kind::Card, span));
    }
    if kinds.has(Kind::Ssn)
        && let Some(span) = card::ssn(text, start)
    {
        return Some(keep(Kind::Ssn, span));
    }
    if kinds.has(Kind::Ip)
        && let Some(span) = ip::four(text, start)
    {
        return Some(keep(Kind::Ip, span));
    }
    if kinds.has(Kind::Phone)
        && let Some(span) = phone::phone(text, start)
    {
        return Some(keep(Kind::Phone, span));
    }
    None
}

/// Whether a number may begin here: not within a name, a longer number, or a token with dashes.
fn opens(text: &[u8], start: usize) -> bool {
    let last = before(text, start);
    if is_word(last) {
        return false;
    }
    // `12.34` and `ab-34` go on; ` -34` and `(34` begin.
    let further = start.checked_sub(1).map_or(0, |place| before(text, place));
    !(matches!(last, b'.' | b'-' | b',' | b'/' | b'\\' | b':')
        && further.is_ascii_alphanumeric()
        && !spoken(text, start, last))
}

/// `tel:` and the like end a word, they don't go on.
fn spoken(text: &[u8], start: usize, last: u8) -> bool {
    last == b':' && {
        let word = part(text, start.saturating_sub(12), start - 1);
        word.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count() >= 2
    }
}

/// Whether a number may end here.
fn closes(text: &[u8], end: usize) -> bool {
    let next = at(text, end);
    if is_word(next) {
        return false;
    }
    !(matches!(next, b'.' | b'-' | b',' | b'/' | b':') && at(text, end + 1).is_ascii_alphanumeric())
        || next == b',' && !at(text, end + 1).is_ascii_digit()
}

/// Whether one of `words` (lower case) stands in the few bytes before a place.
fn spoken_of(text: &[u8], start: usize, words: &[&[u8]]) -> bool {
    let near = part(text, start.saturating_sub(24), start).to_ascii_lowercase();
    words.iter().any(|word| near.windows(word.len()).any(|window| window == *word))
}

/// Up to `N` digits from a place, one separator at most between two of them; their values, how many, the groups' lengths and the end.
struct Grouped {
    digits: [u8; 24],
    count: usize,
    groups: [u8; 12],
    parts: usize,
    separator: u8,
    mixed: bool,
    end: usize,
}

impl Grouped {
    fn read(text: &[u8], start: usize, separators: &[u8]) -> Self {
        let mut it = Self {
            digits: [0; 24],
            count: 0,
            groups: [0; 12],
            parts: 1,
            separator: 0,
            mixed: false,
            end: start,
        };
        let mut place = start;
        loop {
            let byte = at(text, place);
            if byte.is_ascii_digit() {
                let (Some(slot), Some(group)) =
                    (it.digits.get_mut(it.count), it.groups.get_mut(it.parts - 1))
                else {
                    it.count = usize::MAX;
                    return it;
                };
                *slot = byte - b'0';
                *group += 1;
                it.count += 1;
                place += 1;
                it.end = place;
            } else if separators.contains(&byte) && at(text, place + 1).is_ascii_digit() && it.parts < 12 {
                it.mixed |= it.separator != 0 && it.separator != byte;
                it.separator = byte;
                it.parts += 1;
                place += 1;
            } else {
                return it;
            }
        }
    }

    fn all(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    fn shape(&self) -> &[u8] {
        self.groups.get(..self.parts).unwrap_or_default()
    }
}
