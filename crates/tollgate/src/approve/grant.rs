//! A yes that stands: for whom, for what, until when. *Never* wider than it was given: whatever it names must be as it was.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tollgate_mcp::name::glob;
use tollgate_mcp::object::{Object, unquote};

use super::terms::Terms;
use crate::secret::hex;

/// What a yes permits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Scope {
    /// Exactly the call that was asked about, one time.
    Once {
        /// SHA-256 of target and arguments, hexadecimal.
        digest: String,
    },
    /// Any call of this tool in this conversation.
    Conversation {
        /// The conversation's identity, hashed.
        conversation: String,
    },
    /// The call with exactly these arguments, again and again.
    Arguments {
        /// SHA-256 of target and arguments, hexadecimal.
        digest: String,
    },
    /// Calls whose named arguments match, and whose others are the same.
    Pattern {
        /// The conditions: all must hold.
        pattern: Vec<Condition>,
        /// The other arguments, as [`marks`].
        same: BTreeMap<String, String>,
    },
}

/// `NAME like GLOB`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// An argument's name.
    pub name: String,
    /// `*` is any run of characters, everything else itself.
    pub like: String,
}

/// A yes that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Who was asked: `agent`, `operators`, `group:NAME`.
    pub of: String,
    /// Whose calls it permits.
    pub principal: String,
    /// The agent.
    pub agent: String,
    /// The user, where identity says one.
    pub user: Option<String>,
    /// `server/original`.
    pub tool: String,
    /// The method.
    pub method: String,
    /// SHA-256 of the tool's definition, hexadecimal.
    pub definition: String,
    /// The policy's version.
    pub policy: String,
    /// What it permits.
    pub scope: Scope,
    /// Who gave it: names, joined by `, `.
    pub by: String,
    /// By which way.
    pub via: String,
    /// When (milliseconds since the Unix epoch).
    pub at: u64,
    /// Until when.
    pub until: u64,
    /// The question it answers.
    pub question: Option<String>,
    /// The arguments that the approver put in place of the agent's: an object's text.
    pub edited: Option<String>,
}

impl Grant {
    /// Whether it is for this call. Whether it is used up, revoked or over, the store knows.
    pub fn permits(&self, terms: &Terms, arguments: &Bytes) -> bool {
        self.of == terms.of
            && self.principal == terms.principal
            && self.tool == terms.tool
            && self.method == terms.method
            && self.definition == terms.definition
            && self.policy == terms.policy
            && match &self.scope {
                Scope::Once { digest } | Scope::Arguments { digest } => *digest == terms.digest,
                Scope::Conversation { conversation } => *conversation == terms.conversation,
                Scope::Pattern { pattern, same } => matches(pattern, same, arguments),
            }
    }

    /// Whether its first use is its last.
    pub const fn is_single(&self) -> bool {
        matches!(self.scope, Scope::Once { .. })
    }
}

impl Scope {
    /// The word of the API and the command line.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Once { .. } => "once",
            Self::Conversation { .. } => "conversation",
            Self::Arguments { .. } => "arguments",
            Self::Pattern { .. } => "pattern",
        }
    }
}

impl Condition {
    /// Reads `path like /srv/*` (the pattern may stand in double quotes).
    pub fn parse(text: &str) -> Option<Self> {
        let (name, like) = text.trim().split_once(" like ")?;
        let (name, like) = (name.trim().trim_start_matches("args."), like.trim());
        let like = like.strip_prefix('"').and_then(|l| l.strip_suffix('"')).unwrap_or(like);
        let good = !name.is_empty() && !name.contains(char::is_whitespace) && !like.is_empty();
        (good && name.len() <= 256 && like.len() <= 1024)
            .then(|| Self { name: name.to_owned(), like: like.to_owned() })
    }

    fn holds(&self, value: &[u8]) -> bool {
        match unquote(value) {
            Some(text) => glob(&self.like, &text) && !climbs(&text),
            None => std::str::from_utf8(value).is_ok_and(|text| glob(&self.like, text)),
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} like {}", self.name, self.like)
    }
}

/// `/srv/../etc` looks like `/srv/*` and is not meant by it.
fn climbs(text: &str) -> bool {
    let plain = text.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/");
    plain.split(['/', '\\']).any(|segment| segment == "..")
}

fn matches(pattern: &[Condition], same: &BTreeMap<String, String>, arguments: &Bytes) -> bool {
    let Ok(object) = Object::scan(arguments.clone()) else { return false };
    if object.has_duplicates() {
        return false;
    }
    let named = |name: &str| pattern.iter().any(|condition| condition.name == name);
    let others = object.members().iter().filter(|member| !named(&object.key(member))).count();
    others == same.len()
        && pattern_holds(pattern, &object)
        && same.iter().all(|(name, known)| object.slice(name).is_some_and(|value| mark(value) == *known))
}

/// Whether all conditions hold.
pub(super) fn pattern_holds(pattern: &[Condition], arguments: &Object) -> bool {
    pattern.iter().all(|c| arguments.slice(&c.name).is_some_and(|value| c.holds(value)))
}

/// Each argument's name with a digest of its value: enough to say what differs, too little to say what it was.
pub fn marks(arguments: &Bytes) -> BTreeMap<String, String> {
    let Ok(object) = Object::scan(arguments.clone()) else { return BTreeMap::new() };
    let mark = |member| (object.key(member).into_owned(), self::mark(&object.value(member)));
    object.members().iter().map(mark).collect()
}

/// A digest of one value's text.
pub(super) fn mark(value: &[u8]) -> String {
    let digest = Sha256::digest(value);
    hex::encode(digest.get(..16).unwrap_or_default())
}
