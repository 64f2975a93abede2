//! `*` patterns over `server/original`: the same language as Cedar's `like`, matched without Cedar so that rules can be left out
//! before it is asked. *Never* slower than linear in pattern × text.

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glob {
    /// Matches everything.
    All,
    /// No `*`: matches itself.
    Exact(Box<str>),
    /// `head*middle*…*tail`.
    Pieces {
        /// Before the first `*`.
        head: Box<str>,
        /// Between two; never empty strings.
        middle: Box<[Box<str>]>,
        /// After the last.
        tail: Box<str>,
    },
}

impl Glob {
    /// Reads a pattern; every text is one.
    pub(crate) fn new(pattern: &str) -> Self {
        let Some((head, rest)) = pattern.split_once('*') else {
            return Self::Exact(pattern.into());
        };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle: Box<[Box<str>]> =
            middle.split('*').filter(|piece| !piece.is_empty()).map(Into::into).collect();
        if head.is_empty() && middle.is_empty() && tail.is_empty() {
            return Self::All;
        }
        Self::Pieces { head: head.into(), middle, tail: tail.into() }
    }

    /// Whether it matches the whole of `text`.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exact(all) => **all == *text,
            Self::Pieces { head, middle, tail } => text
                .strip_prefix(&**head)
                .and_then(|rest| rest.strip_suffix(&**tail))
                .and_then(|rest| {
                    // The leftmost place leaves the most for what follows.
                    middle.iter().try_fold(rest, |rest, piece| Some(rest.split_once(&**piece)?.1))
                })
                .is_some(),
        }
    }

    /// What every matching text has before its first `/`, where that is certain.
    pub(crate) fn before_slash(&self) -> Option<&str> {
        let known = match self {
            Self::All => return None,
            Self::Exact(all) => all,
            Self::Pieces { head, .. } => head,
        };
        known.split_once('/').map(|(server, _)| server)
    }
}

#[cfg(test)]
mod tests;
