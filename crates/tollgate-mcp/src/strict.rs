//! The strict reader of requests: refuses whatever two parsers could read differently.

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not UTF-8.
    #[error("the body is not valid UTF-8 (at byte {at})")]
    Utf8 {
        /// Offset in bytes.
        at: usize,
    },
    /// Not JSON.
    #[error("the body is not valid JSON: {why}")]
    Json {
        /// What the parser says, with its place.
        why: String,
    },
    /// Nested deeper than the limit.
    #[error("nested deeper than {limit} levels")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// A key twice in one object, also when escaped differently.
    #[error("duplicate key `{key}`")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// A key that differs from a protocol key only by case or Unicode folding.
    #[error("key `{key}` is a twin of the protocol key `{protocol}`")]
    Twin {
        /// As sent.
        key: String,
        /// What it could be taken for.
        protocol: &'static str,
    },
}

/// Reads the whole text strictly: UTF-8, JSON, depth ≤ `depth`, no duplicate keys at any level, and no case twins of
/// protocol keys in the envelope, `params` and `params._meta` (not inside `arguments`).
pub fn check(text: &[u8], depth: usize) -> Result<(), Fault> {
    let _ = (text, depth);
    todo!("strict::check")
}
