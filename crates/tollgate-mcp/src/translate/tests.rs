use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::{INTERNAL_ERROR, RpcError};
use crate::message::Id;
use crate::method::Method;
use crate::object::tests::json_object;
use crate::revision::Revision::{
    self, V2024_11_05 as L1, V2025_03_26 as L2, V2025_06_18 as L3, V2025_11_25 as L4, V2026_07_28 as M,
};
use crate::rope::Rope;

fn object(text: &str) -> Object {
    Object::scan(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn text(rope: Rope) -> String {
    String::from_utf8(rope.into_bytes().to_vec()).unwrap()
}

fn answer(method: Method, result: &str, server: Revision) -> Answer {
    read_answer(method, object(result), server, true).unwrap()
}

fn ours() -> Bytes {
    Bytes::from_static(br#"{"name":"tollgate","version":"0"}"#)
}

mod answers {
    use super::*;

    #[test]
    fn kinds_are_read() {
        use Method::{Discover, ResourcesRead, TasksGet, ToolsCall, ToolsList};
        let asks = r#"{"resultType":"input_required","requestState":"s"}"#;
        let asks_by_map = r#"{"resultType":"input_required","inputRequests":{}}"#;
        for (method, result, server, tasks, kind) in [
            (ToolsCall, r#"{"content":[]}"#, M, false, Some(ResultType::Complete)),
            (ToolsCall, r#"{"resultType":"complete"}"#, M, false, Some(ResultType::Complete)),
            (ToolsCall, asks, M, false, Some(ResultType::InputRequired)),
            (ToolsCall, asks_by_map, M, false, Some(ResultType::InputRequired)),
            (ResourcesRead, asks, M, false, Some(ResultType::InputRequired)),
            (ToolsList, asks, M, false, None),
            (TasksGet, asks, M, true, None),
            (ToolsCall, r#"{"resultType":"input_required"}"#, M, false, None),
            (ToolsCall, r#"{"resultType":"input_required","requestState":1}"#, M, false, None),
            (ToolsCall, r#"{"resultType":"task","taskId":"t"}"#, M, true, Some(ResultType::Task)),
            (ToolsCall, r#"{"resultType":"task","taskId":"t"}"#, M, false, None),
            (ResourcesRead, r#"{"resultType":"task"}"#, M, true, None),
            (ToolsCall, r#"{"resultType":"Complete"}"#, M, true, None),
            (ToolsCall, r#"{"resultType":null}"#, M, true, None),
            (Discover, r#"{"resultType":"partial"}"#, M, true, None),
            // Before 2026-07-28 the word means nothing.
            (ToolsCall, asks, L4, false, Some(ResultType::Complete)),
            (ToolsCall, r#"{"resultType":1}"#, L1, false, Some(ResultType::Complete)),
        ] {
            match (read_answer(method, object(result), server, tasks), kind) {
                (Ok(answer), Some(kind)) => assert_eq!(answer.kind, kind, "{result}"),
                (Err(error), None) => assert_eq!(error.code, INTERNAL_ERROR),
                (read, _) => panic!("{result}: {read:?}"),
            }
        }
    }

    #[test]
    fn cache_hints_are_read() {
        let hint = |ttl_ms, public| Some(CacheHint { ttl_ms, public });
        for (method, result, server, expected) in [
            (Method::ToolsList, r#"{"ttlMs":5,"cacheScope":"public"}"#, M, hint(5, true)),
            (Method::ToolsList, r#"{"ttlMs":5,"cacheScope":"PUBLIC"}"#, M, hint(5, false)),
            (Method::ResourcesRead, r#"{"ttlMs":-5}"#, M, hint(0, false)),
            (Method::Discover, r#"{"ttlMs":"5"}"#, M, hint(0, false)),
            (Method::PromptsList, r"{}", M, hint(0, false)),
            (Method::ToolsList, r#"{"ttlMs":5,"cacheScope":"public"}"#, L4, hint(0, false)),
            (Method::ToolsCall, r#"{"ttlMs":5}"#, M, None),
            (
                Method::ResourcesRead,
                r#"{"ttlMs":5,"resultType":"input_required","requestState":""}"#,
                M,
                None,
            ),
        ] {
            assert_eq!(answer(method, result, server).cache, expected, "{result}");
        }
    }

    #[test]
    fn modern_agents_get_stamps() {
        for (method, result, server, expected) in [
            (
                Method::ToolsCall,
                r#"{"content":[ ]}"#,
                L1,
                r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":OURS},"content":[ ]}"#,
            ),
            (
                Method::ToolsCall,
                r#"{ "resultType": "complete", "ttlMs":7, "_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{"name":"x"},"io.modelcontextprotocol/related-task":{},"io.modelcontextprotocol/subscriptionId":3}}"#,
                M,
                r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":OURS,"a":1,"io.modelcontextprotocol/related-task":{}},"ttlMs":7}"#,
            ),
            (
                Method::ToolsCall,
                r#"{"resultType":"c\u006fmplete","_meta":null}"#,
                M,
                r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":OURS}}"#,
            ),
            (
                Method::ResourcesRead,
                r#"{"contents":[]}"#,
                L3,
                r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":OURS},"contents":[]}"#,
            ),
            (
                Method::ResourcesRead,
                r#"{"contents":[],"cacheScope":"public","ttlMs":60000}"#,
                M,
                r#"{"resultType":"complete","ttlMs":60000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":OURS},"contents":[]}"#,
            ),
            (
                Method::ResourcesRead,
                r#"{"resultType":"input_required","requestState":"s","ttlMs":1,"cacheScope":"public"}"#,
                M,
                r#"{"resultType":"input_required","_meta":{"io.modelcontextprotocol/serverInfo":OURS},"requestState":"s"}"#,
            ),
            (
                Method::ToolsCall,
                r#"{"resultType":"task","taskId":"t","ttlMs":60000}"#,
                M,
                r#"{"resultType":"task","_meta":{"io.modelcontextprotocol/serverInfo":OURS},"taskId":"t","ttlMs":60000}"#,
            ),
        ] {
            let expected = expected.replace("OURS", std::str::from_utf8(&ours()).unwrap());
            assert_eq!(text(to_modern(&answer(method, result, server), &ours())), expected);
        }
    }

    #[test]
    fn legacy_agents_get_none() {
        let stamped = r#"{"resultType":"complete","content":[],"ttlMs":1,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#;
        assert_eq!(
            text(to_legacy(&answer(Method::ToolsCall, stamped, M), Method::ToolsCall, L4)),
            r#"{"content":[]}"#
        );
        let kept = r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{},"a":1,"io.modelcontextprotocol/related-task":{}},"x":1}"#;
        assert_eq!(
            text(to_legacy(&answer(Method::ToolsList, kept, M), Method::ToolsList, L1)),
            r#"{"_meta":{"a":1,"io.modelcontextprotocol/related-task":{}},"x":1}"#
        );
        // Nothing to strip: the very bytes.
        let plain =
            answer(Method::ToolsCall, r#" {"content":[{"type":"text","text":"x"}],"_meta":{"a":1}}"#, L4);
        let written = to_legacy(&plain, Method::ToolsCall, L4);
        assert_eq!(written.pieces()[0].as_ptr(), plain.object.text().as_ptr());
    }

    /// `protocol.md` §3.8.
    #[test]
    fn content_is_downgraded() {
        let link = r#"{"type":"resource_link","uri":"files+file:///a","name":"a\"b"}"#;
        let bare_link = r#"{"type":"resource_link","uri":"u:x"}"#;
        let audio = r#"{"type":"audio","data":"AAAA","mimeType":"audio/wav"}"#;
        let text_link = r#"{"type":"text","text":"a\"b: files+file:///a"}"#;
        let text_bare = r#"{"type":"text","text":"u:x"}"#;
        let text_audio =
            r#"{"type":"text","text":"[audio left out: 2024-11-05 has no audio content; type `audio/wav`]"}"#;
        let all = format!(r#"{{"content":[{link}, {audio} ,{bare_link},7]}}"#);
        let cases = [
            (
                Method::ToolsCall,
                all.clone(),
                L1,
                format!(r#"{{"content":[{text_link},{text_audio},{text_bare},7]}}"#),
            ),
            (
                Method::ToolsCall,
                all.clone(),
                L2,
                format!(r#"{{"content":[{text_link},{audio},{text_bare},7]}}"#),
            ),
            (Method::ToolsCall, all.clone(), L3, all.clone()),
            (Method::ToolsCall, all.clone(), L4, all.clone()),
            (Method::ResourcesRead, all.clone(), L1, all),
            (
                Method::PromptsGet,
                format!(
                    r#"{{"messages":[{{"role":"user","content":{link}}},{{"role":"user","content":{{"type":"text","text":""}}}}]}}"#
                ),
                L2,
                format!(
                    r#"{{"messages":[{{"role":"user","content":{text_link}}},{{"role":"user","content":{{"type":"text","text":""}}}}]}}"#
                ),
            ),
            // Structured content: kept, replaced by text, or dropped because the text is there.
            (
                Method::ToolsCall,
                r#"{"content":[],"structuredContent":{"a":1}}"#.into(),
                L3,
                r#"{"content":[],"structuredContent":{"a":1}}"#.into(),
            ),
            (
                Method::ToolsCall,
                r#"{"content":[],"structuredContent":{"a":"é"}}"#.into(),
                L2,
                r#"{"content":[{"type":"text","text":"{\"a\":\"é\"}"}]}"#.into(),
            ),
            (
                Method::ToolsCall,
                r#"{"structuredContent":[1],"content":[{"type":"image"}]}"#.into(),
                L4,
                r#"{"content":[{"type":"image"},{"type":"text","text":"[1]"}]}"#.into(),
            ),
            (
                Method::ToolsCall,
                r#"{"structuredContent":[1],"content":[{"type":"text","text":"[1]"}]}"#.into(),
                L3,
                r#"{"content":[{"type":"text","text":"[1]"}]}"#.into(),
            ),
            (
                Method::ToolsCall,
                r#"{"structuredContent":7}"#.into(),
                L1,
                r#"{"content":[{"type":"text","text":"7"}]}"#.into(),
            ),
            (
                Method::ToolsCall,
                format!(r#"{{"content":[{link}],"structuredContent":{{}}}}"#),
                L1,
                format!(r#"{{"content":[{text_link}]}}"#),
            ),
            (Method::ToolsCall, r#"{"content":"odd"}"#.into(), L1, r#"{"content":"odd"}"#.into()),
        ];
        for (method, result, revision, expected) in cases {
            assert_eq!(
                text(to_legacy(&answer(method, &result, M), method, revision)),
                expected,
                "{result} for {revision}"
            );
        }
    }

    #[test]
    fn tool_errors_are_told() {
        let failed = tool_error("no \"x\"");
        assert!(is_tool_error(&failed.object));
        assert_eq!(failed.object.text(), r#"{"content":[{"type":"text","text":"no \"x\""}],"isError":true}"#);
        assert!(!is_tool_error(&object(r#"{"isError":false}"#)) && !is_tool_error(&Object::empty()));
    }

    proptest! {
        #[test]
        fn stamping_loses_nothing_and_comes_off_again(result in json_object(), public: bool, ttl_ms: u64) {
            let original = object(&result.to_string());
            let answer = Answer { object: original.clone(), kind: ResultType::Complete, cache: Some(CacheHint { ttl_ms, public }) };
            let modern = Object::scan(to_modern(&answer, &ours()).into_bytes()).unwrap();
            let mut expected = result.clone();
            expected["resultType"] = json!("complete");
            expected["ttlMs"] = json!(ttl_ms);
            expected["cacheScope"] = json!(if public { "public" } else { "private" });
            expected["_meta"] = json!({"io.modelcontextprotocol/serverInfo": {"name": "tollgate", "version": "0"}});
            prop_assert_eq!(serde_json::from_slice::<Value>(modern.text()).unwrap(), expected);
            let answer = read_answer(Method::ToolsList, modern, M, false).unwrap();
            prop_assert_eq!(answer.cache, Some(CacheHint { ttl_ms, public }));
            prop_assert_eq!(text(to_legacy(&answer, Method::ToolsList, L4)), text(original.text().clone().into()));
        }

        #[test]
        fn no_downgrade_breaks_the_json(
            blocks in proptest::collection::vec(
                proptest::sample::select(vec![
                    r#"{"type":"text","text":"x"}"#, r#"{"type":"audio","mimeType":"a\"b"}"#, r#"{"type":"resource_link","uri":"\u0000"}"#,
                    "{}", "1", "[]", r#"{"type":"resource_link"}"#,
                ]),
                0..5,
            ),
            structured in proptest::option::of(json_object()),
            revision in proptest::sample::select(vec![L1, L2, L3, L4]),
        ) {
            let structured = structured.map_or(String::new(), |value| format!(",\"structuredContent\":{value}"));
            let result = format!("{{\"content\":[{}]{structured}}}", blocks.join(","));
            let written = text(to_legacy(&answer(Method::ToolsCall, &result, M), Method::ToolsCall, revision));
            let written: Value = serde_json::from_str(&written).unwrap();
            prop_assert!(written["content"].as_array().unwrap().len() >= blocks.len());
        }
    }
}

mod errors {
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
}

mod introductions {
    use super::*;

    #[test]
    fn we_introduce_ourselves_to_both_eras() {
        let capabilities = object(
            r#"{"completions":{},"extensions":{"x/y":{}},"tools":{"listChanged":true},"resources":{"subscribe":true},"other":{},"logging":{}}"#,
        );
        let discover = discover_result(&capabilities, Some("be \"good\""), &[M, L4]);
        assert_eq!(
            discover.text(),
            format!(
                r#"{{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{},"instructions":"be \"good\""}}"#,
                text(capabilities.text().clone().into())
            )
            .as_str()
        );
        assert_eq!(
            text(initialize_result(&discover, L4, &ours())),
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"completions":{},"logging":{}},"serverInfo":{"name":"tollgate","version":"0"},"instructions":"be \"good\""}"#
        );
        assert_eq!(
            text(initialize_result(&discover_result(&capabilities, None, &[]), L1, &ours())),
            r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"tollgate","version":"0"}}"#
        );
        assert_eq!(
            text(initialize_result(&Object::empty(), L1, &ours())),
            r#"{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{"name":"tollgate","version":"0"}}"#
        );
    }
}

mod lists {
    use super::*;

    #[test]
    fn items_fit_the_revision() {
        let of_object =
            r#"{"name":"a","outputSchema":{"type":"object"},"execution":{"taskSupport":"required"},"x":[1]}"#;
        let of_array = r#"{"name":"a","outputSchema":{"type":"array"},"_meta":{"io.modelcontextprotocol/serverInfo":{},"ui":{}}}"#;
        let untyped = r#"{"name":"a","outputSchema":{"anyOf":[]}}"#;
        for (item, method, revision, expected) in [
            (of_object, Method::ToolsList, M, r#"{"name":"a","outputSchema":{"type":"object"},"x":[1]}"#),
            (of_object, Method::ToolsList, L4, r#"{"name":"a","outputSchema":{"type":"object"},"x":[1]}"#),
            (of_object, Method::ToolsList, L2, r#"{"name":"a","x":[1]}"#),
            (
                of_array,
                Method::ToolsList,
                M,
                r#"{"name":"a","outputSchema":{"type":"array"},"_meta":{"ui":{}}}"#,
            ),
            (of_array, Method::ToolsList, L3, r#"{"name":"a","_meta":{"ui":{}}}"#),
            (untyped, Method::ToolsList, L4, r#"{"name":"a"}"#),
            (of_object, Method::PromptsList, L1, of_object),
            ("7", Method::ToolsList, M, "7"),
        ] {
            assert_eq!(
                text(list_item(&Bytes::from_static(item.as_bytes()), method, revision)),
                expected,
                "{item}"
            );
        }
    }

    #[test]
    fn uris_of_items_are_rewritten() {
        let expose = |uri: &str| crate::uri::expose("s", uri);
        for (item, method, expected) in [
            (
                r#"{"uri":"file:///\u0061","name":"a"}"#,
                Method::ResourcesList,
                Some(r#"{"uri":"s+file:///a","name":"a"}"#),
            ),
            (
                r#"{"uriTemplate":"file:///{x}"}"#,
                Method::ResourcesTemplatesList,
                Some(r#"{"uriTemplate":"s+file:///{x}"}"#),
            ),
            (
                r#"{"_meta":{"ui":{"resourceUri":"ui://a"},"b":1}}"#,
                Method::ToolsList,
                Some(r#"{"_meta":{"ui":{"resourceUri":"ui://s+a"},"b":1}}"#),
            ),
            (
                r#"{"_meta":{"ui/resourceUri":"ui://a"}}"#,
                Method::ToolsList,
                Some(r#"{"_meta":{"ui/resourceUri":"ui://s+a"}}"#),
            ),
            (
                r#"{"_meta":{"ui/resourceUri":"ui://a","ui":{"resourceUri":"ui://a"}}}"#,
                Method::ToolsList,
                Some(r#"{"_meta":{"ui/resourceUri":"ui://s+a","ui":{"resourceUri":"ui://s+a"}}}"#),
            ),
            (r#"{"_meta":{"ui":{}},"uri":"x:y"}"#, Method::ToolsList, None),
            (r#"{"name":"a","uri":"x:y"}"#, Method::PromptsList, None),
            (r#"{"uri":7}"#, Method::ResourcesList, None),
            ("7", Method::ResourcesList, None),
        ] {
            let rewritten = list_item_uris(&Bytes::from_static(item.as_bytes()), method, &expose);
            assert_eq!(rewritten.map(text).as_deref(), expected, "{item}");
        }
    }
}

mod uris {
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
                Some(
                    r#"{"status":"completed","result":{"content":[{"type":"resource_link","uri":"s+a:b"}]}}"#,
                ),
            ),
            (Method::ToolsCall, r#"{"content":[{"type":"text","text":"a:b"}]}"#, None),
            (Method::ToolsCall, r#"{"content":{}}"#, None),
            (Method::ToolsCall, r"{}", None),
            (Method::Complete, r#"{"content":[{"type":"resource_link","uri":"a:b"}]}"#, None),
        ] {
            assert_eq!(
                rewrite_uris(method, &object(result), &expose).map(text).as_deref(),
                expected,
                "{result}"
            );
        }
        let missing = RpcError::new(-32602, "x").with_data(r#"{"uri":"a:b","n":1}"#);
        assert_eq!(error_uri(missing, &expose).data.unwrap(), r#"{"uri":"s+a:b","n":1}"#);
        let other = RpcError::new(-32602, "x").with_data("7");
        assert_eq!(error_uri(other.clone(), &expose), other);
    }
}

mod metas {
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
            text(stamp_modern_meta(
                &object(FULL),
                M,
                Some(&info),
                &capabilities,
                Some("debug"),
                Some(&token)
            )),
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
}

mod questions {
    use super::*;

    const URL: &str = r#"{"mode":"url","message":"?","url":"https://x","elicitationId":"e"}"#;
    const FORM: &str = r#"{"mode":"form","message":"?","task":{"ttl":1},"_meta":{"progressToken":1,"io.modelcontextprotocol/related-task":{"taskId":"t"}},"requestedSchema":{"$schema":"s","type":"object","properties":{"z":{"type":"string","title":"Z","oneOf":[{"const":"a","title":"A"},{"const":"b"}],"default":"a"},"n":{"type":"integer","default":1},"b":{"type":"boolean","default":true}},"required":["z"]}}"#;

    #[test]
    fn elicitations_fit_the_revision() {
        let plain = r#"{"type":"object","properties":{"z":{"enum":["a","b"],"enumNames":["A","b"],"type":"string","title":"Z"},"n":{"type":"integer"},"b":{"type":"boolean","default":true}},"required":["z"]}"#;
        let schema = text(object(FORM).get("requestedSchema").unwrap().into());
        for (params, to, expected) in [
            (FORM, L3, format!(r#"{{"message":"?","requestedSchema":{plain}}}"#)),
            (FORM, L4, format!(r#"{{"mode":"form","message":"?","requestedSchema":{schema}}}"#)),
            (FORM, M, format!(r#"{{"mode":"form","message":"?","requestedSchema":{schema}}}"#)),
            (URL, L4, URL.to_owned()),
            (URL, M, r#"{"mode":"url","message":"?","url":"https://x"}"#.to_owned()),
            (r#"{"message":"?","_meta":{"a":1}}"#, M, r#"{"message":"?","_meta":{"a":1}}"#.to_owned()),
        ] {
            assert_eq!(
                text(question("elicitation/create", &object(params), to)),
                expected,
                "{params} to {to}"
            );
        }
    }

    #[test]
    fn sampling_fits_the_revision() {
        let several = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"audio","mimeType":"m"}]},{"role":"assistant","content":{"type":"text","text":"b"}}],"maxTokens":1,"includeContext":"allServers"}"#;
        let apart = r#"{"messages":[{"role":"user","content":{"type":"text","text":"a"}},{"role":"user","content":{"type":"audio","mimeType":"m"}},{"role":"assistant","content":{"type":"text","text":"b"}}],"maxTokens":1}"#;
        let silent = apart.replace(
            r#"{"type":"audio","mimeType":"m"}"#,
            r#"{"type":"text","text":"[audio left out: 2024-11-05 has no audio content; type `m`]"}"#,
        );
        let kept = several.replace(r#","includeContext":"allServers""#, "");
        for (to, expected) in [(L1, silent.as_str()), (L2, apart), (L3, apart), (L4, &kept), (M, &kept)] {
            assert_eq!(text(question("sampling/createMessage", &object(several), to)), expected, "{to}");
            assert_eq!(
                text(question("sampling/createMessage", &object(expected), to)),
                expected,
                "{to}, again"
            );
        }
        let none = r#"{"messages":[],"includeContext":"none"}"#;
        assert_eq!(text(question("sampling/createMessage", &object(none), L1)), none);
        assert_eq!(text(question("roots/list", &object(r#"{"_meta":{"progressToken":1}}"#), M)), "{}");
    }

    #[test]
    fn what_can_be_asked() {
        let multiple = r#"{"message":"?","requestedSchema":{"type":"object","properties":{"m":{"type":"array","items":{"enum":["a"]}}}}}"#;
        let tools = r#"{"messages":[],"tools":[]}"#;
        for (method, params, expected) in [
            ("elicitation/create", FORM, [false, false, true, true, true]),
            ("elicitation/create", r#"{"message":"?"}"#, [false, false, true, true, true]),
            ("elicitation/create", URL, [false, false, false, true, true]),
            ("elicitation/create", multiple, [false, false, false, true, true]),
            ("sampling/createMessage", r#"{"messages":[]}"#, [true; 5]),
            ("sampling/createMessage", tools, [false, false, false, true, true]),
            ("roots/list", "{}", [true; 5]),
            ("tools/call", "{}", [false; 5]),
        ] {
            assert_eq!(
                Revision::ALL.map(|revision| askable(method, &object(params), revision)),
                expected,
                "{method} {params}"
            );
        }
    }

    #[test]
    fn answers_fit_the_server() {
        let sampled = r#"{"resultType":"complete","role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"model":"m"}"#;
        assert_eq!(
            text(answer_to_server("sampling/createMessage", &object(sampled), L3)),
            r#"{"role":"assistant","content":{"type":"text","text":"a"},"model":"m"}"#
        );
        assert_eq!(
            text(answer_to_server("sampling/createMessage", &object(sampled), L4)),
            r#"{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"model":"m"}"#
        );
        let elicited = r#"{"action":"accept","content":{"a":1}}"#;
        assert_eq!(text(answer_to_server("elicitation/create", &object(elicited), L3)), elicited);
    }

    #[test]
    fn inputs_are_written_and_read() {
        let ask = InputRequest {
            key: "k\"1".into(),
            method: "elicitation/create".into(),
            params: object(r#"{"message":"?"}"#),
        };
        let roots = InputRequest { key: "k2".into(), method: "roots/list".into(), params: Object::empty() };
        let asked = input_required(&[ask, roots], Some("s\"t"));
        assert_eq!(
            asked.object.text(),
            r#"{"resultType":"input_required","inputRequests":{"k\"1":{"method":"elicitation/create","params":{"message":"?"}},"k2":{"method":"roots/list"}},"requestState":"s\"t"}"#
        );
        assert_eq!(
            read_answer(Method::ToolsCall, asked.object.clone(), M, false).unwrap().kind,
            ResultType::InputRequired
        );
        let read = input_requests(&asked.object).unwrap();
        let read: Vec<(&str, &str, &[u8])> = read
            .iter()
            .map(|one| (one.key.as_str(), one.method.as_str(), one.params.text().as_ref()))
            .collect();
        assert_eq!(
            read,
            [
                ("k\"1", "elicitation/create", br#"{"message":"?"}"#.as_slice()),
                ("k2", "roots/list", b"{}".as_slice())
            ]
        );
        assert_eq!(
            input_required(&[], Some("")).object.text(),
            r#"{"resultType":"input_required","requestState":""}"#
        );
        assert!(input_requests(&Object::empty()).unwrap().is_empty());
        for bad in [
            r#"{"inputRequests":[]}"#,
            r#"{"inputRequests":{"a":1}}"#,
            r#"{"inputRequests":{"a":{}}}"#,
            r#"{"inputRequests":{"a":{"method":"x","params":[]}}}"#,
        ] {
            assert!(input_requests(&object(bad)).is_err(), "{bad}");
        }
    }
}
