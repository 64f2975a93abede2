//! Characters that a human does not see and a model reads. Emoji, joiners where scripts need them, and right-to-left text are no
//! finding.

use std::fmt::Write as _;

/// The hidden characters of a text, as evidence.
pub(super) fn find(text: &str) -> Option<String> {
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte) || matches!(byte, b'\n' | b'\t' | b'\r')) {
        return None;
    }
    let chars: Vec<char> = text.chars().collect();
    let first = (0..chars.len()).find(|place| is_hidden(&chars, *place))?;
    let from = first.saturating_sub(20);
    Some(chars.iter().skip(from).take(80).collect())
}

/// The text with what can't be seen, or moves what is seen, written as `⟨U+200B⟩`. Line breaks stay.
pub fn visible(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    for (place, c) in chars.iter().enumerate() {
        let moves = matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if is_hidden(&chars, place) || moves || (c.is_control() && *c != '\n' && *c != '\t') {
            // Writing into a `String` cannot fail.
            write!(out, "⟨U+{:04X}⟩", u32::from(*c)).unwrap_or_default();
        } else {
            out.push(*c);
        }
    }
    out
}

fn is_hidden(chars: &[char], place: usize) -> bool {
    let at = |place: Option<usize>| place.and_then(|place| chars.get(place)).copied();
    let Some(c) = at(Some(place)) else { return false };
    let (before, after) = (at(place.checked_sub(1)), at(Some(place + 1)));
    match c {
        '\n' | '\t' | '\r' => false,
        // Zero width and fillers.
        '\u{200b}'
        | '\u{2060}'..='\u{2064}'
        | '\u{206a}'..='\u{206f}'
        | '\u{feff}'
        | '\u{034f}'
        | '\u{00ad}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180e}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        // Overrides of direction belong nowhere.
        | '\u{202d}'
        | '\u{202e}' => true,
        // Joiners belong between letters of many scripts and within emoji.
        '\u{200c}' | '\u{200d}' => {
            !(before.is_some_and(joins) && after.is_none_or(joins))
        }
        // Other direction marks belong in texts that have a direction.
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}' => {
            !chars.iter().any(|c| is_right_to_left(*c))
        }
        // Selectors belong behind one character that has variants; a row of them is a message.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => !before.is_some_and(has_variants),
        // Tags spell the flags of regions behind a black flag.
        '\u{e0000}'..='\u{e007f}' => !is_flag(chars, place),
        c => c.is_control(),
    }
}

fn joins(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !matches!(c, '\u{200b}'..='\u{200d}')
}

fn has_variants(c: char) -> bool {
    let selector = matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    !selector && (!c.is_ascii() || c.is_ascii_digit() || matches!(c, '#' | '*'))
}

fn is_flag(chars: &[char], place: usize) -> bool {
    // At most five letters and the end: 🏴 + gbeng + U+E007F.
    let is_tag = |c: &char| matches!(*c, '\u{e0020}'..='\u{e007f}');
    let back = (1..=6).find(|n| place.checked_sub(*n).and_then(|p| chars.get(p)) == Some(&'\u{1f3f4}'));
    let Some(start) = back.map(|n| place - n) else { return false };
    let tags: Vec<char> = chars.iter().skip(start + 1).copied().take_while(is_tag).collect();
    tags.len() <= 6 && tags.last() == Some(&'\u{e007f}')
}

const fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}
