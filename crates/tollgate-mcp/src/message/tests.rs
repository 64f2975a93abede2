use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::error::{INVALID_REQUEST, PARSE_ERROR};
use crate::object::tests::{json, json_object};
use crate::rope::Rope;

fn id(text: &str) -> Option<Id> {
    Id::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn text(rope: Rope) -> String {
    String::from_utf8(rope.into_bytes().to_vec()).unwrap()
}

fn from_client(text: &str) -> Result<Message, NotAMessage> {
    read(&Bytes::copy_from_slice(text.as_bytes()), 64)
}

fn from_server(text: &str) -> Result<Message, NotAMessage> {
    read_server(&Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn ids_are_strings_or_integers() {
    for good in ["1", "0", "-7", "123456789012345678901234567890", "\"\"", "\"a\"", "\"\\u0061\""] {
        assert_eq!(id(good).unwrap().text(), good);
    }
    for bad in [
        "",
        "null",
        "true",
        "1.0",
        "1e3",
        "01",
        "-",
        "+1",
        "-01",
        "{}",
        "[]",
        "\"a",
        "a\"",
        "\"\\ud800\"",
        " 1",
    ] {
        assert!(id(bad).is_none(), "{bad}");
    }
    assert_eq!(Id::number(7).as_u64(), Some(7));
    assert_eq!(Id::string("a\"b").text(), r#""a\"b""#);
    assert_eq!(id("\"7\"").unwrap().as_u64(), None);
}

#[test]
fn ids_are_equal_by_meaning() {
    let ids: Vec<Id> =
        ["1", "\"1\"", "\"a\"", "\"\\u0061\"", "-1"].into_iter().map(|text| id(text).unwrap()).collect();
    assert_eq!(ids[2], ids[3]);
    assert_ne!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[4]);
    assert_eq!(ids.into_iter().collect::<HashSet<_>>().len(), 4);
}

#[test]
fn requests_notifications_and_responses_are_told_apart() {
    let Message::Request(request) = from_client(
        r#" {"params":{"name":"a"},"method":"tools/c\u0061ll","id":"x","jsonrpc":"2.0","more":1} "#,
    )
    .unwrap() else {
        panic!("no request")
    };
    assert_eq!((request.id.text().as_ref(), request.method.as_str()), (br#""x""#.as_slice(), "tools/call"));
    assert_eq!(request.params.string("name").as_deref(), Some("a"));

    let Message::Notification(notification) =
        from_client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap()
    else {
        panic!("no notification")
    };
    assert_eq!(notification.params.text(), "{}");

    let Message::Response(response) =
        from_client(r#"{"jsonrpc":"2.0","id":3,"result":{"action":"accept"}}"#).unwrap()
    else {
        panic!("no response")
    };
    assert!(
        matches!(response.outcome, Outcome::Result(result) if result.string("action").as_deref() == Some("accept"))
    );

    let Message::Response(response) =
        from_server(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no","data":[1]}}"#).unwrap()
    else {
        panic!("no response")
    };
    assert!(response.id.is_none());
    let Outcome::Error(error) = response.outcome else { panic!("no error") };
    assert_eq!(error, RpcError { code: -1, message: "no".into(), data: Some("[1]".into()), http: 200 });
}

#[test]
fn what_is_no_message_is_refused_and_the_id_echoed() {
    for (bad, code, echoed) in [
        ("", PARSE_ERROR, None),
        ("{\"id\":1", PARSE_ERROR, None),
        ("{}{}", PARSE_ERROR, None),
        ("[]", INVALID_REQUEST, None),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, INVALID_REQUEST, None),
        ("1", INVALID_REQUEST, None),
        ("{}", INVALID_REQUEST, None),
        (r#"{"id":1,"method":"ping"}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":1}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{}}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1}}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#, INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#, INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","result":{}}"#, INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":true,"error":{"code":1}}"#, INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#, INVALID_REQUEST, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, INVALID_REQUEST, None),
    ] {
        let refused = from_client(bad).unwrap_err();
        assert_eq!(refused.error.code, code, "{bad}: {}", refused.error.message);
        assert_eq!(refused.id.as_ref().map(|id| id.text().as_ref()), echoed.map(str::as_bytes), "{bad}");
        assert_eq!(refused.error.http, 400);
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":9,"method":"x","params":{{"a":{}{}}}}}"#,
        "[".repeat(70),
        "]".repeat(70)
    );
    assert_eq!(from_client(&deep).unwrap_err().id, Some(Id::number(9)));
}

#[test]
fn servers_are_read_leniently_but_never_ambiguously() {
    // The inside is opaque; the envelope is not.
    from_server(r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2,"A":3}}"#).unwrap();
    from_server(r#"{"jsonrpc":"2.0","method":"notifications/x","params":null}"#).unwrap();
    from_server(r#"{"jsonrpc":"2.0","id":1,"Result":0,"result":{}}"#).unwrap();
    for bad in [
        r#"{"jsonrpc":"2.0","id":1,"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"resul\u0074":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}}"#,
        "[]",
    ] {
        assert!(from_server(bad).is_err(), "{bad}");
    }
    assert_eq!(read_server(&Bytes::from_static(b"{\"a\":\"\xff\"}")).unwrap_err().error.code, PARSE_ERROR);
}

#[test]
fn batches_are_seen() {
    assert!(is_batch(b" \n[1]") && is_batch(b"["));
    assert!(!is_batch(b"{}") && !is_batch(b"") && !is_batch(b"  "));
}

#[test]
fn messages_are_written() {
    let id = Id::number(1);
    let params = || Rope::from(Bytes::from_static(br#"{"a":1}"#));
    assert_eq!(text(write_request(&id, "ping", Rope::new())), r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(text(write_request(&id, "ping", "{}".into())), r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(
        text(write_request(&id, "a\"b", params())),
        r#"{"jsonrpc":"2.0","id":1,"method":"a\"b","params":{"a":1}}"#
    );
    assert_eq!(text(write_notification("n", params())), r#"{"jsonrpc":"2.0","method":"n","params":{"a":1}}"#);
    assert_eq!(text(write_result(&id, params())), r#"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#);
    let error = RpcError::new(-32602, "no \"x\"\n");
    assert_eq!(
        text(write_error(Some(&id), &error)),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no \"x\"\n"}}"#
    );
    assert_eq!(
        text(write_error(None, &error.with_data("{\"uri\":1}"))),
        r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"no \"x\"\n","data":{"uri":1}}}"#
    );
}

#[test]
fn small_messages_are_one_piece_and_large_ones_are_not_copied() {
    let small = write_request(&Id::number(1), "tools/call", "{\"a\":1}".into());
    assert_eq!(small.pieces().len(), 1);
    let large = Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(2000)));
    let result = write_result(&Id::number(1), large.clone().into());
    assert_eq!(result.pieces().len(), 3);
    assert_eq!(result.pieces()[1].as_ptr(), large.as_ptr());
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        id in prop_oneof![any::<i64>().prop_map(|n| n.to_string()), any::<String>().prop_map(|s| crate::object::quote(&s))],
        method: String,
        params in json_object(),
    ) {
        let id = Id::parse(id.into()).unwrap();
        let request = write_request(&id, &method, params.to_string().into()).into_bytes();
        for read in [read_server(&request), read(&request, 64)] {
            // The strict reader may refuse params that hold a twin; it never reads them differently.
            let Ok(Message::Request(read)) = read else { continue };
            prop_assert_eq!(&read.id, &id);
            prop_assert_eq!(&read.method, &method);
            let again: Value = serde_json::from_slice(read.params.text()).unwrap();
            prop_assert_eq!(&again, &params);
        }
        prop_assert!(read_server(&request).is_ok());
    }

    #[test]
    fn errors_are_read_back(code: i64, message: String, data in proptest::option::of(json())) {
        let error = RpcError { code, message, data: data.map(|data| data.to_string().into()), http: 200 };
        let Message::Response(response) = read_server(&write_error(Some(&Id::number(1)), &error).into_bytes()).unwrap() else {
            panic!("no response")
        };
        prop_assert!(matches!(response.outcome, Outcome::Error(read) if read == error));
    }

    #[test]
    fn noise_never_panics(noise: Vec<u8>) {
        let noise = Bytes::from(noise);
        drop((read(&noise, 64), read_server(&noise)));
    }
}
