//! The one way to stdout and stderr. A closed pipe ends quietly.

use std::io::{IsTerminal, Write};

/// Writes a line to stdout.
pub(crate) fn line(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough closes the pipe; there is nobody left to tell.
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Writes a line to stderr.
pub(crate) fn note(text: impl std::fmt::Display) {
    let mut err = std::io::stderr().lock();
    drop(writeln!(err, "{text}"));
}

/// Whether stdout is a terminal.
pub(crate) fn to_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Clears the terminal: what follows is drawn anew.
pub(crate) fn clear() {
    let mut out = std::io::stdout().lock();
    drop(write!(out, "\x1b[2J\x1b[H").and_then(|()| out.flush()));
}

/// Whether stderr is a terminal.
pub(crate) fn errors_to_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Rows of columns, aligned.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let write = |cells: Vec<&str>| {
        let last = cells.len().saturating_sub(1);
        let mut text = String::new();
        for (n, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if n < last {
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
            }
        }
        line(text.trim_end());
    };
    write(head.to_vec());
    for row in rows {
        write(row.iter().map(String::as_str).collect());
    }
}
