//! The state of one chain: where it ends, what is open in it, and the room that is left.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::disk::{Disk, SegmentFile};
use super::files;
use crate::record::encode::{Line, decimal, hex};

mod room;

use room::{HEAD_ROOM, TRAILER_ROOM};

/// So many entries and parks may be open: more would not fit a segment's head.
const OPEN_MAX: usize = 30_000;

/// What a record does to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) enum Class {
    /// Opens an entry or a park: reserves room for its close.
    Open(Uuid),
    /// Ends it, in that room.
    End(Uuid),
    /// Neither.
    Free,
}

/// Why a record is not on the disk.
#[derive(Debug)]
pub(in crate::record) enum Unwritten {
    /// It has no place in the chain: there is no room, or the disk fails.
    Refused(io::Error),
    /// It has its place, and will be written once the disk takes it.
    Waiting(u64, io::Error),
}

/// A place in a file that is to be flushed.
#[derive(Clone, Debug)]
pub(in crate::record) struct Dirty {
    pub(in crate::record) file: Arc<dyn SegmentFile>,
    pub(in crate::record) from: u64,
    pub(in crate::record) to: u64,
    /// The segment is full: cut it to its length.
    pub(in crate::record) sealed: bool,
}

#[derive(Debug)]
struct Chunk {
    file: Arc<dyn SegmentFile>,
    at: u64,
    bytes: Vec<u8>,
}

/// The segment that is being written.
#[derive(Debug)]
struct Current {
    file: Arc<dyn SegmentFile>,
    number: u32,
    at: u64,
    room: u64,
    flushed: u64,
    since_ms: u64,
}

/// One chain and its end.
#[derive(Debug)]
pub(in crate::record) struct Chain {
    pub(in crate::record) id: String,
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    seq: u64,
    hash: [u8; 32],
    current: Current,
    spares: VecDeque<(u32, Arc<dyn SegmentFile>)>,
    pending: VecDeque<Chunk>,
    buffer: Vec<u8>,
    open: HashMap<Uuid, u64>,
    sealed: Vec<Dirty>,
    names_dirty: bool,
    /// The disk refused a write: nothing new until it takes what waits.
    stuck: bool,
    ended: bool,
}

/// What a chain is made of when it goes on where another process stopped.
#[derive(Debug)]
pub(in crate::record) struct Resume {
    pub(in crate::record) id: String,
    pub(in crate::record) seq: u64,
    pub(in crate::record) hash: [u8; 32],
    pub(in crate::record) open: HashMap<Uuid, u64>,
    pub(in crate::record) number: u32,
    pub(in crate::record) at: u64,
    pub(in crate::record) file: Arc<dyn SegmentFile>,
    pub(in crate::record) spares: VecDeque<(u32, Arc<dyn SegmentFile>)>,
}

impl Chain {
    /// A new chain with its first segment.
    pub(in crate::record) fn new(
        id: String,
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        now_ms: u64,
    ) -> io::Result<Self> {
        let file = disk.create(&files::segment(&dir, &id, 1), segment_bytes)?;
        let resume = Resume {
            id,
            seq: 0,
            hash: crate::record::line::ZERO,
            open: HashMap::new(),
            number: 1,
            at: 0,
            file,
            spares: VecDeque::new(),
        };
        Self::resume(resume, dir, disk, segment_bytes, now_ms)
    }

    /// A chain that another process left.
    pub(in crate::record) fn resume(
        resume: Resume,
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        now_ms: u64,
    ) -> io::Result<Self> {
        let Resume { id, seq, hash, open, number, at, file, spares } = resume;
        let room = file.len()?;
        Ok(Self {
            id,
            dir,
            disk,
            segment_bytes,
            seq,
            hash,
            current: Current { file, number, at, room, flushed: at, since_ms: now_ms },
            spares,
            pending: VecDeque::new(),
            buffer: Vec::new(),
            open,
            sealed: Vec::new(),
            names_dirty: true,
            stuck: false,
            ended: false,
        })
    }

    /// The last record's place and hash.
    pub(in crate::record) fn tip(&self) -> (u64, [u8; 32]) {
        (self.seq, self.hash)
    }

    /// What is open, with the seq of each begin.
    pub(in crate::record) fn open(&self) -> &HashMap<Uuid, u64> {
        &self.open
    }

    /// Whether the disk refused the last write.
    pub(in crate::record) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Whether nothing may be appended any more.
    pub(in crate::record) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that wait to be written.
    pub(in crate::record) fn waiting_bytes(&self) -> usize {
        self.pending.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    /// Gives a record its place: `head` is its text without the trailer, `hasher` has seen it.
    pub(in crate::record) fn append(
        &mut self,
        class: Class,
        head: &[u8],
        hasher: Sha256,
        now_ms: u64,
    ) -> Result<u64, Unwritten> {
        let len = u64::try_from(head.len()).unwrap_or(u64::MAX).saturating_add(TRAILER_ROOM);
        if self.ended {
            return Err(Unwritten::Refused(io::Error::other("the ledger is closed")));
        }
        match class {
            Class::Open(_) | Class::Free if self.stuck => self.write().map_err(Unwritten::Refused)?,
            Class::Open(_) if self.open.len() >= OPEN_MAX => {
                return Err(Unwritten::Refused(io::Error::other("too many entries are open")));
            }
            Class::Open(_) | Class::Free | Class::End(_) => {}
        }
        match class {
            Class::Open(_) | Class::Free => {
                let more = u64::from(matches!(class, Class::Open(_)));
                self.make_room(len, more, now_ms).map_err(Unwritten::Refused)?;
            }
            Class::End(_) => {
                if self.current.at + len > self.current.room {
                    self.rotate(now_ms).map_err(Unwritten::Refused)?;
                }
            }
        }
        let seq = self.put(head, hasher);
        match class {
            Class::Open(id) => {
                self.open.insert(id, seq);
            }
            Class::End(id) => {
                self.open.remove(&id);
            }
            Class::Free => {}
        }
        Ok(seq)
    }

    /// Writes what waits, in order; what a disk refused stays first in line.
    pub(in crate::record) fn write(&mut self) -> io::Result<()> {
        while let Some(chunk) = self.pending.front() {
            let written = chunk.file.write_at(&chunk.bytes, chunk.at);
            self.stuck = written.is_err();
            written?;
            if let Some(mut done) = self.pending.pop_front() {
                done.bytes.clear();
                // One large buffer is kept for the next record; what grew beyond reason is given back.
                if done.bytes.capacity() <= 1024 * 1024 {
                    self.buffer = done.bytes;
                }
            }
        }
        Ok(())
    }

    /// What must be flushed; until [`Self::flushed`] or [`Self::unflushed`] says how it went.
    pub(in crate::record) fn take_dirty(&mut self) -> (Vec<Dirty>, bool) {
        let mut dirty = std::mem::take(&mut self.sealed);
        let current = &mut self.current;
        if current.flushed < current.at {
            let file = Arc::clone(&current.file);
            dirty.push(Dirty { file, from: current.flushed, to: current.at, sealed: false });
            current.flushed = current.at;
        }
        (dirty, std::mem::take(&mut self.names_dirty))
    }

    /// The flush failed: it is to be done again.
    pub(in crate::record) fn unflushed(&mut self, mut dirty: Vec<Dirty>) {
        self.names_dirty = true;
        dirty.append(&mut self.sealed);
        self.sealed = dirty;
    }

    /// Prepares the next segment before anyone waits for it.
    pub(in crate::record) fn prepare(&mut self) -> io::Result<()> {
        let low = self.current.room.saturating_sub(self.current.at) < self.segment_bytes / 4;
        if low && self.spares.is_empty() { self.spare() } else { Ok(()) }
    }

    /// Starts a new segment if the current one began before `since_ms` and holds anything: retention drops whole segments.
    pub(in crate::record) fn rotate_older(&mut self, since_ms: u64, now_ms: u64) -> io::Result<()> {
        if self.current.since_ms >= since_ms || self.current.at <= HEAD_ROOM || !self.pending.is_empty() {
            return Ok(());
        }
        self.make_room_by_rotation(0, now_ms)
    }

    /// The number of the segment that is being written.
    pub(in crate::record) fn number(&self) -> u32 {
        self.current.number
    }

    /// Ends the chain: all is flushed, the last segment is cut, unused ones go. Nothing may be appended afterwards.
    pub(in crate::record) fn finish(&mut self) -> io::Result<()> {
        self.write()?;
        for sealed in self.sealed.drain(..) {
            if sealed.sealed {
                sealed.file.truncate(sealed.to)?;
            }
            sealed.file.flush()?;
        }
        self.current.file.truncate(self.current.at)?;
        self.current.file.flush()?;
        for (number, _) in self.spares.drain(..) {
            std::fs::remove_file(files::segment(&self.dir, &self.id, number))?;
        }
        self.ended = true;
        self.disk.flush_names(&self.dir)
    }

    fn put(&mut self, head: &[u8], mut hasher: Sha256) -> u64 {
        self.seq += 1;
        let continues = self.pending.back().is_some_and(|last| Arc::ptr_eq(&last.file, &self.current.file));
        if !continues {
            let (file, at) = (Arc::clone(&self.current.file), self.current.at);
            self.pending.push_back(Chunk { file, at, bytes: std::mem::take(&mut self.buffer) });
        }
        let Some(chunk) = self.pending.back_mut() else { return self.seq };
        let out = &mut chunk.bytes;
        let start = out.len();
        out.extend_from_slice(head);
        let trailer = out.len();
        out.extend_from_slice(b",\"chain\":\"");
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(b"\",\"seq\":");
        decimal(out, self.seq);
        out.extend_from_slice(b",\"prev\":\"");
        hex(out, &self.hash);
        out.push(b'"');
        hasher.update(out.get(trailer..).unwrap_or_default());
        self.hash = hasher.finalize().into();
        out.extend_from_slice(b",\"hash\":\"");
        hex(out, &self.hash);
        out.extend_from_slice(b"\"}\n");
        self.current.at += u64::try_from(out.len() - start).unwrap_or(0);
        self.seq
    }

    fn spare(&mut self) -> io::Result<()> {
        let number = self.spares.back().map_or(self.current.number, |(number, _)| *number) + 1;
        let file = self.disk.create(&files::segment(&self.dir, &self.id, number), self.segment_bytes)?;
        self.spares.push_back((number, file));
        self.names_dirty = true;
        Ok(())
    }

    /// Goes on in the next segment, whose head says what is open.
    fn rotate(&mut self, now_ms: u64) -> io::Result<()> {
        if self.spares.is_empty() {
            self.spare()?;
        }
        let Some((number, file)) = self.spares.pop_front() else { return Ok(()) };
        let room = file.len()?;
        let next = Current { file, number, at: 0, room, flushed: 0, since_ms: now_ms };
        let last = std::mem::replace(&mut self.current, next);
        self.sealed.push(Dirty { file: last.file, from: last.flushed, to: last.at, sealed: true });
        let mut head = Vec::new();
        let mut line = Line::start(&mut head, "note", None, Some("segment"), now_ms);
        line.number("number", Some(u64::from(number)));
        line.places("open", self.open.iter().map(|(id, seq)| (*id, *seq)));
        let hasher = Sha256::new_with_prefix(&head);
        self.put(&head, hasher);
        Ok(())
    }
}
