use super::*;

const FULL: &str = r#"{"name":"n","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","a":1,"io.modelcontextprotocol/clientInfo":{},"io.modelcontextprotocol/clientCapabilities":{},"progressToken":1,"io.modelcontextprotocol/logLevel":"info","traceparent":"t","io.modelcontextprotocol/other":2}}"#;

#[test]
fn reserved_keys_come_off() {
    for (params, stripped) in [
        (FULL, r#"{"name":"n","_meta":{"a":1,"traceparent":"t","io.modelcontextprotocol/other":2}}"#),
        (r#"{"_meta":{"progressToken":1},"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":2,"_meta":{}}"#, r#"{"a":2,"_meta":{}}"#),
        (r#"{"a":2,"_meta":7}"#, r#"{"a":2}"#),
        (r#"{ "a":2 }"#, r#"{ "a":2 }"#),
    ] {
        assert_eq!(text(strip_reserved_meta(&object(params))), stripped, "{params}");
    }
}

#[test]
fn ours_go_on() {
    let info = Bytes::from_static(br#"{"name":"agent"}"#);
    let capabilities = Bytes::from_static(br#"{"roots":{}}"#);
    let token = Bytes::from_static(b"\"t1\"");
    assert_eq!(
        text(stamp_modern_meta(&object(FULL), M, Some(&info), &capabilities, Some("debug"), Some(&token))),
        r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"agent"},"io.modelcontextprotocol/logLevel":"debug","progressToken":"t1","a":1,"traceparent":"t","io.modelcontextprotocol/other":2},"name":"n"}"#
    );
    let bare = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}}}"#;
    assert_eq!(
        text(stamp_modern_meta(&Object::empty(), M, None, &capabilities, None, None)),
        format!("{bare}}}")
    );
    assert_eq!(
        text(stamp_modern_meta(&object(r#"{"_meta":null,"a" : 1}"#), M, None, &capabilities, None, None)),
        format!("{bare},\"a\" : 1}}")
    );
    let stamped = stamp_modern_meta(&object(FULL), M, None, &capabilities, None, None);
    assert_eq!(stamped.pieces().len(), 1);
}

#[test]
fn subscriptions_keep_their_type() {
    let id = Id::parse(Bytes::from_static(b"\"7\"")).unwrap();
    assert_eq!(
        text(stamp_subscription(&object(r#"{"_meta":{"a":1}}"#), &id)),
        r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"7","a":1}}"#
    );
    assert_eq!(
        text(stamp_subscription(&Object::empty(), &Id::number(7))),
        r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}"#
    );
}

proptest! {
    #[test]
    fn on_and_off_again(params in json_object(), meta in proptest::option::of(json_object())) {
        let mut with = params.clone();
        if let Some(meta) = meta.filter(|meta| !meta.as_object().unwrap().is_empty()) {
            with["_meta"] = meta;
        }
        let stamped = stamp_modern_meta(
            &object(&with.to_string()), M, Some(&ours()), &Bytes::from_static(b"{}"), Some("info"), Some(&Bytes::from_static(b"1")),
        );
        let stamped = Object::scan(stamped.into_bytes()).unwrap();
        crate::strict::check(stamped.text(), 64).unwrap();
        let off: Value = serde_json::from_str(&text(strip_reserved_meta(&stamped))).unwrap();
        prop_assert_eq!(off, with);
    }
}
