//! The same over JSON text: a character is raw, or an escape, and each string stands for itself.

use std::fmt::Write as _;

use super::Hidden;
use super::chars::{Before, Fate, Sequences};

/// One character of a JSON text and where it stands.
#[derive(Clone, Copy)]
struct Unit {
    c: char,
    start: usize,
    end: usize,
    /// A quote that is not escaped: a string begins or ends.
    bound: bool,
}

#[derive(Clone)]
struct Units<'a> {
    text: &'a str,
    place: usize,
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let start = self.place;
        let rest = self.text.get(start..)?;
        let first = rest.chars().next()?;
        let (c, length) = if first == '\\' { escape(rest.as_bytes()) } else { (first, first.len_utf8()) };
        self.place = start + length;
        Some(Unit { c, start, end: self.place, bound: first == '"' })
    }
}

/// The character an escape stands for, and the escape's length.
fn escape(text: &[u8]) -> (char, usize) {
    let hex = |from: usize| {
        let digits = text.get(from..from + 4)?;
        digits.iter().try_fold(0_u32, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
    };
    match text.get(1) {
        Some(b'u') => match hex(2) {
            Some(high @ 0xd800..=0xdbff) if text.get(6..8) == Some(b"\\u") => match hex(8) {
                Some(low @ 0xdc00..=0xdfff) => {
                    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or('\u{fffd}'), 12)
                }
                _ => ('\u{fffd}', 6),
            },
            Some(code) => (char::from_u32(code).unwrap_or('\u{fffd}'), 6),
            None => ('\\', 1),
        },
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(other) if other.is_ascii() => (char::from(*other), 2),
        _ => ('\\', 1),
    }
}

pub(super) fn clean(text: &[u8], mode: Hidden) -> Option<Vec<u8>> {
    // What is no UTF-8 is no JSON: it is left to who reads it.
    let text = std::str::from_utf8(text).ok()?;
    let mut out = String::new();
    let mut kept = 0;
    let mut any = false;
    let (mut before, mut sequences) = (Before::default(), Sequences::default());
    let mut units = Units { text, place: 0 };
    // How many characters of this string came before.
    let mut at = 0;
    while let Some(unit) = units.next() {
        at += 1;
        if unit.bound {
            (before, sequences, at) = Default::default();
            continue;
        }
        let rest = units.clone().take_while(|unit| !unit.bound).map(|unit| unit.c);
        if before.judge(unit.c, &rest) == Fate::Keep {
            continue;
        }
        any = true;
        out.push_str(text.get(kept..unit.start).unwrap_or_default());
        let mut end = unit.end;
        match mode {
            Hidden::Show => write!(out, "\\\\u{{{:x}}}", u32::from(unit.c)).unwrap_or_default(),
            Hidden::Strip | Hidden::Keep => {
                if matches!(unit.c, '\u{1b}' | '\u{9b}') {
                    for _ in 0..sequences.length(at - 1, unit.c, rest) {
                        at += 1;
                        end = units.next().map_or(end, |unit| unit.end);
                    }
                }
            }
        }
        kept = end;
    }
    any.then(|| {
        out.push_str(text.get(kept..).unwrap_or_default());
        out.into_bytes()
    })
}
