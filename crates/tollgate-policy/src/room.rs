//! Room for Cedar's recursion. Its parser takes some 50 KiB of stack for each level of nesting in a debug build and does not look
//! whether they are there; its validator and evaluator look, and then the first accepts and the second fails. So what goes to Cedar is
//! weighed first, refused if too heavy, and given the stack it may need. *Never* slower than a glance at the stack pointer for
//! policies of everyday size.

/// The heaviest policy accepted.
pub(crate) const WEIGHT_MAX: usize = 512;

/// What a level of nesting may take. Measured at 55 KiB and 12 KiB (Cedar optimised at level 1).
const LEVEL_BYTES: usize = if cfg!(debug_assertions) { 64 << 10 } else { 16 << 10 };

/// What Cedar wants to see left, and what the call itself takes.
const BASE_BYTES: usize = 256 << 10;

/// Runs `f` with the stack that Cedar may need for a policy of this weight.
pub(crate) fn with_room<R>(weight: usize, f: impl FnOnce() -> R) -> R {
    let room = BASE_BYTES + weight.min(WEIGHT_MAX) * LEVEL_BYTES;
    stacker::maybe_grow(room, room, f)
}

/// One policy in a Cedar text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// How many operators, keywords and opening brackets it has: at least as many as it has levels of nesting.
    pub(crate) weight: usize,
}

/// The policies of a Cedar text, parsed or not: what ends with a `;` that is in no string and no comment.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut due = true;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '/' && chars.peek().is_some_and(|(_, c)| *c == '/') {
            while chars.next_if(|(_, c)| *c != '\n').is_some() {}
            continue;
        }
        if due {
            pieces.push(Piece { start: at, weight: 0 });
        }
        due = c == ';';
        let weighs = match c {
            '"' => {
                while let Some((_, c)) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                false
            }
            '&' | '|' | '=' => {
                chars.next_if(|(_, next)| *next == c);
                true
            }
            c if c.is_alphabetic() || c == '_' => {
                let mut word = String::from(c);
                while let Some((_, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                matches!(word.as_str(), "if" | "has" | "like" | "in" | "is")
            }
            ',' | ';' | ':' | ')' | ']' | '}' | '@' | '?' => false,
            c => !c.is_numeric(),
        };
        if let Some(piece) = pieces.last_mut().filter(|_| weighs) {
            piece.weight += 1;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn policies_are_told_apart_and_weighed() {
        let text = "// ;\n@id(\";\\\";\") permit (principal, action, resource); // ;\n\n\
                    forbid (principal, action, resource)\nwhen { !resource.hinted && [1, 2].contains(3) || true };é";
        let found: Vec<_> = pieces(text)
            .iter()
            .map(|piece| (text.get(piece.start..).unwrap().chars().next().unwrap(), piece.weight))
            .collect();
        // `(` · `(` `(` · `(` `{` `!` `.` `&&` `[` `.` `(` `||`
        assert_eq!(found, [('@', 2), ('f', 9), ('é', 0)]);
    }

    #[test]
    fn nesting_weighs() {
        for (level, times) in
            [("!", 1), ("(", 1), ("-", 1), ("[", 1), ("if ", 1), (".a", 1), ("a || ", 1), ("{a:", 1)]
        {
            let text = level.repeat(100);
            assert_eq!(pieces(&text).first().map(|piece| piece.weight), Some(100 * times), "{level}");
        }
    }

    #[test]
    fn any_text_has_an_end() {
        for text in ["", ";", "\"", "\"\\", "//", "@", "é\u{0}", "/"] {
            assert!(pieces(text).len() <= 2, "{text}");
        }
    }
}
