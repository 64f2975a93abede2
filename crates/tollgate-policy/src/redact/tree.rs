//! A strict reader that keeps places instead of values. *Never* recurses deeper than its limit, and refuses duplicate keys.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use memchr::memchr2;

use super::text;
use super::walk::Unclean;

/// Deeper is refused.
const DEPTH: usize = 64;
/// More values are refused.
const NODES: usize = 1 << 20;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// `null`, `true`, `false`.
    Word,
    Number,
    /// The span includes the quotes.
    Text,
    List(Vec<Node>),
    Map(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    /// With its quotes.
    pub(super) key: Range<usize>,
    pub(super) value: Node,
}

/// Reads one whole value.
pub(super) fn read(text: &str) -> Result<Node, Unclean> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, depth: 0, nodes: 0 };
    reader.blank();
    let node = reader.value()?;
    reader.blank();
    if reader.at == text.len() { Ok(node) } else { Err(Unclean::Unreadable) }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Node, Unclean> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(Unclean::TooMuch);
        }
        let start = self.at;
        let value = match self.peek() {
            b'"' => {
                self.string()?;
                Value::Text
            }
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err(Unclean::TooMuch);
                }
                let value = if self.peek() == b'{' { self.map()? } else { self.list()? };
                self.depth -= 1;
                value
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number()?,
        };
        Ok(Node { span: start..self.at, value })
    }

    fn word(&mut self, word: &str) -> Result<Value, Unclean> {
        let there = self.bytes.get(self.at..self.at + word.len()) == Some(word.as_bytes());
        self.at += word.len();
        if there { Ok(Value::Word) } else { Err(Unclean::Unreadable) }
    }

    fn digits(&mut self) -> Result<(), Unclean> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Unclean::Unreadable) }
    }

    fn number(&mut self) -> Result<Value, Unclean> {
        self.at += usize::from(self.peek() == b'-');
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        Ok(Value::Number)
    }

    fn string(&mut self) -> Result<Range<usize>, Unclean> {
        let start = self.at;
        let mut place = start + 1;
        loop {
            let rest = self.bytes.get(place..).unwrap_or_default();
            let skip = memchr2(b'"', b'\\', rest).ok_or(Unclean::Unreadable)?;
            if rest.iter().take(skip).any(|byte| *byte < b' ') {
                return Err(Unclean::Unreadable);
            }
            place += skip;
            if self.bytes.get(place) == Some(&b'"') {
                self.at = place + 1;
                return Ok(start..self.at);
            }
            place += match self.bytes.get(place + 1) {
                Some(b'u')
                    if self
                        .bytes
                        .get(place + 2..place + 6)
                        .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
                {
                    6
                }
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                _ => return Err(Unclean::Unreadable),
            };
        }
    }

    /// After an element: whether another one follows.
    fn more(&mut self, close: u8) -> Result<bool, Unclean> {
        self.blank();
        let byte = self.peek();
        self.at += 1;
        match byte {
            b',' => {
                self.blank();
                Ok(true)
            }
            byte if byte == close => Ok(false),
            _ => Err(Unclean::Unreadable),
        }
    }

    fn empty(&mut self, close: u8) -> bool {
        self.at += 1;
        self.blank();
        let empty = self.peek() == close;
        self.at += usize::from(empty);
        empty
    }

    fn list(&mut self) -> Result<Value, Unclean> {
        let mut items = Vec::new();
        if self.empty(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            if !self.more(b']')? {
                return Ok(Value::List(items));
            }
        }
    }

    fn map(&mut self) -> Result<Value, Unclean> {
        let mut members: Vec<Member> = Vec::new();
        if self.empty(b'}') {
            return Ok(Value::Map(members));
        }
        let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
        loop {
            if self.peek() != b'"' {
                return Err(Unclean::Unreadable);
            }
            let key = self.string()?;
            if !seen.insert(text::plain(self.text, &key)) {
                return Err(Unclean::Duplicate);
            }
            self.blank();
            if self.peek() != b':' {
                return Err(Unclean::Unreadable);
            }
            self.at += 1;
            self.blank();
            members.push(Member { key, value: self.value()? });
            if !self.more(b'}')? {
                return Ok(Value::Map(members));
            }
        }
    }
}
