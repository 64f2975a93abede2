use super::super::bytes::{at, before, is_word};
use super::{Grouped, closes, opens, spoken_of};

const WORDS: &[&[u8]] =
    &[b"phone", b"tel", b"mobile", b"cell", b"fax", b"call", b"sms", b"whatsapp", b"handy", b"dial"];

/// A phone number: with `+` (E.164), as in North America, or next to a word that says so.
pub(super) fn phone(text: &[u8], digits: usize) -> Option<(usize, usize)> {
    if before(text, digits) == b'+' {
        return international(text, digits, digits - 1);
    }
    if before(text, digits) == b'(' {
        return parenthesised(text, digits, digits - 1);
    }
    if !opens(text, digits) {
        return None;
    }
    let read = Grouped::read(text, digits, b" -.");
    let all = read.all();
    if read.mixed || !closes(text, read.end) {
        return None;
    }
    let american = |number: &[u8]| matches!(number, [2..=9, _, _, 2..=9, ..]);
    let fits = match (read.shape(), all) {
        ([3, 3, 4], number) | ([1, 3, 3, 4], [1, number @ ..]) => american(number),
        // `00` dials abroad.
        (_, [0, 0, 1..=9, ..]) => (10..=17).contains(&all.len()) && told(text, digits),
        (_, _) => (7..=15).contains(&all.len()) && told(text, digits) && !is_date(read.shape()),
    };
    if fits {
        return Some((digits, read.end));
    }
    // `1 (415) 555-0123`
    if read.shape() == [1] && matches!(at(text, read.end), b' ' | b'-') && at(text, read.end + 1) == b'(' {
        return parenthesised(text, read.end + 2, digits);
    }
    None
}

fn told(text: &[u8], start: usize) -> bool {
    spoken_of(text, start, WORDS)
}

fn is_date(shape: &[u8]) -> bool {
    matches!(shape, [4, 2, 2] | [2, 2, 4] | [1..=2, 1..=2, 4])
}

/// Behind a `+`: country code, then groups with single separators or parentheses.
fn international(text: &[u8], digits: usize, start: usize) -> Option<(usize, usize)> {
    if is_word(before(text, start)) || at(text, digits) == b'0' {
        return None;
    }
    let (mut count, mut end, mut place, mut open) = (0, digits, digits, false);
    while place < digits + 26 {
        match at(text, place) {
            byte if byte.is_ascii_digit() => {
                count += 1;
                end = place + 1;
            }
            b' ' | b'-' | b'.' | b'/'
                if at(text, place + 1).is_ascii_digit() || at(text, place + 1) == b'(' => {}
            b'(' if !open && at(text, place + 1).is_ascii_digit() => open = true,
            b')' if open => open = false,
            _ => break,
        }
        place += 1;
    }
    ((8..=15).contains(&count) && closes(text, end)).then_some((start, end))
}

/// `(415) 555-0123`; the digits are behind the parenthesis.
fn parenthesised(text: &[u8], digits: usize, start: usize) -> Option<(usize, usize)> {
    let close = digits + 3;
    if at(text, close) != b')' || !matches!(at(text, digits), b'2'..=b'9') || is_word(before(text, start)) {
        return None;
    }
    let next = close + 1 + usize::from(matches!(at(text, close + 1), b' ' | b'-'));
    let read = Grouped::read(text, next, b" -.");
    let fits = read.shape() == [3, 4] && !read.mixed && closes(text, read.end);
    fits.then_some((start, read.end))
}
