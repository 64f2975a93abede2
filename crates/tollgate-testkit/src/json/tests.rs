use super::Json;

#[test]
fn big_numbers_order_and_duplicates_survive() {
    let text =
        r#"{"z":123456789012345678901234567890,"a":1e400,"z":0.30000000000000004,"n":[null,true,"\u00e9"]}"#;
    let json = Json::parse(text).unwrap();
    assert_eq!(
        json.to_string(),
        "{\"z\":123456789012345678901234567890,\"a\":1e400,\"z\":0.30000000000000004,\"n\":[null,true,\"é\"]}"
    );
    assert_eq!(json.duplicates(), ["z"]);
}

#[test]
fn values_one_after_another_are_read() {
    assert_eq!(Json::parse_many("{} \n 1 \"a\"").unwrap().len(), 3);
    assert!(Json::parse_many("{} x").is_err());
}

#[test]
fn long_values_are_broken_into_lines() {
    let json = Json::parse(r#"{"name":"delete_file","arguments":{"path":"/tmp/a"}}"#).unwrap();
    assert_eq!(json.pretty(110), r#"{ "name": "delete_file", "arguments": { "path": "/tmp/a" } }"#);
    assert_eq!(
        json.pretty(40),
        "{\n  \"name\": \"delete_file\",\n  \"arguments\": { \"path\": \"/tmp/a\" }\n}"
    );
}

#[test]
fn members_are_set_in_place() {
    let json = Json::parse(r#"{"a":1,"b":2}"#).unwrap().with("a", 3).with("c", true).without("b");
    assert_eq!(json.to_string(), r#"{"a":3,"c":true}"#);
}
