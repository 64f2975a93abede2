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
        (Method::ResourcesRead, r#"{"ttlMs":5,"resultType":"input_required","requestState":""}"#, M, None),
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
    let plain = answer(Method::ToolsCall, r#" {"content":[{"type":"text","text":"x"}],"_meta":{"a":1}}"#, L4);
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
            format!(r#"{{"content":[{text_link}, {text_audio} ,{text_bare},7]}}"#),
        ),
        (
            Method::ToolsCall,
            all.clone(),
            L2,
            format!(r#"{{"content":[{text_link}, {audio} ,{text_bare},7]}}"#),
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
    let failed = tool_error("no \"x\"", None);
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
