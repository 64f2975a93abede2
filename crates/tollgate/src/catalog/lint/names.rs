//! Names against names: a description that speaks of another server's tool, a name that is drawn like another one.
//! What a definition says is worked out once, when it is read: a list that changes costs a few look-ups for each of all other tools.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use unicode_security::confusable_detection::skeleton;

use super::{Finding, Texts};

/// What a tool is called, and what its definition may call others.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Words {
    /// Hashes of what a text may call it.
    called: [u64; 3],
    /// How its name is drawn.
    drawn: Arc<str>,
    /// Hashes of the words that can be a tool's name and no language, each once.
    spoken: Arc<[u64]>,
}

impl Words {
    /// Of one tool.
    pub(in crate::catalog) fn of(server: &str, tool: &str, definition: &Texts<'_>) -> Self {
        let mut spoken = HashSet::new();
        definition.each(&mut |path, text| {
            if path != "name" {
                coined(text, &mut |word| {
                    spoken.insert(hash(word));
                    false
                });
            }
        });
        Self {
            called: [hash(tool), hash(&format!("{server}_{tool}")), hash(&format!("{server}/{tool}"))],
            drawn: skeleton(tool).collect::<String>().into(),
            spoken: spoken.into_iter().collect(),
        }
    }
}

/// Keyed anew by every process: nobody can look for words that fall together.
fn hash(word: &str) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(word)
}

/// One tool.
#[derive(Clone, Copy, Debug)]
pub(in crate::catalog) struct Name<'a> {
    /// The server's alias.
    pub(in crate::catalog) server: &'a str,
    /// The tool's original name.
    pub(in crate::catalog) tool: &'a str,
    /// Its words.
    pub(in crate::catalog) words: &'a Words,
}

/// All tools' names.
#[derive(Debug)]
pub(in crate::catalog) struct Names<'a> {
    /// What a text may call a tool, hashed, and the servers that have it.
    called: HashMap<u64, Vec<&'a str>>,
    /// By how they are drawn.
    drawn: HashMap<&'a str, Vec<Name<'a>>>,
}

impl<'a> Names<'a> {
    /// From every server's tools.
    pub(in crate::catalog) fn new(all: impl Iterator<Item = Name<'a>>) -> Self {
        let mut called: HashMap<u64, Vec<&'a str>> = HashMap::new();
        let mut drawn: HashMap<&'a str, Vec<Name<'a>>> = HashMap::new();
        for name in all {
            for way in name.words.called {
                called.entry(way).or_default().push(name.server);
            }
            drawn.entry(&name.words.drawn).or_default().push(name);
        }
        Self { called, drawn }
    }

    /// What stands out in one tool's definition beside the others. Its text is asked for only if there is something.
    pub(in crate::catalog) fn findings(
        &self,
        name: Name<'_>,
        definition: impl FnOnce() -> String,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(other) = self.lookalike(name) {
            found.push(Finding::new("lookalike", "name", &other));
        }
        if !name.words.spoken.iter().any(|word| self.of_another(name.server, *word).is_some()) {
            return found;
        }
        Texts::of(&definition()).each(&mut |path, text| {
            if found.len() < super::FINDINGS_MAX
                && path != "name"
                && let Some(evidence) = self.shadow(name.server, text)
            {
                found.push(Finding::new("shadow", path, &evidence));
            }
        });
        found
    }

    fn lookalike(&self, name: Name<'_>) -> Option<String> {
        let (tool, drawn) = (name.tool, &*name.words.drawn);
        let same = self.drawn.get(drawn)?;
        if let Some(other) = same.iter().find(|other| other.tool != tool) {
            return Some(format!("`{tool}` looks like {}/{}", other.server, other.tool));
        }
        // Letters of other scripts that are drawn like Latin ones make a name that nobody can type.
        (!tool.is_ascii() && drawn.is_ascii()).then(|| format!("`{tool}` is drawn like `{drawn}`"))
    }

    /// A name of another server's tool in a text.
    fn shadow(&self, server: &str, text: &str) -> Option<String> {
        let mut told = None;
        coined(text, &mut |word| {
            let other = self.of_another(server, hash(word));
            told = other.map(|other| format!("`{word}` is a tool of server `{other}`"));
            told.is_some()
        });
        told
    }

    /// The server that has a tool of this name, if it is not the speaker's own.
    fn of_another(&self, server: &str, word: u64) -> Option<&'a str> {
        let servers = self.called.get(&word)?;
        if servers.contains(&server) { None } else { servers.first().copied() }
    }
}

/// The words of a text that can't be plain language, up to the one that is enough.
fn coined(text: &str, enough: &mut dyn FnMut(&str) -> bool) {
    let bytes = text.as_bytes();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    let mut next = 0;
    for word in text.split(|c: char| !is_word(c)) {
        let start = next;
        let end = start + word.len();
        next = end + text.get(end..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let word = word.trim_matches('/');
        let quote = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|b| b"`'\"".contains(b));
        let quoted = || quote(start.checked_sub(1)) && quote(Some(end));
        let as_tool = || text.get(end..).is_some_and(|after| after.starts_with(" tool"));
        if (is_coined(word) || (word.len() >= 4 && (quoted() || as_tool()))) && enough(word) {
            return;
        }
    }
}

/// Whether a word is a name rather than language: `read_file`, `readFile`, `files/read`.
fn is_coined(word: &str) -> bool {
    if word.len() < 5 {
        return false;
    }
    let inner = word.trim_matches(['_', '-', '/']);
    inner.contains(['_', '-', '/'])
        || word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase())
}
