//! What waits, what was answered lately, and the grants that stand.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Admin;
use super::page::{Frame, html, notice, unreadable};
use super::see_other;
use super::session::{Posted, Seat};
use super::text::{clock, millis, seen, span};
use crate::approve::inbox::{GrantView, QuestionView, Standing};

/// How many questions that are over the inbox shows.
const LATELY_MAX: usize = 10;

#[derive(Template)]
#[template(path = "console/inbox.html")]
struct Inbox {
    frame: Frame,
    waiting: Waiting,
    lately: Vec<Line>,
}

#[derive(Template)]
#[template(path = "console/waiting.html")]
struct Waiting {
    /// Whether it stands alone, and renews the title too.
    part: bool,
    lines: Vec<Line>,
    /// An example of a tool to try it with, from the servers there are.
    server: String,
}

/// A question in a list.
struct Line {
    id: String,
    tool: String,
    arguments: String,
    agent: String,
    of: String,
    state: &'static str,
    asked: String,
    ends: String,
    by: String,
}

#[derive(Template)]
#[template(path = "console/grants.html")]
struct Grants {
    frame: Frame,
    grants: Vec<GrantLine>,
}

struct GrantLine {
    id: String,
    tool: String,
    agent: String,
    permits: &'static str,
    conditions: Vec<String>,
    by: String,
    until: String,
    left: String,
    question: Option<String>,
}

pub(super) async fn inbox(State(admin): State<Admin>, Extension(seat): Extension<Seat>) -> Response {
    let now = admin.gate.clock.now_ms();
    let all = match admin.gate.questions(true).await {
        Ok(all) => all,
        Err(error) => return unreadable(&error),
    };
    let (lines, mut over): (Vec<_>, Vec<_>) =
        all.iter().map(|question| line(question, now)).partition(|line| line.state == "pending");
    over.reverse();
    over.truncate(LATELY_MAX);
    let waiting = Waiting { part: false, lines, server: example(&admin) };
    html(StatusCode::OK, &Inbox { frame: Frame::new(&seat, "inbox"), waiting, lately: over })
}

/// The list alone, for the page that renews it.
pub(super) async fn waiting(State(admin): State<Admin>) -> Response {
    let now = admin.gate.clock.now_ms();
    match admin.gate.questions(false).await {
        Ok(questions) => {
            let lines = questions.iter().map(|question| line(question, now)).collect();
            html(StatusCode::OK, &Waiting { part: true, lines, server: example(&admin) })
        }
        Err(error) => unreadable(&error),
    }
}

pub(super) async fn grants(State(admin): State<Admin>, Extension(seat): Extension<Seat>) -> Response {
    let now = admin.gate.clock.now_ms();
    match admin.gate.grants(false).await {
        Ok(grants) => {
            let grants = grants.iter().map(|grant| grant_line(grant, now)).collect();
            html(StatusCode::OK, &Grants { frame: Frame::new(&seat, "grants"), grants })
        }
        Err(error) => unreadable(&error),
    }
}

pub(super) async fn revoke(State(admin): State<Admin>, Path(id): Path<String>, posted: Posted) -> Response {
    match admin.gate.revoke_grant(&id, &posted.seat.operator, "console").await {
        Ok(true) => see_other("/console/grants"),
        Ok(false) => notice(
            StatusCode::NOT_FOUND,
            "There is no such grant",
            "It is over, or somebody has revoked it already.",
        ),
        Err(error) => unreadable(&error),
    }
}

/// The page's title: a tab that nobody looks at says how many wait.
pub(super) fn title(waiting: usize) -> String {
    if waiting == 0 { "Inbox".to_owned() } else { format!("({waiting}) Inbox") }
}

fn example(admin: &Admin) -> String {
    admin.gate.config.load().servers.keys().next().map_or_else(|| "files".to_owned(), ToString::to_string)
}

fn line(question: &QuestionView, now: u64) -> Line {
    let arguments: Vec<String> = question
        .shown
        .iter()
        .filter(|s| !s.value.is_empty())
        .map(|s| format!("{}: {}", s.name, s.value))
        .collect();
    let by: Vec<String> = question.answers.iter().map(|answer| seen(&answer.by)).collect();
    Line {
        id: question.id.clone(),
        tool: seen(&question.tool),
        arguments: crate::approve::visible(&arguments.join(", "), 160),
        agent: seen(&question.agent),
        of: audience(question),
        state: question.state.as_str(),
        asked: span(now.saturating_sub(millis(&question.asked_at))),
        ends: span(millis(&question.expires_at).saturating_sub(now)),
        by: by.join(", "),
    }
}

/// Who is asked, in words.
pub(super) fn audience(question: &QuestionView) -> String {
    let who = match question.of.strip_prefix("group:") {
        Some(group) => format!("group {}", seen(group)),
        None => "any operator".to_owned(),
    };
    if question.count > 1 && question.state == Standing::Pending {
        format!("{who}, {} of {}", question.answers.len(), question.count)
    } else {
        who
    }
}

fn grant_line(grant: &GrantView, now: u64) -> GrantLine {
    let until = millis(&grant.until);
    let permits = match (grant.scope.as_str(), &grant.edited) {
        ("once", Some(_)) => "one call, with edited arguments",
        ("once", None) => "exactly one call",
        ("conversation", _) => "this tool for one conversation",
        ("arguments", _) => "exactly the same arguments",
        _ => "arguments like",
    };
    GrantLine {
        id: grant.id.clone(),
        tool: seen(&grant.tool),
        agent: seen(&grant.agent),
        permits,
        conditions: grant.pattern.iter().map(|condition| seen(condition)).collect(),
        by: seen(&grant.by),
        until: clock(until, now),
        left: span(until.saturating_sub(now)),
        question: grant.question.clone(),
    }
}
