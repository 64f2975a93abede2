//! The envelope scanner: finds the members of one JSON object and copies nothing.
//!
//! It is memchr-grade: strings are skipped, brackets are balanced, the inside of values is not judged. For requests
//! [`crate::strict::check`] has judged the whole text before; a server's result is opaque unless a rule looks inside.
//! What it accepts is exactly one balanced object: spliced into an envelope it cannot break out. *Never* recurses.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;

mod brackets;

mod edit;
pub use edit::Edit;

pub(crate) mod scan;

#[cfg(test)]
pub(crate) mod tests;

/// One JSON object's text and where its members are.
#[derive(Clone, Debug)]
pub struct Object {
    text: Bytes,
    members: Vec<Member>,
    /// It is known to be plain: [`crate::gather::Glance::is_plain`].
    plain: bool,
}

/// One member: spans into the object's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key with its quotes.
    pub key: Range<usize>,
    /// The value, trimmed.
    pub value: Range<usize>,
    /// Whether there is an escape in the key.
    escaped: bool,
}

/// The text is not one balanced JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object (at byte {at})")]
pub struct Broken {
    /// Offset in bytes.
    pub at: usize,
}

impl Object {
    /// Scans `text`, which must be exactly one object (surrounding white space allowed) of at most 65,536 members. Of duplicate keys the *last* is found by
    /// `get`; `has_duplicates` tells.
    pub fn scan(text: Bytes) -> Result<Self, Broken> {
        let members = scan::members(&text)?;
        Ok(Self { text, members, plain: false })
    }

    /// The same; and if one of `keys` holds an object, that one, scanned in the same pass, with its place. Both are known to be as `plain`
    /// as the text.
    pub(crate) fn scan_and(
        text: Bytes,
        keys: &[&str],
        plain: bool,
    ) -> Result<(Self, Option<Placed>), Broken> {
        let (members, inner) = scan::members_and(&text, keys)?;
        let inner = inner.map(|inner| Placed {
            object: Self { text: text.slice(inner.span.clone()), members: inner.members, plain },
            span: inner.span,
        });
        Ok((Self { text, members, plain }, inner))
    }

    /// `{}`.
    pub fn empty() -> Self {
        Self { text: Bytes::from_static(b"{}"), members: Vec::new(), plain: true }
    }

    /// Whether it was seen to be plain when it came: [`crate::gather::Glance::is_plain`]. A no may only mean that nobody looked.
    pub fn is_plain(&self) -> bool {
        self.plain
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
        if self.members.len() > 16 {
            let mut seen = HashSet::with_capacity(self.members.len());
            return !self.members.iter().all(|member| seen.insert(self.key(member)));
        }
        self.members.iter().enumerate().any(|(place, member)| {
            let key = self.key(member);
            self.members.iter().take(place).any(|earlier| self.is_key(earlier, &key))
        })
    }

    /// The value's span under `key` (compared after unescaping).
    pub fn find(&self, key: &str) -> Option<Range<usize>> {
        self.members.iter().rev().find(|member| self.is_key(member, key)).map(|member| member.value.clone())
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
        unquote(self.slice(key)?)
    }

    /// The object under `key`; `None` if absent or not an object.
    pub fn object(&self, key: &str) -> Option<Self> {
        self.get(key).and_then(|text| Self::scan(text).ok())
    }

    /// Starts an edit. Untouched members keep their bytes and order.
    pub fn edit(&self) -> Edit<'_> {
        Edit::new(self)
    }

    /// A member's key, unescaped; as it is where it cannot be.
    pub fn key(&self, member: &Member) -> Cow<'_, str> {
        let quoted = self.text.get(member.key.clone()).unwrap_or_default();
        let plain = || {
            let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            std::str::from_utf8(inner).ok().map(Cow::Borrowed)
        };
        if member.escaped { unquote(quoted) } else { plain() }
            .unwrap_or_else(|| String::from_utf8_lossy(quoted))
    }

    /// A member's value's text, sharing the buffer.
    pub fn value(&self, member: &Member) -> Bytes {
        self.text.slice(member.value.clone())
    }

    /// Whether the member's key, unescaped, is `key`.
    pub fn is_key(&self, member: &Member, key: &str) -> bool {
        scan::is_key(&self.text, member, key)
    }
}

/// An object inside another one.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Where it is in the other's text.
    pub(crate) span: Range<usize>,
    pub(crate) object: Object,
}

/// Splits the text of a JSON array into its elements' texts, sharing the buffer.
pub fn elements(array: &Bytes) -> Result<Vec<Bytes>, Broken> {
    items(array).collect()
}

/// The elements of a JSON array one by one, sharing the buffer; an error comes last. For arrays that may be long.
pub fn items(array: &Bytes) -> impl Iterator<Item = Result<Bytes, Broken>> {
    scan::items(array).map(|span| span.map(|span| array.slice(span)))
}

/// The elements of a JSON array with their places, each as an object where it is one: all in one pass. An error comes last.
pub(crate) fn objects(array: &Bytes) -> impl Iterator<Item = Result<(Range<usize>, Option<Object>), Broken>> {
    scan::objects(array).map(|item| {
        item.map(|(span, members)| {
            let object =
                members.map(|members| Object { text: array.slice(span.clone()), members, plain: false });
            (span, object)
        })
    })
}

/// A string as JSON text, quotes included.
pub fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// The string that JSON text stands for; `None` if the text is not a string.
pub fn unquote(text: &[u8]) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    match memchr::memchr2(b'\\', b'"', inner).and_then(|at| inner.get(at)) {
        None => {
            let control = inner.iter().fold(0, |found, byte| found | u8::from(*byte < b' '));
            std::str::from_utf8(inner).ok().filter(|_| control == 0).map(Cow::Borrowed)
        }
        Some(b'\\') => serde_json::from_slice::<String>(text).ok().map(Cow::Owned),
        Some(_) => None,
    }
}
