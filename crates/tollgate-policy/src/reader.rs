//! A text, character by character, each with its column. *Never* goes back.

/// What is left of a text, and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    column: usize,
}

impl<'a> Reader<'a> {
    /// At a text's beginning.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), column: 1 }
    }

    /// The next character's column, from 1.
    pub(crate) const fn column(&self) -> usize {
        self.column
    }

    /// The next character, which stays.
    pub(crate) fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    /// The next character.
    pub(crate) fn next(&mut self) -> Option<char> {
        self.next_if(|_| true)
    }

    /// The next character if it is like this.
    pub(crate) fn next_if(&mut self, like: impl FnOnce(char) -> bool) -> Option<char> {
        let c = self.rest.next_if(|c| like(*c))?;
        self.column += 1;
        Some(c)
    }

    /// Takes the next character if it is this one.
    pub(crate) fn took(&mut self, wanted: char) -> bool {
        self.next_if(|c| c == wanted).is_some()
    }

    /// Takes all the next characters that are like this, onto `text`.
    pub(crate) fn take_while(&mut self, text: &mut String, like: impl Fn(char) -> bool) {
        while let Some(c) = self.next_if(&like) {
            text.push(c);
        }
    }
}
