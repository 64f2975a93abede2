//! Exposed names: `{server}_{tool}`, always prefixed, `^[A-Za-z0-9_-]{1,max}$` (contract.md, "Exposed names").

/// The exposed name of `original` on `server`.
///
/// Each character outside `[A-Za-z0-9_-]` becomes `_`; if anything was replaced or the result exceeds `max`: its first `max − 7`
/// characters + `_` + the first 6 hex digits of SHA-256(`server/original`).
pub fn expose(server: &str, original: &str, max: usize) -> String {
    let _ = (server, original, max);
    todo!("name::expose")
}

/// Matches `text` (`server/original`) against a glob: `*` is any run of characters (also empty, also `/`), everything else is literal.
pub fn glob(pattern: &str, text: &str) -> bool {
    let _ = (pattern, text);
    todo!("name::glob")
}
