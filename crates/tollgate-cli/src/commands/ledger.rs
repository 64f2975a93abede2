//! `tollgate ledger`.

use std::time::Duration;

use tollgate::catalog::visible;
use tollgate::config::Config;
use tollgate::record::index::catch_up;
use tollgate::record::read::{Filter, Folded, Place, Reader};
use tollgate::store::Index;

use crate::args::{Common, LedgerCommand};
use crate::printer;
use crate::stop::{Done, Stop};

use super::{absent, load};

/// How often `tail -f` looks.
const EVERY: Duration = Duration::from_millis(100);

pub(super) fn run(common: &Common, what: LedgerCommand) -> Done {
    let (config, _) = load(common)?;
    let reader = Reader::new(&config.state);
    match what {
        LedgerCommand::Tail { count, follow } => tail(common, &reader, &count, follow),
        LedgerCommand::Show { id } => show(&config, &reader, &id),
        LedgerCommand::Export { .. } => {
            Err(absent("ledger export", "`tollgate ledger tail -n all --json` prints every entry"))
        }
        LedgerCommand::Verify { head } => verify(common, &reader, head.as_deref()),
    }
}

fn unreadable(error: &std::io::Error) -> Stop {
    Stop::unreadable(format!("the ledger cannot be read: {error}"))
}

fn tail(common: &Common, reader: &Reader, count: &str, follow: bool) -> Done {
    let n = match count {
        "all" => usize::MAX,
        number => number.parse().map_err(|_| {
            Stop::unreadable(format!("`{number}` is neither a number nor `all`")).hint("for example -n 20")
        })?,
    };
    // Followed from before the tail is read, so that nothing falls between.
    let mut following = if follow { Some(reader.follow(false).map_err(|e| unreadable(&e))?) } else { None };
    let last = reader.tail(n, &Filter::default()).map_err(|e| unreadable(&e))?;
    let mut shown: std::collections::HashSet<String> = std::collections::HashSet::new();
    let mut columns = Columns::of(&last);
    for entry in &last {
        print(common, &mut columns, entry)?;
        if follow {
            shown.insert(entry.id().to_owned());
        }
    }
    if last.is_empty() && !follow && !common.json {
        printer::note("no calls yet");
    }
    while let Some(following) = &mut following {
        for entry in following.poll().map_err(|e| unreadable(&e))? {
            if !shown.remove(entry.id()) {
                print(common, &mut columns, &entry)?;
            }
        }
        std::thread::sleep(EVERY);
    }
    Ok(())
}

fn print(common: &Common, columns: &mut Columns, entry: &Folded) -> Done {
    if common.json {
        printer::line(serde_json::to_string(entry).map_err(|e| Stop::failed(e.to_string()))?);
        return Ok(());
    }
    let fields = &entry.fields;
    let error = fields
        .error
        .as_ref()
        .and_then(|e| serde_json::from_str::<serde_json::Value>(e.get()).ok())
        .and_then(|e| e.get("code").and_then(|c| c.as_str()).map(|c| format!("  {c}")))
        .unwrap_or_default();
    let rules =
        if fields.rules.is_empty() { String::new() } else { format!("  [{}]", fields.rules.join(", ")) };
    let latency_ms = fields.latency_ms.unwrap_or(0);
    printer::line(format_args!("{} {latency_ms:>6} ms  {}{error}{rules}", columns.row(entry), entry.id()));
    Ok(())
}

/// The widths of the columns, which only grow: what follows is not known yet.
struct Columns([usize; 5]);

/// A wider cell moves its own row only.
const WIDTH_MAX: usize = 48;

impl Columns {
    /// As wide as all of these need it.
    fn of(entries: &[Folded]) -> Self {
        let mut columns = Self([10, 16, 30, 5, 10]);
        for entry in entries {
            columns.fit(&cells(entry));
        }
        columns
    }

    fn fit(&mut self, cells: &[String; 5]) {
        for (width, cell) in self.0.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count().min(WIDTH_MAX));
        }
    }

    fn row(&mut self, entry: &Folded) -> String {
        let cells = cells(entry);
        self.fit(&cells);
        let mut row = entry.fields.at.clone();
        for (cell, width) in cells.iter().zip(self.0) {
            row.push_str("  ");
            row.push_str(cell);
            row.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
        row
    }
}

/// Agent, method, target, verdict, outcome. Agents choose some of these words.
fn cells(entry: &Folded) -> [String; 5] {
    let fields = &entry.fields;
    let or_dash = |cell: &Option<String>| cell.as_deref().map_or_else(|| "-".to_owned(), visible);
    [
        or_dash(&fields.agent),
        or_dash(&fields.method),
        fields.tool.as_deref().or(fields.server.as_deref()).map(visible).unwrap_or_default(),
        or_dash(&fields.verdict),
        or_dash(&fields.outcome),
    ]
}

fn show(config: &Config, reader: &Reader, id: &str) -> Done {
    let entry = entry(config, reader, id)?;
    printer::line(serde_json::to_string_pretty(&entry).map_err(|e| Stop::failed(e.to_string()))?);
    Ok(())
}

/// One entry.
pub(super) fn find(config: &Config, id: &str) -> Result<Folded, Stop> {
    entry(config, &Reader::new(&config.state), id)
}

fn entry(config: &Config, reader: &Reader, id: &str) -> Result<Folded, Stop> {
    // The index knows the place; a missing or lagging one costs a scan.
    let indexed = Index::open(&config.state).ok().and_then(|index| {
        catch_up(&config.state, &index).ok()?;
        let row = index.find(id).ok()??;
        reader
            .at(&Place {
                chain: row.position.chain,
                segment: row.position.segment,
                offset: row.position.offset,
            })
            .ok()?
    });
    let entry = match indexed {
        Some(entry) if entry.id() == id => Some(entry),
        Some(_) | None => reader.show(id).map_err(|e| unreadable(&e))?,
    };
    entry.ok_or_else(|| {
        Stop::failed(format!("there is no entry `{id}`"))
            .hint("`tollgate ledger tail` shows ids in its last column")
    })
}

fn verify(common: &Common, reader: &Reader, head: Option<&str>) -> Done {
    let report = reader.verify(head).map_err(|e| unreadable(&e))?;
    if common.json {
        printer::line(serde_json::to_string(&report).map_err(|e| Stop::failed(e.to_string()))?);
    } else {
        for chain in &report.chains {
            let state = if chain.alive { "being written" } else { "ended" };
            printer::line(format_args!(
                "chain {}: {} records, {} entries, {} open, {state}, head {}",
                chain.chain, chain.records, chain.entries, chain.open, chain.head
            ));
        }
    }
    if report.is_whole() {
        if !common.json {
            printer::line(format_args!("whole: {} records, {} entries", report.records, report.entries));
        }
        return Ok(());
    }
    let text = match (&report.bad, report.head_found) {
        (Some(bad), _) => format!("{}:{}: record {}: {}", bad.file.display(), bad.line, bad.seq, bad.why),
        (None, Some(false)) => {
            "no record has that hash: the end was cut, or it is another ledger's".to_owned()
        }
        (None, _) => format!("chains are missing: {}", report.missing.join(", ")),
    };
    Err(Stop::failed(text).hint("everything before that record can be trusted, nothing after it"))
}
