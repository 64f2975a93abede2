//! Characters that a human does not see and a model reads. Emoji, joiners where scripts need them, and right-to-left text are no
//! finding.

use std::fmt::Write as _;

use tollgate_policy::hidden::{Sight, is_right_to_left, sights};

/// The hidden characters of a text, as evidence.
pub(super) fn find(text: &str) -> Option<String> {
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte) || matches!(byte, b'\n' | b'\t' | b'\r')) {
        return None;
    }
    let leftward = text.chars().any(is_right_to_left);
    let hides = |(c, sight): (char, Sight)| match sight {
        Sight::Seen => false,
        // What sets a direction belongs in texts that have two; it is taken out all the same.
        Sight::Hidden => !(leftward && is_direction(c)),
        Sight::Control => !matches!(c, '\n' | '\t' | '\r'),
    };
    let first = sights(text).position(hides)?;
    Some(text.chars().skip(first.saturating_sub(20)).take(80).collect())
}

/// The text with what can't be seen, or moves what is seen, written as `⟨U+200B⟩`. Line breaks stay.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (c, sight) in sights(text) {
        if sight == Sight::Seen || matches!(c, '\n' | '\t') {
            out.push(c);
        } else {
            // Writing into a `String` cannot fail.
            write!(out, "⟨U+{:04X}⟩", u32::from(c)).unwrap_or_default();
        }
    }
    out
}

/// Marks, embeddings and isolates. Overrides belong nowhere.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}')
}
