use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tollgate_policy::hidden::{Sight, sights};

use super::problem::{Problem, Severity};

/// The widest source line that is shown whole, in characters.
const WIDTH: usize = 120;

/// Where a node is: line and column from 1, length in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1; 0 = nowhere.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In characters.
    pub len: usize,
}

/// A configuration's text and where its keys are, so that later stages can point at them too. *Never* shows a credential.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    pub(super) places: HashMap<Arc<str>, Place>,
    /// Byte ranges that may hold credentials.
    pub(super) masked: Vec<Range<usize>>,
    /// The text could not be read as YAML, so that nobody knows where credentials are.
    pub(super) unread: bool,
}

impl Source {
    /// A text without places yet.
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            places: HashMap::new(),
            masked: Vec::new(),
            unread: false,
        }
    }

    /// The file's path, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's text. May hold credentials that the operator wrote in clear.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where `path` (as in `servers.files.command[0]`) is, or the nearest key around it.
    pub fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return *place;
            }
            match path.rfind(['.', '[']).and_then(|end| path.get(..end)) {
                Some(outer) => path = outer,
                None => return Place::default(),
            }
        }
    }

    /// A problem at `path`.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem::at(path, self.place(path), message)
    }

    /// A problem at a character (from 1) of the text at `path`. Where that is not on the key's own line, at its beginning.
    pub fn problem_within(&self, path: &str, character: usize, message: impl Into<String>) -> Problem {
        let mut problem = self.problem(path, message);
        let line = self.text.split('\n').nth(problem.line.saturating_sub(1)).unwrap_or_default();
        let rest: Vec<char> = line.chars().skip(problem.column.saturating_sub(1)).collect();
        let quoted = matches!(rest.first(), Some('"' | '\''));
        let at = character.saturating_sub(usize::from(!quoted));
        // In a quoted text, what is escaped before it takes more characters than it stands for.
        let escapes = if rest.first() == Some(&'"') { escapes_before(&rest, at) } else { 0 };
        if at + escapes < rest.len() {
            let name = |c: &&char| c.is_alphanumeric() || matches!(**c, '_' | '.');
            problem.column += at + escapes;
            problem.len = rest.iter().skip(at + escapes).take_while(name).count().max(1);
        }
        problem
    }

    /// Appends one problem to `out`, each line ended.
    pub(super) fn render(&self, problem: &Problem, color: bool, out: &mut String) {
        let paint = |code: &'static str| if color { code } else { "" };
        let (bold, off) = (paint("\u{1b}[1m"), paint("\u{1b}[0m"));
        let (severity, tint) = match problem.severity {
            Severity::Error => ("error", paint("\u{1b}[31m")),
            Severity::Warning => ("warning", paint("\u{1b}[33m")),
        };
        let blue = paint("\u{1b}[34m");
        let file = self.path.display();
        let message = clean(&problem.message);
        // Writing into a `String` cannot fail.
        writeln!(out, "{bold}{tint}{severity}{off}{bold}: {message}{off}").unwrap_or_default();
        if problem.line == 0 {
            writeln!(out, " {blue}-->{off} {file}").unwrap_or_default();
        } else {
            let number = problem.line.to_string();
            let margin = " ".repeat(number.len());
            writeln!(out, "{margin} {blue}-->{off} {file}:{number}:{}", problem.column).unwrap_or_default();
            if let Some((line, carets)) = self.excerpt(problem) {
                writeln!(out, "{margin}  {blue}|{off}").unwrap_or_default();
                writeln!(out, " {blue}{number} |{off} {line}").unwrap_or_default();
                writeln!(out, "{margin}  {blue}|{off} {tint}{carets}{off}").unwrap_or_default();
            }
        }
        if let Some(hint) = &problem.hint {
            writeln!(out, "  {bold}hint:{off} {}", clean(hint)).unwrap_or_default();
        }
    }

    /// The source line, with what may be a credential replaced, and the carets below it.
    fn excerpt(&self, problem: &Problem) -> Option<(String, String)> {
        let mut start = 0;
        let mut lines = self.text.split('\n');
        for _ in 1..problem.line {
            start += lines.next()?.len() + 1;
        }
        let line = lines.next()?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if self.unread && looks_secret(line) {
            return None;
        }
        let shown: Vec<char> = line
            .char_indices()
            .zip(sights(line))
            .map(|((at, character), (_, sight))| {
                let hidden = self.masked.iter().any(|range| range.contains(&(start + at)));
                if hidden && !character.is_whitespace() { '*' } else { visible(character, sight) }
            })
            .collect();
        let caret = problem.column.saturating_sub(1).min(shown.len());
        // A long line is shown around its caret.
        let from = if shown.len() > WIDTH { caret.saturating_sub(WIDTH / 2) } else { 0 };
        let window = shown.get(from..)?;
        let text: String = window.iter().take(WIDTH).collect();
        let room = window.len().min(WIDTH).saturating_sub(caret - from).max(1);
        let carets = " ".repeat(caret - from) + &"^".repeat(problem.len.clamp(1, room));
        Some((text.trim_end().to_owned(), carets))
    }
}

/// How many backslashes stand before the `at`th character of a double-quoted text that begins with its quote.
fn escapes_before(text: &[char], at: usize) -> usize {
    let (mut seen, mut escapes, mut chars) = (0, 0, text.iter().skip(1));
    while seen + 1 < at {
        match chars.next() {
            Some('\\') => {
                chars.next();
                escapes += 1;
            }
            Some(_) => {}
            None => break,
        }
        seen += 1;
    }
    escapes
}

/// Text from the file, fit for a terminal: no control characters and none that hide or reorder the line.
fn clean(text: &str) -> String {
    sights(text).map(|(character, sight)| visible(character, sight)).collect()
}

/// One character for one, so that carets stand where they should.
const fn visible(character: char, sight: Sight) -> char {
    match sight {
        Sight::Seen => character,
        Sight::Control if character == '\t' => ' ',
        Sight::Hidden | Sight::Control => char::REPLACEMENT_CHARACTER,
    }
}

/// Whether a word in `text` speaks of credentials.
pub(super) fn looks_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["auth", "bearer", "basic", "credential", "key", "passw", "secret", "token", "tgk_"]
        .iter()
        .any(|word| text.contains(word))
}
