use proptest::prelude::*;

use super::Glob;

#[test]
fn table() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*", "jira/x", true),
        ("**", "a/b", true),
        ("*/*", "jira/x", true),
        ("*/*", "jira", false),
        ("jira/*", "jira/get/issue", true),
        ("jira/*", "jira/", true),
        ("jira/*", "jira2/get", false),
        ("jira/*", "xjira/get", false),
        ("*/delete_*", "jira/delete_project", true),
        ("*/delete_*", "jira/undelete_project", false),
        ("*delete*", "jira/undelete_x", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "aXbXbXc", true),
        ("a*bc*c", "abcc", true),
        ("a*bc*c", "abc", false),
        ("jira/x", "jira/x", true),
        ("jira/x", "jira/X", false),
        ("", "", true),
        ("", "a", false),
        ("?/[a-z]", "?/[a-z]", true),
        ("?/[a-z]", "j/a", false),
        ("é*", "éa", true),
    ] {
        assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} on {text}");
    }
}

#[test]
fn the_server_is_known_only_where_it_is_literal() {
    for (pattern, server) in [
        ("jira/*", Some("jira")),
        ("jira/x", Some("jira")),
        ("jira*", None),
        ("j*/x", None),
        ("*", None),
        ("*/x", None),
        ("jira", None),
        ("file:///a*", Some("file:")),
    ] {
        assert_eq!(Glob::new(pattern).before_slash(), server, "{pattern}");
    }
}

/// The definition, by recursion.
fn reference(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|cut| reference(rest, &text[cut..])),
        [c, rest @ ..] => text.first() == Some(c) && reference(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn agrees_with_the_definition(pattern in "[ab/*]{0,8}", text in "[ab/]{0,10}") {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        prop_assert_eq!(Glob::new(&pattern).matches(&text), reference(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn the_known_server_is_that_of_every_match(pattern in "[ab/*]{0,8}", text in "[ab]{0,3}/[ab/]{0,6}") {
        let glob = Glob::new(&pattern);
        if let Some(server) = glob.before_slash() && glob.matches(&text) {
            prop_assert_eq!(text.split_once('/').unwrap().0, server);
        }
    }
}
