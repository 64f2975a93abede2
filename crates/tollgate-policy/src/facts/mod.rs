//! Facts: named tests over a call's arguments, for what rules can't say themselves (any, all, patterns, ranges, sizes, the user's own
//! words). *Never* computed for a call whose rules do not name them, and *never* false because a value is of another type than the
//! test is for: then whatever names the fact fails.

use regex::Regex;

use crate::glob::Glob;
use crate::json::{Json, compare};
use crate::path::{BadPath, Path};
use crate::problem::Problem;
use crate::source::Fact;

#[cfg(test)]
mod tests;

/// The largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The most paths of one fact.
const PATHS_MAX: usize = 16;

/// The most values that a fact looks at.
const VALUES_MAX: usize = 1_000_000;

/// A compiled fact.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// Its name.
    pub(crate) name: String,
    /// Its line in the configuration.
    pub(crate) line: usize,
    /// Which `server/name` it speaks of.
    pub(crate) of: Glob,
    /// As written, for explanations.
    pub(crate) written: String,
    paths: Vec<Path>,
    any: Option<Regex>,
    any_not: Option<Regex>,
    all: Option<Regex>,
    min: Option<String>,
    max: Option<String>,
    count: Option<(usize, usize)>,
    in_task: Option<bool>,
}

/// Compiles one fact, or tells what is wrong with it.
pub(crate) fn compile(fact: &Fact, problems: &mut Vec<Problem>) -> Option<Matcher> {
    let before = problems.len();
    let mut problem = |message: String, hint: Option<&str>| {
        let message = format!("fact `{}`: {message}", fact.name.escape_debug());
        let hint = hint.map(Into::into);
        problems.push(Problem {
            fact: Some(fact.name.clone()),
            line: fact.line,
            message,
            hint,
            ..Problem::default()
        });
    };
    if fact.paths.is_empty() || fact.paths.len() > PATHS_MAX {
        let message = format!("its `path` is one JSONPath, or a list of 1 to {PATHS_MAX}");
        problem(message, Some("as in `path: [\"$.to[*]\", \"$.cc[*]\"]`"));
    }
    let mut paths = Vec::with_capacity(fact.paths.len().min(PATHS_MAX));
    for text in fact.paths.iter().take(PATHS_MAX) {
        match Path::new(text) {
            Ok(path) => paths.push(path),
            Err(bad) => problem(format!("`path`, {bad}"), Some(BadPath::HINT)),
        }
    }
    let mut pattern = |key: &str, text: &Option<String>| {
        let text = text.as_ref()?;
        match regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                problem(format!("`{key}` is not a regular expression: {last}"), None);
                None
            }
        }
    };
    let (any, any_not, all) =
        (pattern("any", &fact.any), pattern("any_not", &fact.any_not), pattern("all", &fact.all));
    for bound in [&fact.min, &fact.max].into_iter().flatten() {
        if compare(bound, "0").is_none() {
            problem(format!("`{}` is not a number", bound.escape_debug()), None);
        }
    }
    let tests = [
        fact.any.is_some(),
        fact.any_not.is_some(),
        fact.all.is_some(),
        fact.min.is_some() || fact.max.is_some(),
        fact.count_min.is_some() || fact.count_max.is_some(),
        fact.in_task.is_some(),
    ];
    if !tests.contains(&true) {
        let hint = "give it `any`, `any_not`, `all`, `min`, `max`, `count` or `in_task`";
        problem("it tests nothing".into(), Some(hint));
    }
    let count = (fact.count_min.is_some() || fact.count_max.is_some())
        .then(|| (fact.count_min.unwrap_or(0), fact.count_max.unwrap_or(usize::MAX)));
    if problems.len() > before {
        return None;
    }
    Some(Matcher {
        name: fact.name.clone(),
        line: fact.line,
        of: Glob::new(&fact.of),
        written: fact.to_string(),
        paths,
        any,
        any_not,
        all,
        min: fact.min.clone(),
        max: fact.max.clone(),
        count,
        in_task: fact.in_task,
    })
}

impl Matcher {
    /// Whether it reads the user's words.
    pub(crate) const fn reads_task(&self) -> bool {
        self.in_task.is_some()
    }

    /// Whether it compares numbers.
    pub(crate) const fn wants_number(&self) -> bool {
        self.min.is_some() || self.max.is_some()
    }

    /// Whether it looks at texts.
    pub(crate) const fn wants_text(&self) -> bool {
        self.any.is_some() || self.any_not.is_some() || self.all.is_some() || self.in_task.is_some()
    }

    /// The paths, for checking them against a schema.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter()
    }

    /// Whether it holds: each of its tests does. The error says what could not be tested.
    pub(crate) fn holds(&self, arguments: &Json<'_>, task: Option<&str>) -> Result<bool, String> {
        let mut found: Vec<Value<'_, '_>> = Vec::new();
        for path in &self.paths {
            let Some(values) = path.find(arguments).filter(|values| values.len() + found.len() <= VALUES_MAX)
            else {
                return Err(format!("`{}` leads to too many values", path.source()));
            };
            let there = values.into_iter().filter(|value| **value != Json::Null);
            found.extend(there.map(|value| Value { value, written: path.source() }));
        }
        if let Some((min, max)) = self.count
            && !(min..=max).contains(&found.len())
        {
            return Ok(false);
        }
        if (self.min.is_some() || self.max.is_some()) && !self.some_in_range(&found)? {
            return Ok(false);
        }
        if self.any.is_none() && self.any_not.is_none() && self.all.is_none() && self.in_task.is_none() {
            return Ok(true);
        }
        let texts = found.iter().map(Value::text).collect::<Result<Vec<&str>, String>>()?;
        let some = |pattern: &Option<Regex>| {
            pattern.as_ref().is_none_or(|p| texts.iter().any(|text| p.is_match(text)))
        };
        let some_not = |pattern: &Option<Regex>| {
            pattern.as_ref().is_none_or(|p| texts.iter().any(|text| !p.is_match(text)))
        };
        let every = |pattern: &Option<Regex>| {
            pattern.as_ref().is_none_or(|p| !texts.is_empty() && texts.iter().all(|text| p.is_match(text)))
        };
        let said = |wanted: &Option<bool>| {
            wanted.is_none_or(|wanted| {
                let words = task.map(str::to_lowercase).unwrap_or_default();
                let all = !texts.is_empty() && texts.iter().all(|text| appears(&text.to_lowercase(), &words));
                !texts.is_empty() && all == wanted
            })
        };
        Ok(some(&self.any) && some_not(&self.any_not) && every(&self.all) && said(&self.in_task))
    }

    fn some_in_range(&self, found: &[Value<'_, '_>]) -> Result<bool, String> {
        let mut some = false;
        for Value { value, written } in found {
            let Json::Number(number) = value else {
                return Err(format!("`{written}` leads to {}, not to a number", value.kind()));
            };
            let above = self
                .min
                .as_ref()
                .is_none_or(|min| compare(number, min).is_some_and(std::cmp::Ordering::is_ge));
            let below = self
                .max
                .as_ref()
                .is_none_or(|max| compare(number, max).is_some_and(std::cmp::Ordering::is_le));
            some |= above && below;
        }
        Ok(some)
    }
}

/// A value, and the path that led to it.
struct Value<'j, 'a> {
    value: &'j Json<'a>,
    written: &'j str,
}

impl<'j> Value<'j, '_> {
    /// As patterns see it.
    fn text(&self) -> Result<&'j str, String> {
        match self.value {
            Json::Text(text) => Ok(text),
            Json::Number(text) => Ok(text),
            Json::Bool(true) => Ok("true"),
            Json::Bool(false) => Ok("false"),
            Json::Null | Json::List(_) | Json::Object(_) => {
                Err(format!("`{}` leads to {}, not to a text", self.written, self.value.kind()))
            }
        }
    }
}

/// Whether `value` stands in `words` by itself: `5` is not in `150`, and `bob@x.example` is not in `notbob@x.example`.
fn appears(value: &str, words: &str) -> bool {
    let value = value.trim();
    if value.is_empty() {
        return false;
    }
    words.match_indices(value).any(|(at, _)| {
        let before = words.get(..at).and_then(|text| text.chars().next_back());
        let after = words.get(at + value.len()..).and_then(|text| text.chars().next());
        let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        ends(before) && ends(after)
    })
}
