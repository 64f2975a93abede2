use std::collections::BTreeMap;
use std::sync::Arc;

use super::{list, value, words};
use crate::config::raw;
use crate::config::read::{At, Report};
use crate::config::{Reason, Server};

/// `reason`.
pub(super) fn reason(
    at: Option<At<raw::Reason>>,
    servers: &BTreeMap<Arc<str>, Arc<Server>>,
    report: &mut Report<'_>,
) -> Reason {
    let raw = value(at).unwrap_or_default();
    let mut globs = |at: Option<At<Vec<At<String>>>>| -> Vec<String> {
        let mut globs = Vec::new();
        for glob in list(at) {
            if words::target(&glob, servers.keys().map(AsRef::as_ref), report) {
                globs.push(glob.value);
            }
        }
        globs
    };
    Reason { optional: globs(raw.optional), required: globs(raw.required) }
}
