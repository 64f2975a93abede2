use std::sync::Arc;

use tollgate_mcp::method::Method;
use tollgate_mcp::translate::input_requests;
use tollgate_policy::{Effect, Policy, Rule, Source};
use uuid::Uuid;

use super::{Answered, Approver, KEY, Unanswered, visible};
use crate::call::{Arrival, Code, Endpoint};
use crate::clock::Clock;
use crate::decide::{Decider, Question, Verdict};
use crate::resolve;
use crate::seal::Sealer;
use crate::servers::Listing;
use crate::store::Store;
use crate::testing::{arrival, client, snapshot, two_servers};
use crate::transform;

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
        let approver = Approver::new(Arc::clone(&sealer), Store::open(state.path()).unwrap(), clock.clone());
        Self { approver, sealer, clock, _state: state }
    }

    fn question(&self, arrival: Arrival) -> Result<Question, i64> {
        let config = two_servers();
        let snapshot = snapshot(&config, &[("files", Listing::Tools, &[r#"{"name":"delete_file"}"#])]);
        let call = resolve::call(&self.sealer, self.clock.now_ms(), &config, snapshot, arrival, Uuid::nil())
            .map_err(|error| error.code)?;
        let source = Source {
            default: Effect::Allow,
            rules: vec![Rule::new("asks", Effect::Ask, "*/*")],
            include: Vec::new(),
            facts: Vec::new(),
        };
        let decider = Decider::new(Arc::new(Policy::compile(&source).unwrap()), Arc::from("v1"));
        match decider.verdict(transform::arguments(call).unwrap(), 0) {
            Verdict::Ask(question, _) => Ok(question),
            Verdict::Allow(..) | Verdict::Deny(..) => panic!("not asked"),
        }
    }

    async fn ask(&self, params: &str, policy: &str) -> Result<Answered, Unanswered> {
        let question = self.question(arrival(Method::ToolsCall, Endpoint::Whole, params)).unwrap();
        self.approver.ask(question, policy).await
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
        Err(Unanswered::Refused(refused)) => Some(refused.code),
        Err(Unanswered::Asked(..)) => panic!("asked again"),
    }
}

#[tokio::test]
async fn the_human_sees_the_tool_the_arguments_and_the_rule() {
    let bench = Bench::new();
    let params = "{\"name\":\"files_delete_file\",\"arguments\":{\"path\":\"/a\u{202e}b\"}}";
    let Err(Unanswered::Asked(answer)) = bench.ask(params, "v1").await else { panic!("not asked") };
    let requests = input_requests(&answer.object).unwrap();
    let message = requests[0].params.string("message").unwrap().into_owned();
    for part in ["`alice`", "files/delete_file", "\"/a\\u{202e}b\"", "`asks`"] {
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
        let outcome = bench.approver.ask(question, "v1").await;
        assert_eq!(code(outcome), Some(Code::ApprovalNobody), "{capabilities}");
    }
}

#[test]
fn hidden_characters_are_shown_and_others_stay() {
    assert_eq!(visible("a\u{200b}b\u{e0041}\u{7}", 10), "a\\u{200b}b\\u{e0041}\\u{7}");
    assert_eq!(visible("שלום 👩‍👩‍👧 é", 20), "שלום 👩‍👩‍👧 é");
    assert_eq!(visible("abcdef", 3), "abc… (3 more characters)");
}
