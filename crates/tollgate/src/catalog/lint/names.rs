//! Names against names: a description that speaks of another server's tool, a name that is drawn like another one.

use std::collections::HashMap;

use unicode_security::confusable_detection::skeleton;

use super::{Finding, each_text};

/// One tool's name.
#[derive(Clone, Copy, Debug)]
pub(in crate::catalog) struct Name<'a> {
    /// The server's alias.
    pub(in crate::catalog) server: &'a str,
    /// The tool's original name.
    pub(in crate::catalog) tool: &'a str,
}

/// All tools' names.
#[derive(Debug)]
pub(in crate::catalog) struct Names<'a> {
    /// What a text may call a tool, and the servers that have it.
    called: HashMap<String, Vec<&'a str>>,
    /// By how they are drawn.
    drawn: HashMap<String, Vec<Name<'a>>>,
}

impl<'a> Names<'a> {
    /// From every server's tools.
    pub(in crate::catalog) fn new(all: &[Name<'a>]) -> Self {
        let mut called: HashMap<String, Vec<&'a str>> = HashMap::new();
        let mut drawn: HashMap<String, Vec<Name<'a>>> = HashMap::new();
        for name in all {
            let ways = [
                name.tool.to_owned(),
                format!("{}_{}", name.server, name.tool),
                format!("{}/{}", name.server, name.tool),
            ];
            for way in ways {
                called.entry(way).or_default().push(name.server);
            }
            drawn.entry(skeleton(name.tool).collect()).or_default().push(*name);
        }
        Self { called, drawn }
    }

    /// What stands out in one tool's definition beside the others.
    pub(in crate::catalog) fn findings(&self, server: &str, tool: &str, definition: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(other) = self.lookalike(tool) {
            found.push(Finding::new("lookalike", "name", &other));
        }
        each_text(definition, &mut |path, text| {
            if found.len() < super::FINDINGS_MAX
                && path != "name"
                && let Some(evidence) = self.shadow(server, text)
            {
                found.push(Finding::new("shadow", path, &evidence));
            }
        });
        found
    }

    fn lookalike(&self, tool: &str) -> Option<String> {
        let drawn: String = skeleton(tool).collect();
        let same = self.drawn.get(&drawn)?;
        if let Some(other) = same.iter().find(|other| other.tool != tool) {
            return Some(format!("`{tool}` looks like {}/{}", other.server, other.tool));
        }
        // Letters of other scripts that are drawn like Latin ones make a name that nobody can type.
        (!tool.is_ascii() && drawn.is_ascii()).then(|| format!("`{tool}` is drawn like `{drawn}`"))
    }

    /// A name of another server's tool in a text, if it can't be a plain word.
    fn shadow(&self, server: &str, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
        let mut rest = 0;
        for word in text.split(|c: char| !is_word(c)) {
            let start = text.get(rest..)?.find(word).map_or(rest, |at| rest + at);
            rest = start + word.len();
            let word = word.trim_matches('/');
            let Some(servers) = self.called.get(word) else { continue };
            if servers.contains(&server) {
                continue;
            }
            let quoted = start.checked_sub(1).and_then(|p| bytes.get(p)).is_some_and(|b| b"`'\"".contains(b))
                && bytes.get(rest).is_some_and(|b| b"`'\"".contains(b));
            let as_tool = text.get(rest..).is_some_and(|after| after.starts_with(" tool"));
            if is_coined(word) || ((quoted || as_tool) && word.len() >= 4) {
                let other = servers.first().copied().unwrap_or_default();
                return Some(format!("`{word}` is a tool of server `{other}`"));
            }
        }
        None
    }
}

/// Whether a word is a name rather than language: `read_file`, `readFile`, `files/read`.
fn is_coined(word: &str) -> bool {
    let inner = |c: char| word.trim_matches(['_', '-', '/']).contains(c);
    let humps = word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    word.len() >= 5 && (inner('_') || inner('-') || inner('/') || humps)
}
