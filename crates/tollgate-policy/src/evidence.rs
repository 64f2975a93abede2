//! What a call carries besides who, what and with which thing: the part of a question that differs from call to call. All borrowed.
//! *Never* gathered for a tool whose rules read none of it: ask which parts a verdict [`Needs`] first.

use std::sync::Arc;

/// What rules may read of one call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The arguments as they will leave: the text of a JSON object that a strict reader has passed (UTF-8, no key twice, depth at
    /// most 64). `None`: this method has none, or the agent gave none.
    pub arguments: Option<&'a [u8]>,
    /// The stated reason.
    pub reason: Option<&'a str>,
    /// What detectors found in the arguments: `secret`, `email`, ….
    pub findings: &'a [Arc<str>],
    /// What this conversation has touched so far, this call not counted.
    pub session: Session<'a>,
    /// The client's name and version, as it introduces itself. Not proven.
    pub client: Option<&'a str>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The user's own words for this task, where the host application may say them.
    pub task: Option<&'a str>,
}

/// What a conversation has accumulated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session<'a> {
    /// The labels of what it touched.
    pub labels: &'a [Arc<str>],
    /// Its calls so far, one for each interaction.
    pub calls: u64,
    /// Further counters by name: sums over an argument.
    pub counters: &'a [(Arc<str>, i64)],
}

/// Which parts of an [`Evidence`] a verdict depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `arguments`.
    pub const ARGUMENTS: Self = Self(1);
    /// `reason`.
    pub const REASON: Self = Self(2);
    /// `findings`.
    pub const FINDINGS: Self = Self(4);
    /// `session`.
    pub const SESSION: Self = Self(8);
    /// `client`.
    pub const CLIENT: Self = Self(16);
    /// `now_ms`.
    pub const TIME: Self = Self(32);
    /// `task`.
    pub const TASK: Self = Self(64);

    /// Whether all of `part` are among them.
    pub const fn has(self, part: Self) -> bool {
        self.0 & part.0 == part.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
