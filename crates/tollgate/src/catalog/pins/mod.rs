//! Tools' definitions as they were accepted: at first sight, by an operator, or by a server's `trust: auto`. A tool whose definition
//! differs from its pin is held: hidden and refused until it is accepted or changes back. *Never* forgets a pin by itself because its
//! tool or its server went away: an operator may say so.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::item::Item;
use super::lock;
use crate::config::Trust;

mod definition;
mod diff;
mod report;
#[cfg(test)]
mod tests;

pub(super) use definition::{canonical, described, digest};
pub use diff::Change;
pub use report::{Changed, PinState, is_of, report};

/// The most pins of one server: one that lists ever new names must not fill the disk. A tool beyond them is held.
const PINS_MAX: usize = 5_000;

/// A definition and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// SHA-256 of `text`.
    pub digest: [u8; 32],
    /// The definition in its one spelling (see `canonical`).
    pub text: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// One pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The server's alias.
    pub server: Arc<str>,
    /// The tool's original name.
    pub tool: Arc<str>,
    /// For agents of which capabilities (their fingerprint); 0 = for all that have no pin of their own.
    pub variant: u16,
    /// What was accepted.
    pub accepted: Seen,
    /// Who accepted it: `first sight`, `trust: auto`, or an operator.
    pub by: String,
    /// What the server lists instead, and waits to be accepted.
    pub waiting: Option<Seen>,
}

/// Where pins outlive a restart.
pub trait Pinboard: Send + Sync + std::fmt::Debug {
    /// All pins, with their texts or without them.
    fn pins(&self, texts: bool) -> Result<Vec<Pin>, String>;

    /// Keeps these: a fresh one only if there is none yet, a changed one in the other's place. An empty text stays what it was.
    fn keep(&self, fresh: &[Pin], changed: &[Pin]) -> Result<(), String>;

    /// Accepts what waits of a server (`server`) or a tool (`server/tool`), if its digest begins so; the tools accepted.
    fn accept(&self, what: &str, digest: &str, by: &str) -> Result<Vec<String>, String>;

    /// Forgets a server's pins of all tools but `listed`; the tools forgotten, as `server/original`.
    fn forget(&self, server: &str, listed: &HashSet<Arc<str>>, by: &str) -> Result<Vec<String>, String>;

    /// Says in the record that `trust: auto` took a changed definition.
    fn note(&self, pin: &Pin);

    /// Now, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
}

/// Keeps nothing.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Forgetful;

#[cfg(test)]
impl Pinboard for Forgetful {
    fn pins(&self, _texts: bool) -> Result<Vec<Pin>, String> {
        Ok(Vec::new())
    }

    fn keep(&self, _fresh: &[Pin], _changed: &[Pin]) -> Result<(), String> {
        Ok(())
    }

    fn accept(&self, _what: &str, _digest: &str, _by: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn forget(&self, _server: &str, _listed: &HashSet<Arc<str>>, _by: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn note(&self, _pin: &Pin) {}

    fn now_ms(&self) -> u64 {
        0
    }
}

type Key = (Arc<str>, Arc<str>);

/// The pins as this process knows them, without their texts.
#[derive(Debug, Default)]
pub(super) struct Pins {
    known: Mutex<HashMap<Key, Vec<Pin>>>,
    version: AtomicU64,
}

impl Pins {
    /// Reads the pins again; whether that changed anything. A board that can't be read changes nothing.
    pub(super) fn reread(&self, board: &dyn Pinboard) -> Result<bool, String> {
        let mut known = lock(&self.known);
        let mut next: HashMap<Key, Vec<Pin>> = HashMap::new();
        for pin in board.pins(false)? {
            next.entry((Arc::clone(&pin.server), Arc::clone(&pin.tool))).or_default().push(pin);
        }
        let moved = *known != next;
        if moved {
            *known = next;
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        Ok(moved)
    }

    /// Moves when a pin does: which tools are held may be other ones then.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Looks at what a server lists: pins what is new, remembers what changed and what changed back.
    pub(super) fn observe(&self, trust: Trust, variant: u16, tools: &[Arc<Item>], board: &dyn Pinboard) {
        let mut known = lock(&self.known);
        let (mut fresh, mut changed) = (Vec::new(), Vec::new());
        let mut room = tools.first().map_or(0, |tool| {
            PINS_MAX.saturating_sub(known.keys().filter(|(server, _)| *server == tool.server).count())
        });
        for tool in tools {
            let key = (Arc::clone(&tool.server), Arc::clone(&tool.original));
            let Some(pins) = known.get_mut(&key) else {
                if room == 0 {
                    tracing::error!(tool = %tool.label, "its server has listed too many names: it is not pinned, and held (see `tollgate servers forget`)");
                    continue;
                }
                room -= 1;
                let pin = Pin {
                    server: Arc::clone(&tool.server),
                    tool: Arc::clone(&tool.original),
                    variant: 0,
                    accepted: seen(tool, board),
                    by: "first sight".to_owned(),
                    waiting: None,
                };
                known.insert(key, vec![bare(&pin)]);
                fresh.push(pin);
                continue;
            };
            if let Some(pin) = look(pins, trust, variant, tool, board) {
                match pins.iter_mut().find(|other| other.variant == pin.variant) {
                    Some(other) => *other = bare(&pin),
                    None => pins.push(bare(&pin)),
                }
                changed.push(pin);
            }
        }
        if fresh.is_empty() && changed.is_empty() {
            return;
        }
        self.version.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = board.keep(&fresh, &changed) {
            tracing::error!(%error, "pins could not be written: the next start does not know them");
        }
    }

    /// Whether a tool is held: its definition is not the accepted one.
    pub(super) fn holds(&self, trust: Trust, variant: u16, tool: &Item) -> bool {
        if trust == Trust::Auto {
            return false;
        }
        let known = lock(&self.known);
        let pins = known.get(&(Arc::clone(&tool.server), Arc::clone(&tool.original)));
        pins.and_then(|pins| own(pins, variant)).is_none_or(|pin| {
            // What changed for all is held for these agents too, though they were not shown it yet.
            let elsewhere = pin.variant != variant && pin.waiting.is_some();
            elsewhere || pin.accepted.digest != tool.definition
        })
    }
}

fn bare(pin: &Pin) -> Pin {
    let bare = |seen: &Seen| Seen { text: String::new(), ..*seen };
    Pin { accepted: bare(&pin.accepted), waiting: pin.waiting.as_ref().map(bare), ..pin.clone() }
}

/// The pin for agents of these capabilities.
fn own(pins: &[Pin], variant: u16) -> Option<&Pin> {
    pins.iter().find(|pin| pin.variant == variant).or_else(|| pins.iter().find(|pin| pin.variant == 0))
}

/// The pin as it should be after this sight of its tool, if that is another one.
fn look(pins: &[Pin], trust: Trust, variant: u16, tool: &Item, board: &dyn Pinboard) -> Option<Pin> {
    let pin = own(pins, variant)?;
    if pin.accepted.digest == tool.definition {
        // Another set of capabilities may still be shown a changed one: that has its own pin.
        let back = pin.waiting.is_some() && pin.variant == variant;
        if back {
            tracing::info!(tool = %tool.label, "its definition is the accepted one again: released");
        }
        return back.then(|| Pin { waiting: None, ..pin.clone() });
    }
    match trust {
        Trust::Auto => {
            let pin = Pin {
                variant,
                accepted: seen(tool, board),
                by: "trust: auto".to_owned(),
                waiting: None,
                ..pin.clone()
            };
            tracing::warn!(tool = %tool.label, "its definition changed and was accepted: its server is trusted");
            board.note(&pin);
            Some(pin)
        }
        Trust::Pin => {
            let same = pin.variant == variant
                && pin.waiting.as_ref().is_some_and(|waiting| waiting.digest == tool.definition);
            if same {
                return None;
            }
            tracing::warn!(
                tool = %tool.label,
                "its definition changed: it is held until `tollgate servers accept` (see `tollgate servers diff`)"
            );
            Some(Pin { variant, waiting: Some(seen(tool, board)), ..pin.clone() })
        }
    }
}

fn seen(tool: &Item, board: &dyn Pinboard) -> Seen {
    let text = tool.canonical();
    Seen { digest: tool.definition, text, since_ms: board.now_ms() }
}
