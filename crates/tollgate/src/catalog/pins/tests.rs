use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::diff::changes;
use super::{Pin, Pinboard, Pins, canonical, digest, report};
use crate::catalog::Item;
use crate::config::Trust;
use crate::servers::Listing;
use crate::store::Store;
use crate::testing::{object, two_servers};

/// A board on a real store.
#[derive(Debug)]
struct Board(Store);

impl Pinboard for Board {
    fn pins(&self, texts: bool) -> Result<Vec<Pin>, String> {
        self.0.pins(texts).map_err(|e| e.to_string())
    }

    fn keep(&self, fresh: &[Pin], changed: &[Pin]) -> Result<(), String> {
        self.0.keep_pins(fresh, changed).map_err(|e| e.to_string())
    }

    fn accept(&self, what: &str, digest: &str, by: &str) -> Result<Vec<String>, String> {
        let (server, tool) = what.split_once('/').map_or((what, None), |(server, tool)| (server, Some(tool)));
        self.0.accept_pins(server, tool, digest, by, 9).map_err(|e| e.to_string())
    }

    fn forget(&self, server: &str, listed: &HashSet<Arc<str>>, _by: &str) -> Result<Vec<String>, String> {
        self.0.forget_pins(server, listed).map_err(|e| e.to_string())
    }

    fn note(&self, _pin: &Pin) {}

    fn now_ms(&self) -> u64 {
        7
    }
}

fn tool(text: &str) -> Arc<Item> {
    let config = two_servers();
    let server = config.servers.get("files").unwrap();
    Arc::new(Item::read(Listing::Tools, server, &Bytes::copy_from_slice(text.as_bytes()), 48, false).unwrap())
}

const OLD: &str = r#"{"name":"read","description":"Reads","inputSchema":{"type":"object"}}"#;
const NEW: &str = r#"{"name":"read","description":"Reads all","inputSchema":{"type":"object"}}"#;

fn book() -> (tempfile::TempDir, Board, Pins) {
    let state = tempfile::tempdir().unwrap();
    let board = Board(Store::open(state.path()).unwrap());
    (state, board, Pins::default())
}

#[test]
fn spelling_is_no_change_and_everything_pinned_is() {
    let of = |text: &str| digest(&canonical(&object(text)));
    assert_eq!(
        of(r#"{"name":"a","inputSchema":{"x":1,"a":[1, 2]},"icons":[1]}"#),
        of(r#"{ "inputSchema": {"\u0061":[1,2],"x":1}, "name":"\u0061" }"#)
    );
    let base = of(r#"{"name":"a","description":"d"}"#);
    for other in [
        r#"{"name":"b","description":"d"}"#,
        r#"{"name":"a","description":"D"}"#,
        r#"{"name":"a","description":"d","title":"t"}"#,
        r#"{"name":"a","description":"d","inputSchema":{}}"#,
        r#"{"name":"a","description":"d","outputSchema":{}}"#,
        r#"{"name":"a","description":"d","annotations":{"readOnlyHint":true}}"#,
        r#"{"name":"a","description":"d","description":"d"}"#,
    ] {
        assert_ne!(of(other), base, "{other}");
    }
    assert_ne!(
        of(r#"{"name":"a","inputSchema":{"maximum":1.0}}"#),
        of(r#"{"name":"a","inputSchema":{"maximum":1}}"#)
    );
    // Hostile depth ends, and still counts.
    let deep = |n: usize| format!(r#"{{"name":"a","inputSchema":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    assert_ne!(of(&deep(9_000)), of(&deep(9_001)));
}

#[test]
fn a_changed_tool_is_held_until_accepted_also_by_a_new_process() {
    let (_state, board, pins) = book();
    pins.observe(Trust::Pin, 0, &[tool(OLD)], &board);
    assert!(!pins.holds(Trust::Pin, 0, &tool(OLD)));
    assert!(pins.holds(Trust::Pin, 0, &tool(NEW)), "before it was ever observed");
    pins.observe(Trust::Pin, 0, &[tool(NEW)], &board);
    assert!(pins.holds(Trust::Pin, 0, &tool(NEW)));
    assert!(pins.holds(Trust::Pin, 9, &tool(OLD)), "for agents that are still shown what was");

    let later = Pins::default();
    assert!(later.reread(&board).unwrap());
    assert!(!later.reread(&board).unwrap(), "nothing moved");
    assert!(later.holds(Trust::Pin, 0, &tool(NEW)) && !later.holds(Trust::Pin, 0, &tool(OLD)));
    // A server that drops the tool and lists it again has not made it a new one.
    later.observe(Trust::Pin, 0, &[], &board);
    later.observe(Trust::Pin, 0, &[tool(NEW)], &board);
    assert!(later.holds(Trust::Pin, 0, &tool(NEW)));

    let told = report(&board.pins(true).unwrap(), None);
    let waiting = told.first().unwrap().waiting.clone().unwrap();
    assert_eq!(waiting.changes.first().unwrap().path, "description");
    assert_eq!(board.accept("files/read", "00000000", "ana").unwrap(), Vec::<String>::new());
    assert_eq!(board.accept("files", waiting.digest.get(..8).unwrap(), "ana").unwrap(), ["files/read"]);
    assert!(later.reread(&board).unwrap());
    assert!(!later.holds(Trust::Pin, 0, &tool(NEW)) && later.holds(Trust::Pin, 0, &tool(OLD)));
    assert_eq!(report(&board.pins(true).unwrap(), Some("files/read")).first().unwrap().by, "ana");
}

#[test]
fn a_definition_that_changes_back_is_released() {
    let (_state, board, pins) = book();
    for sight in [OLD, NEW, OLD] {
        pins.observe(Trust::Pin, 0, &[tool(sight)], &board);
    }
    assert!(!pins.holds(Trust::Pin, 0, &tool(OLD)));
    assert_eq!(report(&board.pins(true).unwrap(), None).first().unwrap().state, "pinned");
}

#[test]
fn agents_of_other_capabilities_are_no_way_around() {
    let (_state, board, pins) = book();
    pins.observe(Trust::Pin, 0, &[tool(OLD)], &board);
    pins.observe(Trust::Pin, 5, &[tool(NEW)], &board);
    assert!(pins.holds(Trust::Pin, 5, &tool(NEW)) && !pins.holds(Trust::Pin, 0, &tool(OLD)));
    assert!(!pins.holds(Trust::Pin, 5, &tool(OLD)));
    assert_eq!(board.accept("files/read", "", "ana").unwrap(), ["files/read"]);
    pins.reread(&board).unwrap();
    // Each kind of agent is shown what was accepted for it.
    assert!(!pins.holds(Trust::Pin, 5, &tool(NEW)) && !pins.holds(Trust::Pin, 0, &tool(OLD)));
    assert!(pins.holds(Trust::Pin, 0, &tool(NEW)));
}

#[test]
fn trust_takes_a_change_and_keeps_it_for_the_day_trust_ends() {
    let (_state, board, pins) = book();
    pins.observe(Trust::Auto, 0, &[tool(OLD)], &board);
    pins.observe(Trust::Auto, 0, &[tool(NEW)], &board);
    assert!(!pins.holds(Trust::Auto, 0, &tool(NEW)));
    assert!(!pins.holds(Trust::Pin, 0, &tool(NEW)) && pins.holds(Trust::Pin, 0, &tool(OLD)));
    let told = report(&board.pins(true).unwrap(), None);
    assert_eq!(told.first().unwrap().by, "trust: auto");
}

#[test]
fn a_server_of_ever_new_names_fills_no_disk() {
    let (_state, board, pins) = book();
    let named = |n: usize| tool(&format!(r#"{{"name":"t{n}"}}"#));
    let many: Vec<_> = (0..=super::PINS_MAX).map(named).collect();
    pins.observe(Trust::Pin, 0, &many, &board);
    assert_eq!(board.pins(false).unwrap().len(), super::PINS_MAX);
    assert!(
        pins.holds(Trust::Pin, 0, many.last().unwrap()) && !pins.holds(Trust::Pin, 0, many.first().unwrap())
    );
}

#[test]
fn what_is_gone_makes_room_once_an_operator_says_so() {
    let (_state, board, pins) = book();
    let named = |n: usize| tool(&format!(r#"{{"name":"t{n}"}}"#));
    let many: Vec<_> = (0..super::PINS_MAX).map(named).collect();
    pins.observe(Trust::Pin, 0, &many, &board);
    let now = [named(0), tool(NEW)];
    pins.observe(Trust::Pin, 0, &now, &board);
    assert!(pins.holds(Trust::Pin, 0, &now[1]));

    let listed: HashSet<Arc<str>> = now.iter().map(|tool| Arc::clone(&tool.original)).collect();
    assert_eq!(board.forget("mail", &HashSet::new(), "ana").unwrap(), Vec::<String>::new());
    let forgotten = board.forget("files", &listed, "ana").unwrap();
    assert_eq!(forgotten.len(), super::PINS_MAX - 1);
    assert!(!forgotten.contains(&"files/t0".to_owned()));
    assert!(pins.reread(&board).unwrap());
    pins.observe(Trust::Pin, 0, &now, &board);
    assert!(!pins.holds(Trust::Pin, 0, &now[1]) && !pins.holds(Trust::Pin, 0, &now[0]));
    assert!(pins.holds(Trust::Pin, 0, &named(1)), "what comes back is looked at anew");
}

#[test]
fn a_diff_hides_nothing() {
    let told = changes(
        r#"{"description":"a","n":{"x":1}}"#,
        "{\"description\":\"a\u{200b}\",\"n\":{\"x\":1,\"y\":[2]}}",
    );
    let told: Vec<_> = told.iter().map(|c| (&*c.path, c.before.as_deref(), c.after.as_deref())).collect();
    assert_eq!(told, [("description", Some("a"), Some("a⟨U+200B⟩")), ("n.y", None, Some("[2]"))]);
    // What a reader takes for the same is still shown.
    assert_eq!(changes(r#"{"a":1,"a":1}"#, r#"{"a":1}"#).len(), 1);
    assert_eq!(changes("{", "{}").len(), 1);
}
