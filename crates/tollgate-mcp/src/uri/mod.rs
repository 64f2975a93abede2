//! Exposed URIs (`protocol.md` §3.9): `{alias}+{original}` for absolute URIs, `ui://{alias}+{rest}` for `ui://`,
//! `mcp-gw://{alias}/{percent-encoded}` for anything that is not an absolute URI. Works for RFC 6570 templates too. *Never* resolves or
//! normalises: the original comes back byte for byte.

#[cfg(test)]
mod tests;

const UI: &str = "ui://";
const OURS: &str = "mcp-gw://";

/// The exposed URI (or template) of `original` on `server`, an alias of `[a-z][a-z0-9.-]*`.
pub fn expose(server: &str, original: &str) -> String {
    if let Some(rest) = original.strip_prefix(UI) {
        format!("{UI}{server}+{rest}")
    } else if is_absolute(original) {
        format!("{server}+{original}")
    } else {
        let mut exposed = format!("{OURS}{server}/");
        percent_encode(original, &mut exposed);
        exposed
    }
}

/// The server's alias and the original of an exposed URI; `None` if it has none of our forms. The alias is not checked to exist.
pub fn restore(exposed: &str) -> Option<(&str, String)> {
    if let Some(rest) = exposed.strip_prefix(UI) {
        let (alias, rest) = rest.split_once('+')?;
        return is_alias(alias).then(|| (alias, format!("{UI}{rest}")));
    }
    if let Some(rest) = exposed.strip_prefix(OURS) {
        let (alias, encoded) = rest.split_once('/')?;
        let original = percent_decode(encoded)?;
        // One original has one exposed form only.
        return (is_alias(alias) && !is_absolute(&original)).then_some((alias, original));
    }
    let (alias, original) = exposed.split_once('+')?;
    (is_alias(alias) && is_absolute(original) && !original.starts_with(UI))
        .then(|| (alias, original.to_owned()))
}

/// `scheme:` and anything (RFC 3986, 3.1).
fn is_absolute(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn is_alias(alias: &str) -> bool {
    alias.starts_with(|c: char| c.is_ascii_lowercase())
        && alias.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

/// Encodes all but unreserved characters and `/`. A template's expressions stay, so that it can still be expanded.
fn percent_encode(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let expression = if c == '{' { expression(rest) } else { None };
        let taken = expression.map_or(c.len_utf8(), str::len);
        let (head, tail) = rest.split_at(taken);
        if expression.is_some() || c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '/') {
            out.push_str(head);
        } else {
            for byte in head.bytes() {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(hex));
            }
        }
        rest = tail;
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

/// The RFC 6570 expression that `text` begins with, braces included; none that a percent sign would make ambiguous.
fn expression(text: &str) -> Option<&str> {
    let (expression, _) = text.split_at(text.find('}')? + 1);
    let inner = expression.strip_prefix('{')?.strip_suffix('}')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "+#./;?&=,!@|_:*".contains(c);
    (!inner.is_empty() && inner.chars().all(legal)).then_some(expression)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
