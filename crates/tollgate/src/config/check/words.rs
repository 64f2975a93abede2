//! Names, globs, addresses: the small words of the file. *Never* repeats one that may be a credential.

use http::Uri;

use crate::config::node::Mark;
use crate::config::read::{At, Report, short};
use crate::config::template;

/// An alias: `[a-z][a-z0-9-]{0,23}`.
pub(super) fn alias(at: &At<String>, report: &mut Report<'_>) {
    let text = at.value.as_str();
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if text.len() > 24 || !letters || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        let hint = "an alias starts with a lower-case letter; lower-case letters, digits and `-` follow, 24 in all at most";
        report.error(&at.mark, format!("`{}` is not an alias", short(text)), Some(hint.to_owned()));
    }
}

/// A name of an agent, operator, group, tenant, view, label or rule.
pub(super) fn name(at: &At<String>, what: &str, report: &mut Report<'_>) -> bool {
    let ok = is_name(&at.value);
    if !ok {
        let hint = "it starts with a letter or digit; letters, digits and `. _ - @ : / +` follow, 128 in all at most";
        let message = if at.value.is_empty() {
            "this is empty".to_owned()
        } else {
            format!("`{}` is not {what}", short(&at.value))
        };
        report.error(&at.mark, message, Some(hint.to_owned()));
    }
    ok
}

pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@:/+".contains(&byte))
}

/// A pattern without the things that can't be in a name.
pub(super) fn glob(at: &At<String>, report: &mut Report<'_>) -> bool {
    let text = at.value.as_str();
    let ok = !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control);
    if !ok {
        report.error(&at.mark, "this is not a pattern", Some("write it as `files/read_*`".to_owned()));
    }
    ok
}

/// A glob over `server/tool`.
pub(super) fn target<'a>(
    at: &At<String>,
    aliases: impl IntoIterator<Item = &'a str>,
    report: &mut Report<'_>,
) -> bool {
    if !glob(at, report) {
        return false;
    }
    let Some((server, _)) = at.value.split_once('/') else {
        let message = format!("`{}` names no server", short(&at.value));
        let hint = match at.value.as_str() {
            "*" => "patterns go over `server/tool`: write `*/*` for every tool".to_owned(),
            other => format!("patterns go over `server/tool`: write `*/{}` for every server", short(other)),
        };
        report.error(&at.mark, message, Some(hint));
        return false;
    };
    let aliases: Vec<&str> = aliases.into_iter().collect();
    let literal = server.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if literal && !aliases.contains(&server) {
        let hint = match crate::config::similar::nearest(server, aliases) {
            Some(alias) => format!("did you mean `{alias}`"),
            None => "this matches nothing until there is one".to_owned(),
        };
        report.warning(&at.mark, format!("there is no server `{}`", short(server)), &hint);
    }
    true
}

/// An `http` or `https` URL without user, query or fragment.
pub(super) fn url(at: &At<String>, report: &mut Report<'_>) -> Option<String> {
    let text = at.value.as_str();
    // The text is not repeated: people put tokens into URLs.
    let mut refuse = |message: &str, hint: Option<&str>| {
        report.error(&at.mark, message, hint.map(str::to_owned));
        None
    };
    if template::has_reference(text) {
        return refuse(
            "nothing is substituted in a url",
            Some("put the credential into `auth` or `headers`"),
        );
    }
    let Ok(uri) = text.parse::<Uri>() else {
        return refuse("this is not a url", Some("write it as `https://host/path`"));
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return refuse("this is not a whole url", Some("write it as `https://host/path`"));
    };
    if !matches!(scheme, "http" | "https") {
        return refuse("a url here starts with `http://` or `https://`", None);
    }
    if authority.as_str().contains('@') {
        return refuse("a url holds no user or password", Some("put the credential into `auth`"));
    }
    if authority.host().is_empty() || authority.as_str().ends_with(':') || text.contains('#') {
        return refuse("this is not a url", Some("write it as `https://host/path`"));
    }
    Some(text.to_owned())
}

/// Whether `url` goes to this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A `Host` value.
pub(super) fn host(at: &At<String>, report: &mut Report<'_>) -> Option<String> {
    let text = at.value.to_ascii_lowercase();
    let plain = !text.contains(['@', '*', '/']);
    match text.parse::<http::uri::Authority>() {
        Ok(authority) if plain && !authority.host().is_empty() => Some(text),
        Ok(_) | Err(_) => {
            let message = format!("`{}` is not a host", short(&at.value));
            report.error(
                &at.mark,
                message,
                Some("write it as `gate.example` or `gate.example:8750`".to_owned()),
            );
            None
        }
    }
}

/// An `Origin` value: scheme, host and perhaps a port.
pub(super) fn origin(at: &At<String>, report: &mut Report<'_>) -> Option<String> {
    let text = at.value.to_ascii_lowercase();
    let rest = text.split_once("://").filter(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    match rest {
        Some((_, authority))
            if !authority.contains(['@', '*', '/']) && authority.parse::<http::uri::Authority>().is_ok() =>
        {
            Some(text)
        }
        Some(_) | None => {
            let message = format!("`{}` is not an origin", short(&at.value));
            report.error(
                &at.mark,
                message,
                Some("write it as `https://app.example`, without a path".to_owned()),
            );
            None
        }
    }
}

/// Text that no substitution happens in.
pub(super) fn literal(at: &At<String>, report: &mut Report<'_>) {
    no_reference(&at.value, &at.mark, report);
    if at.value.contains('\0') {
        report.error(&at.mark, "this holds a nul character", None);
    }
}

fn no_reference(text: &str, mark: &Mark, report: &mut Report<'_>) {
    if template::has_reference(text) {
        let hint = "substitutions work in `env`, `headers`, `auth` and `keys`";
        report.error(mark, "nothing is substituted here", Some(hint.to_owned()));
    }
}
