//! The least HTTP and SSE that a peer needs: one request a connection, so that closing it means what the protocol says it means.
//! *Never* shares code with the gateway's own wire: it is the second reader.

/// One HTTP request and its answer, whole or as events.
pub mod http;

/// Server-sent events as they arrive.
pub mod sse;

/// JSON-RPC envelopes.
pub mod rpc;

/// The revision of 2026-07-28, the one without a handshake.
pub const MODERN: &str = "2026-07-28";

/// The revisions with a handshake, oldest first.
pub const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The prefix of the protocol's own `_meta` keys.
pub const RESERVED: &str = "io.modelcontextprotocol/";

/// A header's value for `text` as 2026-07-28 wants it: plain, or the Base64 sentinel.
pub fn header_value(text: &str) -> String {
    let plain = text.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    if plain { text.to_owned() } else { format!("=?base64?{}?=", base64(text.as_bytes())) }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain([0, 0].iter()).take(3).fold(0_u32, |n, b| n << 8 | u32::from(*b));
        for place in 0..4_usize {
            let six = (group >> (18 - 6 * place)) & 63;
            let letter = usize::try_from(six).ok().and_then(|six| ALPHABET.get(six)).copied().unwrap_or(b'=');
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests;
