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
        (of_array, Method::ToolsList, M, r#"{"name":"a","outputSchema":{"type":"array"},"_meta":{"ui":{}}}"#),
        (of_array, Method::ToolsList, L3, r#"{"name":"a","_meta":{"ui":{}}}"#),
        (untyped, Method::ToolsList, L4, r#"{"name":"a"}"#),
        (of_object, Method::PromptsList, L1, of_object),
        ("7", Method::ToolsList, M, "7"),
    ] {
        assert_eq!(
            text(list_item(&Bytes::from_static(item.as_bytes()), method, revision, TaskSupport::Forbidden)),
            expected,
            "{item}"
        );
    }
}

#[test]
fn only_agents_of_2025_11_25_learn_which_tools_can_be_tasks() {
    let says = r#"{"name":"a","execution":{"taskSupport":"required","x":1}}"#;
    let silent = r#"{"name":"a"}"#;
    let optional = r#"{"execution":{"taskSupport":"optional"},"name":"a"}"#;
    for (item, revision, tasks, expected) in [
        (says, L4, TaskSupport::Required, says),
        (silent, L4, TaskSupport::Optional, optional),
        (says, L4, TaskSupport::Forbidden, silent),
        (says, M, TaskSupport::Required, silent),
        (silent, M, TaskSupport::Optional, silent),
        (says, L3, TaskSupport::Required, silent),
    ] {
        let item = Bytes::from_static(item.as_bytes());
        assert_eq!(text(list_item(&item, Method::ToolsList, revision, tasks)), expected, "{revision}");
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
