//! Entries as they are closed.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;

use super::backward::data_end;
use super::fold;
use super::model::{Folded, Place, Record};
use super::walk::{Cursor, Walk, length};
use crate::record::line::Kind;
use crate::record::writer::files;

/// So many records of a chain are read in one go.
const BATCH: usize = 4096;
/// So many begins are remembered; others are looked up when their close comes.
const BEGINS_MAX: usize = 4096;

/// Reads on where it stopped, in all chains, new ones included.
#[derive(Debug)]
pub struct Follow {
    walk: Walk,
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

    fn from_cursors(dir: &Path, cursors: BTreeMap<String, Cursor>) -> Self {
        Self { walk: Walk { dir: dir.to_owned(), cursors }, begins: HashMap::new() }
    }

    /// What was closed since, ordered by when; empty if nothing was. Reads some thousand records at most: call it again while it
    /// brings any, then wait.
    pub fn poll(&mut self) -> io::Result<Vec<Folded>> {
        let Self { walk, begins } = self;
        let dir = walk.dir.clone();
        let mut closed = Vec::new();
        walk.on(BATCH, &mut |chain, at, text| {
            if let Some(record) = Record::read(text) {
                let place = Place { chain: chain.to_owned(), segment: at.segment, offset: at.offset };
                closed.extend(take(&dir, begins, record, place)?);
            }
            Ok(())
        })?;
        closed.sort_by_key(|entry| entry.closed_ms);
        Ok(closed)
    }
}

fn take(
    dir: &Path,
    begins: &mut HashMap<String, Record>,
    record: Record,
    place: Place,
) -> io::Result<Option<Folded>> {
    let Some(entry) = record.entry.clone() else { return Ok(None) };
    match record.kind {
        Some(Kind::Close) => match begins.remove(&entry) {
            Some(begin) => Ok(Some(fold::fold(Some(begin), record, place))),
            None => fold::close(dir, record, place).map(Some),
        },
        Some(Kind::Begin) => {
            if begins.len() < BEGINS_MAX {
                begins.insert(entry, record);
            }
            Ok(None)
        }
        Some(Kind::Note) | None => Ok(None),
    }
}
