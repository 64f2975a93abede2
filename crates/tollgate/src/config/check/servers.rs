use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{list, named, positive, value, words};
use crate::config::node::Mark;
use crate::config::raw;
use crate::config::read::{At, Named, Report, short};
use crate::config::source::looks_secret;
use crate::config::{Auth, Override, Piece, Processes, Server, Share, Template, Timeout, Transport};

/// Headers that belong to the hop: the gateway writes them itself.
const OURS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "last-event-id",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

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
            for_http.iter().for_each(|key| needs(key.as_ref(), "url", report));
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
            for_stdio.iter().for_each(|key| needs(key.as_ref(), "command", report));
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
        start: positive(timeout.start, Duration::from_secs(60), report),
        // What clients wait for, by their SDKs' defaults.
        call: positive(timeout.call, Duration::from_secs(60), report),
        idle: positive(timeout.idle, Duration::from_secs(30), report),
    };
    let expose = expose(tools.expose, report);
    let overrides = overrides(tools.overrides, report);
    Some(Server {
        alias: Arc::from(alias.value.as_str()),
        transport: transport?,
        enabled: value(raw.enabled).unwrap_or(true),
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
        command.push(match relative {
            true => folder
                .join(&part.value)
                .components()
                .collect::<std::path::PathBuf>()
                .to_string_lossy()
                .into_owned(),
            false => part.value.clone(),
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
        idle: positive(raw.idle, Duration::from_secs(600), report),
    }
}

fn http(
    alias: &str,
    url: &At<String>,
    headers: Option<At<Named<Template>>>,
    auth: Option<At<raw::Auth>>,
    tls: Option<At<raw::Tls>>,
    folder: &Path,
    report: &mut Report<'_>,
) -> Option<Transport> {
    let address = words::url(url, report);
    let (headers, mut confidential) = self::headers(headers, report);
    let mut authorization = headers.contains_key("authorization");
    let auth = auth.and_then(|at| {
        let auth = self::auth(&at, report);
        let also = match &auth {
            Some(Auth::Bearer(_) | Auth::Basic(_)) => "authorization",
            Some(Auth::Header { name, .. }) => name.as_str(),
            None => return None,
        };
        confidential = true;
        authorization = headers.contains_key(also);
        if authorization {
            let message = format!("`auth` and `headers` both set `{also}`");
            report.error(&at.mark, message, Some("remove it from `headers`".to_owned()));
        }
        auth
    });
    let address = address?;
    if confidential && address.starts_with("http://") && !words::is_loopback(&address) {
        let message = format!("the credential of server `{alias}` travels in cleartext");
        report.warning(&url.mark, message, "use `https://`");
    }
    let ca = value(tls).and_then(|tls| tls.ca).map(|ca| folder.join(ca.value).components().collect());
    Some(Transport::Http { url: address, headers, auth, ca })
}

/// The headers by lower-case name, and whether one of them looks like a credential.
fn headers(at: Option<At<Named<Template>>>, report: &mut Report<'_>) -> (BTreeMap<String, Template>, bool) {
    let mut headers = BTreeMap::new();
    let mut confidential = false;
    for (name, template) in value(at).map(|named| named.0).unwrap_or_default() {
        let lower = header_name(&name, report);
        header_value(&template, report);
        let references = template.value.0.iter().any(|piece| !matches!(piece, Piece::Text(_)));
        if looks_secret(&lower) {
            warn_clear(&template, report);
        }
        confidential |= references || looks_secret(&lower);
        if headers.insert(lower, template.value).is_some() {
            report.error(&name.mark, format!("header `{}` stands here twice", short(&name.value)), None);
        }
    }
    (headers, confidential)
}

fn auth(at: &At<raw::Auth>, report: &mut Report<'_>) -> Option<Auth> {
    let raw = &at.value;
    let (auth, secret) = match (&raw.bearer, &raw.header, &raw.basic) {
        (Some(bearer), None, None) => (Auth::Bearer(bearer.value.clone()), bearer),
        (None, None, Some(basic)) => {
            if let [Piece::Text(text)] = basic.value.0.as_slice()
                && !text.contains(':')
            {
                report.error(&basic.mark, "`basic` is `user:password`", None);
            }
            (Auth::Basic(basic.value.clone()), basic)
        }
        (None, Some(header), None) => {
            let (Some(name), Some(value)) = (&header.value.name, &header.value.value) else {
                report.lacking(&header.mark, "`header` needs `name` and `value`", None);
                return None;
            };
            (Auth::Header { name: header_name(name, report), value: value.value.clone() }, value)
        }
        _ => {
            report.lacking(&at.mark, "`auth` needs one of `bearer`, `header` and `basic`", None);
            return None;
        }
    };
    header_value(secret, report);
    warn_clear(secret, report);
    Some(auth)
}

fn header_name(at: &At<String>, report: &mut Report<'_>) -> String {
    let lower = at.value.to_ascii_lowercase();
    if http::HeaderName::from_bytes(lower.as_bytes()).is_err() {
        report.error(&at.mark, format!("`{}` is not a header's name", short(&at.value)), None);
    } else if OURS.contains(&lower.as_str()) || lower.starts_with("mcp-") {
        report.error(&at.mark, format!("header `{lower}` is written by the gateway itself"), None);
    }
    lower
}

fn header_value(at: &At<Template>, report: &mut Report<'_>) {
    let ok = |text: &str| text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    if !texts(&at.value).all(ok) {
        report.error(&at.mark, "a header's value is one line of printable ascii", None);
    }
}

fn texts(template: &Template) -> impl Iterator<Item = &str> {
    template.0.iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Secret(_) | Piece::Env(_) => None,
    })
}

fn warn_clear(at: &At<Template>, report: &mut Report<'_>) {
    let clear = at.value.0.iter().all(|piece| matches!(piece, Piece::Text(_)));
    if clear && !at.value.0.is_empty() {
        let hint = "`tollgate secrets set NAME` keeps it in the vault; then write `${secret:NAME}` here";
        report.warning(&at.mark, "a credential stands here in clear", hint);
    }
}

fn expose(at: Option<At<Vec<At<String>>>>, report: &mut Report<'_>) -> Vec<String> {
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

fn overrides(at: Option<At<Named<raw::Override>>>, report: &mut Report<'_>) -> BTreeMap<String, Override> {
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

fn labels(at: Option<At<Vec<At<String>>>>, report: &mut Report<'_>) -> Vec<String> {
    let mut labels = Vec::new();
    for label in list(at) {
        if words::name(&label, "a label", report) {
            labels.push(label.value);
        }
    }
    labels
}
