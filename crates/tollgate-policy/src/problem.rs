//! What is wrong with a policy, said so that it can be repaired. *Never* stops at the first.

use std::fmt;

/// One mistake in a [`crate::Source`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The id of the rule or Cedar policy it is in, where there is one.
    pub rule: Option<String>,
    /// The name of the fact it is in, where it is one's.
    pub fact: Option<String>,
    /// The included file; `None` = the configuration itself.
    pub file: Option<String>,
    /// The line, from 1; 0 = unknown. For a rule, the rule's line.
    pub line: usize,
    /// The character in the line of a file, or in the text of a rule's `when`, from 1.
    pub column: Option<usize>,
    /// What is wrong: lower case, no final period, user input in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        if self.file.is_some() || self.line > 0 || self.column.is_some() {
            f.write_str(" ")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, "rule `{rule}`: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every mistake in a [`crate::Source`], never empty: the rules', then the files', then what Cedar's validator finds in both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// The known word that `word` was probably meant to be: within two slips, and fewer than half of its letters.
pub(crate) fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| -> Vec<char> {
        text.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).take(64).collect()
    };
    let word = plain(word);
    known
        .iter()
        .map(|candidate| (slips(&word, &plain(candidate)), *candidate))
        .filter(|(slips, _)| *slips <= 2 && slips * 2 < word.len())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance, but two letters that changed places are one slip.
fn slips(a: &[char], b: &[char]) -> usize {
    let differ: Vec<usize> =
        a.iter().zip(b).enumerate().filter(|(_, (x, y))| x != y).map(|(at, _)| at).collect();
    if let [first, second] = differ[..]
        && a.len() == b.len()
        && second == first + 1
        && a.get(first) == b.get(second)
        && a.get(second) == b.get(first)
    {
        return 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(b) {
            let here = (diagonal + usize::from(x != y)).min(left + 1).min(*slot + 1);
            diagonal = *slot;
            *slot = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{meant, slips};

    fn count(a: &str, b: &str) -> usize {
        slips(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn slips_are_counted() {
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("abc", ""), 3);
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("same", "same"), 0);
        assert_eq!(count("ab", "ba"), 1);
        assert_eq!(count("abc", "cba"), 2);
    }

    #[test]
    fn the_nearest_word_is_meant() {
        let known = ["tool.destructive", "tool.read_only", "agent"];
        assert_eq!(meant("tool.destuctive", &known), Some("tool.destructive"));
        assert_eq!(meant("tool.readOnly", &known), Some("tool.read_only"));
        assert_eq!(meant("agnt", &known), Some("agent"));
        assert_eq!(meant("zebra", &known), None);
        assert_eq!(meant("a", &known), None);
    }
}
