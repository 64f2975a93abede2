//! The page that the matrix is written on.

use std::fmt::Write as _;

use super::sides::Side;
use super::world::{Mark, Outcome};

const HEAD: &str = "# What works between which revisions

Every revision of the protocol over every transport that it has, as agent and as server, through one gateway: 13 × 13 pairs. Each cell
was played through the real program by `cargo test --test matrix`, which writes this page (`BLESS=1`) and fails when it is no longer true.
A cell works, or says why the two eras can't express it; then the call still ends with an answer that says so.

Legacy revisions may be spoken over HTTP+SSE too, whatever their date: SDKs do.
";

/// Rows or columns that are the same, named once.
fn grouped(count: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for place in 0..count {
        match groups.iter_mut().find(|group| same(group[0], place)) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

fn names(sides: &[Side], group: &[usize]) -> String {
    if group.len() == sides.len() {
        return "all".to_owned();
    }
    // Revision by revision, its transports in one word.
    let mut text = String::new();
    let mut last = "";
    for place in group {
        let side = sides[*place];
        let name = side.to_string();
        let over = name.rsplit(' ').next().unwrap_or_default();
        if side.revision == last {
            write!(text, "/{over}").unwrap_or_default();
        } else {
            let comma = if text.is_empty() { "" } else { "<br>" };
            write!(text, "{comma}{name}").unwrap_or_default();
        }
        last = side.revision;
    }
    text
}

/// The whole page.
pub(crate) fn write(outcome: &Outcome) -> String {
    let (mut page, sides) = (HEAD.to_owned(), &outcome.sides);
    let count = sides.len();
    for (number, feature) in outcome.features.iter().enumerate() {
        let mark = |agent: usize, server: usize| outcome.marks.get(&(number, agent, server));
        writeln!(page, "\n## {}\n\n{}\n", feature.name, feature.says).unwrap_or_default();
        let rows = grouped(count, |a, b| (0..count).all(|server| mark(a, server) == mark(b, server)));
        let columns = grouped(count, |a, b| (0..count).all(|agent| mark(agent, a) == mark(agent, b)));
        if let ([_], [_], Some(Mark::Works)) = (rows.as_slice(), columns.as_slice(), mark(0, 0)) {
            writeln!(page, "Works in all {} cells.", count * count).unwrap_or_default();
            continue;
        }
        let mut reasons: Vec<&str> = Vec::new();
        let mut table = String::from("| agent ↓ server → |");
        for column in &columns {
            write!(table, " {} |", names(sides, column)).unwrap_or_default();
        }
        table.push_str("\n|---|");
        table.push_str(&"---|".repeat(columns.len()));
        for row in &rows {
            write!(table, "\n| {} |", names(sides, row)).unwrap_or_default();
            for column in &columns {
                let text = match mark(row[0], column[0]) {
                    Some(Mark::Works) => "works".to_owned(),
                    Some(Mark::Never(reason)) => {
                        let at = reasons.iter().position(|known| known == reason).unwrap_or_else(|| {
                            reasons.push(reason);
                            reasons.len() - 1
                        });
                        format!("({})", at + 1)
                    }
                    Some(Mark::Fails(_)) | None => "?".to_owned(),
                };
                write!(table, " {text} |").unwrap_or_default();
            }
        }
        writeln!(page, "{table}\n").unwrap_or_default();
        for (at, reason) in reasons.iter().enumerate() {
            writeln!(page, "({}) {reason}", at + 1).unwrap_or_default();
        }
    }
    page
}
