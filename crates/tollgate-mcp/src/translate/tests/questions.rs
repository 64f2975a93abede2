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
        assert_eq!(text(question("elicitation/create", &object(params), to)), expected, "{params} to {to}");
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
        assert_eq!(text(question("sampling/createMessage", &object(expected), to)), expected, "{to}, again");
    }
    let none = r#"{"messages":[],"includeContext":"none"}"#;
    assert_eq!(text(question("sampling/createMessage", &object(none), L1)), none);
    assert_eq!(text(question("roots/list", &object(r#"{"_meta":{"progressToken":1}}"#), M)), "{}");
}

#[test]
fn a_hostile_form_costs_no_more_than_its_size() {
    let properties: Vec<String> = (0..60_000).map(|n| format!("\"p{n}\":{{\"default\":1}}")).collect();
    let form = format!("{{\"requestedSchema\":{{\"properties\":{{{}}}}}}}", properties.join(","));
    let plain = text(question("elicitation/create", &object(&form), L3));
    assert!(plain.ends_with("\"p59999\":{}}}}") && !plain.contains("default"));
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
    let read: Vec<(&str, &str, &[u8])> =
        read.iter().map(|one| (one.key.as_str(), one.method.as_str(), one.params.text().as_ref())).collect();
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
