//! Where values begin and end.

use std::ops::Range;

use memchr::memchr2;
use smallvec::SmallVec;

use super::{Broken, Member};

/// The members of the text, which must be exactly one object.
pub(crate) fn members(text: &[u8]) -> Result<SmallVec<[Member; 8]>, Broken> {
    let mut scanner = Scanner { text, at: 0 };
    let mut members = SmallVec::new();
    scanner.blank();
    scanner.expect(b'{')?;
    scanner.blank();
    if scanner.peek() == Some(b'}') {
        scanner.at += 1;
    } else {
        loop {
            if scanner.peek() != Some(b'"') {
                return Err(scanner.broken());
            }
            let key = scanner.string()?;
            scanner.blank();
            scanner.expect(b':')?;
            scanner.blank();
            let value = scanner.value()?;
            members.push(Member { key, value });
            if !scanner.more(b'}')? {
                break;
            }
        }
    }
    scanner.end()?;
    Ok(members)
}

/// The elements of the text, which must be exactly one array.
pub(crate) fn items(text: &[u8]) -> Result<Vec<Range<usize>>, Broken> {
    let mut scanner = Scanner { text, at: 0 };
    let mut items = Vec::new();
    scanner.blank();
    scanner.expect(b'[')?;
    scanner.blank();
    if scanner.peek() == Some(b']') {
        scanner.at += 1;
    } else {
        loop {
            items.push(scanner.value()?);
            if !scanner.more(b']')? {
                break;
            }
        }
    }
    scanner.end()?;
    Ok(items)
}

/// Whether the quoted JSON text `quoted` stands for `text`. An escape is always longer than what it stands for.
pub(crate) fn says(quoted: &[u8], text: &str) -> bool {
    let inner = quoted.len().saturating_sub(2);
    if inner < text.len() {
        return false;
    }
    if memchr::memchr(b'\\', quoted).is_none() {
        return inner == text.len() && quoted.get(1..=inner) == Some(text.as_bytes());
    }
    inner > text.len() && super::unquote(quoted).is_some_and(|key| key == text)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn broken(&self) -> Broken {
        Broken { at: self.at.min(self.text.len()) }
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        if self.peek() != Some(byte) {
            return Err(self.broken());
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.blank();
        if self.at == self.text.len() { Ok(()) } else { Err(self.broken()) }
    }

    /// After a value: whether a comma leads to another one, or `close` ends the list.
    fn more(&mut self, close: u8) -> Result<bool, Broken> {
        self.blank();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blank();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.broken()),
        }
    }

    fn value(&mut self) -> Result<Range<usize>, Broken> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.nested(),
            _ => self.scalar(),
        }
    }

    /// From the opening quote to behind the closing one. Short strings are the rule: only long ones pay for a vector search's start.
    fn string(&mut self) -> Result<Range<usize>, Broken> {
        let start = self.at;
        let mut at = start + 1;
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let near = rest.iter().take(16).position(|b| matches!(b, b'"' | b'\\'));
            let Some(offset) =
                near.or_else(|| memchr2(b'"', b'\\', rest.get(16..)?).map(|offset| offset + 16))
            else {
                self.at = start;
                return Err(self.broken());
            };
            if rest.get(offset) == Some(&b'"') {
                self.at = at + offset + 1;
                return Ok(start..self.at);
            }
            at += offset + 2;
        }
    }

    /// `true`, `false`, `null`, a number: only what these are made of, their grammar is not judged.
    fn scalar(&mut self) -> Result<Range<usize>, Broken> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.broken()) } else { Ok(start..self.at) }
    }

    /// From an opening bracket to behind its partner. Strings are skipped; between them only what JSON is made of may stand.
    fn nested(&mut self) -> Result<Range<usize>, Broken> {
        let start = self.at;
        let mut open = Brackets::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' => open.push(true),
                b'[' => open.push(false),
                b'}' | b']' => {
                    if open.pop() != Some(byte == b'}') {
                        return Err(self.broken());
                    }
                    if open.is_empty() {
                        self.at += 1;
                        return Ok(start..self.at);
                    }
                }
                b' '
                | b'\t'
                | b'\n'
                | b'\r'
                | b','
                | b':'
                | b'+'
                | b'-'
                | b'.'
                | b'0'..=b'9'
                | b'a'..=b'z'
                | b'A'..=b'Z' => {}
                _ => return Err(self.broken()),
            }
            self.at += 1;
        }
        Err(self.broken())
    }
}

/// The kinds of the open brackets, a bit each: true is a brace.
#[derive(Default)]
struct Brackets {
    depth: usize,
    word: u64,
    full: SmallVec<[u64; 4]>,
}

impl Brackets {
    fn push(&mut self, brace: bool) {
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.full.push(self.word);
        }
        self.word = (self.word << 1) | u64::from(brace);
        self.depth += 1;
    }

    fn pop(&mut self) -> Option<bool> {
        self.depth = self.depth.checked_sub(1)?;
        let brace = self.word & 1 == 1;
        self.word >>= 1;
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.word = self.full.pop().unwrap_or_default();
        }
        Some(brace)
    }

    fn is_empty(&self) -> bool {
        self.depth == 0
    }
}
