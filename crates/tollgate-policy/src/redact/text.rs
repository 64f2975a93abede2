use std::borrow::Cow;
use std::ops::Range;

/// A string's characters, and where each is written.
pub(super) struct Flat<'a> {
    pub(super) text: Cow<'a, str>,
    /// Where the first character is written.
    start: usize,
    /// Behind each escape: its end in `text`, and as written.
    marks: Vec<(usize, usize)>,
}

/// The string at `span` (with its quotes), unescaped.
pub(super) fn plain<'a>(source: &'a str, span: &Range<usize>) -> Cow<'a, str> {
    flat(source, span).text
}

/// The same, with its places.
pub(super) fn flat<'a>(source: &'a str, span: &Range<usize>) -> Flat<'a> {
    let start = span.start + 1;
    let inner = source.get(start..span.end.saturating_sub(1)).unwrap_or_default();
    let Some(first) = memchr::memchr(b'\\', inner.as_bytes()) else {
        return Flat { text: Cow::Borrowed(inner), start, marks: Vec::new() };
    };
    let mut text = String::with_capacity(inner.len());
    let mut marks = Vec::new();
    let (mut place, mut next) = (0, Some(first));
    while let Some(escape) = next {
        text.push_str(inner.get(place..escape).unwrap_or_default());
        let (c, length) = unescape(inner.as_bytes().get(escape..).unwrap_or_default());
        text.push(c);
        place = escape + length;
        marks.push((text.len(), start + place));
        next = inner
            .as_bytes()
            .get(place..)
            .and_then(|rest| memchr::memchr(b'\\', rest))
            .map(|skip| place + skip);
    }
    text.push_str(inner.get(place..).unwrap_or_default());
    Flat { text: Cow::Owned(text), start, marks }
}

impl Flat<'_> {
    /// Where the character at `place` of the text is written.
    pub(super) fn written(&self, place: usize) -> usize {
        let behind = self.marks.partition_point(|(flat, _)| *flat <= place);
        match behind.checked_sub(1).and_then(|mark| self.marks.get(mark)) {
            Some((flat, raw)) => raw + (place - flat),
            None => self.start + place,
        }
    }
}

fn unescape(text: &[u8]) -> (char, usize) {
    let unit = |from: usize| {
        let digits = text.get(from..from + 4)?;
        digits.iter().try_fold(0_u32, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
    };
    match text.get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => {
            let high = unit(2).unwrap_or(0xfffd);
            let low = (text.get(6..8) == Some(b"\\u")).then(|| unit(8)).flatten();
            match (high, low) {
                (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or('\u{fffd}'), 12)
                }
                _ => (char::from_u32(high).unwrap_or('\u{fffd}'), 6),
            }
        }
        Some(other) => (char::from(*other), 2),
        None => ('\\', 1),
    }
}

/// A text as it stands between the quotes of a JSON string.
pub(super) fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
}
