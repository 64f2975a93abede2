//! Numbers compared by their decimal digits: `0.1`, `1e400` and 2^63 + 1 are what they say. *Never* through a float.

use std::cmp::Ordering;

/// `0.DIGITS × 10^exponent`, without zeros at either end of the digits; no digits is zero.
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

/// Which of two JSON numbers is larger. `None`: one of them is not a number.
pub(crate) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (read(a)?, read(b)?);
    let sign = |number: &Decimal| match (number.digits.is_empty(), number.negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let signs = sign(&a).cmp(&sign(&b));
    if signs != Ordering::Equal || a.digits.is_empty() {
        return Some(signs);
    }
    let larger = a.exponent.cmp(&b.exponent).then_with(|| a.digits.cmp(&b.digits));
    Some(if a.negative { larger.reverse() } else { larger })
}

/// A JSON number as an integer, if it is one: also `5.0` and `1e3`.
pub(crate) fn whole(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let number = read(text)?;
    if number.digits.is_empty() {
        return Some(0);
    }
    let zeros = usize::try_from(number.exponent).ok()?.checked_sub(number.digits.len())?;
    if zeros > 19 {
        return None;
    }
    let mut plain = String::from(if number.negative { "-" } else { "" });
    plain.extend(number.digits.iter().map(|digit| char::from(*digit)));
    plain.extend(std::iter::repeat_n('0', zeros));
    plain.parse().ok()
}

fn read(text: &str) -> Option<Decimal> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (rest, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if before.is_empty() || !before.bytes().chain(after.bytes()).all(|c| c.is_ascii_digit()) {
        return None;
    }
    let mut digits: Vec<u8> = before.bytes().chain(after.bytes()).collect();
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..leading);
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = i64::try_from(before.len()).ok()? - i64::try_from(leading).ok()?;
    Some(Decimal { negative, digits, exponent: exponent.saturating_add(point) })
}

/// An exponent; one that no computer could hold is as good as the largest that one can.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let far = if text.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
    Some(text.parse().map_or(far, |value: i64| value.clamp(i64::MIN / 2, i64::MAX / 2)))
}

/// Whether a JSON number has no fraction.
pub(crate) fn is_whole(text: &str) -> bool {
    read(text).is_some_and(|number| {
        i64::try_from(number.digits.len()).is_ok_and(|digits| digits == 0 || digits <= number.exponent)
    })
}
