/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(64).flat_map(char::to_lowercase).collect();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            let distance = distance(&word, &letters);
            let limit = (word.len().max(letters.len()) / 3).max(1);
            (distance <= limit).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous_left = None;
    for (row, &l) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut last = row + 1;
        let mut previous_right = None;
        for (column, &r) in right.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (cell(&above, column) + usize::from(l != r)).min(last + 1).min(cell(&above, column + 1) + 1);
            if column > 0 && previous_left == Some(r) && previous_right == Some(l) {
                best = best.min(cell(&before, column - 1) + 1);
            }
            current.push(best);
            last = best;
            previous_right = Some(r);
        }
        before = std::mem::replace(&mut above, current);
        previous_left = Some(l);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let keys = ["command", "url", "enabled", "env", "timeout", "tools"];
        for (typed, meant) in [
            ("comand", Some("command")),
            ("Command", Some("command")),
            ("ulr", Some("url")),
            ("uri", Some("url")),
            ("enable", Some("enabled")),
            ("tool", Some("tools")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
    }
}
