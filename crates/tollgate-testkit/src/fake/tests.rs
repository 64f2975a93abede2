use super::{Kind, Script};
use crate::json::Json;

#[test]
fn kinds_have_names() {
    for (kind, name) in Kind::ALL {
        assert_eq!((Kind::parse(name), kind.name()), (Some(kind), name));
    }
    assert_eq!(Kind::parse("sse"), None);
}

#[test]
fn scripts_take_stock_tools_and_own_ones() {
    let json = Json::parse(
        r#"{"tools":["echo",{"name":"Weird Name!","like":"delete_file","says":"gone","annotations":{"destructiveHint":true}}],"page":1}"#,
    );
    let script = Script::read(&json.unwrap()).unwrap();
    let weird = script.tools.last().unwrap();
    assert_eq!(
        (weird.name(), weird.like.as_str(), weird.says.as_deref()),
        ("Weird Name!", "delete_file", Some("gone"))
    );
    assert!(weird.definition.get("annotations").is_some() && weird.definition.get("like").is_none());
    assert!(Script::read(&Json::parse(r#"{"tools":["no such"]}"#).unwrap()).is_err());
    assert!(Script::read(&Json::parse(r#"{"tolls":[]}"#).unwrap()).is_err());
}
