use super::*;

#[test]
fn every_place_is_rewritten() {
    let expose = |uri: &str| crate::uri::expose("s", uri);
    for (method, result, expected) in [
        (
            Method::ResourcesRead,
            r#"{"contents":[{"uri":"a:b","text":"a:b"},{"uri":"rel"}],"x":1}"#,
            Some(r#"{"contents":[{"uri":"s+a:b","text":"a:b"},{"uri":"mcp-gw://s/rel"}],"x":1}"#),
        ),
        (
            Method::ToolsCall,
            r#"{"content":[{"type":"text","text":"a:b","uri":"a:b"},{"type":"resource_link","uri":"a:b","name":"n"},{"type":"resource","resource":{"text":"","uri":"a:b"}}]}"#,
            Some(
                r#"{"content":[{"type":"text","text":"a:b","uri":"a:b"},{"type":"resource_link","uri":"s+a:b","name":"n"},{"type":"resource","resource":{"text":"","uri":"s+a:b"}}]}"#,
            ),
        ),
        (
            Method::PromptsGet,
            r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:b"}}}]}"#,
            Some(
                r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"s+a:b"}}}]}"#,
            ),
        ),
        (
            Method::TasksGet,
            r#"{"status":"completed","result":{"content":[{"type":"resource_link","uri":"a:b"}]}}"#,
            Some(r#"{"status":"completed","result":{"content":[{"type":"resource_link","uri":"s+a:b"}]}}"#),
        ),
        (Method::ToolsCall, r#"{"content":[{"type":"text","text":"a:b"}]}"#, None),
        (Method::ToolsCall, r#"{"content":{}}"#, None),
        (Method::ToolsCall, r"{}", None),
        (Method::Complete, r#"{"content":[{"type":"resource_link","uri":"a:b"}]}"#, None),
    ] {
        assert_eq!(rewrite_uris(method, &object(result), &expose).map(text).as_deref(), expected, "{result}");
    }
    let missing = RpcError::new(-32602, "x").with_data(r#"{"uri":"a:b","n":1}"#);
    assert_eq!(error_uri(missing, &expose).data.unwrap(), r#"{"uri":"s+a:b","n":1}"#);
    let other = RpcError::new(-32602, "x").with_data("7");
    assert_eq!(error_uri(other.clone(), &expose), other);
}
