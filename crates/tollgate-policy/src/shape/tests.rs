use super::{Look, Shape, Types};
use crate::json::Json;

const SCHEMA: &str = r##"{"type":"object","properties":{
    "path":{"type":"string"},
    "amount":{"type":"number","minimum":0},
    "count":{"type":"integer","maximum":10},
    "mode":{"enum":["r","w"]},
    "note":{"anyOf":[{"type":"string"},{"type":"null"}]},
    "to":{"type":"array","items":{"type":"string"}},
    "filter":{"$ref":"#/$defs/Filter"},
    "any":{},
    "either":{"oneOf":[{"type":"string"},{"type":"integer"}]}
  },"required":["path"],"additionalProperties":false,
  "$defs":{"Filter":{"type":"object","properties":{"owner":{"type":"string"},"deep":{"$ref":"#/$defs/Filter"}}}}}"##;

fn shape() -> Shape {
    Shape::read(SCHEMA.as_bytes()).unwrap()
}

#[test]
fn arguments_are_judged() {
    for (text, expected) in [
        (r#"{"path":"/a"}"#, None),
        ("{}", Some("`path` is missing")),
        (r#"{"path":5}"#, Some("`path` must be a text, and is a number")),
        (r#"{"path":"a","amount":-1}"#, Some("`amount` must be at least 0")),
        (r#"{"path":"a","amount":0.5}"#, None),
        (r#"{"path":"a","count":5.0}"#, None),
        (r#"{"path":"a","count":5.5}"#, Some("`count` must be a whole number, and is a number")),
        (r#"{"path":"a","count":11}"#, Some("`count` must be at most 10")),
        (r#"{"path":"a","mode":"x"}"#, Some("`mode` must be one of \"r\", \"w\"")),
        (r#"{"path":"a","note":null}"#, None),
        (r#"{"path":"a","note":1}"#, Some("`note` must be a text or null, and is a number")),
        (r#"{"path":"a","to":["x",1]}"#, Some("`to.1` must be a text, and is a number")),
        (r#"{"path":"a","to":"x"}"#, Some("`to` must be a list, and is a text")),
        (
            r#"{"path":"a","filter":{"deep":{"owner":1}}}"#,
            Some("`filter.deep.owner` must be a text, and is a number"),
        ),
        (r#"{"path":"a","either":1}"#, None),
        (r#"{"path":"a","either":true}"#, Some("`either` must be a whole number, and is true or false")),
        (r#"{"path":"a","oops":1}"#, Some("`oops` is no argument of this tool")),
        (r#"{"path":"a","any":[{}]}"#, None),
        ("[]", Some("the arguments must be an object, and is a list")),
    ] {
        let found = shape().misfit(&Json::read(text.as_bytes()).unwrap());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

#[test]
fn arguments_are_found_by_name() {
    let shape = shape();
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let types = |text: &str| match shape.look(&path(text)) {
        Look::Typed(node) => Some(node.types),
        Look::Open => Some(Types::ANY),
        Look::Missing { .. } => None,
    };
    assert_eq!(types("path"), Some(Types::TEXT));
    assert_eq!(types("note").map(Types::present), Some(Types::TEXT));
    assert_eq!(types("filter.owner"), Some(Types::TEXT));
    assert_eq!(types("filter.deep.owner"), Some(Types::TEXT));
    assert_eq!(types("any.x"), Some(Types::ANY));
    assert_eq!(types("either"), Some(Types::ANY));
    assert_eq!(types("pth"), None);
    assert_eq!(types("path.x"), None);
    assert_eq!(types("filter.ownr"), None);
    let open = Shape::read(br#"{"type":"object"}"#).unwrap();
    assert!(matches!(open.look(&path("x")), Look::Open));
}

#[test]
fn a_record_type_has_what_cedar_has() {
    let text = shape().cedar();
    assert!(text.contains("\"path\": String"), "{text}");
    assert!(text.contains("\"count\"?: Long"), "{text}");
    assert!(text.contains("\"note\"?: String"), "{text}");
    assert!(text.contains("\"to\"?: Set<String>"), "{text}");
    assert!(text.contains("\"owner\"?: String"), "{text}");
    assert!(!text.contains("amount") && !text.contains("either") && !text.contains("any"), "{text}");
}

#[test]
fn a_schema_that_never_ends_has_an_end() {
    let turning =
        r##"{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##;
    let shape = Shape::read(turning.as_bytes()).unwrap();
    assert_eq!(shape.misfit(&Json::read(b"{}").unwrap()), None);
    assert!(Shape::read(b"true").is_some());
    assert!(Shape::read(b"{").is_none());
}
