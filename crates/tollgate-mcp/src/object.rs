//! The envelope scanner: finds the members of one JSON object and copies nothing.
//!
//! It is memchr-grade: strings are skipped, brackets are balanced, the inside of values is not judged. For requests
//! [`crate::strict::check`] has judged the whole text before; a server's result is opaque unless a rule looks inside.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::rope::Rope;

/// One JSON object's text and where its members are.
#[derive(Clone, Debug)]
pub struct Object {
    text: Bytes,
    members: SmallVec<[Member; 8]>,
}

/// One member: spans into the object's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes.
    pub key: Range<usize>,
    /// The value, trimmed.
    pub value: Range<usize>,
}

/// The text is not one balanced JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object (at byte {at})")]
pub struct Broken {
    /// Offset in bytes.
    pub at: usize,
}

impl Object {
    /// Scans `text`, which must be exactly one object (surrounding white space allowed). Of duplicate keys the *last* is found by
    /// `get`; `has_duplicates` tells.
    pub fn scan(text: Bytes) -> Result<Self, Broken> {
        let _ = text;
        todo!("Object::scan")
    }

    /// `{}`.
    pub fn empty() -> Self {
        Self { text: Bytes::from_static(b"{}"), members: SmallVec::new() }
    }

    /// The whole text.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The members in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether two members have the same (unescaped) key.
    pub fn has_duplicates(&self) -> bool {
        todo!("Object::has_duplicates")
    }

    /// The value's span under `key` (compared after unescaping).
    pub fn find(&self, key: &str) -> Option<Range<usize>> {
        let _ = key;
        todo!("Object::find")
    }

    /// The value's text under `key`, sharing the buffer.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.find(key).map(|span| self.text.slice(span))
    }

    /// The value's text under `key`, borrowed.
    pub fn slice(&self, key: &str) -> Option<&[u8]> {
        self.find(key).and_then(|span| self.text.get(span))
    }

    /// The string under `key`, unescaped; `None` if absent or not a string.
    pub fn string(&self, key: &str) -> Option<Cow<'_, str>> {
        let _ = key;
        todo!("Object::string")
    }

    /// The object under `key`; `None` if absent or not an object.
    pub fn object(&self, key: &str) -> Option<Self> {
        self.get(key).and_then(|text| Self::scan(text).ok())
    }

    /// Starts an edit. Untouched members keep their bytes and order.
    pub fn edit(&self) -> Edit<'_> {
        Edit { object: self, changes: SmallVec::new() }
    }
}

/// Changes to one object, spliced into its bytes.
#[derive(Debug)]
pub struct Edit<'a> {
    object: &'a Object,
    changes: SmallVec<[(Cow<'static, str>, Change); 4]>,
}

#[derive(Debug)]
enum Change {
    Set(Rope),
    Remove,
}

impl Edit<'_> {
    /// Sets `key` to a JSON value's text: replaced in place where it is, else put first.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Rope>) -> &mut Self {
        self.changes.push((key.into(), Change::Set(value.into())));
        self
    }

    /// Removes `key`, if it is there.
    pub fn remove(&mut self, key: impl Into<Cow<'static, str>>) -> &mut Self {
        self.changes.push((key.into(), Change::Remove));
        self
    }

    /// The edited text; untouched stretches share the buffer. Without changes: the text itself.
    pub fn finish(self) -> Rope {
        todo!("Edit::finish")
    }
}

/// Splits the text of a JSON array into its elements' texts.
pub fn elements(array: &Bytes) -> Result<Vec<Bytes>, Broken> {
    let _ = array;
    todo!("elements")
}

/// A string as JSON text, quotes included.
pub fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// The string that JSON text stands for; `None` if the text is not a string.
pub fn unquote(text: &[u8]) -> Option<Cow<'_, str>> {
    let _ = text;
    todo!("unquote")
}
