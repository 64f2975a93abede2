use bytes::Bytes;
use tollgate_mcp::error::RpcError;
use tollgate_mcp::message::Outcome;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

use super::{Finding, initialized, over_http, over_pipe};

fn object(text: &str) -> Object {
    Object::scan(Bytes::from(text.to_owned())).expect("an object")
}

fn result(text: &str) -> Outcome {
    Outcome::Result(object(text))
}

fn error(code: i64, data: &str) -> Outcome {
    let error = RpcError::new(code, "no");
    Outcome::Error(if data.is_empty() { error } else { error.with_data(Bytes::from(data.to_owned())) })
}

fn word(finding: &Finding) -> &'static str {
    match finding {
        Finding::Modern(_) => "modern",
        Finding::Legacy => "legacy",
        Finding::Unfit(_) => "unfit",
        Finding::Inconclusive(_) => "inconclusive",
    }
}

#[test]
fn every_answer_to_the_probe_means_one_thing() {
    let both = r#"{"supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{}}"#;
    let old = r#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#;
    let future = r#"{"supportedVersions":["2031-01-01"],"capabilities":{}}"#;
    for (status, outcome, expected) in [
        (200, Some(result(both)), "modern"),
        (200, Some(result(old)), "legacy"),
        (200, Some(result(future)), "unfit"),
        (200, Some(result("{}")), "legacy"),
        (200, Some(error(-32601, "")), "legacy"),
        (200, None, "legacy"),
        (202, None, "legacy"),
        (400, Some(error(-32022, r#"{"supported":["2025-06-18"]}"#)), "legacy"),
        (400, Some(error(-32022, r#"{"supported":["2031-01-01"]}"#)), "unfit"),
        (400, Some(error(-32022, "")), "unfit"),
        (400, Some(error(-32020, "")), "unfit"),
        (200, Some(error(-32021, "")), "unfit"),
        (400, Some(error(-32600, "")), "legacy"),
        (400, None, "legacy"),
        (404, None, "legacy"),
        (405, None, "legacy"),
        (404, Some(error(-32601, "")), "legacy"),
        (401, None, "inconclusive"),
        (403, Some(result(both)), "inconclusive"),
        (408, None, "inconclusive"),
        (429, None, "inconclusive"),
        (500, Some(error(-32603, "")), "inconclusive"),
        (503, None, "inconclusive"),
        (302, None, "unfit"),
    ] {
        assert_eq!(word(&over_http(status, outcome.as_ref())), expected, "{status} {outcome:?}");
    }
}

#[test]
fn on_a_pipe_no_single_code_is_the_sign_of_legacy() {
    for code in [-32601, -32600, -32602, -32603, -32000, -1, 0] {
        assert_eq!(word(&over_pipe(&error(code, ""))), "legacy", "{code}");
    }
}

#[test]
fn an_introduction_keeps_what_was_said() {
    let result = object(
        r#"{"protocolVersion":"2025-03-26","capabilities":{"tools":{"listChanged":true},"x":{"y":1}},"serverInfo":{"name":"n"},"instructions":"i"}"#,
    );
    let introduction = initialized(&result).expect("fine");
    assert_eq!(introduction.revision, Revision::V2025_03_26);
    assert_eq!(introduction.info.as_deref(), Some(br#"{"name":"n"}"#.as_slice()));
    assert_eq!(introduction.instructions.as_deref(), Some("i"));
    assert!(introduction.has("x") && !introduction.has("prompts"));
    assert!(introduction.flag("tools", "listChanged") && !introduction.flag("resources", "subscribe"));
}

#[test]
fn a_handshake_in_an_unknown_or_the_modern_revision_is_none() {
    for version in [r#""2031-01-01""#, r#""2026-07-28""#, "1", "null"] {
        let why = initialized(&object(&format!(r#"{{"protocolVersion":{version}}}"#))).expect_err("refused");
        assert!(why.starts_with("it answered `initialize` with revision"), "{why}");
    }
}
