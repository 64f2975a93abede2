//! Text as a human must see it: what the model sees, hidden characters included.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use tollgate_mcp::object::{Object, quote, unquote};
use tollgate_policy::hidden::{Sight, sights};

use super::grant::mark;
use super::inbox::{Change, Shown};

/// The longest value that is shown whole, in characters.
const VALUE_MAX: usize = 400;

/// The most arguments that are shown.
const ARGUMENTS_MAX: usize = 100;

/// `text` with what people would not see of it written as `\u{…}`, control characters too, cut after `max` characters.
pub fn visible(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max * 4));
    for (n, (c, sight)) in sights(text).enumerate() {
        if n == max {
            let left = text.chars().count() - max;
            write!(shown, "… ({left} more characters)").unwrap_or_default();
            break;
        }
        match sight {
            Sight::Seen => shown.push(c),
            Sight::Hidden | Sight::Control => write!(shown, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default(),
        }
    }
    shown
}

/// Each argument on its own, so that a long one hides no other: cut by itself, and marked where it differs from `before`, the
/// [`super::grant::marks`] of the last approved call.
pub(super) fn arguments(text: &Bytes, before: Option<&BTreeMap<String, String>>) -> Vec<Shown> {
    let Ok(object) = Object::scan(text.clone()) else { return Vec::new() };
    let mut list: Vec<Shown> = Vec::new();
    for member in object.members().iter().take(ARGUMENTS_MAX) {
        let (key, value) = (object.key(member), object.value(member));
        let change = before.map(|before| match before.get(&*key) {
            Some(known) if *known == mark(&value) => Change::Same,
            Some(_) => Change::Changed,
            None => Change::New,
        });
        list.push(Shown { name: name(&key), value: whole(&value), change });
    }
    let more = object.members().len().saturating_sub(ARGUMENTS_MAX);
    if more > 0 {
        list.push(Shown { name: "…".to_owned(), value: format!("({more} more arguments)"), change: None });
    }
    for key in before.into_iter().flat_map(BTreeMap::keys).filter(|key| object.find(key).is_none()).take(20) {
        list.push(Shown { name: name(key), value: String::new(), change: Some(Change::Gone) });
    }
    list
}

/// The arguments as lines of a message.
pub(super) fn lines(shown: &[Shown]) -> String {
    let mut text = String::new();
    for one in shown {
        let change = match one.change {
            None | Some(Change::Same) => "",
            Some(Change::Changed) => "  (differs from the last approved call)",
            Some(Change::New) => "  (not in the last approved call)",
            Some(Change::Gone) => "(was in the last approved call, and is gone)",
        };
        write!(text, "\n  {}: {}{change}", one.name, one.value).unwrap_or_default();
    }
    text
}

/// A name that could be mistaken for something else stands in quotes.
fn name(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.$".contains(c));
    if plain { visible(key, 100) } else { visible(&quote(key), 100) }
}

/// A string is written anew: letters that were sent as escapes are letters.
fn whole(value: &[u8]) -> String {
    let text =
        unquote(value).map_or_else(|| String::from_utf8_lossy(value).into_owned(), |text| quote(&text));
    visible(&text, VALUE_MAX)
}
