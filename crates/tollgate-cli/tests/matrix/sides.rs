//! Who speaks what over what.

use std::fmt;

use tollgate_testkit::fake::Kind;
use tollgate_testkit::json::Json;
use tollgate_testkit::scenario::Transport;
use tollgate_testkit::wire::{LEGACY, MODERN};

/// One revision over one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) revision: &'static str,
    pub(crate) over: Transport,
}

/// The revisions that brought something.
pub(crate) const FORMS: &str = "2025-06-18";
pub(crate) const URLS: &str = "2025-11-25";

impl Side {
    /// All there are: 2024-11-05 has no streamable HTTP, 2026-07-28 no event stream that is a session.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for over in [Transport::Sse, Transport::Http, Transport::Stdio] {
            for revision in LEGACY.into_iter().chain([MODERN]) {
                let exists = match over {
                    Transport::Sse => revision != MODERN,
                    Transport::Http => revision != "2024-11-05",
                    Transport::Stdio => true,
                };
                if exists {
                    all.push(Self { revision, over });
                }
            }
        }
        all.sort_by_key(|side| side.revision);
        all
    }

    pub(crate) fn is_modern(self) -> bool {
        self.revision == MODERN
    }

    /// A server's alias; an agent's name, too.
    pub(crate) fn alias(self) -> String {
        let year = self.revision.replace('-', "");
        let over = match self.over {
            Transport::Sse => "sse",
            Transport::Http => "http",
            Transport::Stdio => "stdio",
        };
        format!("{over}{year}")
    }

    pub(crate) fn kind(self) -> Kind {
        match (self.over, self.is_modern()) {
            (Transport::Sse, _) => Kind::LegacySse,
            (Transport::Http, true) => Kind::ModernHttp,
            (Transport::Http, false) => Kind::LegacyHttp,
            (Transport::Stdio, true) => Kind::ModernStdio,
            (Transport::Stdio, false) => Kind::LegacyStdio,
        }
    }

    /// All that its revision lets an agent declare.
    pub(crate) fn capabilities(self) -> Json {
        let mut all = Json::object().with("roots", Json::object()).with("sampling", Json::object());
        if self.revision >= FORMS {
            all.set("elicitation", Json::object());
        }
        if self.revision >= URLS {
            all.set("elicitation", Json::object().with("form", Json::object()).with("url", Json::object()));
            all.set("sampling", Json::object().with("tools", Json::object()));
        }
        if self.is_modern() {
            let unknown = Json::object().with("com.example/unknown", Json::object());
            all.set("extensions", unknown);
        }
        all
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.over {
            Transport::Sse => "SSE",
            Transport::Http => "HTTP",
            Transport::Stdio => "stdio",
        };
        write!(f, "{} {over}", self.revision)
    }
}
