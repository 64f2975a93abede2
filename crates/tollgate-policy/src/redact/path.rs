//! RFC 9535 without filters, slices, unions and negative indices: `$.a.b`, `$..ssn`, `$.items[*].email`, `$['a key'][0]`.

/// A path from a document's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    source: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    /// `..`: at any depth.
    deep: bool,
    selector: Selector,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Selector {
    Name(String),
    Index(usize),
    Any,
}

/// The most segments of one path.
const SEGMENTS_MAX: usize = 32;

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadPath {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

fn bad(message: &str) -> BadPath {
    BadPath {
        message: message.to_owned(),
        hint: "write it as `$.customer.email`, `$..ssn`, `$.items[*].iban` or `$['a key']`".to_owned(),
    }
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// It is none, or one that is not supported.
    pub fn new(source: &str) -> Result<Self, BadPath> {
        let mut rest = source.strip_prefix('$').ok_or_else(|| bad("a path starts with `$`"))?;
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (deep, after) = match rest.strip_prefix("..") {
                Some(after) => (true, after),
                None => (false, rest.strip_prefix('.').unwrap_or(rest)),
            };
            let dotted = after.len() < rest.len();
            let (selector, left) = match after.strip_prefix('[') {
                Some(inner) if deep || !dotted => bracket(inner)?,
                None if dotted => name(after)?,
                _ => return Err(bad("this is not a path")),
            };
            segments.push(Segment { deep, selector });
            rest = left;
        }
        match segments.len() {
            0 => Err(bad("this names the whole document")),
            1..=SEGMENTS_MAX => Ok(Self { source: source.to_owned(), segments }),
            _ => Err(bad("this path is too long")),
        }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn name(text: &str) -> Result<(Selector, &str), BadPath> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).ok_or_else(|| bad("this is not a path"))?;
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
    match name {
        "*" => Ok((Selector::Any, rest)),
        "" => Err(bad("a name is missing behind `.`")),
        name if name.chars().all(letters) => Ok((Selector::Name(name.to_owned()), rest)),
        _ => Err(bad("a name with other characters than letters, digits, `_` and `-` stands in brackets")),
    }
}

fn bracket(text: &str) -> Result<(Selector, &str), BadPath> {
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote) {
            let (name, rest) = inner.split_once(quote).ok_or_else(|| bad("a quote is missing"))?;
            let rest = rest.strip_prefix(']').ok_or_else(|| bad("`]` is missing"))?;
            return Ok((Selector::Name(name.to_owned()), rest));
        }
    }
    let (inner, rest) = text.split_once(']').ok_or_else(|| bad("`]` is missing"))?;
    match (inner, inner.parse()) {
        ("*", _) => Ok((Selector::Any, rest)),
        (_, Ok(index)) => Ok((Selector::Index(index), rest)),
        _ => Err(bad("only a name, a place or `*` can stand in brackets")),
    }
}

/// How far each of several paths has been followed: `(which path, how many of its segments)`. Never more than there are segments.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail(smallvec::SmallVec<[(u16, u16); 8]>);

impl Trail {
    /// At a document's root.
    pub(super) fn root(paths: usize) -> Self {
        Self((0..u16::try_from(paths).unwrap_or(u16::MAX)).map(|path| (path, 0)).collect())
    }

    /// Joined with another one.
    pub(super) fn and(mut self, other: &Self) -> Self {
        for state in &other.0 {
            self.add(*state);
        }
        self
    }

    fn add(&mut self, state: (u16, u16)) {
        if !self.0.contains(&state) {
            self.0.push(state);
        }
    }

    /// One level down, to a member (`key`) or an element (`index`); and the first path that ends there.
    pub(super) fn down<'p, T>(
        &self,
        paths: &'p [(Path, T)],
        key: Option<&str>,
        index: usize,
    ) -> (Self, Option<&'p T>) {
        let mut next = Self::default();
        let mut ends = None;
        for (which, done) in &self.0 {
            let Some((path, value)) = paths.get(usize::from(*which)) else { continue };
            let Some(segment) = path.segments.get(usize::from(*done)) else { continue };
            if segment.deep {
                next.add((*which, *done));
            }
            let fits = match (&segment.selector, key) {
                (Selector::Any, _) => true,
                (Selector::Name(name), Some(key)) => name == key,
                (Selector::Index(place), None) => *place == index,
                (Selector::Name(_), None) | (Selector::Index(_), Some(_)) => false,
            };
            if fits && usize::from(*done) + 1 == path.segments.len() {
                ends = ends.or(Some(value));
            } else if fits {
                next.add((*which, *done + 1));
            }
        }
        (next, ends)
    }
}
