use std::cmp::Ordering;

use proptest::prelude::*;

use super::{Json, compare, whole};

#[test]
fn what_is_written_is_read() {
    let text = r#" {"a": [1, -2.50e+3, "x\u0041\n", true, null, {}], "é": {"b": []}} "#;
    let json = Json::read(text.as_bytes()).unwrap();
    let Some(Json::List(items)) = json.get("a") else { panic!("{json:?}") };
    assert_eq!(items[1], Json::Number("-2.50e+3"));
    assert_eq!(items[2], Json::Text("xA\n".into()));
    assert_eq!(json.get("é").and_then(|inner| inner.get("b")), Some(&Json::List(vec![])));
    assert_eq!(json.get("b"), None);
}

#[test]
fn what_is_too_much_is_not() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(Json::read(deep(65).as_bytes()).is_some());
    assert!(Json::read(deep(66).as_bytes()).is_none());
    let wide = |n: usize| format!("[0{}]", ",0".repeat(n));
    assert!(Json::read(wide(199_998).as_bytes()).is_some());
    assert!(Json::read(wide(199_999).as_bytes()).is_none());
}

#[test]
fn numbers_lose_nothing() {
    for (a, b, expected) in [
        ("1", "1.0", Ordering::Equal),
        ("1e2", "100", Ordering::Equal),
        ("-0", "0.000", Ordering::Equal),
        ("9007199254740993", "9007199254740992", Ordering::Greater),
        ("9223372036854775808", "9223372036854775807", Ordering::Greater),
        ("0.1", "0.10000000000000000001", Ordering::Less),
        ("1e400", "1e399", Ordering::Greater),
        ("-1e400", "1", Ordering::Less),
        ("-2", "-10", Ordering::Greater),
        ("1e99999999999999999999", "1e400", Ordering::Greater),
        ("1e-99999999999999999999", "0", Ordering::Greater),
        ("1000.5", "1000", Ordering::Greater),
        ("0.002", "0.01", Ordering::Less),
    ] {
        assert_eq!(compare(a, b), Some(expected), "{a} {b}");
        assert_eq!(compare(b, a), Some(expected.reverse()), "{b} {a}");
    }
    assert_eq!(compare("x", "1"), None);
    for (text, expected) in [
        ("5", Some(5)),
        ("5.0", Some(5)),
        ("-1e3", Some(-1000)),
        ("0.0", Some(0)),
        ("5.5", None),
        ("1e19", None),
        ("9223372036854775808", None),
        ("-9223372036854775808", Some(i64::MIN)),
        ("1e99999999999999999999", None),
    ] {
        assert_eq!(whole(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(text in prop::collection::vec(any::<u8>(), 0..64)) {
        drop(Json::read(&text));
    }

    #[test]
    fn as_others_read_it(text in "[\\[\\]{}:,\"a1e.\\\\ -]{0,24}") {
        // What a strict parser accepts, we read.
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(Json::read(text.as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn comparing_is_what_integers_do(a in any::<i64>(), b in any::<i64>()) {
        prop_assert_eq!(compare(&a.to_string(), &b.to_string()), Some(a.cmp(&b)));
        prop_assert_eq!(whole(&a.to_string()), Some(a));
    }
}
