//! Finds what should not travel: secrets, email addresses, phone and card numbers, and the operator's own patterns.
//!
//! A prefilter finds candidates in one pass (literals for secrets, `@` for addresses, digits for numbers); each is then verified by hand:
//! shape, boundary, check digits, entropy. *Never* slower than linear in the text, whatever the text is.

use std::sync::Arc;

use regex::Regex;

/// Bytes, told apart.
mod bytes;

/// Addresses with an `@`.
mod email;

/// Cards, bank accounts, social security numbers, phones, IP addresses.
mod number;

/// The vendors' formats, and values that are assigned to a telling name.
mod secret;

/// The operator's own patterns.
mod custom;
pub use custom::{BadPattern, Pattern};

#[cfg(test)]
mod tests;

/// What the built-in detectors find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words of the configuration")]
pub enum Kind {
    Secret,
    Email,
    Phone,
    Card,
    Iban,
    Ssn,
    Ip,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Secret, Self::Email, Self::Phone, Self::Card, Self::Iban, Self::Ssn, Self::Ip];

    /// The word in configuration and ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
            Self::Ip => "ip",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Secret => 1,
            Self::Email => 2,
            Self::Phone => 4,
            Self::Card => 8,
            Self::Iban => 16,
            Self::Ssn => 32,
            Self::Ip => 64,
        }
    }
}

/// A set of built-in detectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// Every built-in detector.
    pub const ALL: Self = Self(0x7f);

    /// Adds one.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | kind.bit())
    }

    /// Whether it is in the set.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Which detector found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// A built-in one.
    Built(Kind),
    /// An own pattern, by its place among them.
    Own(usize),
}

/// One finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What it is.
    pub which: Which,
}

/// Detectors, ready to run.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    kinds: Kinds,
    own: Vec<Arc<Pattern>>,
}

impl Finder {
    /// These built-in detectors and own patterns.
    pub fn new(kinds: Kinds, own: Vec<Arc<Pattern>>) -> Self {
        Self { kinds, own }
    }

    /// Whether it looks for nothing.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.own.is_empty()
    }

    /// What a finding is called.
    pub fn name(&self, which: Which) -> &str {
        match which {
            Which::Built(kind) => kind.as_str(),
            Which::Own(place) => self.own.get(place).map_or("", |pattern| &pattern.name),
        }
    }

    /// All findings in `text`, in order, none overlapping another. Of two that overlap the earlier counts, of two that begin together
    /// the longer.
    pub fn find(&self, text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        let bytes = text.as_bytes();
        // Nothing that any detector looks for is this short.
        if bytes.len() >= 6 {
            if self.kinds.has(Kind::Secret) {
                secret::find(bytes, &mut found);
            }
            if self.kinds.has(Kind::Email) {
                email::find(bytes, &mut found);
            }
            number::find(bytes, self.kinds, &mut found);
        }
        for (place, pattern) in self.own.iter().enumerate() {
            let regex: &Regex = &pattern.regex;
            let hits = regex.find_iter(text).filter(|hit| !hit.is_empty());
            found.extend(hits.map(|hit| Found {
                start: hit.start(),
                end: hit.end(),
                which: Which::Own(place),
            }));
        }
        settle(&mut found);
        found
    }
}

/// Sorts, and drops what overlaps something better. A secret is worth more than a number within it.
fn settle(found: &mut Vec<Found>) {
    if found.len() < 2 {
        return;
    }
    found.sort_by_key(|f| (f.start, std::cmp::Reverse(f.end)));
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for next in found.drain(..) {
        match kept.last_mut() {
            Some(last) if next.start < last.end => {
                let secret = next.which == Which::Built(Kind::Secret);
                if secret && last.which != next.which {
                    // Nothing of either may remain.
                    *last = Found { start: last.start, end: last.end.max(next.end), which: next.which };
                } else {
                    last.end = last.end.max(next.end);
                }
            }
            _ => kept.push(next),
        }
    }
    *found = kept;
}
