//! Text to tokens, each with its column. *Never* backtracks.

use std::cmp::Ordering;

use super::Mistake;
use crate::reader::Reader;

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

impl Token {
    /// Whether it is this one name.
    pub(crate) fn is_name(&self, wanted: &str) -> bool {
        matches!(self, Self::Name(name) if name == wanted)
    }

    /// How it compares numbers.
    pub(crate) const fn order(&self) -> Option<Order> {
        if let Self::Order(order) = self {
            return Some(*order);
        }
        if matches!(self, Self::Is) { Some(Order::Same) } else { None }
    }

    /// An argument's name behind `has`, quoted or not.
    pub(crate) fn path(self) -> Option<Vec<String>> {
        if let Self::Text(text) = self {
            return Some(vec![text.chars().collect()]);
        }
        if let Self::Path(parts) = self {
            return Some(parts);
        }
        if let Self::Name(name) = self { Some(name.split('.').map(str::to_owned).collect()) } else { None }
    }
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
    let mut reader = Reader::new(text);
    let mut words = Vec::new();
    loop {
        while reader.next_if(char::is_whitespace).is_some() {}
        let column = reader.column();
        let token = token(&mut reader)?;
        let end = token == Token::End;
        words.push(Word { column, token });
        if end {
            return Ok(words);
        }
    }
}

fn token(reader: &mut Reader<'_>) -> Result<Token, Mistake> {
    let column = reader.column();
    let mistake =
        |message: String, hint: Option<&str>| Mistake { column, message, hint: hint.map(Into::into) };
    let Some(c) = reader.next() else { return Ok(Token::End) };
    match c {
        '(' => Ok(Token::Open),
        ')' => Ok(Token::Close),
        '"' => quoted(reader, column).map(Token::Text),
        '!' if reader.peek() == Some('=') => {
            Err(mistake("unknown operator `!=`".into(), Some("write `!(agent == \"x\")`")))
        }
        '!' => Ok(Token::Not),
        '&' | '|' | '=' if reader.took(c) => Ok(match c {
            '&' => Token::And,
            '|' => Token::Or,
            _ => Token::Is,
        }),
        '&' | '|' | '=' => {
            Err(mistake(format!("unknown operator `{c}`"), Some(&format!("did you mean `{c}{c}`?"))))
        }
        '\'' => Err(mistake("text stands in double quotes".into(), None)),
        '<' | '>' => Ok(Token::Order(match (c, reader.took('=')) {
            ('<', false) => Order::Less,
            ('<', true) => Order::AtMost,
            (_, false) => Order::More,
            (_, true) => Order::AtLeast,
        })),
        c if c.is_ascii_digit() || c == '-' => {
            let mut number = String::from(c);
            reader.take_while(&mut number, |c| c.is_ascii_digit() || c == '.');
            if crate::json::compare(&number, "0").is_none() || number.ends_with('.') {
                return Err(mistake(format!("`{number}` is not a number"), None));
            }
            Ok(Token::Number(number))
        }
        c if c.is_alphabetic() || c == '_' => name(reader, c),
        c => Err(mistake(format!("unexpected `{}`", c.escape_debug()), None)),
    }
}

/// A name that begins with `first`, and the quoted parts after it.
fn name(reader: &mut Reader<'_>, first: char) -> Result<Token, Mistake> {
    let mut parts = Vec::new();
    let mut name = String::from(first);
    loop {
        reader.take_while(&mut name, |c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        if !reader.took('[') {
            break;
        }
        parts.extend(name.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
        name.clear();
        let column = reader.column();
        if reader.next() != Some('"') {
            let hint = Some("write `args[\"the name\"]`".into());
            return Err(Mistake { column, message: "expected a text in double quotes".into(), hint });
        }
        parts.push(quoted(reader, column)?.chars().collect());
        if reader.next() != Some(']') {
            let column = reader.column() - 1;
            return Err(Mistake { column, message: "expected `]`".into(), hint: None });
        }
    }
    if parts.is_empty() {
        return Ok(Token::Name(name));
    }
    parts.extend(name.split('.').filter(|part| !part.is_empty()).map(str::to_owned));
    Ok(Token::Path(parts))
}

/// After the opening quote at `column`.
fn quoted(reader: &mut Reader<'_>, column: usize) -> Result<Quoted, Mistake> {
    let mut chars = Vec::new();
    loop {
        let at = reader.column();
        match reader.next() {
            None => return Err(Mistake { column, message: "this text has no end".into(), hint: None }),
            Some('"') => return Ok(Quoted(chars)),
            Some('\\') => match reader.next() {
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
