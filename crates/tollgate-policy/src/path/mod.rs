//! JSONPath (RFC 9535) without its filters: `$`, `.name`, `['name']`, `[n]`, `[*]`, `.*` and `..`. *Never* visits more than a bounded
//! number of values, however many `..` a path has.

use crate::json::Json;

#[cfg(test)]
mod tests;

/// The most values that one path may visit in one call.
const VISITS_MAX: usize = 1_000_000;

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// `..`: from every value beneath too.
    deep: bool,
    select: Select,
}

/// What one step of a path goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    /// A member of this name.
    Key(String),
    /// An item by its place; negative from the end.
    At(i64),
    /// Every member or item.
    Every,
}

/// What is wrong with a path's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The character, from 1.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) message: String,
}

impl Path {
    /// Reads a path.
    pub(crate) fn read(text: &str) -> Result<Self, Mistake> {
        let mut reader = Reader { rest: text.chars().peekable(), column: 1 };
        if reader.next() != Some('$') {
            return Err(Mistake { column: 1, message: "a path begins with `$`, as in `$.to[*]`".into() });
        }
        let mut steps = Vec::new();
        while let Some(c) = reader.next() {
            let column = reader.column - 1;
            let step = match c {
                '.' if reader.took('.') => Step { deep: true, select: reader.after_dots()? },
                '.' => Step { deep: false, select: reader.name()? },
                '[' => Step { deep: false, select: reader.bracket()? },
                other => {
                    let message = format!("expected `.` or `[`, found `{}`", other.escape_debug());
                    return Err(Mistake { column, message });
                }
            };
            steps.push(step);
        }
        Ok(Self { steps })
    }

    /// The values it leads to, in document order. `None`: there are too many ways.
    pub(crate) fn find<'j, 'a>(&self, root: &'j Json<'a>) -> Option<Vec<&'j Json<'a>>> {
        let mut visits = 0;
        let mut found = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                step.go(value, &mut next, &mut visits)?;
            }
            found = next;
        }
        Some(found)
    }

    /// Its steps, if each is certain where it goes: `..` is not.
    pub(crate) fn plain(&self) -> Option<impl Iterator<Item = &Select>> {
        let plain = self.steps.iter().all(|step| !step.deep);
        plain.then(|| self.steps.iter().map(|step| &step.select))
    }
}

impl Step {
    fn go<'j, 'a>(
        &self,
        value: &'j Json<'a>,
        found: &mut Vec<&'j Json<'a>>,
        visits: &mut usize,
    ) -> Option<()> {
        *visits += 1;
        if *visits > VISITS_MAX {
            return None;
        }
        match (&self.select, value) {
            (Select::Key(name), Json::Object(_)) => found.extend(value.get(name)),
            (Select::Every, Json::Object(members)) => found.extend(members.iter().map(|(_, value)| value)),
            (Select::Every, Json::List(items)) => found.extend(items),
            (Select::At(place), Json::List(items)) => {
                let at = usize::try_from(*place).ok().or_else(|| {
                    items.len().checked_sub(usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX))
                });
                found.extend(at.and_then(|at| items.get(at)));
            }
            (
                Select::Key(_) | Select::Every | Select::At(_),
                Json::Null
                | Json::Bool(_)
                | Json::Number(_)
                | Json::Text(_)
                | Json::List(_)
                | Json::Object(_),
            ) => {}
        }
        if self.deep {
            match value {
                Json::List(items) => items.iter().try_for_each(|item| self.go(item, found, visits))?,
                Json::Object(members) => {
                    members.iter().try_for_each(|(_, value)| self.go(value, found, visits))?;
                }
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => {}
            }
        }
        Some(())
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

    fn took(&mut self, wanted: char) -> bool {
        let same = self.rest.peek() == Some(&wanted);
        if same {
            self.next();
        }
        same
    }

    fn mistake<T>(&self, message: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake { column: self.column, message: message.into() })
    }

    fn after_dots(&mut self) -> Result<Select, Mistake> {
        if self.took('[') { self.bracket() } else { self.name() }
    }

    fn name(&mut self) -> Result<Select, Mistake> {
        if self.took('*') {
            return Ok(Select::Every);
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
            self.column += 1;
            name.push(c);
        }
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return self.mistake("expected a name; write others as `['a-b']`");
        }
        Ok(Select::Key(name))
    }

    fn bracket(&mut self) -> Result<Select, Mistake> {
        let select = match self.rest.peek() {
            Some('*') => {
                self.next();
                Select::Every
            }
            Some(quote @ ('\'' | '"')) => {
                let quote = *quote;
                self.next();
                let mut name = String::new();
                loop {
                    match self.next() {
                        None => return self.mistake("this name has no end"),
                        Some(c) if c == quote => break,
                        Some('\\') => match self.next() {
                            Some(c @ ('\\' | '\'' | '"')) => name.push(c),
                            _ => return self.mistake("unknown escape"),
                        },
                        Some(c) => name.push(c),
                    }
                }
                Select::Key(name)
            }
            Some('?' | '(') => return self.mistake("filters are not available: use the fact's own tests"),
            _ => {
                let mut digits = String::new();
                while let Some(c) = self.rest.next_if(|c| c.is_ascii_digit() || *c == '-') {
                    self.column += 1;
                    digits.push(c);
                }
                match digits.parse() {
                    Ok(place) => Select::At(place),
                    Err(_) => return self.mistake("expected `*`, a number or a name in quotes"),
                }
            }
        };
        if !self.took(']') {
            return self.mistake("expected `]`");
        }
        Ok(select)
    }
}
