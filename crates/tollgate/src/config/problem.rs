use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::source::{Place, Source};

/// Whether a problem stops the configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// One problem, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Lower case, without a final period, user input in backticks. Never holds a credential.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The key's path, as in `servers.files.command[0]`; empty for the file as a whole.
    pub path: String,
    /// From 1; 0 = the file as a whole.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In characters, at least 1.
    pub len: usize,
}

impl Problem {
    /// An error.
    pub(super) fn at(path: &str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            hint: None,
            path: path.to_owned(),
            line: place.line,
            column: place.column,
            len: place.len.max(1),
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// All problems of one file, in the file's order. Prints as text without colour.
#[derive(Clone, Debug)]
pub struct Problems {
    /// The file they are in.
    pub source: Arc<Source>,
    /// The problems; never empty in an `Err`.
    pub list: Vec<Problem>,
    /// The file itself could not be read (`tollgate check` then ends with 2, not 1).
    pub unreadable: bool,
}

impl Problems {
    /// Sorts `list` by place.
    pub fn new(source: Arc<Source>, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.line, problem.column));
        Self { source, list, unreadable: false }
    }

    /// File, line, column, source line, caret and hint of each; with ANSI colours if `color`.
    pub fn render(&self, color: bool) -> String {
        let mut text = String::new();
        for problem in &self.list {
            if !text.is_empty() {
                text.push('\n');
            }
            self.source.render(problem, color, &mut text);
        }
        text
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}
