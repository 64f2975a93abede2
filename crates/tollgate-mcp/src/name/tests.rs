use proptest::prelude::*;

use super::*;

#[test]
fn names_are_prefixed_and_safe() {
    assert_eq!(expose("files", "read_file", 48), "files_read_file");
    assert_eq!(expose("a-b", "C-d_9", 48), "a-b_C-d_9");
    // printf 'files/read.file' | sha256sum
    assert_eq!(expose("files", "read.file", 48), "files_read_file_10c700");
    assert_eq!(expose("s", "é/ü", 48), format!("s_____{}", digest("s/é/ü")));
    let long = "x".repeat(100);
    let exposed = expose("files", &long, 48);
    assert_eq!(exposed.len(), 48);
    assert_eq!(exposed, format!("files_{}_{}", "x".repeat(35), digest(&format!("files/{long}"))));
    // Exactly as long as allowed: nothing is cut.
    assert_eq!(expose("s", &"y".repeat(46), 48), format!("s_{}", "y".repeat(46)));
}

fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text)).chars().take(6).collect()
}

#[test]
fn names_that_look_alike_stay_apart() {
    assert_ne!(expose("files", "read.file", 48), expose("files", "read/file", 48));
    assert_ne!(expose("files", &"x".repeat(60), 48), expose("files", &"x".repeat(61), 48));
}

#[test]
fn globs_match() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*", "a/b", true),
        ("*/*", "a/b", true),
        ("*/*", "ab", false),
        ("files/*", "files/delete", true),
        ("files/*", "files/", true),
        ("files/*", "file/x", false),
        ("files/delete_*", "files/delete_all", true),
        ("files/delete_*", "files/deleted", false),
        ("*_all", "x_all_all", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-b-b-", false),
        ("**a**", "bab", true),
        ("", "", true),
        ("", "a", false),
        ("a", "A", false),
        ("a?b", "axb", false),
        ("[a]", "[a]", true),
        ("é*", "éx", true),
    ] {
        assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_glob_cannot_be_made_to_explode() {
    assert!(!glob(&"*a".repeat(200), &"a".repeat(199).replace("aaaa", "aaab")));
    assert!(!glob(&format!("{}b", "*a".repeat(50)), &"a".repeat(20_000)));
}

/// The obvious matcher.
fn matches(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|eaten| matches(rest, &text[eaten..])),
        Some((c, rest)) => text.split_first().is_some_and(|(first, text)| first == c && matches(rest, text)),
    }
}

proptest! {
    #[test]
    fn exposed_names_have_the_promised_form(server in "[a-z][a-z0-9-]{0,23}", original: String, max in 8..128_usize) {
        let exposed = expose(&server, &original, max);
        prop_assert!((1..=max).contains(&exposed.len()));
        prop_assert!(exposed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        if exposed.len() == server.len() + 1 + original.len() && original.bytes().all(|b| b.is_ascii_alphanumeric()) {
            prop_assert_eq!(exposed, format!("{server}_{original}"));
        }
    }

    #[test]
    fn globs_match_as_the_obvious_matcher_does(pattern in "[ab*é]{0,8}", text in "[abé]{0,10}") {
        let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(glob(&pattern, &text), matches(&p, &t));
    }
}
