use crate::json::Json;

/// How much of what came must have been expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// All of it.
    Exact,
    /// Only the members that were written down.
    Partial,
}

/// Where and how `actual` differs from `expected`; `None` = it does not.
pub(super) fn difference(expected: &Json, actual: &Json, mode: Mode) -> Option<String> {
    differ(expected, actual, mode, "").map(
        |(path, what)| {
            if path.is_empty() { what } else { format!("at {path}: {what}") }
        },
    )
}

fn differ(expected: &Json, actual: &Json, mode: Mode, path: &str) -> Option<(String, String)> {
    if volatile(expected, actual) == Some(true) {
        return None;
    }
    match (expected, actual) {
        (Json::Object(wanted), Json::Object(came)) => {
            for (key, value) in wanted {
                let path = format!("{path}/{key}");
                match actual.get(key) {
                    Some(there) => {
                        if let Some(found) = differ(value, there, mode, &path) {
                            return Some(found);
                        }
                    }
                    None if value.as_str() == Some("[maybe]") => {}
                    None => return Some((path, "missing".to_owned())),
                }
            }
            let extra = came.iter().find(|(key, _)| expected.get(key).is_none());
            match (mode, extra) {
                (Mode::Exact, Some((key, value))) => {
                    Some((format!("{path}/{key}"), format!("unexpected {value}")))
                }
                (Mode::Exact | Mode::Partial, _) => None,
            }
        }
        (Json::Array(wanted), Json::Array(came)) => {
            if wanted.len() != came.len() {
                let what = format!("{} elements instead of {}", came.len(), wanted.len());
                return Some((path.to_owned(), what));
            }
            let pairs = wanted.iter().zip(came).enumerate();
            pairs.into_iter().find_map(|(place, (w, c))| differ(w, c, mode, &format!("{path}/{place}")))
        }
        _ if expected == actual => None,
        _ => Some((path.to_owned(), format!("{actual} instead of {expected}"))),
    }
}

/// Whether `expected` is a placeholder, and if so whether `actual` is something it stands for.
fn volatile(expected: &Json, actual: &Json) -> Option<bool> {
    let text = actual.as_str();
    Some(match expected.as_str()? {
        "[ms]" => matches!(actual, Json::Number(text) if !text.starts_with('-')),
        "[n]" => matches!(actual, Json::Number(_)),
        "[maybe]" => true,
        "[id]" | "[text]" => text.is_some_and(|text| !text.is_empty()),
        "[hash]" => text.is_some_and(|text| {
            let digits = text.rsplit(':').next().unwrap_or_default();
            digits.len() >= 16 && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }),
        "[time]" => text.is_some_and(|text| text.len() >= 20 && text.ends_with('Z') && text.contains('T')),
        _ => return None,
    })
}

/// What bless writes: `actual`, with the placeholders of `expected` kept, in partial mode cut to the members that were written down.
pub(super) fn blessed(expected: Option<&Json>, actual: &Json, mode: Mode) -> Json {
    if let Some(expected) = expected
        && volatile(expected, actual) == Some(true)
    {
        return expected.clone();
    }
    match actual {
        Json::Object(came) => {
            let wanted = |key: &str| expected.and_then(|expected| expected.get(key));
            let kept = came
                .iter()
                .filter(|(key, _)| mode == Mode::Exact || expected.is_none() || wanted(key).is_some());
            Json::Object(
                kept.map(|(key, value)| (key.clone(), masked(key, wanted(key), value, mode))).collect(),
            )
        }
        Json::Array(came) => {
            let wanted = |place: usize| expected.and_then(|expected| expected.elements().get(place));
            Json::Array(
                came.iter().enumerate().map(|(place, value)| blessed(wanted(place), value, mode)).collect(),
            )
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => actual.clone(),
    }
}

/// A member that was not written down before: what never comes twice becomes a placeholder.
fn masked(key: &str, expected: Option<&Json>, actual: &Json, mode: Mode) -> Json {
    let placeholder = match key {
        "latency_ms" | "server_ms" => "[ms]",
        "id" | "interaction" | "session" | "chain" => "[id]",
        "hash" | "prev" | "args_digest" => "[hash]",
        "at" => "[time]",
        _ => return blessed(expected, actual, mode),
    };
    let stands = expected.is_none() && volatile(&placeholder.into(), actual) == Some(true);
    if stands { placeholder.into() } else { blessed(expected, actual, mode) }
}
