//! Closed entries newest first: each chain read from its end, merged by when they were closed.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::backward::Backward;
use super::fold::fold;
use super::model::{Folded, Place, Record};
use crate::record::line::Kind;
use crate::record::writer::files;

/// A close whose begin stands further back.
#[derive(Debug)]
struct Slot {
    close: Record,
    begin: Option<Record>,
    place: Place,
    complete: bool,
}

/// One chain, backwards.
#[derive(Debug)]
struct Chain {
    id: String,
    segments: Vec<(u32, PathBuf)>,
    lines: Option<(u32, Backward)>,
    /// Newest first.
    slots: VecDeque<Slot>,
    /// Entry → how many slots came before it, ever.
    wanted: HashMap<String, usize>,
    taken: usize,
    head: Option<Folded>,
}

/// All chains, merged.
#[derive(Debug)]
pub(super) struct Newest {
    chains: Vec<Chain>,
}

impl Newest {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let mut chains = Vec::new();
        for (id, found) in files::list(dir)? {
            let segments = found.segments.into_iter().collect();
            let mut chain = Chain {
                id,
                segments,
                lines: None,
                slots: VecDeque::new(),
                wanted: HashMap::new(),
                taken: 0,
                head: None,
            };
            chain.advance()?;
            chains.push(chain);
        }
        Ok(Self { chains })
    }
}

impl Iterator for Newest {
    type Item = io::Result<Folded>;

    fn next(&mut self) -> Option<Self::Item> {
        let newest = self
            .chains
            .iter_mut()
            .filter(|chain| chain.head.is_some())
            .max_by_key(|chain| chain.head.as_ref().map(|head| head.closed_ms))?;
        let head = newest.head.take()?;
        match newest.advance() {
            Ok(()) => Some(Ok(head)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Chain {
    /// Puts the next entry at the head, if there is one.
    fn advance(&mut self) -> io::Result<()> {
        while !self.slots.front().is_some_and(|slot| slot.complete) {
            if !self.read_one()? {
                break;
            }
        }
        self.head = self.slots.pop_front().map(|slot| {
            self.taken += 1;
            if let Some(entry) = &slot.close.entry {
                self.wanted.remove(entry);
            }
            fold(slot.begin, slot.close, slot.place)
        });
        Ok(())
    }

    /// Reads one record further back; `false` at the chain's beginning.
    fn read_one(&mut self) -> io::Result<bool> {
        loop {
            if self.lines.is_none() {
                let Some((number, path)) = self.segments.pop() else { return Ok(false) };
                match Backward::open(&path) {
                    Ok(lines) => self.lines = Some((number, lines)),
                    // Dropped by retention, with all before it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
            }
            let Some((segment, lines)) = &mut self.lines else { return Ok(false) };
            let segment = *segment;
            if let Some(found) = lines.next_line()? {
                if let Some(record) = Record::read(&found.text) {
                    self.take(record, segment, found.offset);
                }
                return Ok(true);
            }
            self.lines = None;
        }
    }

    fn take(&mut self, record: Record, segment: u32, offset: u64) {
        let place = Place { chain: self.id.clone(), segment, offset };
        match (record.kind, &record.entry) {
            (Some(Kind::Close), Some(entry)) => {
                let complete = record.begin.is_none();
                if !complete {
                    self.wanted.insert(entry.clone(), self.taken + self.slots.len());
                }
                self.slots.push_back(Slot { close: record, begin: None, place, complete });
            }
            (Some(Kind::Begin | Kind::Note), Some(entry)) => {
                let slot = self.wanted.get(entry).and_then(|at| at.checked_sub(self.taken));
                if let Some(slot) = slot.and_then(|at| self.slots.get_mut(at))
                    && slot.close.begin == Some(record.seq)
                {
                    slot.begin = Some(record);
                    slot.complete = true;
                }
            }
            (Some(Kind::Begin | Kind::Close | Kind::Note) | None, _) => {}
        }
    }
}
