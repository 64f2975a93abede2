//! The numbers that a call adds to its conversation's sums.

use bytes::Bytes;
use tollgate_mcp::object::{Object, elements, unquote};

/// The sum of the numbers at `path` in a call's arguments, in whole numbers: each is rounded up, one below 0 counts as 0, since what was
/// spent is never unspent. A number in a string counts; what is none counts as nothing.
pub(super) fn sum(arguments: &Bytes, path: &[Option<String>]) -> i64 {
    let Some((step, rest)) = path.split_first() else { return number(arguments) };
    let every: Vec<Bytes> = if let Some(name) = step {
        Object::scan(arguments.clone()).ok().and_then(|object| object.get(name)).into_iter().collect()
    } else if let Ok(items) = elements(arguments) {
        items
    } else {
        let object = Object::scan(arguments.clone()).unwrap_or_else(|_| Object::empty());
        object.members().iter().map(|member| object.value(member)).collect()
    };
    every.iter().fold(0, |all, value| all.saturating_add(sum(value, rest)))
}

fn number(text: &[u8]) -> i64 {
    let text = unquote(text)
        .map_or_else(|| String::from_utf8_lossy(text).into_owned(), std::borrow::Cow::into_owned);
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return whole.max(0);
    }
    let Ok(number) = text.parse::<f64>() else { return 0 };
    // `as` saturates, and nothing is what is not a number.
    #[expect(clippy::cast_possible_truncation, reason = "saturating is meant")]
    let up = number.ceil() as i64;
    up.max(0)
}
