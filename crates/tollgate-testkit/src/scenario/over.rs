use std::fmt;

use crate::fake::Kind;
use crate::wire::{LEGACY, MODERN};
use crate::{Failure, Result};

/// How an agent speaks: revision and transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaks {
    /// The revision.
    pub revision: String,
    /// Over what.
    pub over: Transport,
}

/// An agent's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    /// `tollgate stdio`.
    Stdio,
}

impl Transport {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "",
            Self::Sse => "sse-",
            Self::Stdio => "stdio-",
        }
    }
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
        Self {
            agent: Speaks { revision: MODERN.to_owned(), over: Transport::Http },
            server: Kind::ModernHttp,
        }
    }
}

impl Speaks {
    /// Reads `2025-06-18`, `sse-2024-11-05` or `stdio-2025-06-18`.
    pub fn parse(text: &str) -> Option<Self> {
        let (over, revision) = [Transport::Stdio, Transport::Sse]
            .into_iter()
            .find_map(|over| Some((over, text.strip_prefix(over.prefix())?)))
            .unwrap_or((Transport::Http, text));
        let legacy = LEGACY.contains(&revision);
        let known = match over {
            // 2024-11-05 has no streamable HTTP.
            Transport::Http => revision == MODERN || (legacy && revision != "2024-11-05"),
            // A stream is a session.
            Transport::Sse => legacy,
            Transport::Stdio => revision == MODERN || legacy,
        };
        known.then(|| Self { revision: revision.to_owned(), over })
    }

    fn every() -> Vec<Self> {
        let over = |over| move |revision: &&str| Self { revision: (*revision).to_owned(), over };
        let http = ["2025-03-26", "2025-06-18", "2025-11-25", MODERN];
        let (sse, stdio) = (["2024-11-05"], ["2025-11-25", MODERN]);
        let all = http.iter().map(over(Transport::Http)).chain(sse.iter().map(over(Transport::Sse)));
        all.chain(stdio.iter().map(over(Transport::Stdio))).collect()
    }
}

impl fmt::Display for Speaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.over.prefix(), self.revision)
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
