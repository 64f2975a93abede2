use super::Path;
use crate::json::Json;

fn found(path: &str, text: &str) -> Vec<String> {
    let json = Json::read(text.as_bytes()).unwrap();
    let path = Path::read(path).unwrap_or_else(|mistake| panic!("{path}: {mistake:?}"));
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
    ] {
        let mistake = Path::read(path).unwrap_err();
        assert_eq!(mistake.column, column, "{path}: {mistake:?}");
        assert!(mistake.message.contains(message), "{path}: {mistake:?}");
    }
}

#[test]
fn many_dots_have_an_end() {
    let text = format!("{}1{}", "{\"a\":[".repeat(30), "]}".repeat(30));
    let json = Json::read(text.as_bytes()).unwrap();
    assert_eq!(Path::read(&"..*".repeat(12).replacen("..", "$..", 1)).unwrap().find(&json), None);
}
