use super::*;

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
