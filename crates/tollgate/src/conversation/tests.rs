use std::sync::Arc;

use tollgate_mcp::method::Method;

use super::{Conversations, Facts};
use crate::call::{Arrival, Caller, Endpoint};
use crate::config::Config;
use crate::store::ConversationStore;
use crate::testing::{arrival, caller, config};

const MINUTE: u64 = 60_000;

fn labelled() -> Config {
    config("servers:\n  web: { url: 'http://127.0.0.1:9/mcp', labels: [untrusted] }\n")
}

fn begin(saved: Vec<super::Saved>) -> Conversations {
    Conversations::new(&[7; 32], &labelled(), false, saved, 0)
}

fn request(agent: &str, own: bool, session: Option<&str>, meta: &str) -> Arrival {
    let mut arrival = arrival(Method::ToolsCall, Endpoint::Whole, &format!("{{\"_meta\":{meta}}}"));
    let Caller { agent, principal, .. } = &*caller(agent);
    arrival.caller = Arc::new(Caller {
        agent: Arc::clone(agent),
        user: None,
        tenant: None,
        groups: Vec::new(),
        principal: Arc::clone(principal),
        own_conversations: own,
    });
    arrival.session = session.map(Arc::from);
    arrival
}

fn label(text: &str) -> Vec<Arc<str>> {
    vec![Arc::from(text)]
}

fn labels(facts: &Facts) -> Vec<&str> {
    facts.labels.iter().map(|label| &**label).collect()
}

#[test]
fn a_new_session_or_an_id_of_ones_own_sheds_nothing() {
    let all = begin(Vec::new());
    let first = all.of(&request("a", false, Some("s1"), "{}"), 0).unwrap();
    assert!(all.touch(&first, &label("untrusted"), true, &[]));
    assert!(!all.touch(&first, &label("untrusted"), false, &[]));
    assert_eq!(labels(&first.facts()), ["untrusted"]);
    assert_eq!(first.facts().calls, 1);

    let ways = [
        request("a", false, Some("s2"), "{}"),
        request("a", false, None, "{}"),
        request("a", false, None, r#"{"dev.tollgate/conversation":"fresh"}"#),
    ];
    for way in ways {
        let here = all.of(&way, MINUTE).unwrap();
        assert_eq!(labels(&here.facts()), ["untrusted"]);
    }
    // Who was not there is not tainted, and names differ.
    let other = all.of(&request("b", false, None, "{}"), MINUTE).unwrap();
    assert_eq!(labels(&other.facts()), Vec::<&str>::new());
    assert_ne!(other.name(), first.name());
    assert_eq!(first.name().len(), 32);
}

#[test]
fn a_trusted_host_tells_its_conversations_apart() {
    let all = begin(Vec::new());
    let of = |id: &str, now| {
        all.of(&request("host", true, None, &format!(r#"{{"dev.tollgate/conversation":"{id}"}}"#)), now)
            .unwrap()
    };
    _ = all.touch(&of("one", 0), &label("untrusted"), true, &[(Arc::from("spent"), 7)]);
    assert_eq!(labels(&of("one", 1).facts()), ["untrusted"]);
    assert_eq!(of("one", 1).facts().counters, [(Arc::from("spent"), 7)]);
    assert_eq!(of("two", 1).facts(), Facts::default());
    // Without an id it is the window, which knows all of it.
    let window = all.of(&request("host", true, None, "{}"), 1).unwrap();
    assert_eq!(labels(&window.facts()), ["untrusted"]);
    // An id outlives the window.
    assert_eq!(labels(&of("one", 600 * MINUTE).facts()), ["untrusted"]);
    let window = all.of(&request("host", true, None, "{}"), 600 * MINUTE).unwrap();
    assert_eq!(window.facts(), Facts::default());
}

#[test]
fn a_window_ends_when_it_was_idle() {
    let all = begin(Vec::new());
    let plain = request("a", false, None, "{}");
    let here = all.of(&plain, 0).unwrap();
    _ = all.touch(&here, &label("untrusted"), true, &[]);
    assert_eq!(labels(&all.of(&plain, 30 * MINUTE).unwrap().facts()), ["untrusted"]);
    assert_eq!(labels(&all.of(&plain, 60 * MINUTE).unwrap().facts()), ["untrusted"], "use prolongs it");
    let next = all.of(&plain, 91 * MINUTE).unwrap();
    assert_eq!(next.facts(), Facts::default());
    assert_ne!(next.name(), here.name());
}

#[test]
fn ids_without_end_share_the_window_which_knows_all_labels() {
    let all = begin(Vec::new());
    let of = |n: usize| {
        all.of(&request("host", true, None, &format!(r#"{{"dev.tollgate/conversation":"{n}"}}"#)), 0).unwrap()
    };
    _ = all.touch(&of(0), &label("untrusted"), true, &[]);
    let last = (1..super::TALKS_MAX + 50).map(of).last().unwrap();
    assert_eq!(labels(&last.facts()), ["untrusted"]);
    assert!(last.own.is_none());
}

#[test]
fn a_restart_within_the_window_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let store = ConversationStore::open(folder.path()).unwrap();
    let plain = request("a", false, None, "{}");
    let named = request(
        "host",
        true,
        None,
        r#"{"dev.tollgate/conversation":"x","dev.tollgate/allow":["web/*"],"dev.tollgate/task":"pay bob"}"#,
    );
    let all = begin(Vec::new());
    let name = Arc::clone(all.of(&plain, MINUTE).unwrap().name());
    _ = all.touch(&all.of(&plain, MINUTE).unwrap(), &label("untrusted"), true, &[(Arc::from("spent"), 2)]);
    _ = all.touch(&all.of(&named, MINUTE).unwrap(), &label("untrusted"), true, &[]);
    store.exchange(&all.take_changed(), 30 * MINUTE, 0).unwrap();
    assert_eq!(all.take_changed(), Vec::new(), "nothing is written twice");

    let again = begin(store.load().unwrap());
    let here = again.of(&plain, 20 * MINUTE).unwrap();
    assert_eq!((labels(&here.facts()), here.facts().calls, here.name()), (vec!["untrusted"], 1, &name));
    assert_eq!(here.facts().counters, [(Arc::from("spent"), 2)]);
    let here =
        again.of(&request("host", true, None, r#"{"dev.tollgate/conversation":"x"}"#), 20 * MINUTE).unwrap();
    assert!(here.allows("web/get") && !here.allows("mail/send"));
    assert_eq!(here.facts().task.as_deref(), Some("pay bob"));

    let late = begin(store.load().unwrap());
    assert_eq!(late.of(&plain, 40 * MINUTE).unwrap().facts(), Facts::default());
    _ = all.touch(&all.of(&plain, 50 * MINUTE).unwrap(), &label("untrusted"), true, &[]);
    store.exchange(&all.take_changed(), 30 * MINUTE, 40 * MINUTE).unwrap();
    assert_eq!(store.load().unwrap().len(), 1, "what is long past is forgotten");
}

#[test]
fn a_host_narrows_and_never_widens() {
    let all = begin(Vec::new());
    let of = |allow: &str| {
        all.of(&request("host", true, None, &format!(r#"{{"dev.tollgate/conversation":"x"{allow}}}"#)), 0)
    };
    assert!(of("").unwrap().allows("any/thing"));
    let here = of(r#","dev.tollgate/allow":["web/*","mail/read"]"#).unwrap();
    assert!(here.allows("web/get") && here.allows("mail/read") && !here.allows("mail/send"));
    let here = of(r#","dev.tollgate/allow":["*/*"]"#).unwrap();
    assert!(here.allows("web/get") && !here.allows("mail/send"));
    let here = of(r#","dev.tollgate/allow":["mail/*"]"#).unwrap();
    assert!(here.allows("mail/read") && !here.allows("web/get") && !here.allows("mail/send"));
    assert!(!of(r#","dev.tollgate/allow":[]"#).unwrap().allows("mail/read"));
    for n in 0..20 {
        drop(of(&format!(r#","dev.tollgate/allow":["n{n}/*"]"#)));
    }
    assert!(of(r#","dev.tollgate/allow":["more/*"]"#).is_err(), "too often is refused, not forgotten");
    // Who may not choose is not heard.
    let other = all
        .of(&request("a", false, None, r#"{"dev.tollgate/allow":[],"dev.tollgate/task":"x"}"#), 0)
        .unwrap();
    assert!(other.allows("web/get") && other.facts().task.is_none());
}

#[test]
fn hints_that_cannot_be_read_are_refused() {
    let all = begin(Vec::new());
    let long = "x".repeat(70_000);
    for meta in [
        r#"{"dev.tollgate/conversation":7}"#.to_owned(),
        r#"{"dev.tollgate/conversation":""}"#.to_owned(),
        r#"{"dev.tollgate/allow":"web/*"}"#.to_owned(),
        r#"{"dev.tollgate/allow":[7]}"#.to_owned(),
        format!(r#"{{"dev.tollgate/task":"{long}"}}"#),
        format!(r#"{{"dev.tollgate/conversation":"{long}"}}"#),
    ] {
        assert!(
            all.of(&request("host", true, None, &meta), 0).is_err(),
            "{}",
            meta.get(..40).unwrap_or_default()
        );
    }
}

#[test]
fn nothing_is_remembered_where_nobody_reads_it() {
    let plain = config("servers:\n  web: { url: 'http://127.0.0.1:9/mcp' }\n");
    let all = Conversations::new(&[7; 32], &plain, false, Vec::new(), 0);
    let here = all.of(&request("a", false, None, "{}"), 0).unwrap();
    _ = all.touch(&here, &label("untrusted"), true, &[]);
    assert_eq!(here.facts(), Facts::default());
    assert_eq!(all.take_changed(), Vec::new());
    all.apply(&plain, true);
    _ = all.touch(&here, &[], true, &[]);
    assert_eq!(here.facts().calls, 1);
}

#[test]
fn sums_are_over_whole_numbers_that_never_fall() {
    let config = config(
        "servers:\n  bank: { url: 'http://127.0.0.1:9/mcp' }\nconversation:\n  sums:\n    spent: { of: 'bank/*', path: '$.amount' }\n    \
         items: { of: 'bank/buy', path: '$.items[*].price' }\n",
    );
    let all = Conversations::new(&[7; 32], &config, true, Vec::new(), 0);
    let sums = |tool: &str, text: &str| {
        let sums = all.sums(tool, Some(&bytes::Bytes::copy_from_slice(text.as_bytes())));
        sums.into_iter().map(|(name, sum)| (name.to_string(), sum)).collect::<Vec<_>>()
    };
    let spent = |n| vec![("spent".to_owned(), n)];
    assert_eq!(sums("bank/pay", r#"{"amount":12}"#), spent(12));
    assert_eq!(sums("bank/pay", r#"{"amount":"12.01"}"#), spent(13));
    assert_eq!(sums("bank/pay", r#"{"amount":-5}"#), spent(0));
    assert_eq!(sums("bank/pay", r#"{"amount":1e99}"#), spent(i64::MAX));
    assert_eq!(sums("bank/pay", r#"{"amount":{"x":1}}"#), spent(0));
    assert_eq!(sums("mail/pay", r#"{"amount":12}"#), []);
    let bought = sums("bank/buy", r#"{"items":[{"price":1},{"price":2.5},{}]}"#);
    assert_eq!(bought, [("spent".to_owned(), 0), ("items".to_owned(), 4)]);
    let bought = sums("bank/buy", r#"{"items":{"a":{"price":1},"b":{"price":2}}}"#);
    assert_eq!(bought, [("spent".to_owned(), 0), ("items".to_owned(), 3)]);
}

/// A process: what it remembers, and its own way to the file.
struct Process {
    all: Conversations,
    store: ConversationStore,
}

impl Process {
    fn start(state: &std::path::Path) -> Self {
        let store = ConversationStore::open(state).unwrap();
        Self { all: begin(store.load().unwrap()), store }
    }

    fn exchange(&self) {
        let told = self.store.exchange(&self.all.take_changed(), self.all.idle_ms(), 0).unwrap();
        self.all.absorb(told);
    }

    fn touch(&self, way: &Arrival, text: &str, sum: i64, now_ms: u64) {
        let here = self.all.of(way, now_ms).unwrap();
        _ = self.all.touch(&here, &label(text), true, &[(Arc::from("spent"), sum)]);
    }

    fn facts(&self, way: &Arrival, now_ms: u64) -> Facts {
        self.all.of(way, now_ms).unwrap().facts()
    }
}

#[test]
fn another_process_sheds_nothing_and_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Process::start(folder.path()), Process::start(folder.path()));
    let plain = request("a", false, None, "{}");
    let session = request("a", false, Some("s"), "{}");
    // Both know the caller before either tells.
    one.touch(&plain, "untrusted", 5, MINUTE);
    two.touch(&plain, "sensitive", 7, MINUTE);
    assert!(one.store.is_written());
    one.exchange();
    two.exchange();
    one.exchange();
    assert!(!one.store.is_written() && !two.store.is_written());
    for process in [&one, &two] {
        let facts = process.facts(&plain, 2 * MINUTE);
        let mut labels = labels(&facts);
        labels.sort_unstable();
        assert_eq!((labels, facts.calls), (vec!["sensitive", "untrusted"], 2));
        assert_eq!(facts.counters, [(Arc::from("spent"), 12)]);
        assert_eq!(process.facts(&session, 2 * MINUTE).labels.len(), 2, "a session's window is told too");
    }
    // Again and again: each part counts once, whoever writes.
    for n in 0..5 {
        one.touch(&plain, "untrusted", 1, 3 * MINUTE + n);
        two.touch(&plain, "untrusted", 1, 3 * MINUTE + n);
        two.exchange();
        one.exchange();
        two.exchange();
    }
    for process in [&one, &two] {
        let facts = process.facts(&plain, 4 * MINUTE);
        assert_eq!((facts.calls, facts.counters), (12, vec![(Arc::from("spent"), 22)]));
    }
    // Whom only the other one knew.
    let named =
        request("host", true, None, r#"{"dev.tollgate/conversation":"x","dev.tollgate/allow":["web/*"]}"#);
    one.touch(&named, "untrusted", 0, 4 * MINUTE);
    one.exchange();
    assert!(two.store.is_written());
    two.exchange();
    let here =
        two.all.of(&request("host", true, None, r#"{"dev.tollgate/conversation":"x"}"#), 4 * MINUTE).unwrap();
    assert_eq!(labels(&here.facts()), ["untrusted"]);
    assert!(!here.allows("mail/send"));
    // After a long silence it is another window, in both.
    two.touch(&plain, "fresh", 1, 60 * MINUTE);
    two.exchange();
    one.exchange();
    for process in [&two, &one] {
        assert_eq!(labels(&process.facts(&plain, 61 * MINUTE)), ["fresh"]);
    }
}

#[test]
fn what_could_not_be_kept_is_told_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Process::start(folder.path()), Process::start(folder.path()));
    let plain = request("a", false, None, "{}");
    one.touch(&plain, "untrusted", 5, 0);
    one.exchange();
    one.touch(&plain, "sensitive", 5, 0);
    drop(one.all.take_changed());
    for _ in 0..2 {
        one.touch(&plain, "untrusted", 5, 0);
        one.exchange();
    }
    two.exchange();
    assert_eq!(two.facts(&plain, 0).counters, [(Arc::from("spent"), 20)]);
    assert_eq!(one.facts(&plain, 0).counters, [(Arc::from("spent"), 20)]);
    assert_eq!(labels(&two.facts(&plain, 0)), ["untrusted", "sensitive"]);
}
