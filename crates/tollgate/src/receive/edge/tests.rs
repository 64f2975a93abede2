use super::*;

fn object(text: &str) -> Object {
    Object::scan(Bytes::from(text.to_owned())).unwrap()
}

#[test]
fn legacy_params_lose_what_is_reserved() {
    for (sent, canonical_form) in [
        (r#"{"name":"a","arguments":{"requestState":1}}"#, r#"{"name":"a","arguments":{"requestState":1}}"#),
        (r#"{"name":"a","_meta":{"progressToken":1}}"#, r#"{"name":"a","_meta":{"progressToken":1}}"#),
        (
            r#"{"_meta":{"io.modelcontextprotocol/logLevel":"debug","k":1,"io.modelcontextprotocol/clientInfo":{}},"name":"a"}"#,
            r#"{"_meta":{"k":1},"name":"a"}"#,
        ),
        (r#"{"name":"a","task":{},"inputResponses":{},"requestState":"s"}"#, r#"{"name":"a"}"#),
    ] {
        let made: serde_json::Value = serde_json::from_slice(canonical(object(sent), false).text()).unwrap();
        let expected: serde_json::Value = serde_json::from_str(canonical_form).unwrap();
        assert_eq!(made, expected, "{sent}");
    }
}

#[test]
fn subscriptions_are_stamped_and_stripped() {
    let id = Id::parse(Bytes::from_static(b"\"a\"")).unwrap();
    for (sent, stamped) in [
        ("", r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"a"}}"#),
        (
            r#"{"uri":"x","_meta":{"k":1,"io.modelcontextprotocol/subscriptionId":7}}"#,
            r#"{"uri":"x","_meta":{"k":1,"io.modelcontextprotocol/subscriptionId":"a"}}"#,
        ),
    ] {
        let text = stamp_subscription(Rope::from(Bytes::from(sent.to_owned())), &id).into_bytes();
        let made: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(made, serde_json::from_str::<serde_json::Value>(stamped).unwrap());
        let stripped = strip_subscription(text.into()).into_bytes();
        assert!(!stripped.windows(14).any(|window| window == b"subscriptionId"), "{sent}");
    }
}

#[test]
fn a_label_is_cut_at_a_character() {
    let info = Bytes::from(format!(r#"{{"name":"{}","version":"1"}}"#, "é".repeat(100)));
    let client = client(Revision::V2025_06_18, Some(info), Bytes::from_static(b"{}")).unwrap();
    let label = client.label.unwrap();
    assert_eq!(label.len(), LABEL_MAX);
    assert!(label.chars().all(|c| c == 'é'));
}

#[test]
fn a_connection_remembers_its_client_and_not_another() {
    let memo = Memo::default();
    let (a, b) = (Bytes::from_static(br#"{"name":"a"}"#), Bytes::from_static(br#"{"name":"b"}"#));
    let none = Bytes::from_static(b"{}");
    let first = memo.client(Some(&a), &none).unwrap();
    assert!(Arc::ptr_eq(&first, &memo.client(Some(&a), &none).unwrap()));
    let roots = Bytes::from_static(br#"{"roots":{}}"#);
    let with_roots = memo.client(Some(&a), &roots).unwrap();
    assert!(with_roots.capabilities.roots && !first.capabilities.roots);
    assert_eq!(memo.client(Some(&b), &none).unwrap().label.as_deref(), Some("b"));
    assert_eq!(memo.client(None, &Bytes::from_static(b"[]")).unwrap_err().code, INVALID_PARAMS);
}
