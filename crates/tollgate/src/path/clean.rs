//! Where a call's messages are cleaned on their way back, and what of it is recorded.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tollgate_policy::redact::Taken;

use crate::call::{Part, Refused};
use crate::forward::Flight;
use crate::record::{Entry, Redaction, Where};
use crate::servers::Question;
use crate::transform::Prepared;
use crate::transform::clean::{Cleaner, Stream};

use super::Gate;

/// How long a text waits for what may go on behind it.
const HOLD: Duration = Duration::from_millis(100);

impl Gate {
    pub(super) fn cleaner<'a>(&'a self, prepared: &'a Prepared) -> Cleaner<'a> {
        let call = &prepared.call;
        let config = self.config.load();
        Cleaner::new(&config, &self.sealer, self.clock.now_ms(), &call.arrival.caller, &call.target)
    }

    /// What may go out now of a server's notifications.
    pub(super) fn parts(
        &self,
        entry: &mut Entry,
        flight: &Flight,
        stream: &mut Stream,
        part: Part,
    ) -> [Option<Part>; 2] {
        let (parts, taken) = stream.push(&self.cleaner(flight.call()), part);
        note(entry, Where::Result, taken);
        parts
    }

    /// What was kept back: something else comes now, or nothing for a while.
    pub(super) fn rest(&self, entry: &mut Entry, flight: &Flight, stream: &mut Stream) -> [Option<Part>; 2] {
        if !stream.holds() {
            return [None, None];
        }
        let (part, taken) = stream.release(&self.cleaner(flight.call()));
        note(entry, Where::Result, taken);
        [part, None]
    }

    /// A legacy server's questions, cleaned; the keys of those that cannot be.
    pub(super) fn shown_questions(
        &self,
        entry: &mut Entry,
        flight: &Flight,
        questions: Vec<Question>,
    ) -> (Vec<Question>, Vec<String>) {
        let cleaner = self.cleaner(flight.call());
        let (mut clean, mut withheld) = (Vec::new(), Vec::new());
        for mut question in questions {
            match cleaner.question(&question.params) {
                Ok((params, taken)) => {
                    note(entry, Where::Result, taken);
                    if let Some(params) = params {
                        question.params = params;
                    }
                    clean.push(question);
                }
                Err(Refused { because, .. }) => {
                    tracing::warn!(?because, "a server's question is withheld");
                    withheld.push(question.key);
                }
            }
        }
        (clean, withheld)
    }
}

pub(super) async fn send(parts: [Option<Part>; 2], out: &mpsc::Sender<Box<Part>>) {
    for part in parts.into_iter().flatten() {
        // The agent has gone; the walk is about to be cancelled.
        if out.send(Box::new(part)).await.is_err() {
            tracing::trace!("a part found no reader");
        }
    }
}

/// Ends when what is kept back has waited long enough; never, if nothing is.
pub(super) async fn waited(stream: &Stream) {
    if stream.holds() {
        tokio::time::sleep(HOLD).await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// The most redactions that one entry lists.
const NOTED: usize = 64;

pub(super) fn note(entry: &mut Entry, place: Where, taken: Vec<Taken>) {
    let redactions = &mut entry.facts_mut().redactions;
    let room = NOTED.saturating_sub(redactions.len());
    redactions.extend(taken.into_iter().take(room).map(|taken| Redaction {
        place,
        path: Arc::from(taken.path),
        kind: Arc::from(taken.kind),
    }));
}
