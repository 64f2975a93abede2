//! Characters that hide text from people and not from models: Unicode tags, zero width, direction controls, terminal escapes.
//!
//! Works on JSON text as it stands, raw UTF-8 and `\u` escapes alike, without reading the JSON: such characters can only be within its
//! strings. What has none is found out at memory speed and not copied. *Never* touches emoji sequences or right-to-left letters.

use memchr::memmem;

mod chars;
mod json;

#[cfg(test)]
mod tests;

/// What happens to hidden characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hidden {
    /// They are taken out.
    #[default]
    Strip,
    /// They are written as `\u{…}`.
    Show,
    /// They stay.
    Keep,
}

/// JSON text without hidden characters; `None` = there are none, the text stays as it is.
pub fn clean_json(text: &[u8], mode: Hidden) -> Option<Vec<u8>> {
    if mode == Hidden::Keep || !may_hide(text) {
        return None;
    }
    json::clean(text, mode)
}

/// Plain text without hidden characters; `None` = there are none.
pub fn clean_text(text: &str, mode: Hidden) -> Option<String> {
    if mode == Hidden::Keep || !may_hide_plain(text.as_bytes()) {
        return None;
    }
    chars::clean(text, mode)
}

/// What people see of one character of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It, or a form of its neighbours: joiners within emoji, marks beside right-to-left letters.
    Seen,
    /// Nothing, or other text elsewhere: what [`Hidden::Strip`] takes out.
    Hidden,
    /// A control character that is not taken out.
    Control,
}

/// Each character of a plain text with what people see of it.
pub fn sights(text: &str) -> impl Iterator<Item = (char, Sight)> {
    let mut before = chars::Before::default();
    let mut rest = text.chars();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let sight = match before.judge(c, &rest) {
            chars::Fate::Hide => Sight::Hidden,
            chars::Fate::Keep if c.is_control() => Sight::Control,
            chars::Fate::Keep => Sight::Seen,
        };
        Some((c, sight))
    })
}

/// Whether people see nothing of a character by itself, or it moves others.
pub const fn is_invisible(c: char) -> bool {
    chars::is_invisible(c)
}

/// Whether it is a letter of a script that is written from right to left.
pub fn is_right_to_left(c: char) -> bool {
    chars::is_right_to_left(c)
}

/// Whether JSON text could hold a hidden character. Exact enough that text without any costs a few passes at memory speed; a yes is
/// looked at again.
pub fn may_hide(text: &[u8]) -> bool {
    escaped(text) || !text.is_ascii() && raw(text)
}

fn may_hide_plain(text: &[u8]) -> bool {
    memchr::memchr(0x1b, text).is_some() || !text.is_ascii() && raw(text)
}

/// A `\u` escape that could stand for one.
fn escaped(text: &[u8]) -> bool {
    memmem::find_iter(text, b"\\u").any(|place| {
        let digits = text.get(place + 2..place + 6).unwrap_or_default();
        match digits {
            [b'0', b'0', high, low] => {
                // Escape, the control sequence introducer, the soft hyphen.
                matches!((high, low.to_ascii_lowercase()), (b'1' | b'9', b'b') | (b'a' | b'A', b'd'))
            }
            [b'0', b'3', b'4', low] => low.eq_ignore_ascii_case(&b'f'),
            [b'0', b'6', b'1', low] => low.eq_ignore_ascii_case(&b'c'),
            [b'1', b'1' | b'7' | b'8', _, _]
            | [b'2', b'0', _, _]
            | [b'3', b'1', b'6', b'4']
            | [b'd' | b'D', b'b' | b'B', b'4', b'0'..=b'3']
            | [b'd' | b'D', b'8', b'3', b'4'] => true,
            [b'f' | b'F', last @ ..] => {
                matches!(
                    last,
                    [b'e' | b'E', b'0' | b'f' | b'F', _] | [b'f' | b'F', b'a' | b'A' | b'f' | b'F', _]
                )
            }
            _ => false,
        }
    })
}

/// The rare ones, by all their bytes: each search jumps at memory speed.
const WHOLE: [&[u8]; 12] = [
    b"\xc2\xad",
    b"\xc2\x9b",
    b"\xcd\x8f",
    b"\xd8\x9c",
    b"\xe1\x85\x9f",
    b"\xe1\x85\xa0",
    b"\xe1\xa0\x8e",
    b"\xe3\x85\xa4",
    b"\xef\xbe\xa0",
    b"\xe1\x9e\xb4",
    b"\xe1\x9e\xb5",
    b"\xf0\x9d\x85",
];

/// The same in UTF-8.
fn raw(text: &[u8]) -> bool {
    let near = |place: usize, by: usize| text.get(place + by).copied().unwrap_or_default();
    // General punctuation, the byte order mark, tags.
    let common = memchr::memchr3_iter(0xe2, 0xef, 0xf3, text).any(|place| {
        match (near(place, 0), near(place, 1), near(place, 2)) {
            (0xe2, 0x80, third) => matches!(third, 0x8b..=0x8f | 0xa8..=0xae),
            (0xe2, 0x81, third) => third >= 0xa0,
            (0xef, 0xbb, third) => third == 0xbf,
            (0xef, 0xb8, third) => third <= 0x8f,
            (0xef, 0xbf, third) => matches!(third, 0xb9..=0xbb),
            (0xf3, second, _) => second == 0xa0,
            _ => false,
        }
    });
    common || WHOLE.iter().any(|whole| memmem::find(text, whole).is_some())
}
