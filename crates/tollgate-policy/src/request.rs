//! The nouns of a question: who wants to do what with which thing. All borrowed: asking copies nothing. *Never* parsed.

use std::sync::Arc;

use crate::hints::Flags;

/// Who calls, as proven.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The agent's name.
    pub agent: &'a str,
    /// The user, where identity says one.
    pub user: Option<&'a str>,
    /// The tenant.
    pub tenant: Option<&'a str>,
    /// The groups.
    pub groups: &'a [Arc<str>],
}

/// What is called, read or listed.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The server's alias. Rules and entity ids know a target by `server/name`, so an alias has no `/`.
    pub server: &'a str,
    /// The tool's or prompt's original name, or the original URI. Any text.
    pub name: &'a str,
    /// Which of the three.
    pub kind: Kind,
    /// What is known of it.
    pub flags: Flags,
    /// Its labels.
    pub labels: &'a [Arc<str>],
}

impl Target<'_> {
    /// `server/name`: what globs match, and its entity's id.
    pub(crate) fn path(&self) -> String {
        let mut path = String::with_capacity(self.server.len() + 1 + self.name.len());
        path.push_str(self.server);
        path.push('/');
        path.push_str(self.name);
        path
    }
}

/// What a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum Kind {
    Tool,
    Prompt,
    Resource,
}

impl Kind {
    /// All, each at its index.
    pub(crate) const ALL: [Self; 3] = [Self::Tool, Self::Prompt, Self::Resource];

    /// The Cedar entity type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "Tool",
            Self::Prompt => "Prompt",
            Self::Resource => "Resource",
        }
    }

    /// What an agent does with it: being seen, listed and subscribed to follow from that.
    pub const fn used_by(self) -> Action {
        match self {
            Self::Tool => Action::Call,
            Self::Prompt => Action::Get,
            Self::Resource => Action::Read,
        }
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `tools/call`.
    Call,
    /// `resources/read`.
    Read,
    /// `prompts/get`.
    Get,
    /// `completion/complete`.
    Complete,
    /// Standing in a `*/list`.
    List,
    /// `resources/subscribe`, `subscriptions/listen`.
    Subscribe,
    /// A server's `sampling/createMessage`, during the use of the target.
    Sample,
    /// A server's `elicitation/create`, during the use of the target.
    Elicit,
    /// Being known of at all.
    See,
}

impl Action {
    /// All, each at its index.
    pub(crate) const ALL: [Self; 9] = [
        Self::Call,
        Self::Read,
        Self::Get,
        Self::Complete,
        Self::List,
        Self::Subscribe,
        Self::Sample,
        Self::Elicit,
        Self::See,
    ];

    /// What a shorthand rule covers.
    pub(crate) const SHORTHAND: [Self; 4] = [Self::Call, Self::Read, Self::Get, Self::Complete];

    /// The Cedar action's id.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Read => "read",
            Self::Get => "get",
            Self::Complete => "complete",
            Self::List => "list",
            Self::Subscribe => "subscribe",
            Self::Sample => "sample",
            Self::Elicit => "elicit",
            Self::See => "see",
        }
    }

    /// Whether it follows from what may be used, so that only a refusal can be said of it.
    pub(crate) const fn follows(self) -> bool {
        match self {
            Self::List | Self::Subscribe | Self::See => true,
            Self::Call | Self::Read | Self::Get | Self::Complete | Self::Sample | Self::Elicit => false,
        }
    }
}
