use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value as Json;

use super::schema::Place;
use super::text::{self, Flat};
use super::trail::Trail;
use super::tree::{self, Node, Value};
use super::{Side, With};
use crate::detect::{Found, Which};

mod containers;
mod stand_in;

pub(super) use stand_in::{EMAIL, URI};
use stand_in::{is_ours, mask};

/// Makes what stands in for a value: the caller holds the keys.
pub trait StandIn {
    /// A keyed hash, the same for the same value.
    fn hash(&self, kind: &str, value: &str) -> String;

    /// A token that the same caller may give back. `raw` = the value is JSON text, not a string's characters.
    fn token(&self, kind: &str, value: &str, raw: bool) -> String;
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Somebody's data: arguments, an answer's content.
    Data,
    /// A message of the protocol: the strings that it runs on (types, URIs, ids) stay.
    Message,
}

/// How one document is cleaned.
pub struct Job<'a> {
    /// What is taken out.
    pub side: &'a Side,
    /// What stands in.
    pub make: &'a dyn StandIn,
    /// The JSON Schema of the data: of the whole document, or of a message's `structuredContent`.
    pub schema: Option<&'a Json>,
    /// What the document is.
    pub shape: Shape,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("side", &self.side).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// One thing that was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where, as a JSON path. Holds nothing that was taken out.
    pub path: String,
    /// What: a detector's name, or `field`.
    pub kind: String,
}

/// A cleaned document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Its text; `None` = nothing changed.
    pub text: Option<Vec<u8>>,
    /// What was taken out: the first 64, and the first of each kind.
    pub taken: Vec<Taken>,
}

/// The most entries of `Cleaned::taken`.
pub(super) const TAKEN_MAX: usize = 64;

/// Why a document cannot be cleaned, and so must not be passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclean {
    /// Not UTF-8, or not JSON.
    #[error("it is not valid json")]
    Unreadable,
    /// A key twice in one object: readers differ on which counts.
    #[error("it has a duplicate key")]
    Duplicate,
    /// Too deep, or too many values.
    #[error("it is nested too deeply, or has too many values, to be looked into")]
    TooMuch,
    /// The schema leaves no way to take a value out.
    #[error("the schema leaves no way to take out `{0}`")]
    Schema(String),
}

impl Job<'_> {
    /// Cleans one JSON document.
    ///
    /// # Errors
    /// See [`Unclean`].
    pub fn run(&self, document: &[u8]) -> Result<Cleaned, Unclean> {
        let text = std::str::from_utf8(document).map_err(|_| Unclean::Unreadable)?;
        let node = tree::read(text)?;
        let mut taken = Vec::new();
        let mut walk = Walk::new(self, text, &mut taken, 0, String::new());
        let data = self.shape == Shape::Data;
        let place = self.schema.filter(|_| data).map(Place::root);
        let trail = Trail::root(self.side.fields.len());
        walk.value(&node, &Spot { data, trail, place, ..Spot::default() })?;
        let text = walk.finish();
        Ok(Cleaned { text, taken })
    }

    /// Cleans text that stands alone, such as an error's message; JSON in it counts as such.
    ///
    /// # Errors
    /// See [`Unclean`].
    pub fn line(&self, line: &str) -> Result<(Option<String>, Vec<Taken>), Unclean> {
        let mut taken = Vec::new();
        let mut walk = Walk::new(self, "", &mut taken, 0, String::new());
        let rewritten = walk.rewrite(line, &Spot::default(), &[])?;
        Ok((rewritten.apply(line), taken))
    }
}

/// Where a value is and what holds there.
#[derive(Clone, Default)]
struct Spot<'s> {
    /// Data, not a message's own strings.
    data: bool,
    trail: Trail,
    place: Option<Place<'s>>,
    /// Whether it may be left out.
    droppable: bool,
    /// It lies in a field that is taken out.
    force: Option<With>,
    steps: Steps<'s>,
}

/// The way to a value.
#[derive(Clone, Default)]
enum Steps<'s> {
    #[default]
    Root,
    Key(&'s Steps<'s>, &'s str),
    Item(&'s Steps<'s>, usize),
}

/// A change of the text.
struct Edit {
    at: Range<usize>,
    text: String,
}

struct Walk<'j, 't> {
    job: &'j Job<'j>,
    text: &'t str,
    edits: Vec<Edit>,
    taken: &'t mut Vec<Taken>,
    /// How many strings deep this document is.
    nesting: usize,
    prefix: String,
    /// What runs over the bounds of neighbouring texts, by where a text begins.
    joint: HashMap<usize, Vec<Found>>,
}

/// What becomes of a text.
enum Rewritten {
    No,
    Whole(String),
    Parts(Vec<(Range<usize>, String)>),
}

impl Rewritten {
    fn apply(self, text: &str) -> Option<String> {
        match self {
            Self::No => None,
            Self::Whole(whole) => Some(whole),
            Self::Parts(parts) => Some(apply(text, &parts)),
        }
    }
}

fn apply(text: &str, parts: &[(Range<usize>, String)]) -> String {
    let (mut out, mut place) = (String::with_capacity(text.len()), 0);
    for (at, stand) in parts {
        out.push_str(text.get(place..at.start).unwrap_or_default());
        out.push_str(stand);
        place = at.end;
    }
    out.push_str(text.get(place..).unwrap_or_default());
    out
}

/// JSON in strings in JSON in strings: deeper it is text.
const NESTING: usize = 3;

impl<'j, 't> Walk<'j, 't> {
    fn new(
        job: &'j Job<'j>,
        text: &'t str,
        taken: &'t mut Vec<Taken>,
        nesting: usize,
        prefix: String,
    ) -> Self {
        Self { job, text, edits: Vec::new(), taken, nesting, prefix, joint: HashMap::new() }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|edit| edit.at.start);
        let (mut out, mut place) = (Vec::with_capacity(self.text.len()), 0);
        for edit in &self.edits {
            out.extend_from_slice(self.text.get(place..edit.at.start).unwrap_or_default().as_bytes());
            out.extend_from_slice(edit.text.as_bytes());
            place = edit.at.end;
        }
        out.extend_from_slice(self.text.get(place..).unwrap_or_default().as_bytes());
        Some(out)
    }

    /// Cleans a value; `false` = it is left out.
    fn value(&mut self, node: &Node, spot: &Spot<'_>) -> Result<bool, Unclean> {
        match &node.value {
            Value::Text | Value::Number | Value::Word if spot.force.is_some() => {
                self.field(node, spot, spot.force.unwrap_or_default())
            }
            Value::Word => Ok(true),
            Value::Number => self.number(node, spot),
            Value::Text => self.string(node, spot),
            Value::List(items) => self.list(items, spot).map(|()| true),
            Value::Map(members) => self.map(members, spot).map(|()| true),
        }
    }

    /// A field that a rule names.
    fn field(&mut self, node: &Node, spot: &Spot<'_>, with: With) -> Result<bool, Unclean> {
        let raw = self.text.get(node.span.clone()).unwrap_or_default();
        let is_text = matches!(node.value, Value::Text);
        let value = if is_text { text::plain(self.text, &node.span) } else { Cow::Borrowed(raw) };
        if is_text && is_ours(&value) || raw == "null" {
            return Ok(true);
        }
        self.take(spot, "field");
        if with == With::Drop && spot.droppable {
            return Ok(false);
        }
        let stand = self.stand_in("field", with, &value, !is_text);
        self.replace(node, spot, &stand)
    }

    /// Puts something else where a whole value stood: what the schema accepts, or nothing, or nothing at all can be passed on.
    fn replace(&mut self, node: &Node, spot: &Spot<'_>, stand: &str) -> Result<bool, Unclean> {
        let at = node.span.clone();
        let Some(place) = &spot.place else {
            self.edits.push(Edit { at, text: quoted(stand) });
            return Ok(true);
        };
        for stand in [stand, EMAIL, URI, "***"] {
            if place.accepts(&Json::from(stand)) {
                self.edits.push(Edit { at, text: quoted(stand) });
                return Ok(true);
            }
        }
        if place.accepts(&Json::Null) {
            self.edits.push(Edit { at, text: "null".to_owned() });
            return Ok(true);
        }
        if spot.droppable {
            return Ok(false);
        }
        match &node.value {
            // What is within can still be taken out piece by piece.
            Value::List(_) | Value::Map(_) if spot.force.is_none() => {
                let inner = Spot { force: Some(With::Mask), ..spot.clone() };
                self.value(node, &inner)
            }
            Value::List(_) | Value::Map(_) | Value::Text | Value::Number | Value::Word => {
                Err(Unclean::Schema(self.path(&spot.steps)))
            }
        }
    }

    fn string(&mut self, node: &Node, spot: &Spot<'_>) -> Result<bool, Unclean> {
        let flat = text::flat(self.text, &node.span);
        let joint = self.joint.remove(&node.span.start).unwrap_or_default();
        let rewritten = self.rewrite(&flat.text, spot, &joint)?;
        if let Some(place) = &spot.place {
            let whole = match &rewritten {
                Rewritten::No => return Ok(true),
                Rewritten::Whole(whole) => Cow::Borrowed(whole.as_str()),
                Rewritten::Parts(parts) => Cow::Owned(apply(&flat.text, parts)),
            };
            if !place.accepts(&Json::from(&*whole)) {
                let stand = mask("value");
                return self.replace(node, spot, &stand);
            }
        }
        self.splice(&node.span, &flat, rewritten);
        Ok(true)
    }

    fn splice(&mut self, span: &Range<usize>, flat: &Flat<'_>, rewritten: Rewritten) {
        match rewritten {
            Rewritten::No => {}
            Rewritten::Whole(whole) => self.edits.push(Edit { at: span.clone(), text: quoted(&whole) }),
            Rewritten::Parts(parts) => self.edits.extend(parts.into_iter().map(|(at, stand)| Edit {
                at: flat.written(at.start)..flat.written(at.end),
                text: text::escaped(&stand),
            })),
        }
    }

    /// A text's characters: JSON as a document of its own, else what the detectors find.
    fn rewrite(&mut self, text: &str, spot: &Spot<'_>, joint: &[Found]) -> Result<Rewritten, Unclean> {
        if self.nesting < NESTING && looks_like_json(text) {
            match tree::read(text) {
                Ok(node) => {
                    let prefix = format!("{}~", self.path(&spot.steps));
                    let mut inner = Walk::new(self.job, text, self.taken, self.nesting + 1, prefix);
                    // The text beside structured content repeats it.
                    let place = self
                        .job
                        .schema
                        .filter(|_| self.job.shape == Shape::Message && !spot.data)
                        .map(Place::root);
                    let trail = Trail::root(self.job.side.fields.len());
                    inner.value(&node, &Spot { data: true, trail, place, ..Spot::default() })?;
                    let whole = inner.finish().and_then(|text| String::from_utf8(text).ok());
                    return Ok(whole.map_or(Rewritten::No, Rewritten::Whole));
                }
                Err(Unclean::Unreadable) => {}
                Err(other) => return Err(other),
            }
        }
        let mut found = self.job.side.finder().find(text);
        if !joint.is_empty() {
            found.retain(|one| !joint.iter().any(|other| one.start < other.end && other.start < one.end));
            found.extend_from_slice(joint);
            found.sort_by_key(|found| found.start);
        }
        if found.is_empty() {
            return Ok(Rewritten::No);
        }
        let mut parts = Vec::with_capacity(found.len());
        for one in found {
            let value = text.get(one.start..one.end).unwrap_or_default();
            if is_ours(value) {
                continue;
            }
            let stand = self.found(spot, one.which, value);
            parts.push((one.start..one.end, stand));
        }
        Ok(if parts.is_empty() { Rewritten::No } else { Rewritten::Parts(parts) })
    }

    /// Notes a finding and makes what stands in for it.
    fn found(&mut self, spot: &Spot<'_>, which: Which, value: &str) -> String {
        let kind = self.job.side.finder().name(which).to_owned();
        self.take(spot, &kind);
        match self.job.side.with(which) {
            With::Drop => String::new(),
            with @ (With::Mask | With::Hash | With::Token) => self.stand_in(&kind, with, value, false),
        }
    }

    /// A number can be a card's.
    fn number(&mut self, node: &Node, spot: &Spot<'_>) -> Result<bool, Unclean> {
        let raw = self.text.get(node.span.clone()).unwrap_or_default();
        if !spot.data || raw.len() < 9 || raw.len() > 40 {
            return Ok(true);
        }
        let found = self.job.side.finder().find(raw);
        let Some(one) = found.first().filter(|one| one.start == 0 && one.end == raw.len()) else {
            return Ok(true);
        };
        let (which, with) = (one.which, self.job.side.with(one.which));
        let kind = self.job.side.finder().name(which).to_owned();
        self.take(spot, &kind);
        if with == With::Drop && spot.droppable {
            return Ok(false);
        }
        let stand = self.stand_in(&kind, with, raw, true);
        self.replace(node, spot, &stand)
    }

    fn stand_in(&self, kind: &str, with: With, value: &str, raw: bool) -> String {
        match with {
            With::Mask | With::Drop => mask(kind),
            With::Hash => self.job.make.hash(kind, value),
            With::Token => self.job.make.token(kind, value, raw),
        }
    }

    fn take(&mut self, spot: &Spot<'_>, kind: &str) {
        // However many there are, each kind is told.
        if self.taken.len() < TAKEN_MAX || !self.taken.iter().any(|taken| taken.kind == kind) {
            let path = self.path(&spot.steps);
            self.taken.push(Taken { path, kind: kind.to_owned() });
        }
    }

    fn path(&self, steps: &Steps<'_>) -> String {
        let mut parts = Vec::new();
        let mut step = steps;
        loop {
            step = match step {
                Steps::Root => break,
                Steps::Key(up, key) => {
                    parts.push(self.shown(key));
                    up
                }
                Steps::Item(up, index) => {
                    parts.push(format!("[{index}]"));
                    up
                }
            };
        }
        parts.reverse();
        format!("{}${}", self.prefix, parts.concat())
    }

    /// A key in a path, unless it holds what is taken out.
    fn shown(&self, key: &str) -> String {
        if !self.job.side.finder().find(key).is_empty() {
            return "['…']".to_owned();
        }
        let plain = key.len() <= 40 && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        if plain { format!(".{key}") } else { format!("['{}']", key.chars().take(40).collect::<String>()) }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text::escaped(text))
}

fn looks_like_json(text: &str) -> bool {
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']).as_bytes();
    matches!((trimmed.first(), trimmed.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')))
}
