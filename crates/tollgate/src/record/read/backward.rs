//! A segment's lines from its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::record::line::LINE_MAX;

const STEP: u64 = 32 * 1024;

/// A line and where it begins.
#[derive(Debug)]
pub(in crate::record) struct Found {
    pub(in crate::record) offset: u64,
    pub(in crate::record) text: Vec<u8>,
}

/// Reads lines last to first. What follows the last line break (a line being written, preallocated zeros) is not a line.
#[derive(Debug)]
pub(in crate::record) struct Backward {
    file: File,
    /// `buffer` holds the file from here.
    from: u64,
    buffer: Vec<u8>,
}

impl Backward {
    /// From the end of what is written.
    pub(in crate::record) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let end = data_end(&file)?;
        let mut this = Self { file, from: end, buffer: Vec::new() };
        // Cut what is not a whole line.
        loop {
            if let Some(last) = memchr::memrchr(b'\n', &this.buffer) {
                this.buffer.truncate(last + 1);
                return Ok(this);
            }
            if !this.more()? {
                this.buffer.clear();
                return Ok(this);
            }
        }
    }

    /// From a place on: the next line is the one that ends there.
    pub(in crate::record) fn before(path: &Path, offset: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, from: offset, buffer: Vec::new() })
    }

    /// The line before.
    pub(in crate::record) fn next_line(&mut self) -> io::Result<Option<Found>> {
        loop {
            let body = self.buffer.len().saturating_sub(1);
            let start = memchr::memrchr(b'\n', self.buffer.get(..body).unwrap_or_default());
            if let Some(start) = start.map(|at| at + 1).or((self.from == 0 && body > 0).then_some(0)) {
                let mut text = self.buffer.split_off(start);
                text.pop();
                let offset = self.from + u64::try_from(start).unwrap_or(0);
                return Ok(Some(Found { offset, text }));
            }
            if self.buffer.len() > LINE_MAX {
                return Err(io::Error::other("a line of the ledger is too long"));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn more(&mut self) -> io::Result<bool> {
        let step = self.from.min(STEP);
        if step == 0 {
            return Ok(false);
        }
        let mut front = vec![0; usize::try_from(step).unwrap_or(0)];
        self.from -= step;
        self.file.read_exact_at(&mut front, self.from)?;
        front.append(&mut self.buffer);
        self.buffer = front;
        Ok(true)
    }
}

/// Where the preallocated zeros begin: a record holds no zero byte, so this is a binary search.
pub(in crate::record) fn data_end(file: &File) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let mut byte = [0];
    let (mut low, mut high) = (0, len);
    while low < high {
        // The end of a full segment is looked at first: most are full.
        let middle = if high == len && low == 0 { len - 1 } else { low + (high - low) / 2 };
        // A segment that is cut while we read has its end where reading ends.
        let zero = match file.read_at(&mut byte, middle)? {
            0 => true,
            _ => byte == [0],
        };
        if zero { high = middle } else { low = middle + 1 }
    }
    Ok(low)
}
