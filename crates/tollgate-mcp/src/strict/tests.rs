use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::object::tests::json;

fn fault(text: &str) -> Fault {
    check(text.as_bytes(), 64).expect_err(text)
}

#[test]
fn good_requests_pass() {
    for good in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"Name":1,"NAME":2,"name":3}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"Other":1,"com.example/Name":2}}}"#,
        r#"{"jsonrpc":"2.0","id":"x","result":{"Method":1}}"#,
        r#"[{"jsonrpc":"2.0","id":"x","result":{}}]"#,
        " {} ",
        "\"a\"",
        "null",
    ] {
        check(good.as_bytes(), 64).unwrap();
    }
}

#[test]
fn numbers_of_any_size_pass_and_bad_ones_do_not() {
    for good in [
        "1e400",
        "-1e400",
        "[1E+99999, 123456789012345678901234567890123456789012345678901234567890.5]",
        "{\"1e400x\":1e400,\"s\":\"\\\"-01\"}",
        &"9".repeat(5000),
        "-0",
        "[0.10e-5]",
    ] {
        check(good.as_bytes(), 64).unwrap_or_else(|fault| panic!("{good}: {fault}"));
    }
    for bad in [
        "01",
        "[1e400,01]",
        "[1e400,1.]",
        "1e400x",
        "1e400 1",
        "[1e400",
        "+1e400",
        "1e400.5",
        "[1e400,.5]",
        "1e400e1",
        "--1e400",
    ] {
        assert!(matches!(fault(bad), Fault::Json { .. }), "{bad}");
    }
    assert_eq!(fault("{\"a\":1e400,\"a\":1}"), Fault::Duplicate { key: "a".into() });
}

#[test]
fn utf8_is_judged_first() {
    assert_eq!(check(b"{\"a\":\"\xff\"}", 64), Err(Fault::Utf8 { at: 6 }));
    assert_eq!(check(b"\xff", 64), Err(Fault::Utf8 { at: 0 }));
}

#[test]
fn what_is_not_json_is_refused() {
    for bad in [
        "",
        "{",
        "{}{}",
        "{} x",
        "{\"a\":1,}",
        "{'a':1}",
        "[1,]",
        "nul",
        "\u{feff}{}",
        "{\"a\":\"\u{1}\"}",
        "\"\\ud800\"",
        "\"\\x\"",
        "// c\n{}",
        "NaN",
        "Infinity",
        "{\"\\ud800\":1}",
    ] {
        assert!(matches!(fault(bad), Fault::Json { .. }), "{bad}");
    }
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    check(nested(64).as_bytes(), 64).unwrap();
    assert_eq!(fault(&nested(65)), Fault::Depth { limit: 64 });
    assert_eq!(fault(&"[".repeat(1_000_000)), Fault::Depth { limit: 64 });
    assert_eq!(fault(&"{\"a\":".repeat(1_000_000)), Fault::Depth { limit: 64 });
    assert_eq!(check(nested(500).as_bytes(), 1000), Err(Fault::Depth { limit: 126 }));
    check(nested(126).as_bytes(), 1000).unwrap();
}

#[test]
fn duplicates_are_found_at_any_level() {
    let many: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = many.join(",");
    for (bad, key) in [
        (r#"{"a":1,"a":2}"#.to_owned(), "a"),
        (r#"{"a":1,"\u0061":2}"#.to_owned(), "a"),
        (r#"{"x":[{"y":{"b":{},"c":[],"b":0}}]}"#.to_owned(), "b"),
        (r#"{"a":{"b":1},"a":2}"#.to_owned(), "a"),
        (r#"{"":1,"":2}"#.to_owned(), ""),
        (format!("{{{many},\"k3\":1}}"), "k3"),
        (format!("{{{many},\"k\\u0039\\u0039\":1}}"), "k99"),
        (format!("{{\"in\":{{{many}}},\"x\":[{{{many},\"k50\":{{}}}}]}}"), "k50"),
    ] {
        assert_eq!(fault(&bad), Fault::Duplicate { key: key.to_owned() }, "{bad}");
    }
    // The same key in an inner, an outer or a neighbouring object is another key.
    let apart = format!("{{\"k0\":{{{many}}},\"k1\":{{{many}}},\"k2\":[{{\"k0\":0}},{{\"k0\":0}}]}}");
    check(apart.as_bytes(), 64).unwrap();
}

#[test]
fn twins_are_refused_where_the_protocol_reads() {
    for (bad, key, protocol) in [
        (r#"{"Method":"x"}"#, "Method", "method"),
        (r#"{"\u0049d":1}"#, "Id", "id"),
        (r#"{"param\u017f":{}}"#, "paramſ", "params"),
        (r#"{"ıd":1}"#, "ıd", "id"),
        (r#"[{"METHOD":"x"}]"#, "METHOD", "method"),
        (r#"{"params":{"name":"greet","Name":"secret"}}"#, "Name", "name"),
        (r#"{"params":{"Name":"secret"}}"#, "Name", "name"),
        (r#"{"params":{"argument\u017f":{}}}"#, "argumentſ", "arguments"),
        (r#"{"params":{"ta\u017f\u212a":{}}}"#, "taſ\u{212a}", "task"),
        (r#"{"params":{"_META":{}}}"#, "_META", "_meta"),
        (r#"{"params":{"requeststate":"x"}}"#, "requeststate", "requestState"),
        (r#"{"params":{"ref":{"Name":"x"}}}"#, "Name", "name"),
        (r#"{"params":{"_meta":{"progresstoken":1}}}"#, "progresstoken", "progressToken"),
        (
            r#"{"params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":1}}}"#,
            "io.modelcontextprotocol/ProtocolVersion",
            "io.modelcontextprotocol/protocolVersion",
        ),
        (
            r#"{"params":{"_meta":{"IO.modelcontextprotocol/x":1}}}"#,
            "IO.modelcontextprotocol/x",
            "io.modelcontextprotocol/",
        ),
        (
            r#"{"params":{"_meta":{"io.modelcontextprotoco\u006c/clıentInfo":1}}}"#,
            "io.modelcontextprotocol/clıentInfo",
            "io.modelcontextprotocol/clientInfo",
        ),
    ] {
        assert_eq!(fault(bad), Fault::Twin { key: key.to_owned(), protocol }, "{bad}");
    }
}

/// What a naive reader says of duplicates.
fn has_duplicates(text: &str) -> bool {
    struct Probe(bool);
    impl<'de> serde::Deserialize<'de> for Probe {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Reader;
            impl<'de> serde::de::Visitor<'de> for Reader {
                type Value = Probe;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("anything")
                }
                fn visit_bool<E>(self, _: bool) -> Result<Probe, E> {
                    Ok(Probe(false))
                }
                fn visit_i64<E>(self, _: i64) -> Result<Probe, E> {
                    Ok(Probe(false))
                }
                fn visit_u64<E>(self, _: u64) -> Result<Probe, E> {
                    Ok(Probe(false))
                }
                fn visit_f64<E>(self, _: f64) -> Result<Probe, E> {
                    Ok(Probe(false))
                }
                fn visit_str<E>(self, _: &str) -> Result<Probe, E> {
                    Ok(Probe(false))
                }
                fn visit_unit<E>(self) -> Result<Probe, E> {
                    Ok(Probe(false))
                }
                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Probe, A::Error> {
                    let mut found = false;
                    while let Some(Probe(inner)) = items.next_element()? {
                        found |= inner;
                    }
                    Ok(Probe(found))
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Probe, A::Error> {
                    let mut found = false;
                    let mut seen = std::collections::BTreeSet::new();
                    while let Some((key, Probe(inner))) = members.next_entry::<String, Probe>()? {
                        found |= inner | !seen.insert(key);
                    }
                    Ok(Probe(found))
                }
            }
            deserializer.deserialize_any(Reader)
        }
    }
    serde_json::from_str::<Probe>(text).unwrap().0
}

proptest! {
    #[test]
    fn all_json_without_twins_passes(value in json()) {
        prop_assert_eq!(check(serde_json::json!([[value]]).to_string().as_bytes(), 64), Ok(()));
    }

    #[test]
    fn verdicts_are_those_of_serde_json(text in "[\\[\\]{}\"\\\\,: a1e.\\-tru]{0,16}") {
        let strict = check(text.as_bytes(), 64);
        match serde_json::from_str::<Value>(&text) {
            Ok(_) if has_duplicates(&text) => prop_assert!(matches!(strict, Err(Fault::Duplicate { .. })), "{strict:?}"),
            Ok(_) => prop_assert_eq!(strict, Ok(())),
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(_) => prop_assert!(strict.is_err()),
        }
    }

    #[test]
    fn duplicates_are_those_of_a_naive_reader(
        members in proptest::collection::vec(("[a-e]|\\\\u006[1-5]", 0..4_u8), 0..40),
    ) {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let text = format!("[{{{}}}]", members.join(","));
        prop_assert_eq!(check(format!("[{text}]").as_bytes(), 64).is_err(), has_duplicates(&text));
    }

    #[test]
    fn what_passes_can_be_scanned(text in "\\{[\\[\\]{}\"\\\\,: a1]{0,16}\\}") {
        if check(text.as_bytes(), 64).is_ok() {
            prop_assert!(crate::object::Object::scan(text.into_bytes().into()).is_ok());
        }
    }

    #[test]
    fn noise_never_panics(noise: Vec<u8>) {
        drop(check(&noise, 64));
    }
}
