//! Reads which modules of the gateway's crate a file names.

use std::path::Path;

/// The stages in the order of the path. `path` and `admin` stand above them.
const STAGES: [&str; 11] = [
    "call",
    "receive",
    "authenticate",
    "resolve",
    "transform",
    "decide",
    "approve",
    "forward",
    "record",
    "path",
    "admin",
];

/// The rooms on the ground floor: stages may name them, they name no stage (but the nouns of `call`).
const ROOMS: [&str; 9] =
    ["clock", "secret", "seal", "config", "store", "vault", "servers", "catalog", "conversation"];

/// Who may name the vault beside itself.
const KEEPERS: [&str; 3] = ["servers/credential", "vault", "admin"];

/// The imports in `text` that break the floors, told. `path` is relative to the crate's `src`.
pub(crate) fn broken(path: &Path, text: &str) -> Vec<String> {
    let shown = path.to_string_lossy().replace('\\', "/");
    let here = shown.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let is_room = ROOMS.contains(&here);
    let floor = STAGES.iter().position(|stage| *stage == here);
    if is_test(path) || (floor.is_none() && !is_room) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for name in named(path, &bare(text)) {
        let named_floor = STAGES.iter().position(|stage| *stage == name);
        let upward = match (floor, named_floor) {
            // The path knows all stages, and so does what stands on it.
            (Some(own), Some(other)) => other > own,
            (None, Some(other)) => other > 0,
            (_, None) => false,
        };
        if upward {
            found.push(format!("{shown}: {here} names {name}"));
        }
        if name == "vault" && !KEEPERS.iter().any(|keeper| shown.starts_with(keeper)) {
            found.push(format!("{shown} names vault"));
        }
    }
    found
}

/// Whether a file is a test's.
pub(crate) fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests") || path.ends_with("tests.rs")
}

/// The top-level modules that a file names, each once.
fn named(path: &Path, text: &str) -> Vec<String> {
    let depth = path.components().count() - usize::from(path.ends_with("mod.rs"));
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((place, prefix)) = next_path(rest) {
        let before = rest.get(..place).and_then(|before| before.chars().next_back());
        let (mut after, mut climbed) = (rest.get(place + prefix.len()..).unwrap_or_default(), 1);
        rest = after;
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
            continue;
        }
        if prefix == "super::" {
            while let Some(further) = after.strip_prefix("super::") {
                after = further;
                climbed += 1;
            }
            rest = after;
            if climbed < depth {
                continue;
            }
        }
        names.extend(first_names(after));
    }
    names.sort();
    names.dedup();
    names
}

fn next_path(text: &str) -> Option<(usize, &'static str)> {
    ["crate::", "super::"].into_iter().filter_map(|prefix| Some((text.find(prefix)?, prefix))).min()
}

/// The first segment of a path, or of each path in a group.
fn first_names(text: &str) -> Vec<String> {
    let identifier =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = text.strip_prefix('{') else { return vec![identifier(text)] };
    let (mut depth, mut names, mut fresh) = (1, Vec::new(), true);
    for (place, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if c.is_whitespace() => {}
            _ if fresh && depth == 1 => {
                names.push(identifier(group.get(place..).unwrap_or_default()));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The text without comments and string literals, and without what follows an inline `#[cfg(test)] mod … {`.
pub(crate) fn bare(text: &str) -> String {
    let text = match text.find("#[cfg(test)]\nmod tests {") {
        Some(place) => text.get(..place).unwrap_or_default(),
        None => text,
    };
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('/', Some('/')) => while chars.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) => {
                let mut last = ' ';
                for c in chars.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            ('"', _) => {
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                out.push_str("\"\"");
            }
            // A quote character is no string.
            ('\'', Some('"' | '/')) => drop(chars.next()),
            (c, _) => out.push(c),
        }
    }
    out
}
