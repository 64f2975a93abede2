use super::*;

/// `protocol.md` §3.3, "errors".
#[test]
fn codes_are_translated() {
    use Method::{ResourcesRead as Read, ToolsCall as Call};
    const URI: Option<&str> = Some(r#"{"uri":"u:x"}"#);
    for (code, data, method, server, agent, expected, data_kept) in [
        // legacy → legacy
        (-32002, URI, Read, L4, L1, -32002, true),
        (-32602, URI, Read, L4, L3, -32602, true),
        (-32042, Some("{}"), Call, L4, L4, -32042, true),
        (-32042, Some("{}"), Call, L4, L3, -32603, false),
        (-32001, Some("1"), Call, L4, L3, -32001, true),
        (-1, Some("1"), Call, L4, L3, -1, true),
        // modern → legacy
        (-32602, URI, Read, M, L4, -32002, true),
        (-32602, None, Read, M, L4, -32602, true),
        (-32602, Some(r#"{"uri":1}"#), Read, M, L4, -32602, true),
        (-32602, URI, Call, M, L4, -32602, true),
        (-32020, Some("{}"), Call, M, L4, -32603, false),
        (-32021, Some("{}"), Call, M, L4, -32603, false),
        (-32022, Some("{}"), Call, M, L4, -32603, false),
        (-32042, Some("{}"), Call, M, L4, -32603, false),
        (-32601, None, Call, M, L4, -32601, true),
        // legacy → modern
        (-32002, URI, Read, L4, M, -32602, true),
        (-32042, Some("{}"), Call, L4, M, -32603, false),
        (-32000, Some("{}"), Call, L1, M, -32603, false),
        (-32019, None, Call, L1, M, -32603, false),
        (-32021, Some("{}"), Call, L4, M, -32603, false),
        (-32099, None, Call, L4, M, -32603, false),
        (-32603, Some("{}"), Call, L4, M, -32603, true),
        (-31999, Some("{}"), Call, L4, M, -31999, true),
        (-32700, None, Call, L4, M, -32700, true),
        (1000, Some("{}"), Call, L4, M, 1000, true),
        // modern → modern
        (-32021, Some(r#"{"requiredCapabilities":{"roots":{}}}"#), Call, M, M, -32021, true),
        (-32020, Some("{}"), Call, M, M, -32603, false),
        (-32022, Some("{}"), Call, M, M, -32603, false),
        (-32002, URI, Read, M, M, -32602, true),
        (-32602, URI, Read, M, M, -32602, true),
        (-32050, None, Call, M, M, -32603, false),
    ] {
        let data: Option<Bytes> = data.map(|data| Bytes::from_static(data.as_bytes()));
        let given = RpcError { code, message: "why".into(), data: data.clone(), http: 200 };
        let translated = error(given, method, server, agent);
        let mut wanted = RpcError::new(expected, "why");
        wanted.data = data.filter(|_| data_kept);
        assert_eq!(translated, wanted, "{code} {server} → {agent}");
    }
}

#[test]
fn a_status_follows_the_code() {
    let missing = error(RpcError::new(-32021, "x").with_http(500), Method::ToolsCall, M, M);
    assert_eq!(missing.http, 400);
}
