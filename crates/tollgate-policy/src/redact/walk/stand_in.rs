/// A mask that is an address.
pub(in crate::redact) const EMAIL: &str = "redacted@redacted.invalid";
/// A mask that is a URI.
pub(in crate::redact) const URI: &str = "urn:redacted";

pub(super) fn mask(kind: &str) -> String {
    format!("[redacted:{kind}]")
}

/// Whether a text is a mask, a hash or a token already: cleaning twice changes nothing.
pub(super) fn is_ours(text: &str) -> bool {
    if matches!(text, EMAIL | URI | "***") {
        return true;
    }
    let word = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    if let Some((kind, rest)) =
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).and_then(|text| text.split_once(':'))
    {
        return word(kind)
            && (kind == "redacted" && word(rest)
                || rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    text.strip_prefix("tgt_").is_some_and(|rest| {
        rest.len() >= 66
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    })
}
