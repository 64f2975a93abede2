//! Where values begin and end.

use std::ops::Range;

use memchr::memchr;

use super::brackets::Brackets;
use super::{Broken, Member};

/// More members than any protocol object has: places are larger than what they point at.
const MOST: usize = 65_536;

pub(crate) type Members = Vec<Member>;

/// The members of the text, which must be exactly one object.
pub(crate) fn members(text: &[u8]) -> Result<Members, Broken> {
    members_and(text, &[]).map(|(members, _)| members)
}

/// The same, and where one of `keys` holds an object, that one's place and its members, found in the same pass.
pub(super) fn members_and(text: &[u8], keys: &[&str]) -> Result<(Members, Option<Inner>), Broken> {
    let mut scanner = Scanner { text, at: 0 };
    let mut inner = None;
    scanner.blank();
    let members = scanner.object(0, keys, &mut inner)?;
    scanner.end()?;
    Ok((members, inner))
}

/// An object inside another: its place there, and its members within itself.
pub(super) struct Inner {
    pub(super) span: Range<usize>,
    pub(super) members: Members,
}

/// The elements' places in the text, which must be exactly one array: an error is the last item.
pub(crate) fn items(text: &[u8]) -> Items<'_> {
    Items { scanner: Scanner { text, at: 0 }, state: State::Before }
}

pub(crate) struct Items<'a> {
    scanner: Scanner<'a>,
    state: State,
}

enum State {
    Before,
    Within,
    Done,
}

impl Iterator for Items<'_> {
    type Item = Result<Range<usize>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_by(Scanner::value)
    }
}

/// The same, with the members of those that are objects: found in the same pass.
pub(super) fn objects(text: &[u8]) -> Objects<'_> {
    Objects(items(text))
}

pub(super) struct Objects<'a>(Items<'a>);

impl Iterator for Objects<'_> {
    type Item = Result<(Range<usize>, Option<Members>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_by(Scanner::value_with_members)
    }
}

impl<'a> Items<'a> {
    fn next_by<T>(
        &mut self,
        value: impl Fn(&mut Scanner<'a>) -> Result<T, Broken>,
    ) -> Option<Result<T, Broken>> {
        let item = self.step(value).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.state = State::Done;
        }
        item
    }

    fn step<T>(
        &mut self,
        value: impl Fn(&mut Scanner<'a>) -> Result<T, Broken>,
    ) -> Result<Option<T>, Broken> {
        let scanner = &mut self.scanner;
        let more = match self.state {
            State::Before => {
                self.state = State::Within;
                scanner.blank();
                scanner.expect(b'[')?;
                scanner.blank();
                let empty = scanner.peek() == Some(b']');
                scanner.at += usize::from(empty);
                !empty
            }
            State::Within => scanner.more(b']')?,
            State::Done => return Ok(None),
        };
        if more { value(scanner).map(Some) } else { scanner.end().map(|()| None) }
    }
}

/// Whether the key of `member` of `text` stands for `key`.
pub(crate) fn is_key(text: &[u8], member: &Member, key: &str) -> bool {
    let inner = member.key.start + 1..member.key.end.saturating_sub(1);
    if !member.escaped {
        return text.get(inner) == Some(key.as_bytes());
    }
    // An escape is always longer than what it stands for.
    inner.len() > key.len()
        && text.get(member.key.clone()).and_then(super::unquote).is_some_and(|is| is == key)
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

    /// From the opening brace to behind the closing one; spans count from `origin`. It calls itself for `keys` only, once.
    fn object(&mut self, origin: usize, keys: &[&str], inner: &mut Option<Inner>) -> Result<Members, Broken> {
        let mut members = Members::with_capacity(6);
        self.expect(b'{')?;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(members);
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.broken());
            }
            let key = self.string()?;
            let escaped = self.text.get(key.clone()).is_some_and(|key| memchr(b'\\', key).is_some());
            self.blank();
            self.expect(b':')?;
            self.blank();
            let mut member = Member { key, value: 0..0, escaped };
            let begin = self.at;
            if self.peek() == Some(b'{') && keys.iter().any(|key| is_key(self.text, &member, key)) {
                let members = self.object(begin, &[], &mut None)?;
                *inner = Some(Inner { span: begin..self.at, members });
                member.value = begin..self.at;
            } else {
                member.value = self.value()?;
            }
            member.key = member.key.start - origin..member.key.end - origin;
            member.value = member.value.start - origin..member.value.end - origin;
            if members.len() == MOST {
                return Err(self.broken());
            }
            members.push(member);
            if !self.more(b'}')? {
                return Ok(members);
            }
        }
    }

    fn value(&mut self) -> Result<Range<usize>, Broken> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.nested(),
            _ => self.scalar(),
        }
    }

    /// A value's place, and the members of one that reads as an object.
    fn value_with_members(&mut self) -> Result<(Range<usize>, Option<Members>), Broken> {
        let start = self.at;
        if self.peek() == Some(b'{') {
            if let Ok(members) = self.object(start, &[], &mut None) {
                return Ok((start..self.at, Some(members)));
            }
            self.at = start;
        }
        self.value().map(|span| (span, None))
    }

    /// From the opening quote to behind the closing one. Most strings end within a few words: only longer ones pay for a vector search's
    /// start.
    fn string(&mut self) -> Result<Range<usize>, Broken> {
        let start = self.at;
        let mut at = start + 1;
        let mut words = 0;
        while let Some(word) = self.text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*word);
            let quotes = equal(word, b'"');
            let mut hits = quotes | equal(word, b'\\');
            let mut next = 8;
            while hits != 0 {
                let place = hits.trailing_zeros();
                if quotes & (1 << place) != 0 {
                    self.at = at + place as usize / 8 + 1;
                    return Ok(start..self.at);
                }
                // An escape hides the byte behind it.
                next = next.max(place as usize / 8 + 2);
                hits = hits.checked_shr(place + 9).and_then(|rest| rest.checked_shl(place + 9)).unwrap_or(0);
            }
            at += next;
            words += 1;
            if words > 4 {
                return self.long_string(at);
            }
        }
        loop {
            match self.text.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(start..self.at);
                }
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err(self.broken()),
            }
        }
    }

    /// The rest of a string, from `at` on, which no escape hides. Only quotes are looked for: one ends the string unless an odd number of
    /// backslashes stands before it. Long texts have many escapes and few quotes among them.
    fn long_string(&mut self, at: usize) -> Result<Range<usize>, Broken> {
        let rest = self.text.get(at..).unwrap_or_default();
        let mut from = 0;
        while let Some(found) = rest.get(from..).and_then(|rest| memchr(b'"', rest)) {
            let before = rest.get(from..from + found).unwrap_or_default();
            let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            from += found + 1;
            if slashes % 2 == 0 {
                let start = self.at;
                self.at = at + from;
                return Ok(start..self.at);
            }
        }
        Err(self.broken())
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
            match CLASSES.get(usize::from(byte)) {
                Some(Class::Plain) => {}
                Some(Class::Quote) => {
                    self.string()?;
                    continue;
                }
                Some(Class::Open) => open.push(byte == b'{'),
                Some(Class::Close) => {
                    if open.pop() != Some(byte == b'}') {
                        return Err(self.broken());
                    }
                    if open.is_empty() {
                        self.at += 1;
                        return Ok(start..self.at);
                    }
                }
                Some(Class::Foreign) | None => return Err(self.broken()),
            }
            self.at += 1;
        }
        Err(self.broken())
    }
}

/// What a byte outside strings is.
#[derive(Clone, Copy)]
enum Class {
    Plain,
    Quote,
    Open,
    Close,
    Foreign,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Foreign; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "a wrong index would not compile")]
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        {
            classes[byte] = match byte as u8 {
                b'"' => Class::Quote,
                b'{' | b'[' => Class::Open,
                b'}' | b']' => Class::Close,
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'+' | b'-' | b'.' => Class::Plain,
                other if other.is_ascii_alphanumeric() => Class::Plain,
                _ => Class::Foreign,
            };
        }
        byte += 1;
    }
    classes
};

/// The highest bit of each of the word's bytes that is `byte`.
fn equal(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const LOW: u64 = ONES * 0x7f;
    let difference = word ^ (ONES * u64::from(byte));
    !(((difference & LOW) + LOW) | difference | LOW)
}
