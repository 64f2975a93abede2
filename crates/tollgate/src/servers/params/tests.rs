use bytes::Bytes;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

use super::{Stamp, outbound};
use crate::call::{Client, LogLevel};

fn sent(method: Method, params: &str, revision: Revision, progress: Option<u64>) -> String {
    let client = Client { revision, info: None, label: None, capabilities: Capabilities::none() };
    let stamp = Stamp { revision, client: &client, declare: true, progress, log_level: Some(LogLevel::Info) };
    let params = Object::scan(Bytes::from(params.to_owned())).expect("an object");
    String::from_utf8(outbound(method, &params, stamp).into_bytes().to_vec()).expect("text")
}

#[test]
fn legacy_params_without_anything_of_ours_leave_as_they_came() {
    let odd =
        r#"{ "name":"t" , "arguments":{"n":123456789012345678901234567890,"a":1.0},"_meta":{ "a" : 1 } }"#;
    assert_eq!(sent(Method::ToolsCall, odd, Revision::V2025_06_18, None), odd);
}

#[test]
fn legacy_params_lose_the_reserved_keys_and_gain_our_token() {
    for (params, progress, expected) in [
        (
            r#"{"name":"t","_meta":{"io.modelcontextprotocol/protocolVersion":"x","progressToken":5}}"#,
            None,
            r#"{"name":"t"}"#,
        ),
        (
            r#"{"name":"t","_meta":{"k":1,"io.modelcontextprotocol/logLevel":"x"}}"#,
            Some(7),
            r#"{"name":"t","_meta":{"progressToken":7,"k":1}}"#,
        ),
        (
            r#"{"_meta":{"\u0069o.modelcontextprotocol/forged":1,"traceparent":"t"}}"#,
            None,
            r#"{"_meta":{"traceparent":"t"}}"#,
        ),
    ] {
        assert_eq!(sent(Method::ToolsCall, params, Revision::V2025_11_25, progress), expected);
    }
}

#[test]
fn modern_params_are_stamped_and_can_forge_nothing() {
    let params = r#"{"name":"t","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"forged"},"progressToken":"theirs","k":[1]}}"#;
    let got = sent(Method::ToolsCall, params, Revision::V2026_07_28, Some(3));
    let expected = concat!(
        r#"{"name":"t","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"tollgate","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""},"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info","progressToken":3,"k":[1]}}"#
    );
    assert_eq!(got, expected);
}

#[test]
fn completion_context_is_for_those_who_know_it() {
    let params = r#"{"argument":{},"context":{"arguments":{}}}"#;
    assert_eq!(sent(Method::Complete, params, Revision::V2025_03_26, None), r#"{"argument":{}}"#);
    assert_eq!(sent(Method::Complete, params, Revision::V2025_06_18, None), params);
}
