//! Reads the ledger: entries as folds of their records, the newest first or as they come, and the proof that it is whole.
//! *Never* writes, locks or changes a file: any process may read beside the writers.

use std::io;
use std::path::{Path, PathBuf};

mod backward;
mod closed;
mod fold;
mod follow;
mod model;
mod slim;
mod tail;
mod verify;
mod walk;

pub(in crate::record) use backward::Backward;
pub(in crate::record) use closed::Closed;
pub(in crate::record) use walk::Cursor;

pub use follow::Follow;
pub use model::{Filter, Folded, Place, Record};
pub use verify::{Bad, ChainReport, Report};

pub use super::line::Kind;

use super::writer::files;

/// The ledger of a state directory, for reading.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
}

impl Reader {
    /// Of `STATE`. A missing ledger reads as an empty one.
    pub fn new(state: &Path) -> Self {
        Self { dir: state.join("ledger") }
    }

    /// The last `n` closed entries that match, oldest first, across chains ordered by when they were closed.
    pub fn tail(&self, n: usize, filter: &Filter) -> io::Result<Vec<Folded>> {
        let mut last: Vec<Folded> = Vec::new();
        for entry in tail::Newest::open(&self.dir)? {
            let entry = entry?;
            if last.len() >= n {
                break;
            }
            if filter.matches(&entry) {
                last.push(entry);
            }
        }
        last.reverse();
        Ok(last)
    }

    /// Entries newest first, one by one.
    pub fn newest(&self) -> io::Result<impl Iterator<Item = io::Result<Folded>> + use<>> {
        tail::Newest::open(&self.dir)
    }

    /// The closed entry with this id. Scans backwards; [`Self::at`] is quick where the index knows the place.
    pub fn show(&self, id: &str) -> io::Result<Option<Folded>> {
        for entry in tail::Newest::open(&self.dir)? {
            let entry = entry?;
            if entry.id() == id {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The entry whose close stands at a place; `None` if nothing does (any more).
    pub fn at(&self, place: &Place) -> io::Result<Option<Folded>> {
        let path = files::segment(&self.dir, &place.chain, place.segment);
        let text = match walk::line_at(&path, place.offset) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(close) = text.as_deref().and_then(Record::read) else { return Ok(None) };
        fold::close(&self.dir, close, place.clone()).map(Some)
    }

    /// Follows from now on (`from_start: false`) or from the beginning.
    pub fn follow(&self, from_start: bool) -> io::Result<Follow> {
        if from_start { Ok(Follow::from_start(&self.dir)) } else { Follow::from_now(&self.dir) }
    }

    /// Follows from where the index stands, for the index.
    pub(in crate::record) fn closed(&self, cursors: std::collections::BTreeMap<String, Cursor>) -> Closed {
        Closed::from_cursors(&self.dir, cursors)
    }

    /// Walks every chain. `head` (hex) must be the hash of a record that is there: what an outsider wrote down proves that the
    /// end was not cut.
    pub fn verify(&self, head: Option<&str>) -> io::Result<Report> {
        verify::verify(&self.dir, head)
    }
}
