use proptest::prelude::*;

use super::*;

#[test]
fn uris_are_exposed_and_restored() {
    for (original, exposed) in [
        ("file:///tmp/a b", "files+file:///tmp/a b"),
        ("https://example.com/x?y=1+2", "files+https://example.com/x?y=1+2"),
        ("file:///{path}", "files+file:///{path}"),
        ("git+ssh://x", "files+git+ssh://x"),
        ("ui://app/page", "ui://files+app/page"),
        ("ui://a+b", "ui://files+a+b"),
        ("ui://{name}", "ui://files+{name}"),
        ("UI://x", "files+UI://x"),
        ("mcp-gw://x/y", "files+mcp-gw://x/y"),
        ("docs/readme.md", "mcp-gw://files/docs/readme.md"),
        ("a%20b c", "mcp-gw://files/a%2520b%20c"),
        ("/é", "mcp-gw://files//%C3%A9"),
        ("", "mcp-gw://files/"),
        ("{+path}/x y", "mcp-gw://files/{+path}/x%20y"),
        ("{scheme}://x", "mcp-gw://files/{scheme}%3A//x"),
        ("{a b}", "mcp-gw://files/%7Ba%20b%7D"),
        ("{", "mcp-gw://files/%7B"),
        ("1:x", "mcp-gw://files/1%3Ax"),
    ] {
        assert_eq!(expose("files", original), exposed);
        assert_eq!(restore(exposed), Some(("files", original.to_owned())), "{exposed}");
    }
}

#[test]
fn what_is_not_ours_is_not_restored() {
    for foreign in [
        "",
        "file:///x",
        "https://x",
        "files",
        "files+",
        "files+x",
        "Files+file:///x",
        "+file:///x",
        "files+ui://x",
        "ui://app/page",
        "ui://app/x+y",
        "ui://App+x",
        "mcp-gw://files",
        "mcp-gw:///x",
        "mcp-gw://f+/x",
        "mcp-gw://files/%zz",
        "mcp-gw://files/%2",
        "mcp-gw://files/%FF",
        "mcp-gw://files/file:///x",
        "mcp-gw://files/file%3A///x",
    ] {
        assert_eq!(restore(foreign), None, "{foreign}");
    }
    // The alias is the caller's to check.
    assert_eq!(restore("git+https://x"), Some(("git", "https://x".to_owned())));
}

#[test]
fn an_expanded_template_leads_to_the_expanded_original() {
    let exposed = expose("files", "{kind}/notes/{id}");
    assert_eq!(exposed, "mcp-gw://files/{kind}/notes/{id}");
    let expanded = exposed.replace("{kind}", "a").replace("{id}", "7");
    assert_eq!(restore(&expanded), Some(("files", "a/notes/7".to_owned())));
}

proptest! {
    #[test]
    fn there_and_back(alias in "[a-z][a-z0-9.-]{0,8}", original in "([a-z]{1,4}:|ui://|mcp-gw://)?[a-z{}%+/:é ]{0,16}") {
        let exposed = expose(&alias, &original);
        prop_assert_eq!(restore(&exposed), Some((alias.as_str(), original)));
    }

    #[test]
    fn there_and_back_with_anything(original: String) {
        let exposed = expose("a", &original);
        prop_assert_eq!(restore(&exposed), Some(("a", original)));
    }

    #[test]
    fn no_two_exposed_forms_lead_to_one_original(exposed in "(a\\+|ui://a\\+|mcp-gw://a/)[a-z:/+%0-9A-F]{0,12}") {
        if let Some((alias, original)) = restore(&exposed) {
            let again = expose(alias, &original);
            // Percent-encoding has spellings; everything else has one form.
            prop_assert!(again == exposed || exposed.starts_with("mcp-gw://"));
            prop_assert_eq!(restore(&again), Some((alias, original)));
        }
    }
}
