//! JSONPath (RFC 9535), as far as rules need it, wherever they need it: facts, redactions, sums.
//!
//! ```text
//! path   := "$" step*                     at most 32 steps
//! step   := "." name | ".." name | "[" select "]" | "..[" select "]"
//! name   := "*" | LETTER (LETTER | DIGIT)*    ASCII letters, `_`, and whatever is not ASCII
//! select := "*" | PLACE | STRING
//! PLACE  := a whole number; negative from the end
//! STRING := in single or double quotes, with JSON's escapes
//! ```
//!
//! What RFC 9535 has beyond it is a mistake with its place: filters, slices, unions, white space. *Never* visits more than a bounded
//! number of values, however many `..` a path has.

use crate::json::Json;

mod read;
#[cfg(test)]
mod tests;

/// The most values that one path may visit in one call.
const VISITS_MAX: usize = 1_000_000;

/// The most steps of one path.
const STEPS_MAX: usize = 32;

/// A path from a document's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    source: String,
    steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// `..`: from every value beneath too.
    pub(crate) deep: bool,
    /// Where to.
    pub(crate) select: Select,
}

/// What one step of a path goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// A member of this name.
    Key(String),
    /// An item by its place; negative from the end.
    At(i64),
    /// Every member or item.
    Every,
}

/// What is wrong with a path's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {column}: {message}")]
pub struct BadPath {
    /// The character, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl BadPath {
    /// What to do about it.
    pub const HINT: &str = "write it as `$.customer.email`, `$..ssn`, `$.items[*].iban` or `$['a key']`";
}

impl Select {
    /// The place among so many.
    pub(crate) fn place(at: i64, count: usize) -> Option<usize> {
        let from_end = || count.checked_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX));
        usize::try_from(at).ok().or_else(from_end)
    }
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// It is none, or has what is not available.
    pub fn new(text: &str) -> Result<Self, BadPath> {
        read::path(text)
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is `$`: the whole document.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Its steps, if each is certain where it goes: `..` is not.
    pub fn plain(&self) -> Option<impl Iterator<Item = &Select>> {
        let plain = self.steps.iter().all(|step| !step.deep);
        plain.then(|| self.steps.iter().map(|step| &step.select))
    }

    /// Its steps; none = the whole document.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The values it leads to, in document order. `None`: there are too many ways.
    pub(crate) fn find<'j, 'a>(&self, root: &'j Json<'a>) -> Option<Vec<&'j Json<'a>>> {
        let mut visits = 0;
        let mut found = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                step.go(value, &mut next, &mut visits)?;
            }
            found = next;
        }
        Some(found)
    }
}

impl Step {
    fn go<'j, 'a>(
        &self,
        value: &'j Json<'a>,
        found: &mut Vec<&'j Json<'a>>,
        visits: &mut usize,
    ) -> Option<()> {
        *visits += 1;
        if *visits > VISITS_MAX {
            return None;
        }
        match (&self.select, value) {
            (Select::Key(name), Json::Object(_)) => found.extend(value.get(name)),
            (Select::Every, Json::Object(members)) => found.extend(members.iter().map(|(_, value)| value)),
            (Select::Every, Json::List(items)) => found.extend(items),
            (Select::At(place), Json::List(items)) => {
                found.extend(Select::place(*place, items.len()).and_then(|at| items.get(at)));
            }
            (
                Select::Key(_) | Select::Every | Select::At(_),
                Json::Null
                | Json::Bool(_)
                | Json::Number(_)
                | Json::Text(_)
                | Json::List(_)
                | Json::Object(_),
            ) => {}
        }
        if self.deep {
            match value {
                Json::List(items) => items.iter().try_for_each(|item| self.go(item, found, visits))?,
                Json::Object(members) => {
                    members.iter().try_for_each(|(_, value)| self.go(value, found, visits))?;
                }
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => {}
            }
        }
        Some(())
    }
}
