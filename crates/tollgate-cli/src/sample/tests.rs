use serde_json::{Value, json};

fn talk(lines: &[Value]) -> Vec<Value> {
    let input = lines.iter().flat_map(|l| [l.to_string(), "\n".to_owned()]).collect::<String>();
    let mut output = Vec::new();
    super::serve(input.as_bytes(), &mut output, || "2026-07-28T00:00:00Z".to_owned()).unwrap();
    String::from_utf8(output).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn modern(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[test]
fn both_eras_write_list_and_delete_notes() {
    let call = |id, name: &str, arguments: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments}});
    let answers = talk(&[
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        call(2, "note_write", json!({"name": "a", "text": "b"})),
        modern(3, "tools/call", json!({"name": "note_list", "arguments": {}})),
        call(4, "note_delete", json!({"name": "a"})),
        call(5, "note_delete", json!({"name": "a"})),
    ]);
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answers[2]["result"]["content"][0]["text"], "a: b");
    assert_eq!(answers[2]["result"]["resultType"], "complete");
    assert_eq!(answers[3]["result"]["isError"], false);
    assert_eq!(answers[4]["result"]["isError"], true);
}

#[test]
fn an_unknown_version_is_refused_with_what_is_supported() {
    let mut ask = modern(1, "server/discover", json!({}));
    ask["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let answers =
        talk(&[ask, modern(2, "nope", json!({})), modern(3, "tools/call", json!({"name": "nope"}))]);
    assert_eq!(answers[0]["error"]["code"], -32022);
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[2]["error"]["code"], -32602);
}
