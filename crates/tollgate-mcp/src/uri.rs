//! Exposed URIs (`protocol.md` §3.9): `{alias}+{original}` for absolute URIs, `ui://{alias}+{rest}` for `ui://`,
//! `mcp-gw://{alias}/{percent-encoded}` for anything that is not an absolute URI. Works for RFC 6570 templates too.

/// The exposed URI (or template) of `original` on `server`.
pub fn expose(server: &str, original: &str) -> String {
    let _ = (server, original);
    todo!("uri::expose")
}

/// The server's alias and the original of an exposed URI; `None` if it has none of our forms. The alias is not checked to exist.
pub fn restore(exposed: &str) -> Option<(&str, String)> {
    let _ = exposed;
    todo!("uri::restore")
}
