//! What one entry holds, and that there is exactly one.

use serde_json::{Value, json};
use tollgate_mcp::revision::Revision;

use super::*;
use crate::call::Caller;

fn value(entry: &Folded) -> Value {
    serde_json::to_value(entry).unwrap()
}

#[tokio::test]
async fn an_entry_is_the_fold_of_its_begin_and_its_close() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let mut entry = begin(&ledger, CALL);
    let caller = Caller {
        agent: Arc::from("coder"),
        user: text("ann"),
        tenant: text("acme"),
        groups: vec![],
        principal: Arc::from("coder/ann/acme"),
        own_conversations: false,
    };
    let facts = entry.facts_mut();
    facts.caller = Some(Arc::new(caller));
    facts.client = text("probe/1.0");
    facts.revision = Some(Revision::V2025_06_18);
    facts.session = text("5e55");
    facts.trace = text("00-aa-bb-01");
    facts.server = text("files");
    facts.tool = text("files/delete");
    facts.exposed = text("files_delete");
    facts.args_digest = Some([7; 32]);
    facts.args = Some(Bytes::from_static(b"{\"path\":\r\n \"/tmp/a\"}"));
    facts.reason = text("clean\nup \"now\"\u{202e}");
    facts.verdict = Some(Said::Ask);
    facts.rules.push(Arc::from("no-deletes"));
    facts.findings.push(Arc::from("email"));
    facts.bytes_in = Some(321);
    entry.commit().await.unwrap();
    let facts = entry.facts_mut();
    facts.approval = Some(Box::new(Approval {
        by: Arc::from("ana"),
        at_ms: 1_785_240_896_789,
        via: Arc::from("console"),
        grant: None,
        edited: Some(([7; 32], Bytes::from_static(b"{\"path\":\"/b\"}"))),
    }));
    facts.rules.push(Arc::from("late"));
    facts.redactions.push(Redaction {
        place: Where::Result,
        path: Arc::from("$.ssn"),
        kind: Arc::from("field"),
    });
    facts.limits.push(Arc::from("rate:agent"));
    facts.cost_usd = Some(0.002);
    facts.bytes_out = Some(99);
    facts.tokens_est = Some(25);
    facts.server_ms = Some(4);
    facts.server_revision = Some(Revision::V2026_07_28);
    let close = Close::with(Outcome::ToolError, "-32000", "it said \"no\"");
    drop(entry.close(close, ending()).await);

    let mut found = value(&tail(state.path())[0]);
    let object = found.as_object_mut().unwrap();
    assert_eq!(object["id"], object["interaction"]);
    for volatile in ["id", "interaction", "at", "latency_ms", "chain", "prev", "hash"] {
        assert!(object.remove(volatile).is_some(), "{volatile}");
    }
    let expected = json!({
        "round": 1, "agent": "coder", "user": "ann", "tenant": "acme", "client": "probe/1.0",
        "revision": "2025-06-18", "session": "5e55", "trace": "00-aa-bb-01", "method": "tools/call",
        "server": "files", "tool": "files/delete", "exposed": "files_delete", "args_digest": "07".repeat(32),
        "args": {"path": "/tmp/a"}, "reason": "clean\nup \"now\"\u{202e}", "verdict": "ask",
        "rules": ["no-deletes", "late"],
        "approval": {"by": "ana", "at": "2026-07-28T12:14:56.789Z", "via": "console",
            "edited": {"args_digest": "07".repeat(32), "args": {"path": "/b"}}},
        "redactions": [{"in": "result", "path": "$.ssn", "kind": "field"}], "findings": ["email"],
        "limits": ["rate:agent"], "cost_usd": 0.002, "bytes_in": 321, "bytes_out": 99, "tokens_est": 25,
        "server_ms": 4, "outcome": "tool_error", "error": {"code": "-32000", "message": "it said \"no\""},
        "server_revision": "2026-07-28", "seq": 3,
    });
    assert_eq!(found, expected);
    // start, begin, close: no text of the agent's made a line of its own, and what turns the reading direction is escaped.
    let written = lines(&segments(state.path())[0]);
    assert_eq!(written.len(), 3);
    assert!(written[1].contains("\\u202e"));
}

#[tokio::test]
async fn a_refusal_before_commit_is_one_record() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let mut entry = begin(&ledger, CALL);
    entry.facts_mut().tool = text("files/delete");
    entry.facts_mut().verdict = Some(Said::Deny);
    let close = Close::with(Outcome::Refused, "rule.denied", "deletes need a human");
    assert_eq!(told(entry.close(close, ending()).await), "as it came");
    assert_eq!(lines(&segments(state.path())[0]).len(), 2);
    let found = value(&tail(state.path())[0]);
    assert_eq!(found["tool"], "files/delete");
    assert_eq!((&found["verdict"], &found["outcome"]), (&json!("deny"), &json!("refused")));
    assert_whole(state.path());
}

#[tokio::test]
async fn a_list_leaves_its_close_only() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let mut entry = begin(&ledger, LIST);
    let _committed: Committed = entry.commit().await.unwrap();
    assert_eq!(lines(&segments(state.path())[0]).len(), 1);
    drop(entry.close(Close::of(Outcome::Ok), ending()).await);
    assert_eq!(lines(&segments(state.path())[0]).len(), 2);
    assert_eq!(tail(state.path())[0].fields.method.as_deref(), Some("tools/list"));
}

#[tokio::test]
async fn a_dropped_entry_is_cancelled_and_a_panicked_one_abandoned() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    drop(begun(&ledger, "a/dropped").await);
    let entry = begun(&ledger, "a/panicked").await;
    let panicked = std::thread::spawn(move || {
        let _held = entry;
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    drop(begin(&ledger, CALL));
    assert_eq!(outcomes(&tail(state.path())), ["cancelled", "abandoned", "cancelled"]);
    assert_eq!(ledger.open_entries(), 0);
    assert_whole(state.path());
}

#[test]
fn only_requests_without_an_entry_are_answered_without_one() {
    for method in Method::ALL {
        let open = unrecorded(method, ending()).is_ok();
        let free = [Method::Discover, Method::Initialize, Method::Ping, Method::SetLevel, Method::TasksGet];
        assert_eq!(open, free.contains(&method), "{method:?}");
        assert!(!(open && Subject::Request(method).begins()), "{method:?}");
    }
}

#[tokio::test]
async fn a_poll_may_give_its_entry_back_but_a_call_may_not() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let poll = begin(&ledger, Subject::Request(Method::TasksGet));
    assert!(poll.unrecorded(ending()).is_ok());
    assert!(tail(state.path()).is_empty());
    assert!(begun(&ledger, "a/b").await.unrecorded(ending()).is_err());
    assert_eq!(outcomes(&tail(state.path())), ["cancelled"]);
}

#[tokio::test]
async fn payloads_say_what_of_the_arguments_is_kept() {
    let big = format!("{{\"text\":\"{}\"}}", "x".repeat(70_000));
    let whole = "{\"a\":1}";
    let forged = "{\"a\":1},\"outcome\":\"ok\"";
    let cases = [
        (Payloads::None, whole, json!([null, null, null])),
        (Payloads::Digest, whole, json!([true, null, null])),
        (Payloads::Redacted, whole, json!([true, {"a": 1}, null])),
        (Payloads::Full, whole, json!([true, {"a": 1}, null])),
        (Payloads::Full, big.as_str(), json!([true, null, true])),
        // Not one JSON value: it could end its member and begin another.
        (Payloads::Full, forged, json!([true, null, true])),
    ];
    for (payloads, args, expected) in cases {
        let state = tempfile::tempdir().unwrap();
        let config = config::Ledger { payloads, ..config(Durability::Commit) };
        let ledger = Ledger::open(state.path(), config, Clock::system()).unwrap();
        let mut entry = begin(&ledger, CALL);
        entry.facts_mut().args = Some(Bytes::copy_from_slice(args.as_bytes()));
        entry.facts_mut().args_digest = Some([1; 32]);
        entry.commit().await.unwrap();
        drop(entry);
        let found = value(&tail(state.path())[0]);
        let digest = found.get("args_digest").map(|digest| *digest == json!("01".repeat(32)));
        assert_eq!(json!([digest, found.get("args"), found.get("args_truncated")]), expected, "{payloads:?}");
        assert_whole(state.path());
    }
}

#[test]
fn the_largest_close_fits_the_room_that_its_begin_reserved() {
    let long: Arc<str> = Arc::from("\u{1}".repeat(5000));
    let mut facts = Facts::new(uuid::Uuid::max(), u64::MAX / 4096, CALL);
    facts.verdict = Some(Said::Allow);
    facts.approval = Some(Box::new(Approval {
        by: Arc::clone(&long),
        at_ms: 0,
        via: Arc::clone(&long),
        grant: Some(Arc::clone(&long)),
        edited: Some(([7; 32], Bytes::from(format!("{:1536}", "{}")))),
    }));
    for _ in 0..1000 {
        facts.rules.push(Arc::clone(&long));
        facts.shadow.push(Arc::from("s"));
        facts.findings.push(Arc::from("f"));
        facts.limits.push(Arc::clone(&long));
        let (path, kind) = (Arc::clone(&long), Arc::clone(&long));
        facts.redactions.push(Redaction { place: Where::Arguments, path, kind });
    }
    facts.cost_usd = Some(f64::MAX);
    for count in [&mut facts.bytes_out, &mut facts.tokens_est, &mut facts.server_ms] {
        *count = Some(u64::MAX);
    }
    facts.server_revision = Some(Revision::LATEST);
    let close = Close::with(Outcome::Abandoned, Arc::clone(&long), long.to_string());
    let mut out = Vec::new();
    let begun = Some((u64::MAX, encode::Told::default()));
    encode::close(&mut out, &facts, Payloads::Full, begun, &close, u64::MAX / 4096, u64::MAX);
    let (trailer, undelivered) = (300, 450);
    let all = u64::try_from(out.len()).unwrap() + trailer + undelivered;
    assert!(all <= encode::CLOSE_ROOM, "{all}");
    let mut text = String::from_utf8(out).unwrap();
    text.push('}');
    let read: Value = serde_json::from_str(&text).unwrap();
    assert!(read["omitted"].as_u64().unwrap() > 3000);
}

#[tokio::test]
async fn failed_requests_are_counted_by_peer_reason_and_minute() {
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::adjustable();
    let ledger = tuned(state.path(), Durability::Commit, &Arc::default(), &clock);
    let peer = |last| Some(std::net::IpAddr::from([192, 0, 2, last]));
    for _ in 0..500 {
        ledger.count_failure(peer(1), "unauthenticated");
    }
    ledger.count_failure(peer(2), "unauthenticated");
    ledger.count_failure(None, "malformed");
    clock.advance(Duration::from_mins(2));
    ledger.count_failure(peer(1), "unauthenticated");
    ledger.close().unwrap();
    let mut found: Vec<_> = tail(state.path())
        .into_iter()
        .map(|entry| (entry.fields.count.unwrap(), entry.fields.peer, entry.fields.outcome.unwrap()))
        .collect();
    found.sort();
    let refused = || "refused".to_owned();
    let (one, two) = (|| Some("192.0.2.1".to_owned()), Some("192.0.2.2".to_owned()));
    assert_eq!(
        found,
        [(1, None, refused()), (1, one(), refused()), (1, two, refused()), (500, one(), refused())]
    );
    assert_whole(state.path());
}

#[test]
fn a_crowd_of_peers_is_counted_together() {
    let failures = super::super::failures::Failures::default();
    for n in 0..100_000_u32 {
        failures.count(5, Some(std::net::Ipv4Addr::from(n).into()), "unauthenticated");
    }
    let counts = failures.take(60_000);
    assert!(counts.len() <= 1025);
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 100_000);
}

#[tokio::test]
async fn a_park_ends_as_its_retry_or_as_one_abandoned_entry() {
    let state = tempfile::tempdir().unwrap();
    let ledger = open(state.path());
    let mut asked = begin(&ledger, CALL);
    asked.facts_mut().tool = text("files/ask");
    let interaction = asked.facts().interaction();
    ledger.note_parked(asked.facts()).unwrap();
    drop(asked.close(Close::of(Outcome::Asked), ending()).await);
    assert!(ledger.close_parked(&interaction, ParkEnd::Resumed).unwrap());
    assert!(!ledger.close_parked(&interaction, ParkEnd::Abandoned).unwrap());

    let mut asked = begin(&ledger, CALL);
    asked.facts_mut().tool = text("files/ask");
    let interaction = asked.facts().interaction();
    ledger.note_parked(asked.facts()).unwrap();
    drop(asked.close(Close::of(Outcome::Asked), ending()).await);
    // The process dies with the park: the next start finds it.
    let copy = crashed(state.path());
    drop(open(copy.path()));
    assert!(ledger.close_parked(&interaction, ParkEnd::Abandoned).unwrap());
    for state in [state.path(), copy.path()] {
        let found = tail(state);
        assert_eq!(outcomes(&found), ["asked", "asked", "abandoned"]);
        let (round, park) = (&found[1].fields, &found[2].fields);
        assert_eq!((&park.tool, &park.interaction), (&round.tool, &round.interaction));
        assert_ne!(park.id, round.id);
        assert_whole(state);
    }
}
