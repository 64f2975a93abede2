//! Notifications one after another: what is split over two of them is found all the same.

use bytes::Bytes;
use tollgate_mcp::object::{Object, elements};
use tollgate_mcp::rope::Rope;
use tollgate_policy::redact::{Shape, Taken};

use super::Cleaner;
use crate::call::{Part, PartKind};

/// The last text of a call's stream, kept back until it is known that nothing goes on behind it.
#[derive(Debug, Default)]
pub struct Stream {
    held: Option<Part>,
}

impl Stream {
    /// Whether something is kept back.
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// What was kept back, cleaned.
    pub fn release(&mut self, cleaner: &Cleaner<'_>) -> (Option<Part>, Vec<Taken>) {
        self.held.take().map_or_else(|| (None, Vec::new()), |held| cleaner.redacted(held))
    }

    /// Takes a notification; what may go out now comes out, in order, cleaned.
    pub fn push(&mut self, cleaner: &Cleaner<'_>, part: Part) -> ([Option<Part>; 2], Vec<Taken>) {
        let part = cleaner.stripped(part);
        if self.held.is_none() && !cleaner.joins() {
            let (part, taken) = cleaner.redacted(part);
            return ([part, None], taken);
        }
        if !is_text(&part) {
            let (held, mut taken) = self.release(cleaner);
            let (part, more) = cleaner.redacted(part);
            taken.extend(more);
            return ([held, part], taken);
        }
        if self.held.as_ref().is_none_or(|held| held.kind != part.kind) {
            let (held, taken) = self.release(cleaner);
            self.held = Some(part);
            return ([held, None], taken);
        }
        let (first, second, taken) = match self.held.take() {
            Some(held) => cleaner.both(held, part),
            None => (None, Some(part), Vec::new()),
        };
        self.held = second;
        ([first, None], taken)
    }
}

/// Whether it says something in words.
fn is_text(part: &Part) -> bool {
    let key = match part.kind {
        PartKind::Progress => "message",
        PartKind::Message => "data",
        PartKind::Acknowledged
        | PartKind::ToolsChanged
        | PartKind::PromptsChanged
        | PartKind::ResourcesChanged
        | PartKind::ResourceUpdated
        | PartKind::Task
        | PartKind::Paused { .. } => return false,
    };
    Object::scan(part.params.clone().into_bytes()).is_ok_and(|params| params.string(key).is_some())
}

impl Cleaner<'_> {
    /// Whether detectors look at results: then texts that follow each other are looked at together.
    fn joins(&self) -> bool {
        self.side(false).is_some_and(|side| !side.finder().is_empty())
    }

    /// Two neighbours, cleaned as one text.
    fn both(&self, first: Part, second: Part) -> (Option<Part>, Option<Part>, Vec<Taken>) {
        let Some(side) = self.side(false) else { return (Some(first), Some(second), Vec::new()) };
        let (head, tail) = (first.params.clone().into_bytes(), second.params.clone().into_bytes());
        let list = [b"[".as_slice(), &head, b",", &tail, b"]"].concat();
        let Ok(done) = self.job(side, None, Shape::Message).run(&list) else {
            // One of them cannot be read: each is for itself, and what cannot be cleaned is left out.
            let (first, taken) = self.redacted(first);
            return (first, Some(second), taken);
        };
        let made = |kind, params: &Bytes| Some(Part { kind, params: Rope::from(params.clone()) });
        match done.text.and_then(|text| elements(&Bytes::from(text)).ok()).as_deref() {
            Some([a, b]) => (made(first.kind, a), made(second.kind, b), done.taken),
            _ => (Some(first), Some(second), done.taken),
        }
    }
}
