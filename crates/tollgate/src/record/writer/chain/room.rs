//! The room that is left: what begins reserves the room of its close, so that a full disk loses no outcome.

use std::io;

use super::Chain;
use crate::record::encode::CLOSE_ROOM;

/// The room that a segment's head takes without its list of open entries.
pub(super) const HEAD_ROOM: u64 = 512;
/// An open entry's share of a segment's head.
const OPEN_ROOM: u64 = 64;
/// The room that a trailer takes: chain, seq, prev, hash.
pub(super) const TRAILER_ROOM: u64 = 300;

impl Chain {
    /// Sees to it that `len` bytes fit and that every open entry, and `more` new ones, can still be closed.
    pub(super) fn make_room(&mut self, len: u64, more: u64, now_ms: u64) -> io::Result<()> {
        if len > self.segment_bytes / 2 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        // A record may need a segment of its own and one more for the closes.
        for _ in 0..3 {
            if self.fits_here(len, more) {
                return Ok(());
            }
            if self.fits_next(len, more) {
                return self.rotate(now_ms);
            }
            self.spare()?;
        }
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    pub(super) fn make_room_by_rotation(&mut self, len: u64, now_ms: u64) -> io::Result<()> {
        for _ in 0..2 {
            if self.fits_next(len, 0) {
                return self.rotate(now_ms);
            }
            self.spare()?;
        }
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    fn fits_here(&self, len: u64, more: u64) -> bool {
        let Some(left) = self.current.room.checked_sub(self.current.at + len) else { return false };
        self.owed(more) <= closes(left) + self.spare_closes(0, more)
    }

    fn fits_next(&self, len: u64, more: u64) -> bool {
        let head = self.head_room(more);
        match self.segment_bytes.checked_sub(head + len) {
            Some(left) if !self.spares.is_empty() => {
                self.owed(more) <= closes(left) + self.spare_closes(1, more)
            }
            Some(_) | None => false,
        }
    }

    /// How many closes are owed.
    fn owed(&self, more: u64) -> u64 {
        u64::try_from(self.open.len()).unwrap_or(u64::MAX).saturating_add(more)
    }

    /// How many closes the spares hold, without the first `skip`.
    fn spare_closes(&self, skip: usize, more: u64) -> u64 {
        let spares = u64::try_from(self.spares.len().saturating_sub(skip)).unwrap_or(0);
        spares * closes(self.segment_bytes.saturating_sub(self.head_room(more)))
    }

    fn head_room(&self, more: u64) -> u64 {
        HEAD_ROOM + OPEN_ROOM * self.owed(more)
    }
}

/// How many closes fit into so many bytes.
fn closes(bytes: u64) -> u64 {
    bytes / CLOSE_ROOM
}
