use std::collections::BTreeMap;
use std::path::Path;

use super::{value, words};
use crate::config::raw;
use crate::config::read::{At, Report, short};
use crate::config::source::looks_secret;
use crate::config::values::Named;
use crate::config::{Auth, Over, Piece, Template, Transport};

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

/// A server that speaks HTTP.
pub(super) fn http(
    alias: &str,
    url: &At<String>,
    over: Over,
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
    Some(Transport::Http { url: address, over, headers, auth, ca })
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

/// The literal pieces.
pub(super) fn texts(template: &Template) -> impl Iterator<Item = &str> {
    template.0.iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Secret(_) | Piece::Env(_) => None,
    })
}

/// Warns of a credential without a reference.
pub(super) fn warn_clear(at: &At<Template>, report: &mut Report<'_>) {
    let clear = at.value.0.iter().all(|piece| matches!(piece, Piece::Text(_)));
    if clear && !at.value.0.is_empty() {
        let hint = "`tollgate secrets set NAME` keeps it in the vault; then write `${secret:NAME}` here";
        report.warning(&at.mark, "a credential stands here in clear", hint);
    }
}
