use std::collections::{BTreeMap, HashMap};

use super::{list, value, words};
use crate::config::Override;
use crate::config::raw;
use crate::config::read::{At, Report, short};
use crate::config::values::Named;

/// `tools.expose`.
pub(super) fn expose(at: Option<At<Vec<At<String>>>>, report: &mut Report<'_>) -> Vec<String> {
    let mut expose = Vec::new();
    for glob in list(at) {
        if glob.value == "!" {
            report.error(&glob.mark, "`!` excludes nothing", Some("write it as `!admin_*`".to_owned()));
        }
        if words::glob(&glob, report) {
            expose.push(glob.value);
        }
    }
    expose
}

/// `tools.override`.
pub(super) fn overrides(
    at: Option<At<Named<raw::Override>>>,
    report: &mut Report<'_>,
) -> BTreeMap<String, Override> {
    let mut overrides = BTreeMap::new();
    let mut renamed: HashMap<String, String> = HashMap::new();
    for (tool, raw) in value(at).map(|named| named.0).unwrap_or_default() {
        let raw = raw.value;
        if let Some(rename) = &raw.rename {
            let letters =
                rename.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            if rename.value.is_empty() || rename.value.len() > 128 || !letters {
                let message = format!("`{}` is not a tool's name", short(&rename.value));
                report.error(
                    &rename.mark,
                    message,
                    Some("it is made of letters, digits, `_` and `-`".to_owned()),
                );
            }
            if let Some(first) = renamed.insert(rename.value.clone(), tool.value.clone()) {
                let message = format!("`{}` is renamed to `{}` already", short(&first), rename.value);
                report.error(&rename.mark, message, None);
            }
        }
        if let Some(description) = &raw.description
            && description.value.len() > 8 * 1024
        {
            report.error(&description.mark, "a description has 8 kib at most", None);
        }
        let checked = Override {
            rename: value(raw.rename),
            description: value(raw.description),
            labels: labels(raw.labels, report),
            destructive: value(raw.destructive),
        };
        overrides.insert(tool.value, checked);
    }
    overrides
}

/// Labels of a server or a tool.
pub(super) fn labels(at: Option<At<Vec<At<String>>>>, report: &mut Report<'_>) -> Vec<String> {
    let mut labels = Vec::new();
    for label in list(at) {
        if words::name(&label, "a label", report) {
            labels.push(label.value);
        }
    }
    labels
}
