use super::super::bytes::{at, part};
use super::{Grouped, closes, opens, spoken_of};

/// A payment card: a known issuer's range and length, the usual groups, Luhn's check digit.
pub(super) fn card(text: &[u8], start: usize) -> Option<(usize, usize)> {
    if !opens(text, start) {
        return None;
    }
    let read = Grouped::read(text, start, b" -");
    if !(14..=19).contains(&read.count) || read.mixed || !closes(text, read.end) {
        return None;
    }
    let usual = matches!(read.shape(), [_] | [4, 4, 4, 1..=4] | [4, 4, 4, 4, 1..=3] | [4, 6, 4 | 5]);
    let digits = read.all();
    (usual && issued(digits) && luhn(digits)).then_some((start, read.end))
}

fn issued(digits: &[u8]) -> bool {
    let first =
        |count: usize| digits.iter().take(count).fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit));
    match digits.len() {
        16 => {
            matches!(first(1), 4)
                || matches!(first(2), 51..=55 | 65 | 62)
                || matches!(first(4), 2221..=2720 | 6011 | 3528..=3589)
                || matches!(first(3), 644..=649)
        }
        15 => matches!(first(2), 34 | 37),
        14 => matches!(first(3), 300..=305) || matches!(first(2), 36 | 38),
        19 => matches!(first(1), 4) || matches!(first(2), 62),
        17 | 18 => matches!(first(2), 62),
        _ => false,
    }
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let same = digits.windows(2).all(|pair| pair.first() == pair.last());
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            match (place % 2 == 1, digit * 2) {
                (false, _) => digit,
                (true, double) if double > 9 => double - 9,
                (true, double) => double,
            }
        })
        .sum();
    !same && sum.is_multiple_of(10)
}

/// A social security number of the United States: its groups, without the numbers that are never given out.
pub(super) fn ssn(text: &[u8], start: usize) -> Option<(usize, usize)> {
    if !opens(text, start) {
        return None;
    }
    let read = Grouped::read(text, start, b" -");
    if read.count != 9 || read.mixed || !closes(text, read.end) {
        return None;
    }
    let told = || spoken_of(text, start, &[b"ssn", b"social sec", b"social_sec", b"social-sec"]);
    match read.shape() {
        [3, 2, 4] if read.separator == b'-' || told() => {}
        [9] if told() => {}
        _ => return None,
    }
    let number = |from: usize, to: usize| {
        part(read.all(), from, to).iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    let given = !matches!(number(0, 3), 0 | 666 | 900..) && number(3, 5) != 0 && number(5, 9) != 0;
    // The one that advertisements have used up.
    (given && at(text, start) != 0 && number(0, 9) != 78_051_120).then_some((start, read.end))
}
