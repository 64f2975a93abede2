use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tollgate_mcp::method::Method;
use tollgate_mcp::translate::input_requests;
use tollgate_policy::{Effect, Policy, Rule, Source};
use uuid::Uuid;

use super::grant::{Condition, Grant, Scope, marks};
use super::inbox::Change;
use super::{Answered, Approver, Around, KEY, Patience, Terms, Unanswered, shown, visible};
use crate::call::{Arrival, Code, Endpoint};
use crate::clock::Clock;
use crate::decide::{Decider, Question, Verdict};
use crate::resolve;
use crate::seal::Sealer;
use crate::servers::Listing;
use crate::store::Store;
use crate::testing::{arrival, client, snapshot, two_servers};

struct Bench {
    approver: Approver,
    sealer: Arc<Sealer>,
    clock: Clock,
    _state: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let (sealer, clock) = (Arc::new(Sealer::new([7; 32])), Clock::adjustable());
        let store = Store::open(state.path()).unwrap();
        let approver = Approver::new(Arc::clone(&sealer), store, clock.clone()).unwrap();
        Self { approver, sealer, clock, _state: state }
    }

    fn question(&self, arrival: Arrival) -> Result<Question, i64> {
        self.question_of(arrival, r#"{"name":"delete_file"}"#)
    }

    /// The question of a tool that its server lists so.
    fn question_of(&self, arrival: Arrival, listed: &str) -> Result<Question, i64> {
        let config = two_servers();
        let snapshot = snapshot(&config, &[("files", Listing::Tools, &[listed])]);
        let call = resolve::call(&self.sealer, self.clock.now_ms(), &config, snapshot, arrival, Uuid::nil())
            .map_err(|error| error.code)?;
        let source = Source {
            default: Effect::Allow,
            rules: vec![Rule::new("asks", Effect::Ask, "*/*")],
            include: Vec::new(),
            facts: Vec::new(),
        };
        let decider = Decider::new(Arc::new(Policy::compile(&source).unwrap()), Arc::from("v1"));
        match decider.verdict(crate::testing::prepared(call, &config), 0) {
            Verdict::Ask(question, _) => Ok(question),
            Verdict::Allow(..) | Verdict::Deny(..) => panic!("not asked"),
        }
    }

    async fn ask(&self, params: &str, policy: &str) -> Result<Answered, Unanswered> {
        let question = self.question(arrival(Method::ToolsCall, Endpoint::Whole, params)).unwrap();
        self.put(question, policy).await
    }

    async fn put(&self, question: Question, policy: &str) -> Result<Answered, Unanswered> {
        let (out, _parts) = mpsc::channel(1);
        let around = Around {
            policy,
            config: &two_servers(),
            out: &out,
            draining: &watch::Sender::new(false),
            touched: &[],
            patience: Patience::Held,
        };
        self.approver.ask(question, &around).await
    }

    /// Asks for a call with these arguments and gives back the state.
    async fn state(&self, arguments: &str) -> String {
        let params = format!("{{\"name\":\"files_delete_file\",\"arguments\":{arguments}}}");
        let Err(Unanswered::Asked(answer)) = self.ask(&params, "v1").await else { panic!("not asked") };
        answer.object.string("requestState").unwrap().into_owned()
    }
}

fn retry(arguments: &str, state: &str, response: &str) -> String {
    format!(
        "{{\"name\":\"files_delete_file\",\"arguments\":{arguments},\"requestState\":\"{state}\",\
         \"inputResponses\":{{\"{KEY}\":{response}}}}}"
    )
}

fn code(outcome: Result<Answered, Unanswered>) -> Option<Code> {
    match outcome {
        Ok(_) => None,
        Err(Unanswered::Refused(refused, _)) => Some(refused.code),
        Err(Unanswered::Asked(..) | Unanswered::Waits(..)) => panic!("asked again"),
    }
}

#[tokio::test]
async fn the_human_sees_the_tool_the_arguments_and_the_rule() {
    let bench = Bench::new();
    let params = "{\"name\":\"files_delete_file\",\"arguments\":{\"path\":\"/a\u{202e}b\"}}";
    let Err(Unanswered::Asked(answer)) = bench.ask(params, "v1").await else { panic!("not asked") };
    let requests = input_requests(&answer.object).unwrap();
    let message = requests[0].params.string("message").unwrap().into_owned();
    for part in ["`alice`", "files/delete_file", "/ab", "`asks`"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn an_approval_counts_once() {
    let bench = Bench::new();
    let state = bench.state("{\"p\":1}").await;
    let params = retry("{\"p\":1}", &state, "{\"action\":\"accept\",\"content\":{\"decision\":\"once\"}}");
    assert_eq!(code(bench.ask(&params, "v1").await), None);
    assert_eq!(code(bench.ask(&params, "v1").await), Some(Code::ApprovalExpired));
}

#[tokio::test]
async fn accept_without_a_decision_is_once_and_everything_else_is_no() {
    for (response, wanted) in [
        ("{\"action\":\"accept\"}", None),
        ("{\"action\":\"accept\",\"content\":{}}", None),
        ("{\"action\":\"accept\",\"content\":{\"decision\":\"deny\"}}", Some(Code::ApprovalDeclined)),
        ("{\"action\":\"accept\",\"content\":{\"decision\":\"always\"}}", Some(Code::ApprovalDeclined)),
        ("{\"action\":\"decline\"}", Some(Code::ApprovalDeclined)),
        ("{\"action\":\"cancel\"}", Some(Code::ApprovalDeclined)),
        ("{}", Some(Code::ApprovalDeclined)),
    ] {
        let bench = Bench::new();
        let state = bench.state("{}").await;
        assert_eq!(code(bench.ask(&retry("{}", &state, response), "v1").await), wanted, "{response}");
    }
}

#[tokio::test]
async fn other_arguments_or_another_policy_ask_again() {
    let bench = Bench::new();
    let state = bench.state("{\"p\":1}").await;
    for (arguments, policy) in [("{\"p\":2}", "v1"), ("{\"p\":1}", "v2")] {
        let outcome = bench.ask(&retry(arguments, &state, "{\"action\":\"accept\"}"), policy).await;
        assert!(matches!(outcome, Err(Unanswered::Asked(..))), "{arguments} {policy}");
    }
}

#[tokio::test]
async fn a_state_that_is_too_old_does_not_open() {
    let bench = Bench::new();
    let state = bench.state("{}").await;
    bench.clock.advance(std::time::Duration::from_secs(601));
    let retry = arrival(Method::ToolsCall, Endpoint::Whole, &retry("{}", &state, "{\"action\":\"accept\"}"));
    assert_eq!(bench.question(retry).err(), Some(-32602));
}

#[tokio::test]
async fn nobody_can_be_asked_where_the_client_cannot() {
    let bench = Bench::new();
    for capabilities in ["{}", "{\"elicitation\":{\"url\":{}}}"] {
        let mut arrival = arrival(Method::ToolsCall, Endpoint::Whole, "{\"name\":\"files_delete_file\"}");
        arrival.client = client(capabilities);
        let question = bench.question(arrival).unwrap();
        let outcome = bench.put(question, "v1").await;
        assert_eq!(code(outcome), Some(Code::ApprovalNobody), "{capabilities}");
    }
}

fn terms() -> Terms {
    Terms {
        of: "operators".into(),
        principal: "alice".into(),
        tool: "files/delete_file".into(),
        method: "tools/call".into(),
        digest: "d".into(),
        definition: "t".into(),
        policy: "v1".into(),
        conversation: "c".into(),
    }
}

fn grant(scope: Scope) -> Grant {
    let Terms { of, principal, tool, method, definition, policy, .. } = terms();
    Grant {
        id: "g".into(),
        agent: principal.clone(),
        user: None,
        of,
        principal,
        tool,
        method,
        definition,
        policy,
        scope,
        by: "ana".into(),
        via: "api".into(),
        at: 0,
        until: u64::MAX,
        question: None,
        edited: None,
    }
}

#[test]
fn a_grant_is_void_when_anything_it_was_given_for_changes() {
    let empty = Bytes::from_static(b"{}");
    let scopes = [
        Scope::Once { digest: "d".into() },
        Scope::Arguments { digest: "d".into() },
        Scope::Conversation { conversation: "c".into() },
        Scope::Pattern { pattern: Vec::new(), same: BTreeMap::new() },
    ];
    for scope in scopes {
        let grant = grant(scope);
        assert!(grant.permits(&terms(), &empty), "{grant:?}");
        let other = || "other".to_owned();
        for changed in [
            Terms { of: other(), ..terms() },
            Terms { principal: other(), ..terms() },
            Terms { tool: other(), ..terms() },
            Terms { method: other(), ..terms() },
            Terms { definition: other(), ..terms() },
            Terms { policy: other(), ..terms() },
        ] {
            assert!(!grant.permits(&changed, &empty), "{grant:?} {changed:?}");
            assert_ne!(changed.binding(), terms().binding());
        }
    }
    assert!(!grant(Scope::Once { digest: "x".into() }).permits(&terms(), &empty));
    assert!(!grant(Scope::Arguments { digest: "x".into() }).permits(&terms(), &empty));
    assert!(!grant(Scope::Conversation { conversation: "x".into() }).permits(&terms(), &empty));
}

#[test]
fn terms_hold_the_definition_that_is_pinned() {
    let bench = Bench::new();
    let definition = |listed: &str| {
        let params = r#"{"name":"files_delete_file","arguments":{}}"#;
        let arrival = arrival(Method::ToolsCall, Endpoint::Whole, params);
        Terms::of(&bench.question_of(arrival, listed).unwrap(), &two_servers(), "v1").definition
    };
    let first =
        definition(r#"{"name":"delete_file","description":"Deletes.","inputSchema":{"type":"object"}}"#);
    let spelt = r#"{"inputSchema": {"type":"object"}, "description":"\u0044eletes.", "name":"delete_file"}"#;
    assert_eq!(first, definition(spelt));
    for other in [
        r#"{"name":"delete_file","description":"Deletes all.","inputSchema":{"type":"object"}}"#,
        r#"{"name":"delete_file","description":"Deletes.","inputSchema":{"type":"object","properties":{"all":{}}}}"#,
        r#"{"name":"delete_file","description":"Deletes.","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#,
    ] {
        assert_ne!(first, definition(other), "{other}");
    }
}

#[test]
fn kept_terms_stay_readable() {
    let kept = r#"{"of":"operators","principal":"alice","tool":"files/delete_file","method":"tools/call","digest":"d","definition":"t","policy":"v1","conversation":"c"}"#;
    assert_eq!(serde_json::from_str::<Terms>(kept).unwrap(), terms());
    assert_eq!(serde_json::to_string(&terms()).unwrap(), kept);
}

#[test]
fn a_pattern_covers_what_it_says_and_nothing_that_climbs_out_of_it() {
    let asked = Bytes::from_static(br#"{"path":"/srv/a","mode":"w","n":7}"#);
    let mut same = marks(&asked);
    same.retain(|name, _| name == "mode");
    let pattern = vec![
        Condition::parse("path like \"/srv/*\"").unwrap(),
        Condition::parse(" args.n like 7* ").unwrap(),
    ];
    let grant = grant(Scope::Pattern { pattern, same });
    for (arguments, wanted) in [
        (r#"{"path":"/srv/a","mode":"w","n":7}"#, true),
        (r#"{"n":71,"mode":"w","path":"/srv/b/c"}"#, true),
        (r#"{"path":"/srv/a","mode":"r","n":7}"#, false),
        (r#"{"path":"/srv/a","n":7}"#, false),
        (r#"{"path":"/srv/a","mode":"w","n":7,"force":true}"#, false),
        (r#"{"path":"/srv/a","path":"/etc","mode":"w","n":7}"#, false),
        (r#"{"path":"/etc/a","mode":"w","n":7}"#, false),
        (r#"{"path":"/srv/../etc","mode":"w","n":7}"#, false),
        (r#"{"path":"/srv/%2e%2E/etc","mode":"w","n":7}"#, false),
        (r#"{"path":"/srv/x\\..\\etc","mode":"w","n":7}"#, false),
        (r#"{"path":["/srv/a"],"mode":"w","n":7}"#, false),
        (r#"{"path":"/srv/..a","mode":"w","n":7}"#, true),
        ("[]", false),
    ] {
        assert_eq!(grant.permits(&terms(), &Bytes::from_static(arguments.as_bytes())), wanted, "{arguments}");
    }
    for bad in ["path", "path like ", " like x", "path is x", "a b like c"] {
        assert_eq!(Condition::parse(bad), None, "{bad}");
    }
}

#[test]
fn each_argument_is_shown_on_its_own_and_marked_where_it_differs() {
    let before = marks(&Bytes::from_static(br#"{"path":"/a","mode":"w","gone":1}"#));
    let long =
        format!(r#"{{"path":"/b","mode":"w","text":"{}","k\u202e":"\u0061\u200b"}}"#, "x".repeat(1000));
    let shown = shown::arguments(&Bytes::from(long), Some(&before));
    let told: Vec<_> = shown.iter().map(|one| (one.name.as_str(), one.change.unwrap())).collect();
    assert_eq!(
        told,
        [
            ("path", Change::Changed),
            ("mode", Change::Same),
            ("text", Change::New),
            ("\"k\\u{202e}\"", Change::New),
            ("gone", Change::Gone)
        ]
    );
    assert!(shown[2].value.ends_with("… (602 more characters)"), "{}", shown[2].value);
    assert_eq!(shown[3].value, "\"a\\u{200b}\"");
}

#[test]
fn hidden_characters_are_shown_and_others_stay() {
    assert_eq!(visible("a\u{200b}b\u{e0041}\u{7}", 10), "a\\u{200b}b\\u{e0041}\\u{7}");
    assert_eq!(visible("שלום 👩‍👩‍👧 é", 20), "שלום 👩‍👩‍👧 é");
    assert_eq!(visible("abcdef", 3), "abc… (3 more characters)");
}
