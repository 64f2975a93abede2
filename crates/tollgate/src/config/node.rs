//! YAML as a tree that knows where everything is: every problem of a file can be reported at once, with its place.
//! *Never* follows an include, expands an alias without limit, or keeps two entries under one key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, MessageFormatter as _, NonFiniteFloatPolicy, Spanned, UserMessageFormatter};

use super::problem::Problem;
use super::source::{Place, Source, looks_secret};
use super::value::Value;

/// A value in the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) kind: Kind,
}

/// Where a value is, and under which path.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) path: Arc<str>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool, String),
    /// As spelt.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) mark: Mark,
    pub(super) text: String,
}

impl Kind {
    /// What it is, for messages.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(..) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads the text into a tree; fills the places of `source`. Duplicate keys are reported and dropped.
pub(super) fn parse(source: &mut Source, problems: &mut Vec<Problem>) -> Option<Node> {
    let text = source.text().to_owned();
    if text.chars().all(char::is_whitespace) {
        // An empty document is an empty mapping: everything has a default.
        let mark = Mark { path: Arc::from(""), place: Place::default() };
        return Some(Node { mark, kind: Kind::Null });
    }
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(&text, options()) {
        Ok(value) => {
            let mut builder = Builder { text: &text, source, problems };
            let place = place_of(value.referenced);
            Some(builder.node(value, Mark { path: Arc::from(""), place }, false))
        }
        Err(error) => {
            source.unread = true;
            problems.push(unreadable(&error));
            None
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 200_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 20_000,
            max_depth: 24,
            flow_nesting_limit: 24,
            max_documents: 1,
            max_nodes: 100_000,
            max_total_scalar_bytes: 4 * 1024 * 1024,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
        emit_comments: false,
        // Both entries are wanted, to say where the first one is.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Merge,
        // `off` and `on` are words of ours.
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

fn unreadable(error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::budget::BudgetBreach;
    let place = error.location().filter(|location| *location != Location::UNKNOWN).map(place_of);
    let mut inner = error.without_snippet();
    while let serde_saphyr::Error::AliasError { error, .. } = inner {
        inner = error;
    }
    let second = matches!(
        inner,
        serde_saphyr::Error::MultipleDocuments { .. }
            | serde_saphyr::Error::Budget { breach: BudgetBreach::Documents { .. }, .. }
    );
    let text = if second {
        "a second document starts here".to_owned()
    } else if matches!(
        inner,
        serde_saphyr::Error::Budget { .. }
            | serde_saphyr::Error::AliasReplayCounterOverflow { .. }
            | serde_saphyr::Error::AliasReplayLimitExceeded { .. }
            | serde_saphyr::Error::AliasExpansionLimitExceeded { .. }
            | serde_saphyr::Error::AliasReplayStackDepthExceeded { .. }
    ) {
        "the file is too large, too deeply nested, or its aliases expand too far".to_owned()
    } else {
        let text = UserMessageFormatter.format_message(inner);
        let mut letters = text.trim_end_matches('.').chars();
        letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
    };
    let mut problem = Problem::at("", place.unwrap_or_default(), format!("not readable as yaml: {text}"));
    problem.len = 1;
    problem
}

fn place_of(location: Location) -> Place {
    let number = |value: u64| usize::try_from(value).unwrap_or(0);
    Place {
        line: number(location.line()),
        column: number(location.column()),
        len: number(location.span().len()),
    }
}

struct Builder<'a> {
    text: &'a str,
    source: &'a mut Source,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    fn node(&mut self, value: Spanned<Value>, mark: Mark, secret: bool) -> Node {
        let spelling = self.spelling(value.defined);
        let kind = match value.value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(value, spelling.unwrap_or_default().to_owned()),
            Value::Number => Kind::Number(spelling.unwrap_or_default().to_owned()),
            Value::Text(text) => Kind::Text(text),
            Value::List(items) => Kind::List(self.list(items, &mark, secret)),
            Value::Map(entries) => Kind::Map(self.map(entries, &mark, secret)),
        };
        let hidden = match &kind {
            Kind::Bool(_, text) | Kind::Number(text) | Kind::Text(text) => {
                secret && !is_substitution(text) || is_secret_url(text)
            }
            Kind::Null | Kind::List(_) | Kind::Map(_) => false,
        };
        if hidden {
            for location in [value.referenced, value.defined] {
                let span = location.span();
                if let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) {
                    let number = |value: u64| usize::try_from(value).unwrap_or(0);
                    self.source.masked.push(number(start)..number(start + len));
                }
            }
        }
        self.source.places.entry(Arc::clone(&mark.path)).or_insert(mark.place);
        Node { mark, kind }
    }

    fn list(&mut self, items: Vec<Spanned<Value>>, outer: &Mark, secret: bool) -> Vec<Node> {
        let mut nodes = Vec::with_capacity(items.len());
        // A command line: `--token`, `abc` or `--token=abc`.
        let mut after_flag = false;
        for (index, item) in items.into_iter().enumerate() {
            let text = if let Value::Text(text) = &item.value { text.as_str() } else { "" };
            let secret = secret || after_flag || (text.contains('=') && looks_secret(text));
            after_flag = text.starts_with('-') && looks_secret(text);
            let path = Arc::from(format!("{}[{index}]", outer.path));
            // A mapping is where its first key is.
            let place = match &item.value {
                Value::Map(entries) => entries
                    .first()
                    .map_or_else(|| place_of(item.referenced), |(key, _)| place_of(key.referenced)),
                Value::Null | Value::Bool(_) | Value::Number | Value::Text(_) | Value::List(_) => {
                    place_of(item.referenced)
                }
            };
            nodes.push(self.node(item, Mark { path, place }, secret));
        }
        nodes
    }

    fn map(
        &mut self,
        entries: Vec<(Spanned<String>, Spanned<Value>)>,
        outer: &Mark,
        secret: bool,
    ) -> Vec<(Key, Node)> {
        let mut first: HashMap<String, usize> = HashMap::new();
        let mut nodes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key_place = place_of(key.referenced);
            let mark = Mark { path: Arc::from(join(&outer.path, &key.value)), place: key_place };
            match first.entry(key.value.clone()) {
                Entry::Occupied(first) => {
                    let message = format!("duplicate key `{}`", key.value);
                    let problem = Problem::at(&mark.path, mark.place, message);
                    self.problems.push(problem.hint(format!("it is already on line {}", first.get())));
                    continue;
                }
                Entry::Vacant(entry) => entry.insert(key_place.line),
            };
            let holds_secrets = matches!(key.value.as_str(), "env" | "headers") || looks_secret(&key.value);
            // Where the vault's key is, is no secret.
            let secret = !matches!(key.value.as_str(), "name" | "vault")
                && !outer.path.starts_with("vault")
                && (secret || holds_secrets);
            // A list or mapping is where its key is.
            let place = match &value.value {
                Value::Map(_) | Value::List(_) | Value::Null => key_place,
                Value::Bool(_) | Value::Number | Value::Text(_) => place_of(value.referenced),
            };
            let value = self.node(value, Mark { path: Arc::clone(&mark.path), place }, secret);
            nodes.push((Key { mark, text: key.value }, value));
        }
        nodes
    }

    /// A plain scalar as it stands in the file.
    fn spelling(&self, location: Location) -> Option<&str> {
        let span = location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let len = usize::try_from(span.byte_len()?).ok()?;
        self.text.get(start..start.checked_add(len)?).map(str::trim)
    }
}

/// `${…}` and nothing else: a substitution, perhaps a wrong one.
fn is_substitution(text: &str) -> bool {
    text.starts_with("${") && text.find('}') == Some(text.len() - 1)
}

/// A URL with a user or a query, where people put credentials.
fn is_secret_url(text: &str) -> bool {
    text.contains("://") && text.contains(['@', '?'])
}

/// The path of `key` in the mapping at `outer`.
pub(crate) fn join(outer: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'));
    match (outer.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{outer}.{key}"),
        (_, false) => format!("{outer}[{key:?}]"),
    }
}
