//! Finishes the chains of processes that died: cuts and notes a torn tail, closes what was open as `abandoned`, in that chain.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::encode::{self, Line};
use super::line::{self, Kind};
use super::read::Backward;
use super::writer::chain::{Chain, Class, Resume, Unwritten};
use super::writer::disk::Disk;
use super::writer::files;

/// The most chains whose last hash a new chain's first record holds: the youngest.
const TIPS_MAX: usize = 64;

/// A chain that was finished.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) chain: String,
    pub(super) abandoned: u64,
    pub(super) cut_bytes: u64,
}

/// Where another chain stands.
#[derive(Debug)]
pub(super) struct Tip {
    pub(super) chain: String,
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
}

/// Finishes every dead chain. One that cannot be finished now (a full disk) stays for the next start. Call it with the directory
/// held.
pub(super) fn finish_dead(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    segment_bytes: u64,
    now_ms: u64,
) -> io::Result<Vec<Finished>> {
    let mut finished = Vec::new();
    for (chain, files) in files::list(dir)? {
        if !files.unfinished {
            continue;
        }
        let Some(held) = files::try_lock(&files::lock(dir, &chain), false)? else { continue };
        match finish(dir, disk, segment_bytes, &chain, &files.segments, now_ms) {
            Ok(done) => {
                std::fs::remove_file(files::lock(dir, &chain))?;
                tracing::warn!(
                    chain,
                    abandoned = done.abandoned,
                    cut_bytes = done.cut_bytes,
                    "finished the ledger of a process that died"
                );
                finished.push(done);
            }
            Err(error) => tracing::error!(chain, %error, "cannot finish the ledger of a process that died"),
        }
        drop(held);
    }
    Ok(finished)
}

/// The last records of the youngest finished chains.
pub(super) fn tips(dir: &Path) -> io::Result<Vec<Tip>> {
    let mut tips = Vec::new();
    // Only finished chains: what a living one wrote last may not be on the medium yet.
    let finished = files::list(dir)?.into_iter().filter(|(_, files)| !files.unfinished);
    let mut finished: Vec<_> = finished.collect();
    finished.reverse();
    for (chain, files) in finished.into_iter().take(TIPS_MAX) {
        for path in files.segments.values().rev() {
            let Some(last) = Backward::open(path)?.next_line()? else { continue };
            if let Some(frame) = line::frame(&last.text) {
                tips.push(Tip { chain, seq: frame.seq, hash: frame.hash });
            }
            break;
        }
    }
    Ok(tips)
}

/// What a segment says.
#[derive(Debug, Default)]
struct Scan {
    /// So many bytes are whole records.
    valid: usize,
    seq: u64,
    hash: [u8; 32],
    open: HashMap<Uuid, u64>,
    ended: bool,
}

fn finish(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    segment_bytes: u64,
    id: &str,
    segments: &BTreeMap<u32, PathBuf>,
    now_ms: u64,
) -> io::Result<Finished> {
    let mut done = Finished { chain: id.to_owned(), abandoned: 0, cut_bytes: 0 };
    let mut cut = None;
    let mut spares = VecDeque::new();
    for (number, path) in segments.iter().rev() {
        let bytes = read(path)?;
        let scan = scan(&bytes, id);
        let file = disk.open(path)?;
        let rest = bytes.get(scan.valid..).unwrap_or_default();
        if !rest.is_empty() {
            cut =
                Some((u64::try_from(rest.len()).unwrap_or(u64::MAX), <[u8; 32]>::from(Sha256::digest(rest))));
            // More than one torn line: kept beside, for whoever has to find out.
            if rest.contains(&b'\n') {
                std::fs::write(path.with_extension("cut"), rest)?;
            }
            file.write_at(&vec![0; rest.len()], u64::try_from(scan.valid).unwrap_or(u64::MAX))?;
        }
        if scan.valid == 0 {
            spares.push_front((*number, file));
            continue;
        }
        let at = u64::try_from(scan.valid).unwrap_or(u64::MAX);
        let Scan { seq, hash, open, ended, .. } = scan;
        let resume = Resume { id: id.to_owned(), seq, hash, open, number: *number, at, file, spares };
        let mut chain = Chain::resume(resume, dir.to_owned(), Arc::clone(disk), segment_bytes, now_ms)?;
        done.cut_bytes = cut.map_or(0, |(bytes, _)| bytes);
        if !ended || cut.is_some() {
            done.abandoned = write_end(&mut chain, cut, now_ms)?;
        }
        chain.finish()?;
        return Ok(done);
    }
    // Nothing was ever recorded.
    for path in segments.values() {
        std::fs::remove_file(path)?;
    }
    Ok(done)
}

/// The closes come first: their room is reserved, that of the notes is not.
fn write_end(chain: &mut Chain, cut: Option<(u64, [u8; 32])>, now_ms: u64) -> io::Result<u64> {
    let open: Vec<(Uuid, u64)> = chain.open().iter().map(|(id, seq)| (*id, *seq)).collect();
    let mut buffer = Vec::new();
    for (id, begun) in &open {
        buffer.clear();
        encode::abandoned(&mut buffer, *id, *begun, now_ms);
        append(chain, Class::End(*id), &buffer, now_ms)?;
    }
    if let Some((bytes, digest)) = cut {
        buffer.clear();
        let mut line = Line::start(&mut buffer, "note", None, Some("cut"), now_ms);
        line.number("bytes", Some(bytes));
        line.hex("digest", Some(digest));
        append(chain, Class::Free, &buffer, now_ms)?;
    }
    buffer.clear();
    let mut line = Line::start(&mut buffer, "note", None, Some("end"), now_ms);
    line.text("by", Some("recovery"), 64);
    append(chain, Class::Free, &buffer, now_ms)?;
    Ok(u64::try_from(open.len()).unwrap_or(u64::MAX))
}

fn append(chain: &mut Chain, class: Class, head: &[u8], now_ms: u64) -> io::Result<()> {
    match chain.append(class, head, Sha256::new_with_prefix(head), now_ms) {
        Ok(_) => chain.write(),
        Err(Unwritten::Refused(error) | Unwritten::Waiting(_, error)) => Err(error),
    }
}

/// A segment without the zeros at its end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = std::fs::read(path)?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    Ok(bytes)
}

/// Verifies a segment from its first record on, and finds what is open at its end.
fn scan(bytes: &[u8], chain: &str) -> Scan {
    let mut scan = Scan::default();
    while let Some(end) = bytes.get(scan.valid..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let text = bytes.get(scan.valid..scan.valid + end).unwrap_or_default();
        if scan.valid == 0 && !scan.starts(text) {
            break;
        }
        let Ok(frame) = line::follow(text, chain, scan.seq, &scan.hash) else {
            break;
        };
        scan.ended = frame.note == Some("end");
        match (frame.kind, frame.entry, frame.note) {
            (Kind::Begin, Some(id), _) | (Kind::Note, Some(id), Some("parked")) => {
                scan.open.insert(id, frame.seq);
            }
            (Kind::Close, Some(id), _) | (Kind::Note, Some(id), Some("resumed")) => {
                scan.open.remove(&id);
            }
            (Kind::Begin | Kind::Close | Kind::Note, _, _) => {}
        }
        scan.seq = frame.seq;
        scan.hash = frame.hash;
        scan.valid += end + 1;
    }
    scan
}

impl Scan {
    /// A segment's first record says where the chain stands, and what is open.
    fn starts(&mut self, text: &[u8]) -> bool {
        let Some(frame) = line::frame(text) else { return false };
        if frame.seq == 0 {
            return false;
        }
        self.seq = frame.seq - 1;
        self.hash = frame.prev;
        if frame.note == Some("segment") {
            let Some(open) = line::open_in(text) else { return false };
            self.open = open;
        }
        true
    }
}
