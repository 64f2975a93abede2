//! Text to a path.

use super::{BadPath, Path, STEPS_MAX, Select, Step};
use crate::reader::Reader;

/// The largest place that RFC 9535 knows: what every reader of JSON can count exactly.
const PLACE_MAX: i64 = (1 << 53) - 1;

pub(super) fn path(text: &str) -> Result<Path, BadPath> {
    let mut reader = Reader::new(text);
    if !reader.took('$') {
        return bad(1, "a path begins with `$`");
    }
    let mut steps = Vec::new();
    while let Some(c) = reader.peek() {
        let column = reader.column();
        if steps.len() == STEPS_MAX {
            return bad(column, format!("a path of more than {STEPS_MAX} steps is too long"));
        }
        reader.next();
        steps.push(match c {
            '.' if reader.took('.') => Step {
                deep: true,
                select: if reader.took('[') { bracket(&mut reader)? } else { name(&mut reader)? },
            },
            '.' => Step { deep: false, select: name(&mut reader)? },
            '[' => Step { deep: false, select: bracket(&mut reader)? },
            other => return bad(column, format!("expected `.` or `[`, found `{}`", other.escape_debug())),
        });
    }
    Ok(Path { source: text.to_owned(), steps })
}

fn bad<T>(column: usize, message: impl Into<String>) -> Result<T, BadPath> {
    Err(BadPath { column, message: message.into() })
}

/// After a dot: `*`, or a name of letters, digits, `_` and whatever is not ASCII.
fn name(reader: &mut Reader<'_>) -> Result<Select, BadPath> {
    if reader.took('*') {
        return Ok(Select::Every);
    }
    let mut name = String::new();
    if reader.peek().is_some_and(|c| !c.is_ascii_digit()) {
        reader.take_while(&mut name, |c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
    }
    if name.is_empty() {
        return bad(reader.column(), "expected a name; write others as `['a-b']`");
    }
    Ok(Select::Key(name))
}

/// After `[`.
fn bracket(reader: &mut Reader<'_>) -> Result<Select, BadPath> {
    let select = match reader.peek() {
        Some('*') => {
            reader.next();
            Select::Every
        }
        Some(quote @ ('\'' | '"')) => {
            reader.next();
            Select::Key(quoted(reader, quote)?)
        }
        Some('?' | '(') => return bad(reader.column(), "filters are not available"),
        Some(_) | None => place(reader)?,
    };
    match reader.peek() {
        Some(']') => {
            reader.next();
            Ok(select)
        }
        Some(':') => bad(reader.column(), "slices are not available"),
        Some(',') => bad(reader.column(), "unions are not available: write a path for each"),
        Some(_) | None => bad(reader.column(), "expected `]`"),
    }
}

/// A whole number, without needless zeros.
fn place(reader: &mut Reader<'_>) -> Result<Select, BadPath> {
    let column = reader.column();
    let mut digits = String::new();
    reader.take_while(&mut digits, |c| c.is_ascii_digit() || c == '-');
    match digits.parse::<i64>() {
        Ok(place) if place.abs() <= PLACE_MAX && place.to_string() == digits => Ok(Select::At(place)),
        Ok(_) => {
            bad(column, "this is no place: it is written without needless zeros, and counts to 2^53 - 1")
        }
        Err(_) => bad(reader.column(), "expected `*`, a number or a name in quotes"),
    }
}

/// After the opening quote.
fn quoted(reader: &mut Reader<'_>, quote: char) -> Result<String, BadPath> {
    let mut name = String::new();
    loop {
        let column = reader.column();
        match reader.next() {
            None => return bad(reader.column(), "this name has no end"),
            Some(c) if c == quote => return Ok(name),
            Some('\\') => name.push(match reader.next() {
                Some(c) if c == quote => c,
                Some(c @ ('\\' | '/')) => c,
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('u') => match unit(reader).and_then(|unit| code(unit, reader)) {
                    Some(c) => c,
                    None => return bad(column, "`\\u` wants four digits, or two of it for one character"),
                },
                Some(_) | None => return bad(column, "unknown escape"),
            }),
            Some(c) if c < ' ' => return bad(column, "a control character is written as an escape"),
            Some(c) => name.push(c),
        }
    }
}

/// The four digits behind `\u`.
fn unit(reader: &mut Reader<'_>) -> Option<u32> {
    (0..4).try_fold(0, |sum, _| Some(sum * 16 + reader.next()?.to_digit(16)?))
}

/// The character of a unit, or of two that are a pair.
fn code(high: u32, reader: &mut Reader<'_>) -> Option<char> {
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high);
    }
    let low = (reader.took('\\') && reader.took('u')).then(|| unit(reader)).flatten()?;
    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)
}
