//! Where messages go, as the stream's first event says: a reference that is resolved against the stream's own URL (RFC 3986 §5).

use http::Uri;

#[cfg(test)]
mod tests;

/// The longest reference that is looked at.
const REFERENCE_MAX: usize = 2048;

/// The path and query that `told` names at the origin of `base`.
///
/// # Errors
/// It is none, or of another origin: a server may not send our messages, and the credential on them, elsewhere.
pub(super) fn resolve(base: &str, told: &str) -> Result<Uri, String> {
    let shown: String = told.escape_debug().take(80).collect();
    let bad = || format!("it named an endpoint that is no URI: `{shown}`");
    if told.is_empty() || told.len() > REFERENCE_MAX || told.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(bad());
    }
    let base: Uri = base.parse().map_err(|_| bad())?;
    let told = told.split('#').next().unwrap_or_default();
    let scheme = base.scheme_str().unwrap_or_default();
    let absolute = match (told.strip_prefix("//"), told.find("://")) {
        (Some(_), _) => Some(format!("{scheme}:{told}")),
        (None, Some(at)) if told.get(..at).is_some_and(is_scheme) => Some(told.to_owned()),
        (None, _) => None,
    };
    let path = match absolute {
        Some(absolute) => {
            let uri: Uri = absolute.parse().map_err(|_| bad())?;
            if origin(&uri) != origin(&base) {
                return Err(format!("it named an endpoint of another origin: `{shown}`"));
            }
            uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()
        }
        None => {
            let (path, query) =
                told.split_once('?').map_or((told, None), |(path, query)| (path, Some(query)));
            let merged = match path {
                "" => base.path().to_owned(),
                path if path.starts_with('/') => path.to_owned(),
                path => {
                    let folder = base.path().rfind('/').and_then(|at| base.path().get(..=at));
                    format!("{}{path}", folder.unwrap_or("/"))
                }
            };
            let plain = without_dots(&merged);
            query.map_or(plain.clone(), |query| format!("{plain}?{query}"))
        }
    };
    let uri: Uri = path.parse().map_err(|_| bad())?;
    if uri.authority().is_some() { Err(bad()) } else { Ok(uri) }
}

fn is_scheme(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn origin(uri: &Uri) -> (Option<String>, Option<String>, u16) {
    let scheme = uri.scheme_str().map(str::to_ascii_lowercase);
    let port = if scheme.as_deref() == Some("https") { 443 } else { 80 };
    (scheme, uri.host().map(str::to_ascii_lowercase), uri.port_u16().unwrap_or(port))
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            plain => {
                kept.push(plain);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}
