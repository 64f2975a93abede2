/// The byte at a place; 0 beyond the end.
pub(super) fn at(text: &[u8], place: usize) -> u8 {
    text.get(place).copied().unwrap_or(0)
}

/// The byte before a place; 0 at the beginning.
pub(super) fn before(text: &[u8], place: usize) -> u8 {
    place.checked_sub(1).map_or(0, |place| at(text, place))
}

/// A stretch; empty where it is not within the text.
pub(super) fn part(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end).unwrap_or_default()
}

/// Where the stretch of bytes that are `like` ends, at most `most` bytes from `start`.
pub(super) fn run(text: &[u8], start: usize, most: usize, like: impl Fn(u8) -> bool) -> usize {
    let end = text.len().min(start.saturating_add(most));
    let stretch = part(text, start, end);
    start + stretch.iter().position(|byte| !like(*byte)).unwrap_or(stretch.len())
}

/// A letter, a digit or `_`: what a name is made of.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// URL-safe base64.
pub(super) fn is_url64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Base64.
pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The entropy of a stretch's bytes, in hundredths of a bit a byte.
pub(super) fn entropy(text: &[u8]) -> u32 {
    let mut counts = [0_u16; 256];
    for byte in text.iter().take(4_096) {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u16::try_from(text.len().min(4_096)).unwrap_or(4_096)).max(1.0);
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 800")]
    let hundredths = (bits * 100.0) as u32;
    hundredths
}
