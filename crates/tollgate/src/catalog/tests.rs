use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;

use super::{List, ListKey, Offer, digest_of};
use crate::servers::Listing;
use crate::testing::{config, snapshot, two_servers};

const TOOL: &str = r#"{"name":"read","inputSchema":{"type":"object","x-vendor":1},"vendor":{"n":123456789012345678901234567890}}"#;

fn written(lists: &[(&str, Listing, &[&str])], server: Option<&str>, listing: Listing) -> String {
    let snapshot = snapshot(&two_servers(), lists);
    let places: Vec<usize> = (0..snapshot.items(listing).len()).collect();
    let key = ListKey {
        listing,
        server: server.map(Arc::from),
        revision: Revision::LATEST,
        visible: digest_of(&places),
    };
    let list = List::write(&snapshot, &key, &places, &|place, _| format!("at-{place}"));
    String::from_utf8(list.page(0).unwrap().text().to_vec()).unwrap()
}

#[test]
fn a_merged_list_renames_and_keeps_everything_else() {
    let text = written(
        &[("files", Listing::Tools, &[TOOL]), ("mail", Listing::Tools, &[TOOL])],
        None,
        Listing::Tools,
    );
    assert!(text.contains(r#""name":"files_read""#) && text.contains(r#""name":"mail_read""#), "{text}");
    assert!(
        text.contains(r#""vendor":{"n":123456789012345678901234567890}"#) && text.contains(r#""x-vendor":1"#),
        "{text}"
    );
}

#[test]
fn a_servers_own_endpoint_keeps_names_and_uris() {
    let own = written(&[("files", Listing::Tools, &[TOOL])], Some("files"), Listing::Tools);
    assert!(own.contains(r#""name":"read""#), "{own}");
    let resource = [("files", Listing::Resources, &[r#"{"uri":"file:///a","name":"a"}"#] as &[&str])];
    assert!(written(&resource, Some("files"), Listing::Resources).contains(r#""uri":"file:///a""#));
    assert!(written(&resource, None, Listing::Resources).contains(r#""uri":"files+file:///a""#));
}

#[test]
fn garbage_among_good_tools_hides_none_of_them() {
    let items: &[&str] = &["7", "{}", r#"{"name":""}"#, r#"{"name":5}"#, TOOL, TOOL];
    let text = written(&[("files", Listing::Tools, items)], None, Listing::Tools);
    assert_eq!(text.matches("files_read").count(), 1, "{text}");
}

#[test]
fn expose_and_overrides_apply_to_tools() {
    let config = config(
        "servers:\n  files:\n    url: http://127.0.0.1:9/mcp\n    tools:\n      expose: ['*', '!admin_*']\n      override:\n        \
         read: { rename: get, description: reads, destructive: true }\n",
    );
    let snapshot = snapshot(&config, &[("files", Listing::Tools, &[TOOL, r#"{"name":"admin_x"}"#])]);
    assert_eq!(snapshot.items(Listing::Tools).len(), 1);
    let (_, item) = snapshot.exposed_tool("files_get").unwrap();
    assert_eq!((&*item.original, item.flags.destructive), ("read", true));
    assert!(item.shown(true).into_bytes().starts_with(b"{\"description\":\"reads\""));
}

#[test]
fn a_clash_of_exposed_names_leaves_both_out() {
    let config = config(
        "servers:\n  files:\n    url: http://127.0.0.1:9/mcp\n    tools: { override: { a: { rename: b } } }\n",
    );
    let items: &[&str] = &[r#"{"name":"a"}"#, r#"{"name":"b"}"#, r#"{"name":"c"}"#];
    let snapshot = snapshot(&config, &[("files", Listing::Tools, items)]);
    assert!(snapshot.exposed_tool("files_a").is_none() && snapshot.exposed_tool("files_b").is_none());
    assert!(snapshot.exposed_tool("files_c").is_some());
}

#[test]
fn long_lists_have_pages_that_lead_on() {
    let items: Vec<String> = (0..1_001).map(|n| format!("{{\"name\":\"t{n}\"}}")).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let snapshot = snapshot(&two_servers(), &[("files", Listing::Tools, &items)]);
    let places: Vec<usize> = (0..1_001).collect();
    let key = ListKey {
        listing: Listing::Tools,
        server: None,
        revision: Revision::LATEST,
        visible: digest_of(&places),
    };
    let list = List::write(&snapshot, &key, &places, &|place, _| format!("at-{place}"));
    assert_eq!(list.page(0).unwrap().string("nextCursor").unwrap(), "at-1000");
    assert!(list.page(1_000).unwrap().find("nextCursor").is_none());
    assert!(list.page(2_000).is_none() && list.page(7).is_none());
}

#[test]
fn what_is_saved_is_recalled() {
    let config = two_servers();
    let server = config.servers.values().next().unwrap();
    let mut offer = Offer::new(Arc::clone(server));
    let texts = [Bytes::from_static(TOOL.as_bytes())];
    offer.put(Listing::Tools, &texts, None, &config, crate::clock::Clock::system().instant());
    let saved = offer.to_saved();
    assert!(Object::scan(saved.clone()).is_ok());
    let back = Offer::recall(server, &saved, &config).unwrap();
    assert_eq!(back.items(Listing::Tools)[0].text(), TOOL);
    assert!(Offer::recall(server, &Bytes::from_static(b"[]"), &config).is_none());
}

#[test]
fn hints_that_are_no_booleans_are_absent() {
    let flags = |annotations: &str| {
        let tool = format!("{{\"name\":\"get\",\"inputSchema\":{{}},\"annotations\":{annotations}}}");
        snapshot(&two_servers(), &[("files", Listing::Tools, &[&tool])]).items(Listing::Tools)[0].flags
    };
    for hostile in [
        "null",
        "[]",
        "\"x\"",
        "{}",
        r#"{"readOnlyHint":"true","destructiveHint":1,"idempotentHint":null,"openWorldHint":[true]}"#,
    ] {
        assert!(!flags(hostile).hinted, "{hostile}");
    }
    let told = flags(r#"{"readOnlyHint":true,"openWorldHint":false,"idempotentHint":true}"#);
    assert!(told.hinted && told.read_only && told.idempotent && !told.open_world && !told.destructive);
}

#[test]
fn a_definition_over_the_limits_is_left_out_whole() {
    let long = format!(r#"{{"name":"long","description":"{}"}}"#, "x".repeat(9_000));
    let text = written(&[("files", Listing::Tools, &[TOOL, &long])], None, Listing::Tools);
    assert!(text.contains("files_read") && !text.contains("files_long"), "{text}");
}
