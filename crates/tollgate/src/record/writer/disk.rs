//! The file layer beneath the ledger: a trait, so that a test can fill the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Where segments live.
pub(in crate::record) trait Disk: Send + Sync + std::fmt::Debug {
    /// A new file with `bytes` of room, all zeros. Nothing is left behind on failure.
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn SegmentFile>>;
    /// An existing file.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
    /// Makes the directory's own entries durable.
    fn flush_names(&self, dir: &Path) -> io::Result<()>;
}

/// One segment's file.
pub(in crate::record) trait SegmentFile: Send + Sync + std::fmt::Debug {
    /// Writes all bytes at an offset.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Reads exactly so many bytes at an offset.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
    /// `fdatasync`.
    fn flush(&self) -> io::Result<()>;
    /// Cuts the file.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Its length.
    fn len(&self) -> io::Result<u64>;
}

/// The file system.
#[derive(Debug)]
pub(in crate::record) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        if let Err(error) = reserve(&file, bytes) {
            // An empty file would be harmless, but on a full disk it would stay for long.
            std::fs::remove_file(path)?;
            return Err(error);
        }
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn flush_names(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::io::Errno;
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        // A file system without the call gets real zeros: the room must be ours before a begin counts on it.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let zeros = vec![0; 64 * 1024];
            let mut at = 0;
            while at < bytes {
                let step = zeros.len().min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
                file.write_all_at(zeros.get(..step).unwrap_or_default(), at)?;
                at += u64::try_from(step).unwrap_or(u64::MAX);
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(bytes, at)
    }

    fn flush(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
