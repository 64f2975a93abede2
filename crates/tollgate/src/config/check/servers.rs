use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::http::{http, texts, warn_clear};
use super::tools::{expose, labels, overrides};
use super::{named, positive, value, words};
use crate::config::node::Mark;
use crate::config::raw;
use crate::config::read::{At, Report, short};
use crate::config::values::Named;
use crate::config::{Processes, Server, Share, Template, Timeout, Transport, Trust};

pub(super) fn servers(
    at: Option<At<Named<raw::Server>>>,
    folder: &Path,
    report: &mut Report<'_>,
) -> BTreeMap<Arc<str>, Arc<Server>> {
    named(at, |alias, raw| {
        words::alias(alias, report);
        server(alias, raw, folder, report).map(Arc::new)
    })
}

fn server(alias: &At<String>, at: At<raw::Server>, folder: &Path, report: &mut Report<'_>) -> Option<Server> {
    let raw = at.value;
    let needs = |key: Option<&Mark>, other: &str, report: &mut Report<'_>| {
        if let Some(mark) = key {
            report.error(mark, format!("this goes with `{other}` only"), None);
        }
    };
    let mark = |at: Option<&Mark>| at.cloned();
    let for_http = [
        mark(raw.headers.as_ref().map(|at| &at.mark)),
        mark(raw.auth.as_ref().map(|at| &at.mark)),
        mark(raw.tls.as_ref().map(|at| &at.mark)),
        mark(raw.transport.as_ref().map(|at| &at.mark)),
    ];
    let for_stdio = [
        mark(raw.cwd.as_ref().map(|at| &at.mark)),
        mark(raw.env.as_ref().map(|at| &at.mark)),
        mark(raw.processes.as_ref().map(|at| &at.mark)),
    ];
    let transport = match (raw.command, raw.url) {
        (Some(program), None) => {
            for key in &for_http {
                needs(key.as_ref(), "url", report);
            }
            let command = command(&program, folder, report);
            if let Some(cwd) = &raw.cwd {
                words::literal(cwd, report);
            }
            Some(Transport::Stdio {
                command,
                cwd: raw.cwd.map(|cwd| folder.join(cwd.value).components().collect()),
                env: env(raw.env, report),
                processes: processes(raw.processes, report),
            })
        }
        (None, Some(url)) => {
            for key in &for_stdio {
                needs(key.as_ref(), "command", report);
            }
            http(&alias.value, &url, raw.headers, raw.auth, raw.tls, folder, report)
        }
        (Some(_), Some(url)) => {
            let message = format!("server `{}` has both `command` and `url`", short(&alias.value));
            report.error(&url.mark, message, Some("keep `command` for stdio or `url` for http".to_owned()));
            None
        }
        (None, None) => {
            let message = format!("server `{}` needs `command` or `url`", short(&alias.value));
            report.lacking(&alias.mark, message, None);
            None
        }
    };
    let timeout = value(raw.timeout).unwrap_or_default();
    let tools = value(raw.tools).unwrap_or_default();
    let labels = labels(raw.labels, report);
    let timeout = Timeout {
        // The first start of a package runner downloads the package.
        start: positive(timeout.start, Duration::from_mins(1), report),
        // What clients wait for, by their SDKs' defaults.
        call: positive(timeout.call, Duration::from_mins(1), report),
        idle: positive(timeout.idle, Duration::from_secs(30), report),
    };
    let expose = expose(tools.expose, report);
    let overrides = overrides(tools.overrides, report);
    Some(Server {
        alias: Arc::from(alias.value.as_str()),
        transport: transport?,
        enabled: value(raw.enabled).unwrap_or(true),
        trust: match value(raw.trust) {
            Some(raw::Trust::Auto) => Trust::Auto,
            // A definition that changes behind an operator's back is the attack.
            Some(raw::Trust::Pin) | None => Trust::Pin,
        },
        labels,
        timeout,
        expose,
        overrides,
    })
}

/// A program and its arguments; a program path that starts with a dot is relative to the file.
pub(super) fn command(at: &At<Vec<At<String>>>, folder: &Path, report: &mut Report<'_>) -> Vec<String> {
    if at.value.first().is_none_or(|program| program.value.trim().is_empty()) {
        report.error(
            &at.mark,
            "`command` names no program",
            Some("write it as `[\"npx\", \"-y\", …]`".to_owned()),
        );
    }
    let mut command = Vec::with_capacity(at.value.len());
    for (index, part) in at.value.iter().enumerate() {
        words::literal(part, report);
        let relative = index == 0 && (part.value.starts_with("./") || part.value.starts_with("../"));
        command.push(if relative {
            folder
                .join(&part.value)
                .components()
                .collect::<std::path::PathBuf>()
                .to_string_lossy()
                .into_owned()
        } else {
            part.value.clone()
        });
    }
    command
}

fn env(at: Option<At<Named<Template>>>, report: &mut Report<'_>) -> BTreeMap<String, Template> {
    let mut env = BTreeMap::new();
    for (name, template) in value(at).map(|named| named.0).unwrap_or_default() {
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            report.error(&name.mark, "this is not an environment variable's name", None);
        }
        if texts(&template.value).any(|text| text.contains('\0')) {
            report.error(&template.mark, "this holds a nul character", None);
        }
        let upper = name.value.to_ascii_uppercase();
        let secret = ["TOKEN", "SECRET", "PASSWORD", "KEY"].iter().any(|end| upper.ends_with(end));
        if secret {
            warn_clear(&template, report);
        }
        env.insert(name.value, template.value);
    }
    env
}

fn processes(at: Option<At<raw::Processes>>, report: &mut Report<'_>) -> Processes {
    let raw = value(at).unwrap_or_default();
    if let Some(max) = &raw.max
        && !(1..=1024).contains(&max.value)
    {
        report.error(&max.mark, "`max` goes from 1 to 1024", None);
    }
    Processes {
        share: match value(raw.share).unwrap_or(raw::Share::Auto) {
            raw::Share::Auto => Share::Auto,
            raw::Share::Caller => Share::Caller,
            raw::Share::All => Share::All,
        },
        // A node process takes some 50 MB: eight fit on a laptop.
        max: value(raw.max).unwrap_or(8),
        idle: positive(raw.idle, Duration::from_mins(10), report),
    }
}
