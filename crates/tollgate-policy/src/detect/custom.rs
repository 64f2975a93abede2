use regex::{Regex, RegexBuilder};

/// The longest match of an own pattern, in bytes: what keeps a search linear in the text.
const LONGEST: usize = 1_024;

/// An operator's own pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// What its findings are called.
    pub name: String,
    pub(super) regex: Regex,
}

/// Why a pattern is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadPattern {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Pattern {
    /// Compiles one.
    ///
    /// # Errors
    /// It is not a regular expression, is too large, matches nothing at all, or has no longest match.
    pub fn new(name: &str, pattern: &str) -> Result<Self, BadPattern> {
        let bad = |message: String, hint: &str| BadPattern { message, hint: hint.to_owned() };
        let parsed = regex_syntax::parse(pattern).map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            bad(
                format!("this is not a regular expression: {why}"),
                "the syntax is that of the rust crate `regex`",
            )
        })?;
        let properties = parsed.properties();
        if properties.minimum_len().unwrap_or(0) == 0 {
            return Err(bad("this matches the empty text".to_owned(), "say what must be there"));
        }
        // A search that has found nothing starts again at the next byte: only a bound keeps all of them together linear.
        if properties.maximum_len().is_none_or(|most| most > LONGEST) {
            let message = format!("this has no longest match, or one of more than {LONGEST} bytes");
            return Err(bad(message, "write `{1,64}` instead of `+` or `*`, and `[0-9]` instead of `\\d`"));
        }
        let regex = RegexBuilder::new(pattern)
            .size_limit(1 << 20)
            .dfa_size_limit(1 << 20)
            .build()
            .map_err(|_| bad("this pattern is too large".to_owned(), "make two of it"))?;
        Ok(Self { name: name.to_owned(), regex })
    }
}
