//! Text as a human must see it: what the model sees, hidden characters included.

use std::fmt::Write as _;

/// `text` with control, format and direction-changing characters written as `\u{…}`, cut after `max` characters.
pub fn visible(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max * 4));
    for (n, c) in text.chars().enumerate() {
        if n == max {
            let left = text.chars().count() - max;
            write!(shown, "… ({left} more characters)").unwrap_or_default();
            break;
        }
        if is_hidden(c) {
            write!(shown, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default();
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Control characters, zero width, bidirectional controls, tags, interlinear marks, soft hyphen. The zero-width joiner and variation
/// selectors stay: emoji and several scripts are written with them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180E | 0x200B..=0x200C | 0x200E..=0x200F
            | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F)
}
