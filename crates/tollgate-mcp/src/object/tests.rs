use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn object(text: &str) -> Object {
    Object::scan(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn text(rope: crate::rope::Rope) -> String {
    String::from_utf8(rope.into_bytes().to_vec()).unwrap()
}

#[test]
fn members_are_found_and_share_the_buffer() {
    let source = Bytes::from_static(br#" { "a" : 1 , "b\u0062" : {"c":[1,{"}":"]"}]} , "s":"q\"}" } "#);
    let object = Object::scan(source.clone()).unwrap();
    assert_eq!(object.members().len(), 3);
    assert_eq!(object.slice("a"), Some(b"1".as_slice()));
    let inner = object.get("bb").unwrap();
    assert_eq!(inner, r#"{"c":[1,{"}":"]"}]}"#);
    assert!(source.as_ptr_range().contains(&inner.as_ptr()));
    assert_eq!(object.string("s").as_deref(), Some("q\"}"));
    assert_eq!(object.string("a"), None);
    assert_eq!(object.object("bb").unwrap().members().len(), 1);
    assert!(object.object("a").is_none() && object.get("c").is_none());
}

#[test]
fn keys_are_compared_after_unescaping() {
    let object = object(r#"{"n\u0061me":1,"a\\b":2,"":3,"\"":4,"ключ":5}"#);
    for (key, value) in [("name", "1"), ("a\\b", "2"), ("", "3"), ("\"", "4"), ("ключ", "5")] {
        assert_eq!(object.slice(key), Some(value.as_bytes()), "{key}");
    }
    for absent in ["n\\u0061me", "a\\\\b", "a", "a\u{8}", "nam", "names"] {
        assert_eq!(object.slice(absent), None, "{absent}");
    }
}

#[test]
fn of_duplicates_the_last_is_found() {
    let object = object(r#"{"a":1,"b":0,"\u0061":2}"#);
    assert!(object.has_duplicates());
    assert_eq!(object.slice("a"), Some(b"2".as_slice()));
    assert!(!self::object(r#"{"a":1,"A":2}"#).has_duplicates());
    let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
    assert!(!self::object(&format!("{{{}}}", many.join(","))).has_duplicates());
    assert!(self::object(&format!("{{{},\"k\\u0037\":0}}", many.join(","))).has_duplicates());
}

#[test]
fn whatever_is_not_one_balanced_object_is_refused() {
    for bad in [
        "",
        " ",
        "[]",
        "1",
        "\"a\"",
        "null",
        "{",
        "}",
        "{}}",
        "{{}",
        "{} {}",
        "{},",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":[}",
        "{\"a\":[1}]",
        "{\"a\":{\"b\":[}]}",
        "{\"a\":\"}",
        "{\"a\":\"\\\"}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":tr ue}",
        "{\"a\":1 2}",
        "{\"a\":/**/1}",
        "{\"a\":[/*\"*/]}",
        "{\"a\":[\\\"]}",
        "{\"a\":[\u{e9}]}",
        "{\"a\":\"\\",
    ] {
        assert!(Object::scan(Bytes::copy_from_slice(bad.as_bytes())).is_err(), "{bad}");
    }
    assert_eq!(Object::scan(Bytes::from_static(b"{\"a\":1]")).unwrap_err(), Broken { at: 6 });
}

#[test]
fn deep_nesting_needs_no_stack() {
    let deep = format!("{{\"a\":{}{}}}", "[{\"x\":".repeat(100_000), "}]".repeat(100_000));
    assert!(Object::scan(Bytes::from(deep.replace("\"x\":}", "\"x\":1}"))).is_ok());
    let crossed = format!("{{\"a\":{}{}}}", "[{".repeat(200), "]}".repeat(200));
    assert!(Object::scan(Bytes::from(crossed)).is_err());
}

#[test]
fn strings_longer_than_the_short_search() {
    for length in 0..80 {
        let long = "x".repeat(length);
        let source = format!("{{\"{long}\":\"{long}\\\"{long}\\\\\"}}");
        let object = object(&source);
        assert_eq!(object.string(&long).as_deref(), Some(format!("{long}\"{long}\\").as_str()));
    }
}

#[test]
fn edits_splice() {
    type Change<'a> = (&'static str, Option<&'static str>);
    let cases: &[(&str, &[Change<'_>], &str)] = &[
        (r"{}", &[], r"{}"),
        (r" {} ", &[("a", None)], r" {} "),
        (r" { } ", &[("a", Some("1"))], r#"{"a":1}"#),
        (r#"{"a":1}"#, &[("a", None)], r"{}"),
        (r#"{"a":1}"#, &[("a", Some("2"))], r#"{"a":2}"#),
        (r#"{ "a" : 1 , "b" : 2 }"#, &[("a", None)], r#"{"b" : 2 }"#),
        (r#"{ "a" : 1 , "b" : 2 }"#, &[("b", None)], r#"{"a" : 1}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &[("b", None)], r#"{"a":1,"c":3}"#),
        (r#"{"a":1,"b":2,"c":3}"#, &[("a", None), ("b", None), ("c", None)], r"{}"),
        (
            r#"{"a":1,"b":2,"c":3}"#,
            &[("a", None), ("n", Some("0")), ("c", Some("[]"))],
            r#"{"n":0,"b":2,"c":[]}"#,
        ),
        (r#"{"a":1,"b":2}"#, &[("n", Some("0")), ("m", Some("\"x\""))], r#"{"n":0,"m":"x","a":1,"b":2}"#),
        (r#"{"a":1,"b":2}"#, &[("a", Some("5")), ("a", None)], r#"{"b":2}"#),
        (r#"{"a":1,"b":2}"#, &[("a", None), ("a", Some("5"))], r#"{"a":5,"b":2}"#),
        (r#"{"a":1,"\u0061":2,"b":3}"#, &[("a", Some("7"))], r#"{"a":7,"b":3}"#),
        (r#"{"\u0061":1,"b":3}"#, &[("a", Some("7"))], r#"{"\u0061":7,"b":3}"#),
        (r#"{"b":3}"#, &[("q\"", Some("7"))], r#"{"q\"":7,"b":3}"#),
    ];
    for (before, changes, after) in cases {
        let object = object(before);
        let mut edit = object.edit();
        for (key, value) in *changes {
            match value {
                Some(value) => edit.set(*key, *value),
                None => edit.remove(*key),
            };
        }
        assert_eq!(text(edit.finish()), *after, "{before} {changes:?}");
    }
}

#[test]
fn untouched_stretches_share_the_buffer() {
    let source = Bytes::from(format!("{{\"a\":1,\"long\":\"{}\"}}", "x".repeat(5000)));
    let object = Object::scan(source.clone()).unwrap();
    let mut edit = object.edit();
    edit.set("a", "2");
    let rope = edit.finish();
    assert_eq!(rope.pieces().len(), 2);
    assert!(source.as_ptr_range().contains(&rope.pieces()[1].as_ptr()));
}

#[test]
fn elements_are_split() {
    let array = Bytes::from_static(br#" [1, "a,]" ,[2,3], {"x":[]} ,null] "#);
    assert_eq!(elements(&array).unwrap(), ["1", "\"a,]\"", "[2,3]", "{\"x\":[]}", "null"]);
    assert!(elements(&Bytes::from_static(b"[ ]")).unwrap().is_empty());
    for bad in ["", "{}", "[", "[1,]", "[,1]", "[1 2]", "[1]]", "[1}"] {
        assert!(elements(&Bytes::from_static(bad.as_bytes())).is_err(), "{bad}");
    }
}

#[test]
fn many_members_are_refused_and_many_elements_are_not_held() {
    let members = |count: usize| Bytes::from(format!("{{{}\"\":0}}", "\"\":0,".repeat(count - 1)));
    assert_eq!(Object::scan(members(65_536)).unwrap().members().len(), 65_536);
    assert!(Object::scan(members(65_537)).is_err());
    let array = Bytes::from(format!("[{}0]", "0,".repeat(1_000_000)));
    assert_eq!(items(&array).filter_map(Result::ok).count(), 1_000_001);
    let broken = Bytes::from_static(b"[1,2,}");
    let read: Vec<_> = items(&broken).collect();
    assert_eq!(read, [Ok("1".into()), Ok("2".into()), Err(Broken { at: 5 })]);
}

#[test]
fn unquote_is_strict() {
    assert_eq!(unquote(b"\"a\"").as_deref(), Some("a"));
    assert_eq!(unquote(br#""\ud83d\ude00""#).as_deref(), Some("😀"));
    for bad in
        [b"a".as_slice(), b"\"", b"\"a", b"\"a\" x", b"\"\x01\"", br#""\ud800""#, b"\"\xff\"", b"1", b""]
    {
        assert_eq!(unquote(bad), None, "{bad:?}");
    }
}

pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

pub(crate) fn json_object() -> impl Strategy<Value = Value> {
    proptest::collection::vec(("[a-c\\\\\"é]{0,2}", json()), 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn written(value: &Value, pretty: bool) -> String {
    if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() }
}

proptest! {
    #[test]
    fn every_object_is_read_as_serde_json_reads_it(value in json_object(), pretty: bool) {
        let object = object(&written(&value, pretty));
        let members = value.as_object().unwrap();
        prop_assert_eq!(object.members().len(), members.len());
        for (key, value) in members {
            let found: Value = serde_json::from_slice(object.slice(key).unwrap()).unwrap();
            prop_assert_eq!(&found, value);
        }
    }

    #[test]
    fn every_array_is_split_as_serde_json_splits_it(items in proptest::collection::vec(json(), 0..6), pretty: bool) {
        let array = Bytes::from(written(&Value::from(items.clone()), pretty));
        let found: Vec<Value> =
            elements(&array).unwrap().iter().map(|item| serde_json::from_slice(item).unwrap()).collect();
        prop_assert_eq!(found, items);
    }

    #[test]
    fn what_is_accepted_can_be_spliced(source in "[{}\\[\\]\",:\\\\a1 ]{0,24}") {
        // If `x` is accepted, then in an envelope that serde_json can read it is one value.
        if Object::scan(Bytes::from(source.clone())).is_ok() {
            let wrapped = format!("{{\"before\":0,\"x\":{source},\"after\":0}}");
            let wrapped = Object::scan(Bytes::from(wrapped)).unwrap();
            prop_assert_eq!(wrapped.members().len(), 3);
            prop_assert_eq!(wrapped.slice("x").unwrap(), source.trim().as_bytes());
        }
    }

    #[test]
    fn edits_do_what_they_say(
        value in json_object(),
        pretty: bool,
        changes in proptest::collection::vec(("[a-c\\\\\"é]{0,2}", proptest::option::of(json())), 0..5),
    ) {
        let object = object(&written(&value, pretty));
        let mut edit = object.edit();
        let mut expected = value.as_object().unwrap().clone();
        for (key, change) in changes {
            if let Some(new) = change {
                edit.set(key.clone(), new.to_string());
                expected.insert(key, new);
            } else {
                edit.remove(key.clone());
                expected.remove(&key);
            }
        }
        let edited: Value = serde_json::from_str(&text(edit.finish())).unwrap();
        prop_assert_eq!(edited, Value::Object(expected));
    }

    #[test]
    fn an_edit_and_its_reverse_give_the_same_object(value in json_object(), key in "[a-c]{1,2}", new in json()) {
        let before = object(&written(&value, false));
        let mut edit = before.edit();
        edit.set(key.clone(), new.to_string());
        let after = Object::scan(edit.finish().into_bytes()).unwrap();
        let mut back = after.edit();
        match before.get(&key) {
            Some(old) => back.set(key, old),
            None => back.remove(key),
        };
        prop_assert_eq!(text(back.finish()), text(before.text().clone().into()));
    }

    #[test]
    fn quote_and_back(text: String) {
        let quoted = quote(&text);
        prop_assert_eq!(unquote(quoted.as_bytes()).unwrap(), text);
    }

    #[test]
    fn noise_never_panics(noise: Vec<u8>) {
        if let Ok(object) = Object::scan(Bytes::from(noise)) {
            object.has_duplicates();
        }
    }
}

#[test]
fn long_strings_end_at_the_quote_that_no_escape_hides() {
    for plain in 30..52 {
        for slashes in 0..5 {
            for quotes in 0..3 {
                let value = format!(
                    "{}{}{}{}",
                    "x".repeat(plain),
                    "\\".repeat(slashes),
                    "\"".repeat(quotes),
                    "\\".repeat(slashes)
                );
                let text = format!("{{\"a\":{},\"b\":1}}", quote(&value));
                let object = Object::scan(Bytes::from(text.clone())).unwrap();
                assert_eq!(object.string("a").as_deref(), Some(value.as_str()), "{text}");
                assert_eq!(object.slice("b"), Some(b"1".as_slice()), "{text}");
                let end = text.len() - ",\"b\":1}".len() - 1;
                assert!(Object::scan(Bytes::from(text.get(..end).unwrap().to_owned())).is_err(), "{text}");
            }
        }
    }
}
