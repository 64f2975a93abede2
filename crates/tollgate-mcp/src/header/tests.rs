use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::{HEADER_MISMATCH, RpcError};
use crate::object::Object;

fn object(text: &str) -> Object {
    Object::scan(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

#[test]
fn values_are_encoded_only_where_they_must_be() {
    for (text, value) in [
        ("", ""),
        ("us-west1", "us-west1"),
        ("a b", "a b"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("\t", "=?base64?CQ==?="),
        ("a\tb", "=?base64?YQli?="),
        ("\u{7f}", "=?base64?fw==?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("=?base64??=", "=?base64?PT9iYXNlNjQ/Pz0=?="),
        // Half a sentinel, or one in another case, is no sentinel.
        ("=?base64?x", "=?base64?x"),
        ("=?base64?=", "=?base64?="),
        ("=?BASE64?eA==?=", "=?BASE64?eA==?="),
        ("x?=", "x?="),
    ] {
        assert_eq!(encode(text), value, "{text:?}");
        assert_eq!(decode(value.as_bytes()).as_deref(), Ok(text), "{value:?}");
    }
}

#[test]
fn values_are_decoded_strictly() {
    assert_eq!(decode(b" \t a b \t").as_deref(), Ok("a b"));
    assert_eq!(decode(b"=?base64??=").as_deref(), Ok(""));
    assert_eq!(decode(b"  =?base64?eA==?= ").as_deref(), Ok("x"));
    for bad in [
        b"=?base64?eA?=".as_slice(), // no padding
        b"=?base64?eA=?=",
        b"=?base64?eB==?=", // bits left over
        b"=?base64?e-__?=", // another alphabet
        b"=?base64?eA==\x20?=",
        b"=?base64?/w==?=", // not UTF-8
        b"a\tb",
        b"\x00",
        b"a\x7f",
        "é".as_bytes(),
        b"\xff",
    ] {
        assert_eq!(decode(bad), Err(Malformed), "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn names_are_taken_from_the_body() {
    let params = object(r#"{"name":"n\u0061","uri":"file:///x","taskId":"t"}"#);
    for (method, name) in [
        ("tools/call", Some("na")),
        ("prompts/get", Some("na")),
        ("resources/read", Some("file:///x")),
        ("tasks/get", Some("t")),
        ("tasks/update", Some("t")),
        ("tasks/cancel", Some("t")),
        ("tools/list", None),
        ("completion/complete", None),
    ] {
        assert_eq!(name_of(method, &params).as_deref(), name, "{method}");
    }
    assert_eq!(name_of("tools/call", &object(r#"{"name":1}"#)), None);
}

/// `protocol.md` §7, A 3, 4, 9–12.
#[test]
fn standard_headers_must_agree_with_the_body() {
    const V: Option<&[u8]> = Some(b"2026-07-28");
    const CALL: Option<&[u8]> = Some(b"tools/call");
    let params = object(r#"{"name":"été"}"#);
    let encoded = encode("été").into_owned();
    let name: Option<&[u8]> = Some(encoded.as_bytes());
    for (version, method, name, good) in [
        (V, CALL, name, true),
        (Some(b" \t2026-07-28 ".as_slice()), Some(b"tools/call\t".as_slice()), name, true),
        (None, CALL, name, false),
        (Some(b"2025-11-25".as_slice()), CALL, name, false),
        (Some(b"2026-07-28,2026-07-28".as_slice()), CALL, name, false),
        (V, None, name, false),
        (V, Some(b"Tools/Call".as_slice()), name, false),
        (V, Some(b"=?base64?dG9vbHMvY2FsbA==?=".as_slice()), name, false),
        (V, CALL, None, false),
        (V, CALL, Some("été".as_bytes()), false),
        (V, CALL, Some(b"=?base64?w6l0w6k?=".as_slice()), false),
        (V, CALL, Some(b"other".as_slice()), false),
        (V, CALL, Some(b"".as_slice()), false),
    ] {
        let verdict = validate(Standard { version, method, name }, "tools/call", "2026-07-28", &params);
        assert_eq!(verdict.is_ok(), good, "{version:?} {method:?} {name:?}");
        if let Err(error) = verdict {
            assert_eq!((error.code, error.http), (HEADER_MISMATCH, 400));
        }
    }
    let list = Standard { version: V, method: Some(b"tools/list"), name: None };
    validate(list, "tools/list", "2026-07-28", &Object::empty()).unwrap();
    // An unknown version in both places agrees: that is another error.
    let unknown = Standard { version: Some(b"v999"), method: Some(b"tools/list"), name: None };
    validate(unknown, "tools/list", "v999", &Object::empty()).unwrap();
    // A missing name in the body is another error, too, unless the header claims one.
    let call = Standard { version: V, method: CALL, name: None };
    validate(call, "tools/call", "2026-07-28", &Object::empty()).unwrap();
    let call = Standard { name: Some(b"x"), ..call };
    validate(call, "tools/call", "2026-07-28", &Object::empty()).unwrap_err();
}

fn mark(name: &str, path: &[&str], kind: ParamKind) -> ParamHeader {
    ParamHeader { name: name.into(), path: path.iter().map(|&key| key.to_owned()).collect(), kind }
}

#[test]
fn marks_are_found() {
    let schema = r#"{
        "type": "object",
        "properties": {
            "region": { "type": "string", "x-mcp-header": "Region", "description": "x-mcp-header" },
            "page": { "type": "integer", "x-mcp-header": "Page" },
            "dry": { "type": "boolean", "x-mcp-header": "Dry-Run" },
            "free": { "type": "number" },
            "where": { "type": "object", "properties": { "zone": { "type": "string", "x-mcp\u002dheader": "Zone" } } },
            "x-mcp-header": { "type": "string" }
        },
        "default": { "x-mcp-header": 1 },
        "examples": [{ "properties": { "a": { "x-mcp-header": "" } } }],
        "x-vendor": { "x-mcp-header": "no" }
    }"#;
    // A schema's members have no order.
    let mut found = param_headers(schema.as_bytes()).unwrap();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        found,
        [
            mark("Dry-Run", &["dry"], ParamKind::Boolean),
            mark("Page", &["page"], ParamKind::Integer),
            mark("Region", &["region"], ParamKind::String),
            mark("Zone", &["where", "zone"], ParamKind::String),
        ]
    );
    assert_eq!(param_headers(br#"{"type":"object"}"#), Ok(vec![]));
    assert_eq!(param_headers(br#"{"description":"\n"}"#), Ok(vec![]));
    assert_eq!(param_headers(b"not json"), Ok(vec![]));
}

/// `protocol.md` §1.3.
#[test]
fn invalid_marks_are_refused() {
    let property = |property: &str| format!(r#"{{"type":"object","properties":{{"a":{property}}}}}"#);
    for bad in [
        property(r#"{"type":"string","x-mcp-header":""}"#),
        property(r#"{"type":"string","x-mcp-header":"a b"}"#),
        property(r#"{"type":"string","x-mcp-header":"a:b"}"#),
        property(r#"{"type":"string","x-mcp-header":"é"}"#),
        property(r#"{"type":"string","x-mcp-header":"a\r\nb"}"#),
        property(r#"{"type":"string","x-mcp-header":1}"#),
        property(r#"{"type":"string","x-mcp-header":null}"#),
        property(r#"{"type":"number","x-mcp-header":"A"}"#),
        property(r#"{"type":"object","x-mcp-header":"A"}"#),
        property(r#"{"type":"array","x-mcp-header":"A"}"#),
        property(r#"{"type":["string","null"],"x-mcp-header":"A"}"#),
        property(r#"{"x-mcp-header":"A"}"#),
        property(r##"{"$ref":"#/$defs/a","x-mcp-header":"A"}"##),
        property(r#"{"type":"array","items":{"type":"string","x-mcp-header":"A"}}"#),
        property(r#"{"type":"array","items":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}"#),
        property(r#"{"additionalProperties":{"type":"string","x-mcp-header":"A"}}"#),
        property(r#"{"oneOf":[{"type":"string","x-mcp-header":"A"}]}"#),
        property(r#"{"anyOf":[{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}]}"#),
        property(r#"{"allOf":[{"type":"string","x-mcp-header":"A"}]}"#),
        property(r#"{"not":{"type":"string","x-mcp-header":"A"}}"#),
        r#"{"if":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}"#.to_owned(),
        r#"{"then":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}"#.to_owned(),
        r#"{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"#.to_owned(),
        r#"{"patternProperties":{"a":{"type":"string","x-mcp-header":"A"}}}"#.to_owned(),
        r#"{"type":"string","x-mcp-header":"A"}"#.to_owned(),
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#.to_owned(),
        r#"{"x-mcp-header""#.to_owned(),
    ] {
        assert!(param_headers(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn arguments_are_mirrored() {
    let marks = [
        mark("Region", &["region"], ParamKind::String),
        mark("Page", &["page"], ParamKind::Integer),
        mark("Dry", &["dry"], ParamKind::Boolean),
        mark("Zone", &["where", "zone"], ParamKind::String),
    ];
    for (arguments, headers) in [
        ("", vec![]),
        ("{}", vec![]),
        (r#"{"region":null,"page":null,"where":null}"#, vec![]),
        (r#"{"region":{},"page":[],"where":"zone"}"#, vec![]),
        (
            r#"{"region":"us\u002dwest","page":42,"dry":false,"where":{"zone":" z"}}"#,
            vec![
                ("Mcp-Param-Region", "us-west"),
                ("Mcp-Param-Page", "42"),
                ("Mcp-Param-Dry", "false"),
                ("Mcp-Param-Zone", "=?base64?IHo=?="),
            ],
        ),
        (r#"{"page":42.0,"region":""}"#, vec![("Mcp-Param-Region", ""), ("Mcp-Param-Page", "42")]),
        (r#"{"page":-4.2e1,"region":7}"#, vec![("Mcp-Param-Region", "7"), ("Mcp-Param-Page", "-42")]),
        (r#"{"page":1.5}"#, vec![("Mcp-Param-Page", "1.5")]),
        (r#"{"page":9007199254740993}"#, vec![("Mcp-Param-Page", "9007199254740993")]),
    ] {
        let mirrored = mirror(&marks, arguments.as_bytes());
        let mirrored: Vec<(&str, &str)> =
            mirrored.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(mirrored, headers, "{arguments}");
    }
}

fn validated(marks: &[ParamHeader], arguments: &str, headers: &[(&str, &str)]) -> Result<(), RpcError> {
    let headers: HashMap<String, &str> =
        headers.iter().map(|(name, value)| (name.to_lowercase(), *value)).collect();
    validate_params(marks, arguments.as_bytes(), |name| {
        headers.get(&name.to_lowercase()).map(|value| value.as_bytes())
    })
}

/// `protocol.md` §7, A 12–15.
#[test]
fn mirrored_headers_must_agree_with_the_arguments() {
    let marks = [mark("Region", &["region"], ParamKind::String), mark("Page", &["page"], ParamKind::Integer)];
    for (arguments, headers, good) in [
        ("{}", vec![], true),
        (r#"{"region":null}"#, vec![], true),
        ("", vec![], true),
        ("{}", vec![("other", "x")], true),
        ("{}", vec![("Region", "x")], false),
        (r#"{"region":null}"#, vec![("Region", "null")], false),
        (r#"{"region":"x"}"#, vec![], false),
        (r#"{"region":"x"}"#, vec![("region", " x ")], true),
        (r#"{"region":"x"}"#, vec![("region", "=?base64?eA==?=")], true),
        (r#"{"region":"x"}"#, vec![("region", "=?base64?eA?=")], false),
        (r#"{"region":"x"}"#, vec![("region", "X")], false),
        (r#"{"region":""}"#, vec![("region", "")], true),
        (r#"{"region":"4.0"}"#, vec![("region", "4")], false),
        (r#"{"page":42}"#, vec![("page", "42")], true),
        (r#"{"page":42}"#, vec![("page", "42.0")], true),
        (r#"{"page":42.0}"#, vec![("page", "42")], true),
        (r#"{"page":42}"#, vec![("page", "43")], false),
        (r#"{"page":42}"#, vec![("page", "042")], false),
        (r#"{"page":42}"#, vec![("page", "+42")], false),
        (r#"{"page":42}"#, vec![("page", "x")], false),
        (r#"{"page":1.5}"#, vec![("page", "1.5")], true),
        (r#"{"page":1.5}"#, vec![("page", "1.50")], false),
        // Beyond 2^53 two readers may differ: only the same digits are the same.
        (r#"{"page":9007199254740993}"#, vec![("page", "9007199254740993")], true),
        (r#"{"page":9007199254740993}"#, vec![("page", "9007199254740992")], false),
        (r#"{"page":9007199254740993}"#, vec![("page", "9007199254740993.0")], false),
    ] {
        let verdict = validated(&marks, arguments, &headers);
        assert_eq!(verdict.is_ok(), good, "{arguments} {headers:?}");
        if let Err(error) = verdict {
            assert_eq!((error.code, error.http), (HEADER_MISMATCH, 400));
        }
    }
}

proptest! {
    #[test]
    fn there_and_back(text in prop_oneof![any::<String>(), "[ -~\t]{0,12}", "=\\?base64\\?[a-zA-Z=]{0,8}\\?="]) {
        let value = encode(&text);
        prop_assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        prop_assert_eq!(decode(value.as_bytes()), Ok(text.as_str().into()));
        let spaced = format!(" \t{value}\t ");
        prop_assert_eq!(decode(spaced.as_bytes()), Ok(text.as_str().into()));
    }

    #[test]
    fn what_is_mirrored_validates(region: String, page: i64, dry: bool) {
        let marks = [
            mark("Region", &["a", "region"], ParamKind::String),
            mark("Page", &["page"], ParamKind::Integer),
            mark("Dry", &["dry"], ParamKind::Boolean),
        ];
        let arguments = serde_json::json!({"a": {"region": region}, "page": page, "dry": dry}).to_string();
        let headers = mirror(&marks, arguments.as_bytes());
        prop_assert_eq!(headers.len(), 3);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.strip_prefix("Mcp-Param-").unwrap(), value.as_str())).collect();
        prop_assert_eq!(validated(&marks, &arguments, &headers), Ok(()));
        prop_assert!(validated(&marks, &arguments, &headers[1..]).is_err());
    }

    #[test]
    fn noise_never_panics(noise: Vec<u8>, schema in "[{}\\[\\]\":,a]{0,20}x-mcp-header[{}\\[\\]\":,a]{0,20}") {
        drop(decode(&noise));
        drop(param_headers(&noise));
        drop(param_headers(schema.as_bytes()));
        drop(mirror(&[mark("A", &["a"], ParamKind::Integer)], &noise));
    }
}

#[test]
fn marks_are_taken_out_of_schemas_and_out_of_nothing_else() {
    let strip = |text: &str| {
        super::without_marks(&bytes::Bytes::from(text.to_owned()))
            .map(|stripped| String::from_utf8(stripped.to_vec()).unwrap())
    };
    let schema = r#"{"type":"object","properties":{"x-mcp-header":{"type":"string","x-mcp-header":"A","n":1.00},"list":{"items":[{"x-mcp-header":"B"},{"oneOf":[{"x-mcp-header":7}]}]}},"default":{"x-mcp-header":"kept"}}"#;
    let expected = r#"{"type":"object","properties":{"x-mcp-header":{"type":"string","n":1.00},"list":{"items":[{},{"oneOf":[{}]}]}},"default":{"x-mcp-header":"kept"}}"#;
    assert_eq!(strip(schema).as_deref(), Some(expected));
    for same in [r#"{"type":"object"}"#, r#"{"default":{"x-mcp-header":1}}"#, r#""x-mcp-header""#, "7"] {
        assert_eq!(strip(same), None, "{same}");
    }
    let deep = "{\"not\":".repeat(200) + "{\"x-mcp-header\":1}" + &"}".repeat(200);
    assert_eq!(strip(&deep), None);
}
