use std::sync::Arc;

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
        if let Some(path) = steps(&path.value) {
            sums.push(Sum { name: Arc::from(name.value), of: of.value, path });
        } else {
            let hint = "write it as `$.amount`, `$.order.total` or `$.items[*].price`";
            report.error(&path.mark, "this is not a path to numbers", Some(hint.to_owned()));
        }
    }
    Arc::from(sums)
}

fn steps(path: &str) -> Option<Vec<Option<String>>> {
    let mut steps = Vec::new();
    for part in path.strip_prefix("$.")?.split('.') {
        let (name, every) = part.strip_suffix("[*]").map_or((part, false), |name| (name, true));
        if name.is_empty() || name.contains(['[', ']', '*', '?', '@', '$', '"', '\'']) {
            return None;
        }
        steps.push(Some(name.to_owned()));
        if every {
            steps.push(None);
        }
    }
    (steps.len() <= 32).then_some(steps)
}
