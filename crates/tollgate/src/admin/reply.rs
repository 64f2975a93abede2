//! The links in webhooks' messages: a page that asks once more, and a form that answers. *Never* answers on a GET, which a chat
//! program may send by itself to make a preview.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::Admin;
use crate::approve::escape;
use crate::approve::inbox::{Decision, QuestionView, Standing, Wish};
use crate::authenticate::Operator;
use crate::gateway::herald::{Link, PRINCIPAL};
use crate::seal::Purpose;

/// The link itself is the credential: whoever has it was told of the question.
pub(super) fn routes() -> Router<Admin> {
    Router::new().route("/reply/{token}", get(confirm).post(answer))
}

#[derive(Debug, Default, Deserialize)]
struct Said {
    note: Option<String>,
}

/// What a token stands for.
struct Opened {
    approves: bool,
    question: QuestionView,
    /// Who answers.
    operator: Operator,
}

async fn confirm(State(admin): State<Admin>, Path(token): Path<String>) -> Response {
    let Some(link) = open(&admin, &token).await else { return gone() };
    if link.question.state != Standing::Pending {
        return page(
            StatusCode::OK,
            &format!("<h1>This question is {} already</h1>", link.question.state.as_str()),
        );
    }
    let question = &link.question;
    let mut rows = String::new();
    for one in &question.shown {
        let change = match one.change {
            None => "",
            Some(crate::approve::inbox::Change::Same) => "as in the last approved call",
            Some(crate::approve::inbox::Change::Changed) => "differs from the last approved call",
            Some(crate::approve::inbox::Change::New) => "not in the last approved call",
            Some(crate::approve::inbox::Change::Gone) => "gone since the last approved call",
        };
        write!(
            rows,
            "<tr><th>{}</th><td><code>{}</code></td><td>{change}</td></tr>",
            escape(&one.name),
            escape(&one.value)
        )
        .unwrap_or_default();
    }
    let said = |label: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!("<p>{label}: {}</p>", escape(text))).unwrap_or_default()
    };
    let (button, note) = if link.approves {
        ("Approve this call, once", "")
    } else {
        (
            "Deny this call",
            "<p><label>Reason, for the agent: <input name=\"note\" maxlength=\"500\"></label></p>",
        )
    };
    let body = format!(
        "<h1>{agent} wants to run <code>{tool}</code></h1><table>{rows}</table>{user}{reason}<p>Rule <code>{rule}</code></p>{because}{you}\
         <form method=\"post\">{note}<button>{button}</button></form>",
        agent = escape(&question.agent),
        tool = escape(&question.tool),
        user = said("User", &question.user),
        reason = said("Its reason", &question.reason),
        rule = escape(&question.rule),
        because = said("Because", &question.because),
        you = if &*link.operator.name == PRINCIPAL {
            String::new()
        } else {
            format!("<p>You answer as <b>{}</b>.</p>", escape(&link.operator.name))
        },
    );
    page(StatusCode::OK, &body)
}

async fn answer(State(admin): State<Admin>, Path(token): Path<String>, Form(said): Form<Said>) -> Response {
    let Some(link) = open(&admin, &token).await else { return gone() };
    let decision = if link.approves {
        Decision::Approve { scope: Wish::Once, args: None, pattern: Vec::new(), until: None }
    } else {
        Decision::Deny { note: said.note }
    };
    // A question is answered once by each name, so a link works once.
    match admin.gate.answer_question(&link.question.id, &link.operator, "webhook", decision).await {
        Ok(question) if question.state == Standing::Pending => {
            page(StatusCode::OK, "<h1>Approved by you</h1><p>Somebody else has to approve it too.</p>")
        }
        Ok(_) if link.approves => page(StatusCode::OK, "<h1>Approved</h1><p>You can close this page.</p>"),
        Ok(_) => page(StatusCode::OK, "<h1>Denied</h1><p>You can close this page.</p>"),
        Err(error) => page(StatusCode::CONFLICT, &format!("<h1>{}</h1>", escape(&error.to_string()))),
    }
}

async fn open(admin: &Admin, token: &str) -> Option<Opened> {
    let now = admin.gate.clock.now_ms();
    let plain = admin.gate.sealer.open(Purpose::Reply, PRINCIPAL, token, now).ok()?;
    let link = Link::read(std::str::from_utf8(&plain).ok()?)?;
    let question = admin.gate.question(&link.question).await.ok().flatten()?;
    // Who is no operator any more, or not of the group, has a link that does not work.
    let operator = link.answers_as(&admin.gate.config.load(), &question)?;
    Some(Opened { approves: link.approves, question, operator })
}

fn gone() -> Response {
    page(StatusCode::NOT_FOUND, "<h1>This link does not work, or no longer</h1>")
}

fn page(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tollgate</title>\
         <style>body{{font:16px/1.5 system-ui;max-width:45rem;margin:4rem auto;padding:0 1rem}}th{{text-align:left;padding-right:1rem}}\
         code{{white-space:pre-wrap;overflow-wrap:anywhere}}button{{font:inherit;padding:.5rem 1rem}}</style></head><body>{body}</body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        // The address is the credential; within this origin the form still says where it comes from.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, html).into_response()
}
