use super::{Piece, Template};

/// Why a template can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) message: String,
    pub(super) hint: String,
}

/// Reads `${secret:NAME}` and `${env:NAME}`; `$$` is a dollar sign. The text may be a credential, so no message repeats it.
pub(super) fn parse(text: &str) -> Result<Template, Bad> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let Some(inside) = after.strip_prefix('{') else {
            literal.push('$');
            rest = after;
            continue;
        };
        let (inside, after) = inside.split_once('}').ok_or_else(|| bad("`${` without `}`"))?;
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(reference(inside)?);
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(Template(pieces))
}

/// Whether `text` looks as if it wanted a substitution.
pub(super) fn has_reference(text: &str) -> bool {
    text.contains("${secret:") || text.contains("${env:")
}

/// Whether `name` can name a vault entry.
pub(crate) fn is_secret_name(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}

fn reference(inside: &str) -> Result<Piece, Bad> {
    match inside.split_once(':') {
        Some(("secret", name)) if is_secret_name(name) => Ok(Piece::Secret(name.to_owned())),
        Some(("secret", _)) => {
            Err(bad("a secret's name is made of letters, digits and `. _ - /`, 128 at most"))
        }
        Some(("env", name)) if is_env_name(name) => Ok(Piece::Env(name.to_owned())),
        Some(("env", _)) => Err(bad("an environment variable's name is made of letters, digits and `_`")),
        Some(_) | None => Err(bad("unknown substitution")),
    }
}

pub(super) fn is_env_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn bad(message: &str) -> Bad {
    Bad {
        message: message.to_owned(),
        hint: "the substitutions are `${secret:NAME}` and `${env:NAME}`; write `$$` for a dollar sign"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn reads_both_substitutions_and_nothing_else() {
        let secret = |name: &str| Piece::Secret(name.to_owned());
        let env = |name: &str| Piece::Env(name.to_owned());
        for (written, pieces) in [
            ("", vec![]),
            ("plain", vec![text("plain")]),
            ("${secret:a}", vec![secret("a")]),
            ("Bearer ${secret:a.b-c}!", vec![text("Bearer "), secret("a.b-c"), text("!")]),
            ("${env:A_1}${env:B}", vec![env("A_1"), env("B")]),
            ("a$b $ c", vec![text("a$b $ c")]),
            ("$${env:A}", vec![text("${env:A}")]),
            ("$$$$", vec![text("$$")]),
        ] {
            assert_eq!(parse(written), Ok(Template(pieces)), "{written}");
        }
        for written in [
            "${HOME}",
            "${env:}",
            "${env:1A}",
            "${secret:a b}",
            "${secret:a",
            "${file:x}",
            "${secret:.check}",
        ] {
            assert!(parse(written).is_err(), "{written}");
        }
    }
}
