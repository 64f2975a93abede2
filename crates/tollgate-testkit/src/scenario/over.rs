use std::fmt;

use crate::fake::Kind;
use crate::wire::{LEGACY, MODERN};
use crate::{Failure, Result};

/// How an agent speaks: revision and transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaks {
    /// The revision.
    pub revision: String,
    /// Over `tollgate stdio` instead of HTTP.
    pub stdio: bool,
}

/// With whom a file is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Agents that do not say how they speak, speak so.
    pub agent: Speaks,
    /// Fakes that do not say what they are, are this.
    pub server: Kind,
}

impl Default for Variant {
    fn default() -> Self {
        Self { agent: Speaks { revision: MODERN.to_owned(), stdio: false }, server: Kind::ModernHttp }
    }
}

impl Speaks {
    /// Reads `2025-06-18` or `stdio-2025-06-18`.
    pub fn parse(text: &str) -> Option<Self> {
        let (stdio, revision) = match text.strip_prefix("stdio-") {
            Some(revision) => (true, revision),
            None => (false, text),
        };
        // 2024-11-05 has no streamable HTTP.
        let known =
            revision == MODERN || LEGACY.iter().skip(usize::from(!stdio)).any(|known| *known == revision);
        known.then(|| Self { revision: revision.to_owned(), stdio })
    }

    fn every() -> Vec<Self> {
        let over = |stdio| move |revision: &&str| Self { revision: (*revision).to_owned(), stdio };
        let http = ["2025-03-26", "2025-06-18", "2025-11-25", MODERN];
        let stdio = ["2025-11-25", MODERN];
        http.iter().map(over(false)).chain(stdio.iter().map(over(true))).collect()
    }
}

impl fmt::Display for Speaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.stdio { "stdio-" } else { "" }, self.revision)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.agent, self.server.name())
    }
}

/// Reads `over: agents=A,B servers=C,D` (either may be `every` or left out): the product.
pub(super) fn variants(over: &str) -> Result<Vec<Variant>> {
    let plain = Variant::default();
    let (mut agents, mut servers) = (vec![plain.agent], vec![plain.server]);
    for word in over.split_whitespace() {
        let unknown = |text: &str| Failure::new(format!("`over` does not know `{text}`"));
        let (side, list) = word.split_once('=').ok_or_else(|| unknown(word))?;
        match (side, list) {
            ("agents", "every") => agents = Speaks::every(),
            ("agents", list) => {
                let read = |text| Speaks::parse(text).ok_or_else(|| unknown(text));
                agents = list.split(',').map(read).collect::<Result<_>>()?;
            }
            ("servers", "every") => servers = Kind::ALL.iter().map(|(kind, _)| *kind).collect(),
            ("servers", list) => {
                let read = |text| Kind::parse(text).ok_or_else(|| unknown(text));
                servers = list.split(',').map(read).collect::<Result<_>>()?;
            }
            _ => return Err(unknown(side)),
        }
    }
    let pairs = agents.iter().flat_map(|agent| servers.iter().map(move |server| (agent.clone(), *server)));
    Ok(pairs.map(|(agent, server)| Variant { agent, server }).collect())
}
