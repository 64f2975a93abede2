//! Tokens to a condition. *Never* nests deeper than it may, so that no text can exhaust the stack, here or in Cedar.

use super::{Condition, Mistake, Quoted, Text, Token, Word, lex};
use crate::problem::meant;

/// The deepest nesting of `!` and parentheses. (Long chains are refused by their Cedar text.)
const DEPTH_MAX: usize = 32;

/// Everything that can be tested, for "did you mean".
const KNOWN: [&str; 12] = [
    "tool.destructive",
    "tool.read_only",
    "tool.idempotent",
    "tool.open_world",
    "tool.hinted",
    "tool.name",
    "tool.server",
    "tool.labels.contains",
    "agent",
    "user",
    "tenant",
    "groups.contains",
];

/// What a later version will know.
const LATER: [&str; 8] = ["args", "reason", "session", "facts", "findings", "time", "client", "context"];

/// Reads a condition, or says where the first mistake is.
pub(crate) fn parse(text: &str) -> Result<Condition, Mistake> {
    let mut parser = Parser { words: lex::words(text)?.into_iter(), ahead: None, depth: 0 };
    let condition = parser.any()?;
    let word = parser.next();
    match word.token {
        Token::End => Ok(condition),
        Token::Name(name) => {
            let hint = match name.to_ascii_lowercase().as_str() {
                "and" => Some("did you mean `&&`?"),
                "or" => Some("did you mean `||`?"),
                "in" => Some("write `groups.contains(\"x\")`"),
                _ => None,
            };
            Err(mistake(word.column, format!("expected `&&`, `||` or the end, found `{name}`"), hint))
        }
        Token::Is => Err(mistake(
            word.column,
            "a flag is not compared".into(),
            Some("it stands alone: `tool.destructive` or `!tool.destructive`"),
        )),
        Token::Close => Err(mistake(word.column, "this `)` closes nothing".into(), None)),
        Token::Text(_) | Token::Not | Token::And | Token::Or | Token::Open => {
            Err(mistake(word.column, "expected `&&`, `||` or the end".into(), None))
        }
    }
}

fn mistake(column: usize, message: String, hint: Option<&str>) -> Mistake {
    Mistake { column, message, hint: hint.map(Into::into) }
}

struct Parser {
    words: std::vec::IntoIter<Word>,
    ahead: Option<Word>,
    depth: usize,
}

impl Parser {
    fn next(&mut self) -> Word {
        self.ahead.take().or_else(|| self.words.next()).unwrap_or(Word { column: 1, token: Token::End })
    }

    /// Takes the next token if it is this one.
    fn took(&mut self, token: &Token) -> bool {
        let word = self.next();
        let same = word.token == *token;
        if !same {
            self.ahead = Some(word);
        }
        same
    }

    fn any(&mut self) -> Result<Condition, Mistake> {
        let first = self.all()?;
        let mut rest = Vec::new();
        while self.took(&Token::Or) {
            rest.push(self.all()?);
        }
        Ok(one_or(first, rest, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, Mistake> {
        let first = self.not()?;
        let mut rest = Vec::new();
        while self.took(&Token::And) {
            rest.push(self.not()?);
        }
        Ok(one_or(first, rest, Condition::All))
    }

    fn not(&mut self) -> Result<Condition, Mistake> {
        let word = self.next();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(mistake(word.column, format!("nested more than {DEPTH_MAX} deep"), None));
        }
        let condition = match word.token {
            Token::Not => Condition::Not(Box::new(self.not()?)),
            Token::Open => {
                let inner = self.any()?;
                if !self.took(&Token::Close) {
                    let column = self.next().column;
                    return Err(mistake(column, "expected `)`".into(), None));
                }
                inner
            }
            Token::Name(name) => self.test(word.column, &name)?,
            Token::End => return Err(mistake(word.column, "expected a condition".into(), None)),
            Token::Text(_) => {
                let hint = Some("the name stands on the left: `agent == \"x\"`");
                return Err(mistake(word.column, "a text is not a condition".into(), hint));
            }
            Token::And | Token::Or | Token::Close | Token::Is => {
                return Err(mistake(word.column, "expected a condition here".into(), None));
            }
        };
        self.depth -= 1;
        Ok(condition)
    }

    /// After a name at `column`.
    fn test(&mut self, column: usize, name: &str) -> Result<Condition, Mistake> {
        Ok(match name {
            "tool.destructive" => Condition::Flag("destructive"),
            "tool.read_only" => Condition::Flag("read_only"),
            "tool.idempotent" => Condition::Flag("idempotent"),
            "tool.open_world" => Condition::Flag("open_world"),
            "tool.hinted" => Condition::Flag("hinted"),
            "tool.name" => self.compare(Text::Name, name)?,
            "tool.server" => self.compare(Text::Server, name)?,
            "agent" => self.compare(Text::Agent, name)?,
            "user" => self.compare(Text::User, name)?,
            "tenant" => self.compare(Text::Tenant, name)?,
            "tool.labels.contains" => Condition::Label(self.argument()?),
            "groups.contains" => Condition::Group(self.argument()?),
            "tool.labels" | "groups" => {
                return Err(mistake(
                    column,
                    format!("`{name}` is a set"),
                    Some(&format!("write `{name}.contains(\"x\")`")),
                ));
            }
            _ => return Err(unknown(column, name)),
        })
    }

    /// `== "…"` or `like "…"`.
    fn compare(&mut self, text: Text, name: &str) -> Result<Condition, Mistake> {
        let word = self.next();
        let like = match &word.token {
            Token::Is => false,
            Token::Name(operator) if operator == "like" => true,
            Token::Name(_)
            | Token::Text(_)
            | Token::Not
            | Token::And
            | Token::Or
            | Token::Open
            | Token::Close
            | Token::End => {
                let hint = format!("`{name} == \"x\"` or `{name} like \"x*\"`");
                return Err(mistake(word.column, format!("`{name}` must be compared"), Some(&hint)));
            }
        };
        let value = self.text()?;
        Ok(if like { Condition::Like(text, value) } else { Condition::Is(text, value) })
    }

    /// `("…")`.
    fn argument(&mut self) -> Result<Quoted, Mistake> {
        if !self.took(&Token::Open) {
            let column = self.next().column;
            return Err(mistake(column, "expected `(`".into(), None));
        }
        let value = self.text()?;
        if !self.took(&Token::Close) {
            let column = self.next().column;
            return Err(mistake(column, "expected `)`".into(), None));
        }
        Ok(value)
    }

    fn text(&mut self) -> Result<Quoted, Mistake> {
        let word = self.next();
        match word.token {
            Token::Text(value) => Ok(value),
            Token::Name(_)
            | Token::Not
            | Token::And
            | Token::Or
            | Token::Open
            | Token::Close
            | Token::Is
            | Token::End => Err(mistake(word.column, "expected a text in double quotes".into(), None)),
        }
    }
}

/// `first` alone, or joined with the rest.
fn one_or(first: Condition, rest: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if rest.is_empty() {
        return first;
    }
    let mut parts = vec![first];
    parts.extend(rest);
    join(parts)
}

fn unknown(column: usize, name: &str) -> Mistake {
    let first = name.split('.').next().unwrap_or_default();
    if LATER.contains(&first) || name == "tool.pinned" {
        return mistake(column, format!("`{name}` is not available in this version"), None);
    }
    if name == "not" {
        return mistake(column, "unknown name `not`".into(), Some("did you mean `!`?"));
    }
    let hint = match meant(name, &KNOWN).or_else(|| meant(&format!("tool.{name}"), &KNOWN)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known here: {}", KNOWN.map(|known| format!("`{known}`")).join(", ")),
    };
    mistake(column, format!("unknown name `{name}`"), Some(&hint))
}
