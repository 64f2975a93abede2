use std::sync::Arc;

use tollgate_mcp::method::Method;
use tollgate_mcp::translate::{Answer, ResultType};
use uuid::Uuid;

use super::{Prepared, results};
use crate::call::Endpoint;
use crate::resolve;
use crate::seal::Sealer;
use crate::servers::Listing;
use crate::testing::{arrival, object, prepared, snapshot, two_servers};

fn prepare(endpoint: Endpoint, params: &str) -> Box<Prepared> {
    let config = two_servers();
    let snapshot = snapshot(&config, &[("files", Listing::Tools, &[r#"{"name":"read"}"#])]);
    let arrival = arrival(Method::ToolsCall, endpoint, params);
    let call = resolve::call(&Sealer::new([7; 32]), 0, &config, snapshot, arrival, Uuid::nil()).unwrap();
    prepared(call, &config)
}

fn outbound(endpoint: Endpoint, params: &str) -> String {
    String::from_utf8(prepare(endpoint, params).outbound.text().to_vec()).unwrap()
}

#[test]
fn only_what_is_ours_changes() {
    let merged = outbound(
        Endpoint::Whole,
        r#"{"name":"files_read", "arguments":{"n":123456789012345678901234567890,"a":[1e400]},"x":1,"_meta":{"dev.tollgate/reason":"why","k":"v"}}"#,
    );
    assert_eq!(
        merged,
        r#"{"name":"read", "arguments":{"n":123456789012345678901234567890,"a":[1e400]},"x":1,"_meta":{"k":"v"}}"#
    );
    let own = r#"{"name":"read","arguments":{ }}"#;
    assert_eq!(outbound(Endpoint::Server(Arc::from("files")), own), own);
}

#[test]
fn the_reason_and_the_trace_are_read_out() {
    let prepared = prepare(
        Endpoint::Whole,
        r#"{"name":"files_read","_meta":{"dev.tollgate/reason":"why","traceparent":"00-a-b-01"}}"#,
    );
    assert_eq!((prepared.reason.as_deref(), prepared.trace.as_deref()), (Some("why"), Some("00-a-b-01")));
}

#[test]
fn the_digest_is_of_target_and_arguments() {
    let digest = |params: &str| prepare(Endpoint::Whole, params).digest;
    let base = digest(r#"{"name":"files_read","arguments":{"a":1}}"#);
    assert_eq!(base, digest(r#"{"arguments":{"a":1},"name":"files_read","_meta":{"progressToken":1}}"#));
    assert_ne!(base, digest(r#"{"name":"files_read","arguments":{"a":2}}"#));
    assert_ne!(base, digest(r#"{"name":"files_read"}"#));
}

#[test]
fn answers_to_our_own_question_do_not_leave() {
    let text = outbound(
        Endpoint::Whole,
        r#"{"name":"files_read","inputResponses":{"tollgate_approval":{"action":"accept"},"k":{"action":"accept"}}}"#,
    );
    assert_eq!(text, r#"{"name":"read","inputResponses":{"k":{"action":"accept"}}}"#);
}

#[test]
fn links_in_results_are_rewritten_on_merged_endpoints_only() {
    let answer = || Answer {
        object: object(r#"{"content":[{"type":"resource_link","uri":"file:///a","name":"a"}],"z":1}"#),
        kind: ResultType::Complete,
        cache: None,
    };
    let text = |endpoint: &Endpoint| {
        let answer =
            results(Method::ToolsCall, &Arc::from("files"), endpoint, answer(), &|id| format!("sealed-{id}"));
        String::from_utf8(answer.object.text().to_vec()).unwrap()
    };
    assert_eq!(
        text(&Endpoint::Whole),
        r#"{"content":[{"type":"resource_link","uri":"files+file:///a","name":"a"}],"z":1}"#
    );
    assert_eq!(
        text(&Endpoint::Server(Arc::from("files"))),
        r#"{"content":[{"type":"resource_link","uri":"file:///a","name":"a"}],"z":1}"#
    );
}

#[test]
fn task_ids_are_sealed() {
    let answer = Answer { object: object(r#"{"taskId":"t1"}"#), kind: ResultType::Task, cache: None };
    let sealed = results(Method::ToolsCall, &Arc::from("files"), &Endpoint::Whole, answer, &|id| {
        format!("sealed-{id}")
    });
    assert_eq!(sealed.object.string("taskId").unwrap(), "sealed-t1");
}
