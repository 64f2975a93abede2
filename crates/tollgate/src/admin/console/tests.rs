use super::text::{apart, clock, laid_out, millis, span};

#[test]
fn arguments_are_laid_out_without_changing_a_token() {
    let sent = concat!(
        r#"{"a":[1e400,{"b" : "x, {y}: \"z\""}],"n":0.10,"e":{},"l":[ ],"h":"p"#,
        "\u{202e}",
        r#"q"}"#
    );
    let shown = laid_out(sent);
    assert_eq!(
        shown,
        "{\n  \"a\": [\n    1e400,\n    {\n      \"b\": \"x, {y}: \\\"z\\\"\"\n    }\n  ],\n  \"n\": 0.10,\n  \"e\": {},\n  \"l\": [],\n  \
         \"h\": \"p\\u202eq\"\n}"
    );
    assert_eq!(laid_out(&shown), shown);
}

#[test]
fn a_hidden_character_beyond_the_first_plane_becomes_two_escapes() {
    assert_eq!(laid_out("\"\u{e0041}\""), "\"\\udb40\\udc41\"");
    let back: String = serde_json::from_str(&laid_out("\"\u{e0041}\"")).unwrap();
    assert_eq!(back, "\u{e0041}");
}

#[test]
fn two_texts_are_told_apart_at_whole_words() {
    let told = |a, b| {
        let (head, old, new, tail) = apart(a, b);
        assert_eq!(
            (format!("{head}{old}{tail}"), format!("{head}{new}{tail}")),
            (a.to_owned(), b.to_owned())
        );
        (old, new)
    };
    assert_eq!(told("reads a file now", "reads a fire now"), ("file".to_owned(), "fire".to_owned()));
    assert_eq!(told("reads", "reads all"), (String::new(), " all".to_owned()));
    assert_eq!(told("aa", "aaa").1.len() - told("aa", "aaa").0.len(), 1);
    assert_eq!(told("", "x"), (String::new(), "x".to_owned()));
    assert_eq!(told("same", "same"), (String::new(), String::new()));
}

#[test]
fn times_are_read_and_told() {
    let at = millis("2026-11-22T13:30:00Z");
    assert_eq!(clock(at, at), "13:30 UTC");
    assert_eq!(clock(at, at + 86_400_000), "2026-11-22 13:30 UTC");
    assert_eq!(millis("no time"), 0);
    let told = [0, 119_999, 120_000, 7_200_000, 172_800_000].map(span);
    assert_eq!(told, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
}
