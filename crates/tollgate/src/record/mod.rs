//! 8. Keeps the ledger: begin → commit → close. The last part of an answer (`Reply`) is made only by closing its [`Entry`](crate::record::Entry),
//! after the close record is written; a request that leaves no entry is answered by `unrecorded`, which knows them all.
//! *Never* holds a lock across an await, never judges a call, and never lets one pass that it could not write down.
//!
//! # The files
//!
//! `STATE/ledger/{chain}.{n}.jsonl`: the segments of one chain, one chain per writing process, one record a line:
//!
//! ```text
//! {"kind":"begin","entry":"…","at":"…", …fields… ,"chain":"…","seq":7,"prev":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! Verifying needs no code of ours. Of each line take away the last 75 bytes (`,"hash":"…"}`): the SHA-256 of what remains is
//! `hash`. `prev`, which stands inside what is hashed, is the `hash` of the line before (64 zeros for a chain's first record);
//! `seq` counts from 1 without gaps, through all segments of a chain. In a shell:
//! `head -n1 FILE | head -c -76 | sha256sum`. A segment that is still written ends in zero bytes: they are preallocated room.
//!
//! - `begin` opens an entry, `close` ends it and names its begin's `seq` as `begin`. A `close` without `begin` is a whole entry.
//! - `note` is everything else: `start` (with the last hashes of other chains), `segment` (the head of each later segment, with
//!   what is open), `cut` (a torn tail was removed), `parked` and `resumed`, `dropped` (retention), `undelivered`, `end`.
//! - An entry is the fold of its records: the close's members win, its lists are appended to the begin's.
//! - `{chain}.lock` is held (`flock`) by the living writer. A chain that died is finished by the next process that starts: its
//!   torn tail is cut and noted, what was open is closed as `abandoned` *in that chain*, in room that each begin reserved, then
//!   `end` is written and the lock file goes. So each chain can be verified by itself.

mod encode;
mod entry;
mod facts;
mod failures;
mod ids;
mod ledger;
mod line;
mod recover;
mod reply;
mod retain;
mod shared;
mod stamp;
mod writer;

/// Reads what was written: entries, tails, proofs.
pub mod read;

/// Feeds the index of closed entries, off the path.
pub mod index;

pub use entry::{Committed, Entry, begin};
pub use facts::{Approval, Close, Facts, Fault, Outcome, ParkEnd, Redaction, Said, Subject, Where};
pub use ledger::{Ledger, OpenError, Unavailable};
pub use reply::{MustBeRecorded, Reply, unrecorded};

#[cfg(test)]
mod tests;
