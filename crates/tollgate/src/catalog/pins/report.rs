//! Pins as operators read them: what is accepted, what waits, how they differ, what stands out.

use serde::{Deserialize, Serialize};

use super::super::lint::{self, Finding, Name, Texts, Words};
use super::diff::changes;
use super::{Change, Pin, Seen};
use crate::secret::hex;

/// One pinned tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinState {
    /// `server/original`.
    pub tool: String,
    /// `pinned`, or `changed`: held until accepted.
    pub state: String,
    /// SHA-256 of the accepted definition, in hexadecimal digits.
    pub digest: String,
    /// Since when it is accepted, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// By whom: `first sight`, `trust: auto`, or an operator.
    pub by: String,
    /// What waits to be accepted; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Changed>,
    /// What stands out in the definition that the server lists.
    pub findings: Vec<Finding>,
}

/// A changed definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// SHA-256 of it, in hexadecimal digits: what `accept` can be bound to.
    pub digest: String,
    /// When it was first seen, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Where it differs.
    pub changes: Vec<Change>,
}

/// The pins, told. Those of one server or one tool (`server`, `server/tool`), if `only` says so.
pub fn report(pins: &[Pin], only: Option<&str>) -> Vec<PinState> {
    let read = pins.iter().map(|pin| {
        let texts = Texts::of(&listed(pin).text);
        (pin, Words::of(&pin.server, &pin.tool, &texts), texts)
    });
    let read: Vec<(&Pin, Words, Texts<'_>)> = read.collect();
    let names = lint::Names::new(read.iter().map(|(pin, words, _)| name(pin, words)));
    let mut told: Vec<PinState> = read
        .iter()
        .filter(|(pin, ..)| only.is_none_or(|only| is_of(pin, only)))
        .map(|(pin, words, texts)| {
            let mut findings = lint::findings(texts);
            findings.extend(names.findings(name(pin, words), || listed(pin).text.clone()));
            PinState {
                tool: format!("{}/{}", pin.server, pin.tool),
                state: if pin.waiting.is_some() { "changed" } else { "pinned" }.to_owned(),
                digest: hex::encode(&pin.accepted.digest),
                since_ms: pin.accepted.since_ms,
                by: pin.by.clone(),
                waiting: pin.waiting.as_ref().map(|waiting| Changed {
                    digest: hex::encode(&waiting.digest),
                    since_ms: waiting.since_ms,
                    changes: changes(&pin.accepted.text, &waiting.text),
                }),
                findings,
            }
        })
        .collect();
    told.sort_by(|a, b| a.tool.cmp(&b.tool));
    told
}

/// What its server lists now.
fn listed(pin: &Pin) -> &Seen {
    pin.waiting.as_ref().unwrap_or(&pin.accepted)
}

fn name<'a>(pin: &'a Pin, words: &'a Words) -> Name<'a> {
    Name { server: &pin.server, tool: &pin.tool, words }
}

/// Whether a pin is of `server` or is `server/tool`.
pub fn is_of(pin: &Pin, what: &str) -> bool {
    match what.split_once('/') {
        None => *pin.server == *what,
        Some((server, tool)) => *pin.server == *server && *pin.tool == *tool,
    }
}
