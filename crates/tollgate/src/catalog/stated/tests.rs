use bytes::Bytes;

use super::with_reason;
use crate::config::Stated;

const ASKED: &str =
    r#""tollgate_reason":{"type":"string","description":"one sentence: why this call is needed"}"#;

fn asked(schema: &str, stated: Stated) -> Option<String> {
    let text = with_reason(Some(Bytes::copy_from_slice(schema.as_bytes())), stated)?;
    let text = String::from_utf8(text.to_vec()).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    Some(text)
}

#[track_caller]
fn becomes(schema: &str, expected: &str) {
    assert_eq!(asked(schema, Stated::Optional).unwrap(), expected.replace("<ours>", ASKED));
}

#[test]
fn a_property_is_added_and_nothing_else_moves() {
    becomes(
        r#"{"type":"object", "properties":{"n":{"maximum":1.50}},"required":["n"],"additionalProperties":false,"x":1.0}"#,
        r#"{"type":"object", "properties":{<ours>,"n":{"maximum":1.50}},"required":["n"],"additionalProperties":false,"x":1.0}"#,
    );
    becomes("{}", r#"{"properties":{<ours>}}"#);
    let required = asked(r#"{"type":"object","required":["a"]}"#, Stated::Required).unwrap();
    assert!(required.contains(r#""required":["a","tollgate_reason"]"#), "{required}");
    let required = asked(r#"{"type":"object"}"#, Stated::Required).unwrap();
    assert!(required.contains(r#""required":["tollgate_reason"]"#), "{required}");
    let none = with_reason(None, Stated::Optional).unwrap();
    assert_eq!(none, format!(r#"{{"properties":{{{ASKED}}},"type":"object"}}"#));
}

#[test]
fn marks_stay_where_they_are() {
    becomes(
        r#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}"#,
        r#"{"properties":{<ours>,"region":{"type":"string","x-mcp-header":"Region"}}}"#,
    );
}

#[test]
fn schemas_beside_it_let_it_through() {
    becomes(
        r#"{"allOf":[{"properties":{"a":{}},"additionalProperties":false},true],"anyOf":[{"required":["a"]}]}"#,
        r#"{"properties":{<ours>},"allOf":[{"properties":{"tollgate_reason":{},"a":{}},"additionalProperties":false},true],"anyOf":[{"required":["a"]}]}"#,
    );
    becomes(
        r#"{"if":{"unevaluatedProperties":false},"dependentSchemas":{"a":{"additionalProperties":{"type":"number"}}}}"#,
        r#"{"properties":{<ours>},"if":{"properties":{"tollgate_reason":{}},"unevaluatedProperties":false},"dependentSchemas":{"a":{"properties":{"tollgate_reason":{}},"additionalProperties":{"type":"number"}}}}"#,
    );
}

#[test]
fn what_the_root_refers_to_lets_it_through() {
    becomes(
        r##"{"$ref":"#/$defs/A","$defs":{"A":{"allOf":[{"$ref":"#/definitions/B"}],"additionalProperties":false},"C":{"additionalProperties":false}},"definitions":{"B":{"additionalProperties":false}}}"##,
        r##"{"properties":{<ours>},"$ref":"#/$defs/A","$defs":{"A":{"properties":{"tollgate_reason":{}},"allOf":[{"$ref":"#/definitions/B"}],"additionalProperties":false},"C":{"additionalProperties":false}},"definitions":{"B":{"properties":{"tollgate_reason":{}},"additionalProperties":false}}}"##,
    );
}

#[test]
fn rules_on_names_and_numbers_leave_room() {
    becomes(
        r#"{"propertyNames":{"maxLength":3},"maxProperties":2}"#,
        r#"{"properties":{<ours>},"propertyNames":{"anyOf":[{"maxLength":3},{"const":"tollgate_reason"}]},"maxProperties":3}"#,
    );
    becomes(
        r#"{"patternProperties":{"^x-":{"type":"number"},".*":{"type":"number"}}}"#,
        r#"{"properties":{<ours>},"patternProperties":{"^x-":{"type":"number"},".*":{"anyOf":[{"type":"number"},{"type":"string"}]}}}"#,
    );
}

#[test]
fn a_server_keeps_its_own() {
    for own in [
        r#"{"properties":{"tollgate_reason":{"type":"number"}}}"#,
        r#"{"allOf":[{"properties":{"tollgate\u005freason":{}}}]}"#,
        r##"{"$ref":"#/$defs/A","$defs":{"A":{"properties":{"tollgate_reason":{}}}}}"##,
    ] {
        assert_eq!(asked(own, Stated::Required), None, "{own}");
    }
}

#[test]
fn what_is_no_schema_of_an_object_is_left_alone() {
    for odd in ["true", "[]", r#"{"properties":[]}"#, r#"{"properties":null}"#, r#"{"required":"a"}"#] {
        assert_eq!(asked(odd, Stated::Required), None, "{odd}");
    }
}

#[test]
fn depth_and_number_are_bounded() {
    let deep = r#"{"allOf":["#.repeat(50) + "{}" + &"]}".repeat(50);
    assert!(asked(&deep, Stated::Optional).unwrap().starts_with(&format!("{{\"properties\":{{{ASKED}}}")));
    let circle = r##"{"$ref":"#/$defs/A","$defs":{"A":{"$ref":"#/$defs/B"},"B":{"$ref":"#/$defs/A"}}}"##;
    assert!(asked(circle, Stated::Optional).is_some());
    let many: Vec<String> = (0..2_000).map(|n| format!("{{\"$ref\":\"#/$defs/a{n}\"}}")).collect();
    let many = format!("{{\"anyOf\":[{}],\"$defs\":{{\"a1\":{{}}}}}}", many.join(","));
    assert!(asked(&many, Stated::Optional).is_some());
}
