//! Entries as they are closed.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::backward::data_end;
use super::fold;
use super::model::{Folded, Place, Record};
use crate::record::line::{Kind, LINE_MAX};
use crate::record::writer::files;

/// So many records are read in one go.
const BATCH: usize = 4096;
/// So many begins are remembered; others are looked up when their close comes.
const BEGINS_MAX: usize = 4096;

/// How far a chain is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) struct Cursor {
    pub(in crate::record) segment: u32,
    pub(in crate::record) offset: u64,
}

/// Reads on where it stopped, in all chains, new ones included.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    cursors: BTreeMap<String, Cursor>,
    begins: HashMap<String, Record>,
}

impl Follow {
    pub(super) fn from_start(dir: &Path) -> Self {
        Self::from_cursors(dir, BTreeMap::new())
    }

    pub(super) fn from_now(dir: &Path) -> io::Result<Self> {
        let mut cursors = BTreeMap::new();
        for (chain, found) in files::list(dir)? {
            for (segment, path) in found.segments.iter().rev() {
                let offset = data_end(&File::open(path)?)?;
                if offset > 0 {
                    // A line that is being written now is read when it is whole.
                    let mut lines = super::Backward::open(path)?;
                    let last = lines.next_line()?;
                    let offset = last.map_or(0, |last| last.offset + length(&last.text));
                    cursors.insert(chain, Cursor { segment: *segment, offset });
                    break;
                }
            }
        }
        Ok(Self::from_cursors(dir, cursors))
    }

    pub(in crate::record) fn from_cursors(dir: &Path, cursors: BTreeMap<String, Cursor>) -> Self {
        Self { dir: dir.to_owned(), cursors, begins: HashMap::new() }
    }

    pub(in crate::record) fn cursors(&self) -> &BTreeMap<String, Cursor> {
        &self.cursors
    }

    /// What was closed since, ordered by when; empty if nothing was. Reads some thousand records at most: call it again while it
    /// brings any, then wait.
    pub fn poll(&mut self) -> io::Result<Vec<Folded>> {
        let mut closed = Vec::new();
        let chains = files::list(&self.dir)?;
        self.cursors.retain(|chain, _| chains.contains_key(chain));
        for (chain, found) in chains {
            self.read_chain(&chain, &found.segments, &mut closed)?;
        }
        closed.sort_by_key(|entry| entry.closed_ms);
        Ok(closed)
    }

    fn read_chain(
        &mut self,
        chain: &str,
        segments: &BTreeMap<u32, PathBuf>,
        closed: &mut Vec<Folded>,
    ) -> io::Result<()> {
        let Some(first) = segments.keys().next() else { return Ok(()) };
        let start = Cursor { segment: *first, offset: 0 };
        let mut cursor = self.cursors.get(chain).copied().unwrap_or(start);
        loop {
            let Some(path) = segments.get(&cursor.segment) else {
                // Dropped by retention while we were behind.
                match segments.range(cursor.segment..).next() {
                    Some((next, _)) => cursor = Cursor { segment: *next, offset: 0 },
                    None => break,
                }
                continue;
            };
            // Looked at first: once the next segment has begun, this one grows no more.
            let next = cursor.segment + 1;
            let moves_on = match segments.get(&next) {
                Some(path) => data_end(&File::open(path)?)? > 0,
                None => false,
            };
            let whole = self.read_segment(chain, path, &mut cursor, closed)?;
            self.cursors.insert(chain.to_owned(), cursor);
            if !whole || !moves_on {
                break;
            }
            cursor = Cursor { segment: next, offset: 0 };
        }
        Ok(())
    }

    /// Reads on in a segment; `false` if more is there than one go takes.
    fn read_segment(
        &mut self,
        chain: &str,
        path: &Path,
        cursor: &mut Cursor,
        closed: &mut Vec<Folded>,
    ) -> io::Result<bool> {
        let mut lines = Lines::open(path, cursor.offset)?;
        for _ in 0..BATCH {
            let offset = cursor.offset;
            let Some(text) = lines.next_line()? else { return Ok(true) };
            cursor.offset += length(&text);
            let place = Place { chain: chain.to_owned(), segment: cursor.segment, offset };
            if let Some(record) = Record::read(&text) {
                closed.extend(self.take(record, place)?);
            }
        }
        Ok(false)
    }

    fn take(&mut self, record: Record, place: Place) -> io::Result<Option<Folded>> {
        let Some(entry) = record.entry.clone() else { return Ok(None) };
        match record.kind {
            Some(Kind::Close) => match self.begins.remove(&entry) {
                Some(begin) => Ok(Some(fold::fold(Some(begin), record, place))),
                None => fold::close(&self.dir, record, place).map(Some),
            },
            Some(Kind::Begin) => {
                if self.begins.len() < BEGINS_MAX {
                    self.begins.insert(entry, record);
                }
                Ok(None)
            }
            Some(Kind::Note) | None => Ok(None),
        }
    }
}

/// A line's length in the file.
fn length(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX - 1) + 1
}

/// A segment's whole lines, forwards.
#[derive(Debug)]
pub(in crate::record) struct Lines {
    file: BufReader<File>,
}

impl Lines {
    pub(in crate::record) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file: BufReader::with_capacity(64 * 1024, file) })
    }

    /// The next line without its line break; `None` where zeros or half a line begin.
    pub(in crate::record) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() || text.len() > LINE_MAX {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', buffer);
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            if part.contains(&0) {
                return Ok(None);
            }
            text.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.file.consume(used);
            if end.is_some() {
                return Ok(Some(text));
            }
        }
    }
}

/// The line at a place; `None` if no whole line stands there.
pub(super) fn line_at(path: &Path, offset: u64) -> io::Result<Option<Vec<u8>>> {
    Lines::open(path, offset)?.next_line()
}
