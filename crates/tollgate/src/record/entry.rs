//! A call round in the ledger: begun, committed, closed. Whoever drops it without closing has closed it all the same.

use std::time::Instant;

use tollgate_mcp::error::{INTERNAL_ERROR, RpcError};
use uuid::Uuid;

use super::encode::{self, Told};
use super::facts::{Close, Facts, Outcome, Subject};
use super::ledger::{Ledger, Unavailable};
use super::reply::{MustBeRecorded, Reply, unrecorded};
use super::writer::chain::{Class, Unwritten};
use crate::call::{Arrival, Ending};

/// The begin record is written, as durably as `ledger.durability` says: the call may leave.
///
/// ```compile_fail,E0423
/// let forged = tollgate::record::Committed(());
/// ```
#[derive(Debug)]
pub struct Committed(());

/// An open entry. Dropped without [`Self::close`] it is closed as `cancelled`, or as `abandoned` in a panic.
#[derive(Debug)]
pub struct Entry {
    ledger: Ledger,
    facts: Box<Facts>,
    state: State,
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing is written yet.
    Fresh,
    /// The begin has its place; `sound` = it is where `durability` wants it.
    Begun {
        seq: u64,
        told: Told,
        sound: bool,
    },
    Closed,
}

/// Opens an entry in memory; [`Entry::commit`] writes it down.
pub fn begin(ledger: &Ledger, subject: Subject) -> Entry {
    let shared = ledger.shared();
    let now_ms = shared.clock.now_ms();
    let facts = Box::new(Facts::new(shared.ids.id(now_ms), now_ms, subject));
    Entry { ledger: ledger.clone(), facts, state: State::Fresh, since: shared.clock.instant() }
}

impl Entry {
    /// The entry's id.
    pub fn id(&self) -> Uuid {
        self.facts.id
    }

    /// What is known so far.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// To fill in. What is set before [`Self::commit`] stands in the begin record. Afterwards only the verdict, rules, approval,
    /// redactions, findings, limits (all of which the close adds to) and the answer's figures still count.
    pub fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// Takes from an arrival what the ledger keeps of it.
    pub fn arrived(&mut self, arrival: &Arrival) {
        self.facts.caller = Some(std::sync::Arc::clone(&arrival.caller));
        self.facts.client.clone_from(&arrival.client.label);
        self.facts.revision = Some(arrival.client.revision);
        self.facts.bytes_in = Some(arrival.bytes_in);
    }

    /// Intent before effect: writes the begin record, once. Lists and polls have none, so this only vouches for the ledger's close.
    /// On an error nothing may leave; close the entry as refused (`ledger.unavailable`).
    pub async fn commit(&mut self) -> Result<Committed, Unavailable> {
        match self.state {
            State::Fresh if self.facts.subject.begins() => {}
            State::Fresh | State::Begun { sound: true, .. } => return Ok(Committed(())),
            State::Begun { sound: false, .. } | State::Closed => {
                return Err(std::io::Error::other("the begin record waits for the disk").into());
            }
        }
        let shared = self.ledger.shared();
        let payloads = shared.config.payloads;
        let facts = &self.facts;
        let told = Told::all(facts);
        let written =
            shared.write(Class::Open(facts.id), facts.at_ms, |out| encode::begin(out, facts, payloads));
        let seq = match written {
            Ok(seq) => seq,
            Err(Unwritten::Waiting(seq, error)) => {
                self.state = State::Begun { seq, told, sound: false };
                return Err(error.into());
            }
            Err(Unwritten::Refused(error)) => return Err(error.into()),
        };
        self.state = State::Begun { seq, told, sound: false };
        self.ledger.shared().settle(seq).await?;
        self.state = State::Begun { seq, told, sound: true };
        Ok(Committed(()))
    }

    /// Writes the close record, then makes the last part: the only way to one, beside [`unrecorded`]. If the record cannot be
    /// written, the answer is withheld and the agent gets an error; only a refusal still goes out as it is, for nothing has happened.
    pub async fn close(mut self, close: Close, ending: Ending) -> Reply {
        let refused = close.outcome == Outcome::Refused;
        let settled = match self.end(&close) {
            Ok(seq) => self.ledger.shared().settle(seq).await,
            Err(Unwritten::Refused(error) | Unwritten::Waiting(_, error)) => Err(error.into()),
        };
        match settled {
            Ok(()) => Reply::new(ending),
            Err(error) => {
                tracing::error!(id = %self.facts.id, error = ?error, "an entry is not closed on the disk");
                if refused {
                    Reply::new(ending)
                } else {
                    self.ledger.shared().note_undelivered(self.facts.id);
                    Reply::new(Ending::Error(withheld()))
                }
            }
        }
    }

    /// Answers without an entry, for methods that leave none (a task's polls) and before any begin; else the entry is closed as
    /// `cancelled` and the ending comes back.
    pub fn unrecorded(mut self, ending: Ending) -> Result<Reply, MustBeRecorded> {
        let method = match self.facts.subject {
            Subject::Request(method) => method,
            Subject::Sample | Subject::Elicit | Subject::Roots => tollgate_mcp::method::Method::ToolsCall,
        };
        let reply = unrecorded(method, ending)?;
        if matches!(self.state, State::Fresh) {
            self.state = State::Closed;
        }
        Ok(reply)
    }

    fn end(&mut self, close: &Close) -> Result<u64, Unwritten> {
        let shared = self.ledger.shared();
        let begun = match std::mem::replace(&mut self.state, State::Closed) {
            State::Begun { seq, told, .. } => Some((seq, told)),
            State::Fresh => None,
            State::Closed => return Ok(0),
        };
        let latency = shared.clock.instant().saturating_duration_since(self.since).as_millis();
        let latency_ms = u64::try_from(latency).unwrap_or(u64::MAX);
        shared.end_entry(&self.facts, begun, close, latency_ms)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if matches!(self.state, State::Closed) {
            return;
        }
        if let Err(Unwritten::Refused(error)) = self.end(&Close::of(Outcome::of_dropped())) {
            tracing::error!(id = %self.facts.id, %error, "a dropped entry is not recorded");
        }
    }
}

fn withheld() -> RpcError {
    RpcError::new(INTERNAL_ERROR, "the answer is withheld: the ledger cannot be written")
        .with_data(bytes::Bytes::from_static(b"{\"code\":\"ledger.unavailable\"}"))
}
