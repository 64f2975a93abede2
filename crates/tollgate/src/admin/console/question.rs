//! One question: what will run, and the answers there are.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;

use super::super::Admin;
use super::inbox::audience;
use super::page::{Frame, html, notice, unreadable};
use super::see_other;
use super::session::{Posted, Seat};
use super::text::{clock, laid_out, millis, seen, span};
use crate::approve::OPERATORS;
use crate::approve::inbox::{AnswerError, Change, Decision, No, QuestionView, Standing, Wish, Yes};

/// How long a wider yes can stand: the form's value, how it reads, and milliseconds.
const SPANS: [(&str, &str, u64); 5] = [
    ("1h", "1 hour", 3_600_000),
    ("8h", "8 hours", 28_800_000),
    ("24h", "24 hours", 86_400_000),
    ("7d", "7 days", 604_800_000),
    ("30d", "30 days", 2_592_000_000),
];

#[derive(Template)]
#[template(path = "console/question.html")]
struct Page {
    frame: Frame,
    id: String,
    state: Progress,
    agent: String,
    tool: String,
    arguments: Vec<Argument>,
    facts: Vec<(&'static str, String)>,
    reason: Option<String>,
    because: Option<String>,
    rule: String,
    answers: Vec<String>,
    /// Why this operator cannot answer.
    barred: Option<String>,
    compares: bool,
    edits: bool,
    /// Which of the folded forms is open: `longer`, `edit`, or none.
    opened: &'static str,
    /// What stands in the form: the posted words, or suggestions.
    args: String,
    rows: usize,
    pattern: String,
    note: String,
    spans: Vec<(&'static str, String)>,
}

/// The part of the page that is renewed.
#[derive(Template)]
#[template(path = "console/state.html")]
struct Progress {
    id: String,
    word: &'static str,
    pending: bool,
    asked: String,
    ends: String,
    answered: usize,
}

struct Argument {
    name: String,
    value: String,
    mark: &'static str,
    told: &'static str,
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Extension(seat): Extension<Seat>,
    Path(id): Path<String>,
) -> Response {
    page(&admin, &seat, &id, StatusCode::OK, None).await
}

/// The state alone. A page whose question is over is loaded anew.
pub(super) async fn state(
    axum::extract::State(admin): State<Admin>,
    Path(id): Path<String>,
    query: axum::extract::Query<std::collections::HashMap<String, String>>,
) -> Response {
    match admin.gate.question(&id).await {
        Ok(Some(question)) => {
            let state = state_of(&question, admin.gate.clock.now_ms());
            let known = query.get("answered").is_some_and(|known| *known == state.answered.to_string());
            if state.pending && known {
                html(StatusCode::OK, &state)
            } else {
                (StatusCode::OK, [("hx-refresh", "true")]).into_response()
            }
        }
        Ok(None) => (StatusCode::OK, [("hx-refresh", "true")]).into_response(),
        Err(error) => unreadable(&error),
    }
}

pub(super) async fn approve(State(admin): State<Admin>, Path(id): Path<String>, posted: Posted) -> Response {
    let decision = match yes(&admin, &id, &posted).await {
        Ok(decision) => decision,
        Err(why) => {
            let seat = posted.seat.clone();
            return page(&admin, &seat, &id, StatusCode::BAD_REQUEST, Some((&posted, why))).await;
        }
    };
    answer(&admin, &id, &posted, decision).await
}

pub(super) async fn deny(State(admin): State<Admin>, Path(id): Path<String>, posted: Posted) -> Response {
    let decision = No { note: Some(posted.field("note").to_owned()) }.decision();
    answer(&admin, &id, &posted, decision).await
}

/// What the pressed button says.
async fn yes(admin: &Admin, id: &str, posted: &Posted) -> Result<Decision, String> {
    let lasting = Some(posted.field("for").to_owned()).filter(|text| !text.is_empty());
    let yes = match posted.field("scope") {
        "once" => Yes::default(),
        "conversation" => Yes { scope: Wish::Conversation, ..Yes::default() },
        "arguments" => Yes { scope: Wish::Arguments, lasting, ..Yes::default() },
        "pattern" => {
            let lines = posted.field("pattern").lines().map(str::trim).filter(|line| !line.is_empty());
            Yes {
                scope: Wish::Pattern,
                pattern: lines.map(ToOwned::to_owned).collect(),
                lasting,
                ..Yes::default()
            }
        }
        "edit" => {
            let text = posted.field("args");
            let args = RawValue::from_string(text.trim().to_owned());
            let args = args.map_err(|error| format!("the edited arguments are not JSON: {error}"))?;
            // Nothing was edited: a plain yes.
            let asked = admin.gate.question(id).await.ok().flatten();
            let same = asked.is_some_and(|asked| laid_out(asked.args.get()) == laid_out(args.get()));
            Yes { args: Some(args).filter(|_| !same), ..Yes::default() }
        }
        other => return Err(format!("`{other}` is no answer")),
    };
    yes.decision(admin.gate.clock.now_ms())
}

async fn answer(admin: &Admin, id: &str, posted: &Posted, decision: Decision) -> Response {
    match admin.gate.answer_question(id, &posted.seat.operator, "console", decision).await {
        Ok(_) => see_other(&format!("/console/approvals/{id}")),
        Err(AnswerError::Store(error)) => unreadable(&error),
        Err(error) => {
            let status = match &error {
                AnswerError::Unknown => StatusCode::NOT_FOUND,
                AnswerError::Over(_) | AnswerError::Twice | AnswerError::Differs => StatusCode::CONFLICT,
                AnswerError::NotYours(_) | AnswerError::Requester => StatusCode::FORBIDDEN,
                AnswerError::Bad(_) | AnswerError::Store(_) => StatusCode::BAD_REQUEST,
            };
            page(admin, &posted.seat, id, status, Some((posted, error.to_string()))).await
        }
    }
}

async fn page(
    admin: &Admin,
    seat: &Seat,
    id: &str,
    status: StatusCode,
    failed: Option<(&Posted, String)>,
) -> Response {
    let question = match admin.gate.question(id).await {
        Ok(Some(question)) => question,
        Ok(None) => {
            return notice(
                StatusCode::NOT_FOUND,
                "There is no such question",
                "Questions are kept for a week after they are over.",
            );
        }
        Err(error) => return unreadable(&error),
    };
    let now = admin.gate.clock.now_ms();
    let posted = failed.as_ref().map(|(posted, _)| *posted);
    let said =
        |name: &str| posted.map(|posted| posted.field(name).to_owned()).filter(|text| !text.is_empty());
    let mut frame = Frame::new(seat, "inbox");
    if let Some((_, why)) = &failed {
        frame = frame.with_error(why.clone());
    }
    let arguments: Vec<Argument> =
        question.shown.iter().map(|shown| argument(&shown.name, &shown.value, shown.change)).collect();
    let args = said("args").unwrap_or_else(|| laid_out(question.args.get()));
    let opened = match posted.map(|posted| posted.field("scope")) {
        Some("arguments" | "pattern") => "longer",
        Some("edit") => "edit",
        Some(_) | None => "",
    };
    let page = Page {
        frame,
        state: state_of(&question, now),
        agent: seen(&question.agent),
        tool: seen(&question.tool),
        compares: question.shown.iter().any(|shown| shown.change.is_some()),
        facts: facts(&question, now),
        reason: question.reason.as_deref().map(seen),
        because: question.because.as_deref().map(seen),
        rule: seen(&question.rule),
        answers: question.answers.iter().map(|answer| told(answer, now)).collect(),
        barred: barred(seat, &question),
        edits: matches!(question.method.as_str(), "tools/call" | "prompts/get"),
        rows: args.lines().count().clamp(3, 16),
        args,
        opened,
        pattern: said("pattern").unwrap_or_else(|| suggestion(&question)),
        note: said("note").unwrap_or_default(),
        spans: SPANS
            .iter()
            .map(|(value, words, ms)| {
                (*value, format!("{words} (until {})", clock(now.saturating_add(*ms), now)))
            })
            .collect(),
        arguments,
        id: question.id,
    };
    html(status, &page)
}

fn state_of(question: &QuestionView, now: u64) -> Progress {
    Progress {
        id: question.id.clone(),
        word: question.state.as_str(),
        pending: question.state == Standing::Pending,
        asked: span(now.saturating_sub(millis(&question.asked_at))),
        ends: span(millis(&question.expires_at).saturating_sub(now)),
        answered: question.answers.len(),
    }
}

fn argument(name: &str, value: &str, change: Option<Change>) -> Argument {
    let (mark, told) = match change {
        None => ("", ""),
        Some(Change::Same) => ("same", "as before"),
        Some(Change::Changed) => ("changed", "changed"),
        Some(Change::New) => ("new", "new"),
        Some(Change::Gone) => ("gone", "gone"),
    };
    Argument { name: name.to_owned(), value: value.to_owned(), mark, told }
}

fn facts(question: &QuestionView, now: u64) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Asked of", audience(question))];
    let mut add = |label, text: Option<String>| facts.extend(text.map(|text| (label, text)));
    add("User", question.user.as_deref().map(seen));
    add("Tenant", question.tenant.as_deref().map(seen));
    add("Program", question.client.as_deref().map(|client| format!("{} (by its own word)", seen(client))));
    let touched: Vec<String> = question.touched.iter().map(|label| seen(label)).collect();
    add("Conversation touched", Some(touched.join(", ")).filter(|text| !text.is_empty()));
    add("Asked at", Some(clock(millis(&question.asked_at), now)));
    facts
}

fn told(answer: &crate::approve::inbox::AnswerView, now: u64) -> String {
    let what = match (answer.decision.as_str(), answer.scope, answer.edited) {
        ("deny", _, _) => "denied it",
        (_, _, true) => "approved it with edited arguments",
        (_, Some(Wish::Conversation), _) => "approved it for this conversation",
        (_, Some(Wish::Arguments), _) => "approved exactly these arguments",
        (_, Some(Wish::Pattern), _) => "approved arguments like these",
        (_, Some(Wish::Once) | None, _) => "approved it once",
    };
    let note = answer.note.as_deref().map(|note| format!(": “{}”", seen(note))).unwrap_or_default();
    format!("{} {what} at {} ({}){note}", seen(&answer.by), clock(millis(&answer.at), now), seen(&answer.via))
}

fn barred(seat: &Seat, question: &QuestionView) -> Option<String> {
    let operator = &seat.operator;
    let group = question.of.strip_prefix("group:");
    if question.of != OPERATORS
        && !group.is_some_and(|group| operator.groups.iter().any(|own| **own == *group))
    {
        return Some(format!("It goes to {}, and you are not one of them.", audience(question)));
    }
    if *operator.name == *question.agent || question.user.as_deref() == Some(&*operator.name) {
        return Some("You ask for this call, so somebody else has to answer.".to_owned());
    }
    let answered = question.answers.iter().any(|answer| answer.by == *operator.name);
    answered.then(|| "You have approved it. It needs another operator.".to_owned())
}

/// A pattern to begin with: the first text among the arguments, with its last part open.
fn suggestion(question: &QuestionView) -> String {
    let texts = question.shown.iter().filter(|s| s.change != Some(Change::Gone));
    let found = texts.filter_map(|shown| {
        let value: String = serde_json::from_str(&shown.value).ok()?;
        let plain = !value.is_empty() && value.chars().all(|c| !c.is_control() && c != '*');
        let open = value.rsplit_once('/').map_or(value.clone(), |(head, _)| format!("{head}/*"));
        plain.then(|| format!("{} like {open}", shown.name))
    });
    found.into_iter().next().unwrap_or_default()
}
