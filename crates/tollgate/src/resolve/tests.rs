use std::sync::Arc;

use tollgate_mcp::method::Method;
use uuid::Uuid;

use super::{State, Target, Waiting, call};
use crate::call::Endpoint;
use crate::seal::{Purpose, Sealer};
use crate::servers::Listing;
use crate::testing::{arrival, config, snapshot, two_servers};

const LISTS: [(&str, Listing, &[&str]); 3] = [
    ("files", Listing::Tools, &[r#"{"name":"read"}"#]),
    ("mail", Listing::Tools, &[r#"{"name":"read"}"#]),
    ("files", Listing::Resources, &[r#"{"uri":"file:///a","name":"a"}"#]),
];

fn resolve(method: Method, endpoint: Endpoint, params: &str) -> Result<super::Call, i64> {
    let config = two_servers();
    let snapshot = snapshot(&config, &LISTS);
    call(&Sealer::new([7; 32]), 1_000, &config, snapshot, arrival(method, endpoint, params), Uuid::nil())
        .map_err(|error| error.code)
}

#[test]
fn names_and_uris_lead_to_their_server() {
    let own = || Endpoint::Server(Arc::from("mail"));
    let cases = [
        (Method::ToolsCall, Endpoint::Whole, r#"{"name":"files_read"}"#, Ok("files/read")),
        (Method::ToolsCall, Endpoint::Whole, r#"{"name":"read"}"#, Err(-32602)),
        (Method::ToolsCall, own(), r#"{"name":"read"}"#, Ok("mail/read")),
        (Method::ToolsCall, own(), r#"{"name":"mail_read"}"#, Err(-32602)),
        (Method::ToolsCall, Endpoint::Whole, r#"{"name":7}"#, Err(-32602)),
        (Method::ToolsCall, Endpoint::Whole, r#"{"name":"files_read","arguments":[]}"#, Err(-32602)),
        (Method::ToolsCall, Endpoint::View(Arc::from("nope")), r#"{"name":"files_read"}"#, Err(-32602)),
        (Method::ResourcesRead, Endpoint::Whole, r#"{"uri":"files+file:///a"}"#, Ok("files/file:///a")),
        (Method::ResourcesRead, Endpoint::Whole, r#"{"uri":"file:///a"}"#, Ok("files/file:///a")),
        (Method::ResourcesRead, Endpoint::Whole, r#"{"uri":"nope+file:///a"}"#, Err(-32602)),
        (Method::ResourcesRead, own(), r#"{"uri":"file:///b"}"#, Ok("mail/file:///b")),
        (
            Method::Complete,
            Endpoint::Whole,
            r#"{"ref":{"type":"ref/resource","uri":"files+file:///{x}"}}"#,
            Ok("files/file:///{x}"),
        ),
        (Method::Complete, Endpoint::Whole, r#"{"ref":{"type":"ref/prompt","name":"nope"}}"#, Err(-32602)),
        (Method::TasksGet, Endpoint::Whole, r#"{"taskId":"made-up"}"#, Err(-32021)),
    ];
    for (method, endpoint, params, wanted) in cases {
        let found = resolve(method, endpoint, params).map(|c| c.target.label().to_string());
        assert_eq!(found.as_deref().map_err(|code| *code), wanted, "{params}");
    }
}

#[test]
fn a_view_shows_only_its_tools_to_its_group() {
    let config = config(
        "servers:\n  files: { url: 'http://127.0.0.1:9/mcp' }\n  mail: { url: 'http://127.0.0.1:9/mcp' }\nviews:\n  \
         all: { tools: ['files/*'] }\n  ops: { tools: ['*/*'], for: { group: ops } }\n",
    );
    let snapshot = snapshot(&config, &LISTS);
    let found = |view: &str, name: &str| {
        let params = format!("{{\"name\":\"{name}\"}}");
        let arrival = arrival(Method::ToolsCall, Endpoint::View(Arc::from(view)), &params);
        call(&Sealer::new([7; 32]), 0, &config, Arc::clone(&snapshot), arrival, Uuid::nil()).is_ok()
    };
    assert!(found("all", "files_read"));
    assert!(!found("all", "mail_read"));
    assert!(!found("ops", "files_read"));
}

#[test]
fn a_state_opens_only_for_its_principal_target_and_time() {
    let sealer = Sealer::new([7; 32]);
    let state = State {
        interaction: Uuid::nil(),
        round: 1,
        method: "tools/call".to_owned(),
        target: "files/read".to_owned(),
        digest: [1; 32],
        definition: None,
        approved: None,
        waiting: Waiting::Server { state: Some(String::new()) },
    };
    let config = two_servers();
    let snapshot = snapshot(&config, &LISTS);
    let open = |principal: &str, name: &str, now: u64| {
        let token = sealer.seal(Purpose::State, principal, &state.write(), 5_000);
        let params = format!("{{\"name\":\"{name}\",\"requestState\":\"{token}\"}}");
        let arrival = arrival(Method::ToolsCall, Endpoint::Whole, &params);
        call(&sealer, now, &config, Arc::clone(&snapshot), arrival, Uuid::nil())
    };
    let good = open("alice", "files_read", 1_000).unwrap();
    assert_eq!((good.round, good.state.as_ref()), (2, Some(&state)));
    assert!(matches!(good.target, Target::Tool(0, _)));
    for bad in [
        open("mallory", "files_read", 1_000),
        open("alice", "mail_read", 1_000),
        open("alice", "files_read", 6_000),
    ] {
        assert_eq!(bad.unwrap_err().message, "invalid or expired requestState");
    }
}
