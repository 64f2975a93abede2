//! How a command ends: its exit code, and what the user is told.

use std::process::ExitCode;

/// A failure with a hint.
#[derive(Debug)]
pub(crate) struct Stop {
    code: u8,
    text: String,
    hint: Option<String>,
}

impl Stop {
    /// Something failed: exit code 1.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into(), hint: None }
    }

    /// Something could not be read: exit code 2.
    pub(crate) fn unreadable(text: impl Into<String>) -> Self {
        Self { code: 2, text: text.into(), hint: None }
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if !self.text.is_empty() {
            crate::printer::note(format_args!("error: {}", self.text.trim_end()));
        }
        if let Some(hint) = self.hint {
            crate::printer::note(format_args!("hint: {hint}"));
        }
        ExitCode::from(self.code)
    }
}

/// A command's end.
pub(crate) type Done = Result<(), Stop>;
