//! The proof that the ledger is whole: every chain is walked, the first bad record is named.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;

use super::walk::Lines;
use crate::record::encode;
use crate::record::line::{self, Frame, Kind};
use crate::record::writer::files;

/// The first record that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// The segment's file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// The record's seq: as it says, or as it should be.
    pub seq: u64,
    /// Why.
    pub why: String,
}

/// One chain.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChainReport {
    /// Its id.
    pub chain: String,
    /// Its records.
    pub records: u64,
    /// Its closed entries.
    pub entries: u64,
    /// Entries and parks that are open at its end.
    pub open: u64,
    /// The first seq that is left (1, unless retention dropped some).
    pub first_seq: u64,
    /// The last seq.
    pub last_seq: u64,
    /// The last hash, in hex: write it down elsewhere, and `--head` proves later that the end was not cut.
    pub head: String,
    /// A process is writing it.
    pub alive: bool,
    /// Its process died, and the next start has not finished it yet: what is open in it is not a finding.
    pub unfinished: bool,
    /// Its last torn bytes, which the next start will cut.
    pub torn_bytes: u64,
    /// Its records that tell of a cut tail.
    pub cuts: u64,
    /// Its first bad record.
    pub bad: Option<Bad>,
}

/// What [`super::Reader::verify`] found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The chains, oldest first.
    pub chains: Vec<ChainReport>,
    /// All records.
    pub records: u64,
    /// All closed entries.
    pub entries: u64,
    /// The first bad record of all.
    pub bad: Option<Bad>,
    /// Whether the given head was found; `None` = none was given.
    pub head_found: Option<bool>,
    /// Chains that a later one names, and of which neither files nor a retention's note are left.
    pub missing: Vec<String>,
}

impl Report {
    /// Nothing was changed, removed, put in another order, or cut.
    pub fn is_whole(&self) -> bool {
        self.bad.is_none() && self.head_found != Some(false) && self.missing.is_empty()
    }
}

/// Walks everything.
pub(super) fn verify(dir: &Path, head: Option<&str>) -> io::Result<Report> {
    let (chains, alive) = states(dir)?;
    let mut said = Said::collect(&chains)?;
    let wanted = head.map(line::unhex);
    let mut report = Report { head_found: wanted.map(|_| false), ..Report::default() };
    for (id, files) in &chains {
        let mut walk = Walk::new(id, wanted.flatten(), &mut said);
        walk.report.alive = alive.contains(id);
        walk.report.unfinished = files.unfinished && !walk.report.alive;
        walk.run(&files.segments)?;
        if walk.head_found {
            report.head_found = Some(true);
        }
        let chain = walk.report;
        report.records += chain.records;
        report.entries += chain.entries;
        report.bad = report.bad.or_else(|| chain.bad.clone());
        report.chains.push(chain);
    }
    report.missing = said.missing(&chains);
    Ok(report)
}

/// The chains, and which of them a living process writes: asked before they are read, since one that ends meanwhile is complete.
fn states(dir: &Path) -> io::Result<(BTreeMap<String, files::Chain>, HashSet<String>)> {
    // Who makes or finishes a chain holds the directory: so our asking is never taken for a living writer.
    let held = match files::lock_directory(dir, false) {
        Ok(held) => Some(held),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let chains = files::list(dir)?;
    let mut alive = HashSet::new();
    for id in chains.iter().filter(|(_, files)| files.unfinished).map(|(id, _)| id) {
        if files::is_held(&files::lock(dir, id))? {
            alive.insert(id.clone());
        }
    }
    drop(held);
    Ok((chains, alive))
}

/// What chains say of each other.
#[derive(Debug, Default)]
struct Said {
    /// (chain, seq) → the hash that a later chain saw there.
    tips: HashMap<(String, u64), [u8; 32]>,
    /// (chain, seq) → the hash of the last record that retention dropped.
    dropped: HashMap<(String, u64), [u8; 32]>,
}

#[derive(serde::Deserialize)]
struct Note {
    #[serde(default)]
    tips: Vec<Mention>,
    #[serde(default, rename = "of")]
    chain: String,
    #[serde(default, rename = "through")]
    seq: u64,
    #[serde(default)]
    last: String,
}

#[derive(serde::Deserialize)]
struct Mention {
    chain: String,
    seq: u64,
    hash: String,
}

impl Said {
    fn collect(chains: &BTreeMap<String, files::Chain>) -> io::Result<Self> {
        let mut said = Self::default();
        for path in chains.values().flat_map(|chain| chain.segments.values()) {
            let mut lines = Lines::open(path, 0)?;
            while let Some(text) = lines.next_line()? {
                let Some(name) = line::frame(&text).and_then(|frame| frame.note) else { continue };
                if name != "start" && name != "dropped" {
                    continue;
                }
                let Ok(note) = serde_json::from_slice::<Note>(&text) else { continue };
                for tip in note.tips {
                    let hash = line::unhex(&tip.hash).unwrap_or_default();
                    said.tips.insert((tip.chain, tip.seq), hash);
                }
                if let Some(hash) = line::unhex(&note.last) {
                    said.dropped.insert((note.chain, note.seq), hash);
                }
            }
        }
        Ok(said)
    }

    /// Tips that were not met on the walk, nor dropped.
    fn missing(&self, chains: &BTreeMap<String, files::Chain>) -> Vec<String> {
        let dropped =
            |chain: &str, seq: u64| self.dropped.keys().any(|(of, through)| of == chain && *through >= seq);
        let mut missing: Vec<String> = self
            .tips
            .keys()
            // A chain that is there and too short was named as bad on the walk.
            .filter(|(chain, seq)| !chains.contains_key(chain) && !dropped(chain, *seq))
            .map(|(chain, _)| chain.clone())
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }
}

#[derive(Debug)]
struct Walk<'a> {
    report: ChainReport,
    said: &'a mut Said,
    wanted: Option<[u8; 32]>,
    head_found: bool,
    seq: u64,
    hash: [u8; 32],
    open: HashMap<Uuid, u64>,
    /// Entries of one record: there is no begin to check them against.
    whole: HashSet<Uuid>,
    ended: bool,
    started: bool,
}

impl<'a> Walk<'a> {
    fn new(chain: &str, wanted: Option<[u8; 32]>, said: &'a mut Said) -> Self {
        Self {
            report: ChainReport { chain: chain.to_owned(), ..ChainReport::default() },
            said,
            wanted,
            head_found: false,
            seq: 0,
            hash: line::ZERO,
            open: HashMap::new(),
            whole: HashSet::new(),
            ended: false,
            started: false,
        }
    }

    fn run(&mut self, segments: &BTreeMap<u32, PathBuf>) -> io::Result<()> {
        let mut last = (PathBuf::new(), 0);
        for path in segments.values() {
            let mut lines = Lines::open(path, 0)?;
            let mut number = 0;
            let mut bytes = 0;
            while let Some(text) = lines.next_line()? {
                number += 1;
                if self.report.torn_bytes > 0 {
                    self.bad(&last.0, last.1 + 1, self.seq + 1, "not a whole record".into());
                    return Ok(());
                }
                bytes += u64::try_from(text.len()).unwrap_or(0) + 1;
                if let Err((seq, why)) = self.record(&text) {
                    self.bad(path, number, seq, why);
                    return Ok(());
                }
                last = (path.clone(), number);
            }
            let torn = leftover(path, bytes)?;
            self.report.torn_bytes += torn;
            // A line that is being written, or that a dead process left, is no finding while nothing follows it.
            if torn > 0 && !self.report.unfinished && !self.report.alive {
                self.bad(path, number + 1, self.seq + 1, "not a whole record".into());
                return Ok(());
            }
        }
        self.finish(&last.0, last.1);
        Ok(())
    }

    fn record(&mut self, text: &[u8]) -> Result<(), (u64, String)> {
        let expected = self.seq + 1;
        if !self.started {
            self.begins(text).map_err(|why| (expected, why))?;
        }
        let expected = self.seq + 1;
        let frame = line::follow(text, &self.report.chain, self.seq, &self.hash);
        let frame = frame.map_err(|why| (line::frame(text).map_or(expected, |frame| frame.seq), why))?;
        if serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err() {
            return Err((frame.seq, "not JSON".into()));
        }
        if self.ended {
            return Err((frame.seq, "it follows the chain's end".into()));
        }
        self.fold(&frame, text).map_err(|why| (frame.seq, why))?;
        let at = (self.report.chain.clone(), frame.seq);
        if self.said.tips.get(&at).is_some_and(|hash| *hash != frame.hash) {
            return Err((frame.seq, "a later chain saw another record here".into()));
        }
        self.head_found |= self.wanted == Some(frame.hash);
        self.seq = frame.seq;
        self.hash = frame.hash;
        self.report.records += 1;
        Ok(())
    }

    /// A chain begins with seq 1, or where a retention's note says that the earlier ones went.
    fn begins(&mut self, text: &[u8]) -> Result<(), String> {
        self.started = true;
        let Some(first) = line::frame(text) else { return Err("not a record".into()) };
        self.report.first_seq = first.seq;
        if first.seq <= 1 {
            return Ok(());
        }
        let through = first.seq - 1;
        if self.said.dropped.get(&(self.report.chain.clone(), through)) != Some(&first.prev) {
            return Err(
                "the records before it are missing, and no note tells that retention dropped them".into()
            );
        }
        self.seq = through;
        self.hash = first.prev;
        if first.note == Some("segment") {
            self.open = line::open_in(text).ok_or("its list of open entries cannot be read")?;
        }
        Ok(())
    }

    fn fold(&mut self, frame: &Frame<'_>, text: &[u8]) -> Result<(), String> {
        match (frame.kind, frame.entry, frame.note) {
            (Kind::Begin, Some(id), _) | (Kind::Note, Some(id), Some("parked")) => {
                if self.open.insert(id, frame.seq).is_some() {
                    return Err(format!("entry `{id}` begins twice"));
                }
            }
            (Kind::Close, Some(id), _) | (Kind::Note, Some(id), Some("resumed")) => {
                let begun = self.open.remove(&id);
                if begun != frame.begin {
                    return Err(format!("entry `{id}` is closed twice, or its begin is another"));
                }
                if frame.begin.is_none() && !self.whole.insert(id) {
                    return Err(format!("entry `{id}` is closed twice"));
                }
                self.report.entries += u64::from(frame.kind == Kind::Close);
            }
            (Kind::Begin | Kind::Close, None, _) => return Err("it names no entry".into()),
            (Kind::Note, _, Some("segment")) => {
                if line::open_in(text).is_none_or(|open| open != self.open) {
                    return Err("its list of open entries is not what is open".into());
                }
            }
            (Kind::Note, _, Some("end")) => self.ended = true,
            (Kind::Note, _, Some("cut")) => self.report.cuts += 1,
            (Kind::Note, _, _) => {}
        }
        Ok(())
    }

    fn finish(&mut self, file: &Path, number: u64) {
        self.report.last_seq = self.seq;
        self.report.open = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        let mut text = Vec::new();
        encode::hex(&mut text, &self.hash);
        self.report.head = String::from_utf8(text).unwrap_or_default();
        let chain = &self.report.chain;
        let cut = self.said.tips.keys().any(|(of, seq)| of == chain && *seq > self.seq);
        let finished = !self.report.alive && !self.report.unfinished;
        let why = if cut {
            Some("a later chain saw records after it: the end was cut")
        } else if finished && self.report.records > 0 && !self.ended {
            Some("the chain has no end record: the end was cut")
        } else if finished && !self.open.is_empty() {
            Some("the chain ended with entries that were never closed")
        } else {
            None
        };
        if let Some(why) = why {
            self.bad(file, number, self.seq, why.into());
        }
    }

    fn bad(&mut self, file: &Path, line: u64, seq: u64, why: String) {
        self.report.last_seq = self.seq;
        self.report.bad = Some(Bad { file: file.to_owned(), line, seq, why });
    }
}

/// How many bytes that are not zero stand behind the whole lines.
fn leftover(path: &Path, from: u64) -> io::Result<u64> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut buffer = vec![0; 64 * 1024];
    let (mut at, mut last) = (0, 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(last);
        }
        let part = buffer.get(..read).unwrap_or_default();
        if let Some(found) = part.iter().rposition(|byte| *byte != 0) {
            last = at + u64::try_from(found).unwrap_or(0) + 1;
        }
        at += u64::try_from(read).unwrap_or(0);
    }
}
