//! The chains' lines, read on from where reading stopped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::backward::data_end;
use crate::record::line::LINE_MAX;
use crate::record::writer::files;

/// How far a chain is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) struct Cursor {
    pub(in crate::record) segment: u32,
    pub(in crate::record) offset: u64,
}

/// Takes a line (without its line break) of a chain, with where it begins.
pub(super) type Sink<'a> = dyn FnMut(&str, Cursor, &[u8]) -> io::Result<()> + 'a;

/// Reads on in all chains, new ones included.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) dir: PathBuf,
    pub(super) cursors: BTreeMap<String, Cursor>,
}

impl Walk {
    /// Hands out what was written since, at most so many lines of each chain; `true` if more is there.
    pub(super) fn on(&mut self, most: usize, sink: &mut Sink<'_>) -> io::Result<bool> {
        let chains = files::list(&self.dir)?;
        self.cursors.retain(|chain, _| chains.contains_key(chain));
        let mut more = false;
        for (chain, found) in chains {
            more |= self.chain(&chain, &found.segments, most, sink)?;
        }
        Ok(more)
    }

    fn chain(
        &mut self,
        chain: &str,
        segments: &BTreeMap<u32, PathBuf>,
        most: usize,
        sink: &mut Sink<'_>,
    ) -> io::Result<bool> {
        let Some(first) = segments.keys().next() else { return Ok(false) };
        let start = Cursor { segment: *first, offset: 0 };
        let mut cursor = self.cursors.get(chain).copied().unwrap_or(start);
        let mut left = most;
        loop {
            let Some(path) = segments.get(&cursor.segment) else {
                // Dropped by retention while we were behind.
                match segments.range(cursor.segment..).next() {
                    Some((next, _)) => cursor = Cursor { segment: *next, offset: 0 },
                    None => return Ok(false),
                }
                continue;
            };
            // Looked at first: once the next segment has begun, this one grows no more.
            let next = cursor.segment + 1;
            let moves_on = match segments.get(&next) {
                Some(path) => data_end(&File::open(path)?)? > 0,
                None => false,
            };
            let whole = segment(chain, path, &mut cursor, &mut left, sink)?;
            self.cursors.insert(chain.to_owned(), cursor);
            if !whole || !moves_on {
                return Ok(!whole);
            }
            cursor = Cursor { segment: next, offset: 0 };
        }
    }
}

/// Reads on in a segment; `false` if more is there than is left to take.
fn segment(
    chain: &str,
    path: &Path,
    cursor: &mut Cursor,
    left: &mut usize,
    sink: &mut Sink<'_>,
) -> io::Result<bool> {
    let mut lines = Lines::open(path, cursor.offset)?;
    let mut text = Vec::new();
    while *left > 0 {
        if !lines.read_line(&mut text)? {
            return Ok(true);
        }
        sink(chain, *cursor, &text)?;
        cursor.offset += length(&text);
        *left -= 1;
    }
    Ok(false)
}

/// A line's length in the file.
pub(super) fn length(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX - 1) + 1
}

/// A segment's whole lines, forwards.
#[derive(Debug)]
pub(super) struct Lines {
    file: BufReader<File>,
}

impl Lines {
    pub(super) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file: BufReader::with_capacity(64 * 1024, file) })
    }

    /// The next line without its line break; `None` where zeros or half a line begin.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        Ok(self.read_line(&mut text)?.then_some(text))
    }

    /// [`Self::next_line`] into a buffer that is used again.
    fn read_line(&mut self, text: &mut Vec<u8>) -> io::Result<bool> {
        text.clear();
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() || text.len() > LINE_MAX {
                return Ok(false);
            }
            let end = memchr::memchr2(b'\n', 0, buffer);
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            if end.is_some_and(|end| buffer.get(end) == Some(&0)) {
                return Ok(false);
            }
            text.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.file.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

/// The line at a place; `None` if no whole line stands there.
pub(super) fn line_at(path: &Path, offset: u64) -> io::Result<Option<Vec<u8>>> {
    Lines::open(path, offset)?.next_line()
}
