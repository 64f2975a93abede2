use std::sync::Arc;

use tollgate_policy::{Path, Select};

use super::{value, words};
use crate::config::Sum;
use crate::config::raw;
use crate::config::read::{At, Report};
use crate::config::values::Named;

pub(super) fn sums(at: Option<At<Named<raw::Sum>>>, aliases: &[&str], report: &mut Report<'_>) -> Arc<[Sum]> {
    let mut sums = Vec::new();
    for (name, sum) in value(at).map(|named| named.0).unwrap_or_default() {
        // It is a member's name in conditions.
        let plain = name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain || !name.value.starts_with(|c: char| c.is_ascii_alphabetic()) || name.value.len() > 64 {
            let hint = "letters, digits and `_`, as in `spent`: rules read `session.counters.spent`";
            report.error(&name.mark, "this is not a sum's name", Some(hint.to_owned()));
        }
        let (Some(of), Some(path)) = (sum.value.of, sum.value.path) else {
            let message = format!("sum `{}` needs `of` and `path`", name.value);
            report.lacking(
                &name.mark,
                message,
                Some("as in `{ of: \"bank/*\", path: $.amount }`".to_owned()),
            );
            continue;
        };
        words::target(&of, aliases.iter().copied(), report);
        match steps(&path.value) {
            Ok(path) => sums.push(Sum { name: Arc::from(name.value), of: of.value, path }),
            Err(message) => {
                let hint = "write it as `$.amount`, `$.order.total` or `$.items[*].price`";
                report.error(&path.mark, message, Some(hint.to_owned()));
            }
        }
    }
    Arc::from(sums)
}

/// A path that is certain where it goes, through members and all items of lists.
fn steps(path: &str) -> Result<Vec<Option<String>>, String> {
    let path = Path::new(path).map_err(|bad| bad.to_string())?;
    let unfit = || "this is not a path to numbers".to_owned();
    let step = |select: &Select| match select {
        Select::Key(name) => Ok(Some(name.clone())),
        Select::Every => Ok(None),
        Select::At(_) => Err(unfit()),
    };
    if path.is_root() {
        return Err(unfit());
    }
    path.plain().ok_or_else(unfit)?.map(step).collect()
}
