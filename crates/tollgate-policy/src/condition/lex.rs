//! Text to tokens, each with its column. *Never* backtracks.

use std::cmp::Ordering;

use super::Mistake;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Identifiers joined by dots: `tool.labels.contains`.
    Name(String),
    /// The same with a quoted part: `args["x-y"].z`.
    Path(Vec<String>),
    /// A decimal number.
    Number(String),
    /// `"…"`.
    Text(Quoted),
    /// `!`
    Not,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `==`
    Is,
    /// `<`, `<=`, `>` or `>=`
    Order(Order),
    /// The end.
    End,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
    Same,
}

impl Order {
    /// As written, also in Cedar.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Same => "==",
        }
    }

    /// Whether it is that.
    pub(crate) const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::More => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
            Self::Same => ordering.is_eq(),
        }
    }
}

/// A token and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The character, from 1.
    pub(crate) column: usize,
    /// The token.
    pub(crate) token: Token,
}

/// The text between quotes. Escaped characters are kept apart, because `like` tells `\*` from `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quoted(Vec<(char, bool)>);

impl Quoted {
    /// The characters.
    pub(crate) fn chars(&self) -> impl Iterator<Item = char> {
        self.0.iter().map(|(c, _)| *c)
    }

    /// The characters of a pattern; `None` = any run.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Option<char>> {
        self.0.iter().map(|(c, escaped)| if *c == '*' && !escaped { None } else { Some(*c) })
    }
}

/// All tokens, the last of them [`Token::End`].
pub(crate) fn words(text: &str) -> Result<Vec<Word>, Mistake> {
    let mut reader = Reader { rest: text.chars().peekable(), column: 1 };
    let mut words = Vec::new();
    loop {
        while reader.rest.peek().is_some_and(|c| c.is_whitespace()) {
            reader.next();
        }
        let column = reader.column;
        let token = reader.token()?;
        let end = token == Token::End;
        words.push(Word { column, token });
        if end {
            return Ok(words);
        }
    }
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    column: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.column += 1;
        Some(c)
    }

    fn token(&mut self) -> Result<Token, Mistake> {
        let column = self.column;
        let mistake =
            |message: String, hint: Option<&str>| Mistake { column, message, hint: hint.map(Into::into) };
        let Some(c) = self.next() else { return Ok(Token::End) };
        match c {
            '(' => Ok(Token::Open),
            ')' => Ok(Token::Close),
            '"' => self.quoted(column).map(Token::Text),
            '!' if self.rest.peek() == Some(&'=') => {
                Err(mistake("unknown operator `!=`".into(), Some("write `!(agent == \"x\")`")))
            }
            '!' => Ok(Token::Not),
            '&' | '|' | '=' if self.rest.peek() == Some(&c) => {
                self.next();
                Ok(match c {
                    '&' => Token::And,
                    '|' => Token::Or,
                    _ => Token::Is,
                })
            }
            '&' | '|' | '=' => {
                Err(mistake(format!("unknown operator `{c}`"), Some(&format!("did you mean `{c}{c}`?"))))
            }
            '\'' => Err(mistake("text stands in double quotes".into(), None)),
            '<' | '>' => {
                let or_same = self.rest.peek() == Some(&'=');
                if or_same {
                    self.next();
                }
                Ok(Token::Order(match (c, or_same) {
                    ('<', false) => Order::Less,
                    ('<', true) => Order::AtMost,
                    (_, false) => Order::More,
                    (_, true) => Order::AtLeast,
                }))
            }
            c if c.is_ascii_digit() || c == '-' => {
                let mut number = String::from(c);
                while let Some(c) = self.rest.next_if(|c| c.is_ascii_digit() || *c == '.') {
                    self.column += 1;
                    number.push(c);
                }
                if crate::json::compare(&number, "0").is_none() || number.ends_with('.') {
                    return Err(mistake(format!("`{number}` is not a number"), None));
                }
                Ok(Token::Number(number))
            }
            c if c.is_alphabetic() || c == '_' => self.name(c),
            c => Err(mistake(format!("unexpected `{}`", c.escape_debug()), None)),
        }
    }

    /// A name that begins with `first`, and the quoted parts after it.
    fn name(&mut self, first: char) -> Result<Token, Mistake> {
        let mut parts = Vec::new();
        let mut name = String::from(first);
        loop {
            while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) {
                self.column += 1;
                name.push(c);
            }
            if self.rest.next_if_eq(&'[').is_none() {
                break;
            }
            self.column += 1;
            parts.extend(name.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
            name.clear();
            let column = self.column;
            if self.next() != Some('"') {
                let hint = Some("write `args[\"the name\"]`".into());
                return Err(Mistake { column, message: "expected a text in double quotes".into(), hint });
            }
            parts.push(self.quoted(column)?.chars().collect());
            if self.next() != Some(']') {
                return Err(Mistake { column: self.column - 1, message: "expected `]`".into(), hint: None });
            }
        }
        if parts.is_empty() {
            return Ok(Token::Name(name));
        }
        parts.extend(name.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
        Ok(Token::Path(parts))
    }

    /// After the opening quote at `column`.
    fn quoted(&mut self, column: usize) -> Result<Quoted, Mistake> {
        let mut chars = Vec::new();
        loop {
            let at = self.column;
            match self.next() {
                None => return Err(Mistake { column, message: "this text has no end".into(), hint: None }),
                Some('"') => return Ok(Quoted(chars)),
                Some('\\') => match self.next() {
                    Some(c @ ('"' | '\\' | '*')) => chars.push((c, true)),
                    _ => {
                        return Err(Mistake {
                            column: at,
                            message: "unknown escape".into(),
                            hint: Some("only `\\\"`, `\\\\` and `\\*` are escapes".into()),
                        });
                    }
                },
                Some(c) => chars.push((c, false)),
            }
        }
    }
}
