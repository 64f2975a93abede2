use tollgate_mcp::method::Method;

use super::{named, progress, wanted};
use crate::call::{Endpoint, LogLevel};
use crate::testing::{arrival, object};

#[test]
fn progress_carries_the_agents_own_token() {
    let mut arrival = arrival(Method::ToolsCall, Endpoint::Whole, "{}");
    assert!(progress(&arrival, &object(r#"{"progressToken":9,"progress":1}"#)).is_none(), "it wanted none");
    arrival.progress = Some(bytes::Bytes::from_static(b"\"mine\""));
    let part = progress(&arrival, &object(r#"{"progressToken":9,"progress":1.50,"message":"m"}"#)).unwrap();
    assert_eq!(part.params.into_bytes(), r#"{"progressToken":"mine","progress":1.50,"message":"m"}"#);
}

#[test]
fn logs_pass_from_the_level_that_was_asked_for() {
    let log = |level: &str| object(&format!("{{\"level\":\"{level}\",\"data\":1}}"));
    assert!(wanted(Some(LogLevel::Warning), &log("error")));
    assert!(!wanted(Some(LogLevel::Warning), &log("info")));
    assert!(!wanted(None, &log("emergency")) && !wanted(Some(LogLevel::Debug), &log("loud")));
}

#[test]
fn a_merged_endpoint_says_which_server_asks() {
    let params = object(r#"{"message":"name?","requestedSchema":{}}"#);
    let server = std::sync::Arc::from("files");
    let shown = named("elicitation/create", &params, Some(&server));
    assert_eq!(shown.string("message").unwrap(), "[files] name?");
    assert_eq!(named("elicitation/create", &params, None).text(), params.text());
    assert_eq!(named("sampling/createMessage", &params, Some(&server)).text(), params.text());
}
