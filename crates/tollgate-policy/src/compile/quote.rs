//! Text as Cedar literals. *Never* lets a value end its literal, hide on a terminal, or become a pattern unasked.

/// Writes `"…"`.
pub(crate) fn text(out: &mut String, chars: impl Iterator<Item = char>) {
    out.push('"');
    chars.for_each(|c| literal(out, c));
    out.push('"');
}

/// Writes the pattern `"…"` of a `like`; `None` = any run of characters.
pub(crate) fn pattern(out: &mut String, pieces: impl Iterator<Item = Option<char>>) {
    out.push('"');
    for piece in pieces {
        match piece {
            None => out.push('*'),
            Some('*') => out.push_str("\\*"),
            Some(c) => literal(out, c),
        }
    }
    out.push('"');
}

fn literal(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        ' ' => out.push(c),
        c if c.is_ascii_graphic() || c.is_alphanumeric() => out.push(c),
        // Control characters, bidirectional overrides, invisible ones: as written by their number.
        c => out.extend(c.escape_unicode()),
    }
}
