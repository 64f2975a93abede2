//! Chunks → events.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::{Event, TooLarge};

/// Reads events from chunks as they arrive: CR, LF and CRLF, BOM, comments, any chunking.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    chunks: VecDeque<Bytes>,
    /// The beginning of a line whose end has not come.
    line: BytesMut,
    /// The last line ended with a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Nothing but the first line may begin with a BOM.
    first_line: bool,
    /// The event so far.
    event: Event,
    data: Data,
    /// The bytes of the event's lines so far.
    size: usize,
    failed: bool,
}

/// The data lines so far. A single line shares its chunk's buffer.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Decoder {
    /// A decoder that refuses events over `limit` bytes (all their lines together), holding no more than that.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            chunks: VecDeque::new(),
            line: BytesMut::new(),
            after_cr: false,
            first_line: true,
            event: Event::default(),
            data: Data::None,
            size: 0,
            failed: false,
        }
    }

    /// How many bytes of an unfinished event it holds.
    pub fn held(&self) -> usize {
        self.size.saturating_add(self.line.len())
    }

    /// Takes a chunk. Events become available to [`Self::next`].
    pub fn feed(&mut self, chunk: Bytes) {
        if !self.failed && !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// The next complete event; `Ok(None)` = feed more. Events with neither data nor id nor retry are skipped; an event whose
    /// data is a single whole line inside one chunk shares that chunk's buffer. After an error the decoder stays failed.
    #[expect(clippy::should_implement_trait, reason = "it is fallible and not an iterator")]
    pub fn next(&mut self) -> Result<Option<Event>, TooLarge> {
        if self.failed {
            return Err(self.too_large());
        }
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line);
            }
        }
        Ok(None)
    }

    /// The next whole line, without its end.
    fn next_line(&mut self) -> Result<Option<Bytes>, TooLarge> {
        while let Some(chunk) = self.chunks.front_mut() {
            if std::mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
                chunk.advance(1);
            }
            let Some(end) = memchr2(b'\n', b'\r', chunk) else {
                self.line.extend_from_slice(chunk);
                self.chunks.pop_front();
                self.bound(self.line.len())?;
                continue;
            };
            self.after_cr = chunk.get(end) == Some(&b'\r');
            let tail = chunk.split_to(end);
            chunk.advance(1);
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            let mut line = if self.line.is_empty() {
                tail
            } else {
                self.line.extend_from_slice(&tail);
                self.line.split().freeze()
            };
            self.bound(line.len())?;
            if std::mem::take(&mut self.first_line) && line.starts_with(b"\xEF\xBB\xBF") {
                line.advance(3);
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    fn bound(&mut self, line: usize) -> Result<(), TooLarge> {
        if self.size.saturating_add(line) <= self.limit {
            return Ok(());
        }
        *self = Self { failed: true, ..Self::new(self.limit) };
        Err(self.too_large())
    }

    fn too_large(&self) -> TooLarge {
        TooLarge { limit: self.limit }
    }

    fn field(&mut self, line: &Bytes) {
        let (name, value) = match memchr(b':', line) {
            Some(0) => return,
            Some(colon) => {
                let (name, rest) = line.split_at(colon);
                (name, if rest.get(1) == Some(&b' ') { colon + 2 } else { colon + 1 })
            }
            None => (&**line, line.len()),
        };
        let text = line.get(value..).unwrap_or_default();
        match name {
            b"data" => self.data.push(line.slice(value..)),
            b"event" => self.event.event = Some(String::from_utf8_lossy(text).into_owned()),
            b"id" if memchr(0, text).is_none() => {
                self.event.id = Some(String::from_utf8_lossy(text).into_owned());
            }
            b"retry" if text.iter().all(u8::is_ascii_digit) => {
                if let Some(retry) = std::str::from_utf8(text).ok().and_then(|digits| digits.parse().ok()) {
                    self.event.retry = Some(retry);
                }
            }
            _ => return,
        }
        self.size += line.len();
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.size = 0;
        let mut event = std::mem::take(&mut self.event);
        event.data = std::mem::take(&mut self.data).into_bytes();
        let says_something = !event.data.is_empty() || event.id.is_some() || event.retry.is_some();
        says_something.then_some(event)
    }
}

impl Data {
    fn push(&mut self, line: Bytes) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(line),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + 1 + line.len());
                all.extend_from_slice(&first);
                Self::Many(joined(all, &line))
            }
            Self::Many(all) => Self::Many(joined(all, &line)),
        };
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(line) => line,
            Self::Many(all) => all.freeze(),
        }
    }
}

fn joined(mut all: BytesMut, line: &[u8]) -> BytesMut {
    all.extend_from_slice(b"\n");
    all.extend_from_slice(line);
    all
}
