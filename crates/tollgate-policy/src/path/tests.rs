use super::Path;
use crate::json::Json;

fn found(path: &str, text: &str) -> Vec<String> {
    let json = Json::read(text.as_bytes()).unwrap();
    let path = Path::new(path).unwrap_or_else(|mistake| panic!("{path}: {mistake:?}"));
    path.find(&json)
        .unwrap()
        .into_iter()
        .map(|value| match value {
            Json::Number(text) => (*text).to_owned(),
            Json::Text(text) => text.clone().into_owned(),
            other @ (Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_)) => other.kind().to_owned(),
        })
        .collect()
}

#[test]
fn paths_lead_where_the_rfc_says() {
    let text = r#"{"to":["a","b"],"n":{"x-y":1,"z":{"n":2}},"l":[[3,4],[5]],"n2":6}"#;
    for (path, expected) in [
        ("$", &["an object"][..]),
        ("$.to[*]", &["a", "b"]),
        ("$.to[1]", &["b"]),
        ("$.to[-1]", &["b"]),
        ("$.to[2]", &[]),
        ("$.to[-3]", &[]),
        ("$['n']['x-y']", &["1"]),
        ("$.n.*", &["1", "an object"]),
        ("$.l[*][0]", &["3", "5"]),
        ("$..n", &["an object", "2"]),
        ("$.l..[*]", &["a list", "a list", "3", "4", "5"]),
        ("$.missing.x", &[]),
        ("$.n2[*]", &[]),
        (r#"$["n"]['x\u002dy']"#, &["1"]),
        (r"$['\ud83d\ude00\n\'\\\/']", &[]),
        ("$.größe.名", &[]),
    ] {
        assert_eq!(found(path, text), expected, "{path}");
    }
}

#[test]
fn mistakes_have_their_place() {
    for (path, column, message) in [
        ("to", 1, "begins with `$`"),
        ("$to", 2, "expected `.` or `[`"),
        ("$.", 3, "expected a name"),
        ("$.a-b", 4, "expected `.` or `[`"),
        ("$[?(@.x)]", 3, "filters"),
        ("$['a", 5, "no end"),
        ("$[1", 4, "expected `]`"),
        ("$[x]", 3, "expected `*`"),
        ("$[01]", 3, "no place"),
        ("$[-0]", 3, "no place"),
        ("$[9007199254740992]", 3, "no place"),
        ("$[0:2]", 4, "slices"),
        ("$[0,1]", 4, "unions"),
        ("$.1a", 3, "expected a name"),
        ("$.a ", 4, "expected `.` or `[`"),
        (r"$['\x']", 4, "unknown escape"),
        ("$['\\\"']", 4, "unknown escape"),
        (r"$['\ud83d']", 4, "four digits"),
        ("$['\n']", 4, "control character"),
        ("$ ", 2, "expected `.` or `[`"),
    ] {
        let mistake = Path::new(path).unwrap_err();
        assert_eq!(mistake.column, column, "{path}: {mistake:?}");
        assert!(mistake.message.contains(message), "{path}: {mistake:?}");
    }
}

#[test]
fn many_dots_have_an_end() {
    let text = format!("{}1{}", "{\"a\":[".repeat(30), "]}".repeat(30));
    let json = Json::read(text.as_bytes()).unwrap();
    assert_eq!(Path::new(&"..*".repeat(12).replacen("..", "$..", 1)).unwrap().find(&json), None);
}

#[test]
fn a_path_is_no_longer_than_32_steps() {
    let path = |steps: usize| Path::new(&format!("${}", ".a".repeat(steps)));
    assert!(path(32).is_ok());
    assert_eq!(path(33).unwrap_err().column, 66);
}
