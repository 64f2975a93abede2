//! Tokens to a condition. *Never* nests deeper than it may, so that no text can exhaust the stack, here or in Cedar.

use super::{Arg, Condition, Count, Mistake, Order, Quoted, Test, Text, Texts, Token, Word, lex};
use crate::problem::meant;

/// The deepest nesting of `!` and parentheses. (Long chains are refused by their Cedar text.)
const DEPTH_MAX: usize = 32;

/// The deepest argument that a rule can name.
const PATH_MAX: usize = 16;

/// Everything that can be tested, for "did you mean".
const KNOWN: [&str; 24] = [
    "tool.destructive",
    "tool.read_only",
    "tool.idempotent",
    "tool.open_world",
    "tool.hinted",
    "tool.pinned",
    "tool.name",
    "tool.server",
    "tool.labels.contains",
    "agent",
    "user",
    "tenant",
    "groups.contains",
    "reason",
    "client",
    "time.weekday",
    "time.date",
    "time.hour",
    "time.minute",
    "facts.contains",
    "findings.contains",
    "session.labels.contains",
    "session.calls",
    "session.counters",
];

/// Reads a condition, or says where the first mistake is.
pub(crate) fn parse(text: &str) -> Result<Condition, Mistake> {
    let mut parser = Parser { words: lex::words(text)?.into_iter(), ahead: None, depth: 0 };
    let condition = parser.any()?;
    let Word { column, token } = parser.next();
    if token == Token::End {
        return Ok(condition);
    }
    if let Token::Name(name) = token {
        let hint = match name.to_ascii_lowercase().as_str() {
            "and" => Some("did you mean `&&`?"),
            "or" => Some("did you mean `||`?"),
            "in" => Some("write `groups.contains(\"x\")`"),
            _ => None,
        };
        return Err(mistake(column, format!("expected `&&`, `||` or the end, found `{name}`"), hint));
    }
    if token == Token::Is {
        let hint = "it stands alone: `tool.destructive` or `!tool.destructive`";
        return Err(mistake(column, "a flag is not compared".into(), Some(hint)));
    }
    let closes = token == Token::Close;
    let message = if closes { "this `)` closes nothing" } else { "expected `&&`, `||` or the end" };
    Err(mistake(column, message.into(), None))
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
            Token::Name(name) if name == "args" || name.starts_with("args.") => {
                let path: Vec<String> = name.split('.').skip(1).map(str::to_owned).collect();
                self.arg(word.column, path)?
            }
            Token::Path(parts) if parts.first().is_some_and(|first| first == "args") => {
                self.arg(word.column, parts.into_iter().skip(1).collect())?
            }
            Token::Path(parts) => return Err(unknown(word.column, &parts.join("."))),
            Token::Name(name) => self.test(word.column, &name)?,
            Token::End => return Err(mistake(word.column, "expected a condition".into(), None)),
            Token::Text(_) => {
                let hint = Some("the name stands on the left: `agent == \"x\"`");
                return Err(mistake(word.column, "a text is not a condition".into(), hint));
            }
            Token::Number(_) => {
                let hint = Some("the name stands on the left: `args.amount > 1000`");
                return Err(mistake(word.column, "a number is not a condition".into(), hint));
            }
            Token::And | Token::Or | Token::Close | Token::Is | Token::Order(_) => {
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
            "tool.pinned" => Condition::Flag("pinned"),
            "tool.name" => self.compare(Text::Name, name)?,
            "tool.server" => self.compare(Text::Server, name)?,
            "agent" => self.compare(Text::Agent, name)?,
            "user" => self.compare(Text::User, name)?,
            "tenant" => self.compare(Text::Tenant, name)?,
            "reason" => self.compare(Text::Reason, name)?,
            "client" => self.compare(Text::Client, name)?,
            "time.weekday" => self.weekday(name)?,
            "time.date" => self.compare(Text::Date, name)?,
            "time.hour" => self.count(Count::Hour, name)?,
            "time.minute" => self.count(Count::Minute, name)?,
            "session.calls" => self.count(Count::Calls, name)?,
            "tool.labels.contains" => Condition::Contains(Texts::Labels, self.argument()?),
            "groups.contains" => Condition::Contains(Texts::Groups, self.argument()?),
            "facts.contains" => Condition::Contains(Texts::Facts, self.argument()?),
            "findings.contains" => Condition::Contains(Texts::Findings, self.argument()?),
            "session.labels.contains" => Condition::Contains(Texts::Touched, self.argument()?),
            "tool.labels" | "groups" | "facts" | "findings" | "session.labels" => {
                return Err(mistake(
                    column,
                    format!("`{name}` is a set"),
                    Some(&format!("write `{name}.contains(\"x\")`")),
                ));
            }
            _ => match name.strip_prefix("session.counters.") {
                Some(counter) if !counter.is_empty() => {
                    self.count(Count::Counter(counter.to_owned()), name)?
                }
                Some(_) | None => return Err(unknown(column, name)),
            },
        })
    }

    /// After `args` and what follows it.
    fn arg(&mut self, column: usize, mut path: Vec<String>) -> Result<Condition, Mistake> {
        let word = self.next();
        if path.is_empty() {
            if !word.token.is_name("has") {
                let hint = Some("write `args.NAME == \"x\"`, `args.NAME > 5` or `args has NAME`");
                return Err(mistake(column, "`args` needs the name of an argument".into(), hint));
            }
            let name = self.next();
            let Some(path) = name.token.path() else {
                return Err(mistake(name.column, "expected the name of an argument".into(), None));
            };
            return arg(path, name.column, Test::There);
        }
        let contains = path.len() > 1 && path.last().is_some_and(|last| last == "contains");
        let test = if word.token == Token::Is {
            self.value()?
        } else if let Token::Order(order) = word.token {
            Test::Number(order, self.number()?.1)
        } else if word.token.is_name("like") {
            Test::Like(self.text()?)
        } else if word.token == Token::Open && contains {
            path.pop();
            self.ahead = Some(word);
            Test::Contains(self.argument()?)
        } else {
            self.ahead = Some(word);
            Test::Truth(true)
        };
        arg(path, column, test)
    }

    /// After `args.x ==`.
    fn value(&mut self) -> Result<Test, Mistake> {
        let Word { column, token } = self.next();
        if let Token::Text(text) = token {
            return Ok(Test::Is(text));
        }
        if let Token::Number(number) = token {
            return Ok(Test::Number(Order::Same, number));
        }
        if token.is_name("true") || token.is_name("false") {
            return Ok(Test::Truth(token.is_name("true")));
        }
        Err(mistake(column, "expected a text in double quotes, a number, `true` or `false`".into(), None))
    }

    /// `> 5` and the like.
    fn count(&mut self, count: Count, name: &str) -> Result<Condition, Mistake> {
        let word = self.next();
        let Some(order) = word.token.order() else {
            let hint = format!("`{name} >= 5`");
            return Err(mistake(word.column, format!("`{name}` must be compared"), Some(&hint)));
        };
        let (column, number) = self.number()?;
        match crate::json::whole(&number) {
            Some(whole) => Ok(Condition::Count(count, order, whole.to_string())),
            None => Err(mistake(column, format!("`{name}` is a whole number, `{number}` is not"), None)),
        }
    }

    fn weekday(&mut self, name: &str) -> Result<Condition, Mistake> {
        let column = self.ahead.as_ref().map_or(1, |word| word.column);
        let condition = self.compare(Text::Weekday, name)?;
        if let Condition::Is(_, day) = &condition {
            let day: String = day.chars().collect();
            if !crate::time::WEEKDAYS.contains(&day.as_str()) {
                let hint =
                    format!("one of {}", crate::time::WEEKDAYS.map(|day| format!("`{day}`")).join(", "));
                return Err(mistake(column, format!("`{}` is not a day", day.escape_debug()), Some(&hint)));
            }
        }
        Ok(condition)
    }

    /// A number and its column.
    fn number(&mut self) -> Result<(usize, String), Mistake> {
        let Word { column, token } = self.next();
        if let Token::Number(number) = token {
            return Ok((column, number));
        }
        let hint = matches!(token, Token::Text(_)).then_some("texts are compared by `==` or `like`");
        Err(mistake(column, "expected a number".into(), hint))
    }

    /// `== "…"` or `like "…"`.
    fn compare(&mut self, text: Text, name: &str) -> Result<Condition, Mistake> {
        let word = self.next();
        let like = word.token.is_name("like");
        if !like && word.token != Token::Is {
            let hint = format!("`{name} == \"x\"` or `{name} like \"x*\"`");
            return Err(mistake(word.column, format!("`{name}` must be compared"), Some(&hint)));
        }
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
        let Word { column, token } = self.next();
        let Token::Text(value) = token else {
            return Err(mistake(column, "expected a text in double quotes".into(), None));
        };
        Ok(value)
    }
}

fn arg(path: Vec<String>, column: usize, test: Test) -> Result<Condition, Mistake> {
    if path.iter().any(String::is_empty) {
        return Err(mistake(column, "a name is missing beside a `.`".into(), None));
    }
    if path.len() > PATH_MAX {
        return Err(mistake(column, format!("an argument more than {PATH_MAX} deep"), Some("use a fact")));
    }
    Ok(Condition::Arg(Arg { path, column, test }))
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
    if name == "not" {
        return mistake(column, "unknown name `not`".into(), Some("did you mean `!`?"));
    }
    let hint = match meant(name, &KNOWN).or_else(|| meant(&format!("tool.{name}"), &KNOWN)) {
        Some(known) => format!("did you mean `{known}`?"),
        None if name.starts_with("context.") => "write `args.x`, `reason`, …: without `context.`".into(),
        None => format!("known here: `args.NAME`, {}", KNOWN.map(|known| format!("`{known}`")).join(", ")),
    };
    mistake(column, format!("unknown name `{name}`"), Some(&hint))
}
