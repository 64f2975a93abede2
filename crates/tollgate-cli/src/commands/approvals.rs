//! `tollgate approvals`: through the admin API of the running gateway; where none listens (agents that start `tollgate stdio`), on the
//! state that it shares.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json, value::RawValue};
use tollgate::approve::inbox::{Change, GrantView, Inbox, No, QuestionView, Yes};
use tollgate::authenticate::Operator;
use tollgate::clock::Clock;
use tollgate::config::Config;

use crate::args::{Approvals, Common};
use crate::printer;
use crate::stop::{Done, Stop};

use super::operator::Running;
use super::{load, runtime};

/// How often a live view looks.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn run(common: &Common, what: Option<Approvals>) -> Done {
    let (config, _) = load(common)?;
    runtime()?.block_on(async {
        let place = match Running::find(&config).await {
            Some(running) => Place::Running(running),
            None => Place::state(&config)?,
        };
        let desk = Desk { place, json: common.json };
        match what.unwrap_or(Approvals::List { all: false, follow: false }) {
            Approvals::List { all, follow: false } => desk.list(all).await,
            Approvals::List { all: _, follow: true } | Approvals::Watch => desk.watch().await,
            Approvals::Show { id } => desk.show(&id).await,
            Approvals::Approve { id, conversation, arguments, pattern, args, lasting, until } => {
                let scope = match (conversation, arguments, pattern.is_empty()) {
                    (true, _, _) => "conversation",
                    (_, true, _) => "arguments",
                    (_, _, false) => "pattern",
                    (false, false, true) => "once",
                };
                let args = args.map(RawValue::from_string).transpose();
                let args = args.map_err(|e| Stop::failed(format!("`--args` is not JSON: {e}")))?;
                let mut body = json!({ "scope": scope, "pattern": pattern });
                set(&mut body, "until", until);
                set(&mut body, "for", lasting);
                desk.answer(&id, "approve", body, args).await
            }
            Approvals::Deny { id, note } => {
                let mut body = json!({});
                set(&mut body, "note", note);
                desk.answer(&id, "deny", body, None).await
            }
            Approvals::Grants { all } => desk.grants(all).await,
            Approvals::Revoke { id } => desk.revoke(&id).await,
        }
    })
}

fn set(body: &mut Value, key: &str, value: Option<String>) {
    if let (Some(object), Some(value)) = (body.as_object_mut(), value) {
        object.insert(key.to_owned(), Value::String(value));
    }
}

struct Desk {
    place: Place,
    json: bool,
}

/// Where the questions are.
enum Place {
    Running(Running),
    /// The state, in the name of who owns it.
    State {
        inbox: Arc<Inbox>,
        policy: String,
        clock: Clock,
    },
}

impl Place {
    fn state(config: &Config) -> Result<Self, Stop> {
        let clock = Clock::system();
        let inbox =
            Inbox::open(super::store(config)?, clock.clone()).map_err(|e| Stop::failed(e.to_string()))?;
        Ok(Self::State { inbox, policy: config.digest.to_string(), clock })
    }

    async fn questions(&self, all: bool) -> Result<Vec<QuestionView>, Stop> {
        match self {
            Self::Running(running) => running.get(&format!("/api/v1/approvals?all={all}")).await,
            Self::State { inbox, .. } => inbox.list(all).await.map_err(|e| Stop::failed(e.to_string())),
        }
    }

    async fn answer(&self, id: &str, verb: &str, body: String) -> Result<QuestionView, Stop> {
        match self {
            Self::Running(running) => {
                running.post(&format!("/api/v1/approvals/{id}/{verb}"), Bytes::from(body)).await
            }
            Self::State { inbox, clock, .. } => {
                let bad = |e: serde_json::Error| Stop::failed(e.to_string());
                let decision = if verb == "deny" {
                    serde_json::from_str::<No>(&body).map_err(bad)?.decision()
                } else {
                    let yes: Yes = serde_json::from_str(&body).map_err(bad)?;
                    yes.decision(clock.now_ms()).map_err(Stop::failed)?
                };
                inbox.answer(id, &owner(), "cli", decision).await.map_err(|e| Stop::failed(e.to_string()))
            }
        }
    }

    async fn grants(&self, all: bool) -> Result<Vec<GrantView>, Stop> {
        match self {
            Self::Running(running) => running.get(&format!("/api/v1/grants?all={all}")).await,
            Self::State { inbox, policy, .. } => {
                inbox.grants(all, policy).await.map_err(|e| Stop::failed(e.to_string()))
            }
        }
    }

    async fn revoke(&self, id: &str) -> Done {
        match self {
            Self::Running(running) => {
                let path = format!("/api/v1/grants/{id}/revoke");
                running.post::<Value>(&path, Bytes::from_static(b"{}")).await.map(drop)
            }
            Self::State { inbox, .. } => match inbox.revoke(id).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(Stop::failed("this grant is revoked already")),
                Err(error) => Err(Stop::failed(error.to_string())),
            },
        }
    }
}

/// Who can write the state is who holds its operator token.
fn owner() -> Operator {
    Operator { name: Arc::from("operator"), groups: Vec::new() }
}

impl Desk {
    async fn questions(&self, all: bool) -> Result<Vec<QuestionView>, Stop> {
        self.place.questions(all).await
    }

    async fn list(&self, all: bool) -> Done {
        let questions = self.questions(all).await?;
        if self.json {
            return lines(&questions);
        }
        table(&questions);
        Ok(())
    }

    /// In a terminal drawn anew every second, else a line for each new question.
    async fn watch(&self) -> Done {
        let live = printer::to_terminal() && !self.json;
        let mut told = HashSet::new();
        loop {
            let questions = self.questions(false).await?;
            if live {
                printer::clear();
                printer::line("Questions that wait (Ctrl-C ends this view)\n");
                table(&questions);
            } else {
                for question in questions {
                    if told.insert(question.id.clone()) {
                        if self.json {
                            lines(&[question])?;
                        } else {
                            printer::line(format!("{}  {}", short(&question.id), summary(&question)));
                        }
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn show(&self, id: &str) -> Done {
        let question = self.question(id, true).await?;
        if self.json {
            return lines(&[question]);
        }
        whole(&question);
        Ok(())
    }

    /// The question whose id begins with `id`.
    async fn question(&self, id: &str, all: bool) -> Result<QuestionView, Stop> {
        let mut found = self.questions(all).await?.into_iter().filter(|question| question.id.starts_with(id));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(Stop::failed(format!("more than one question begins with `{id}`"))),
            (None, _) => Err(Stop::failed(format!("no question that waits begins with `{id}`"))
                .hint("`tollgate approvals list --all` shows those that are over too")),
        }
    }

    async fn answer(&self, id: &str, verb: &str, mut body: Value, args: Option<Box<RawValue>>) -> Done {
        let question = self.question(id, false).await?;
        let mut text = body.take().to_string();
        // The arguments go as they were written: numbers and member order are the approver's.
        if let Some(args) = args {
            text.insert_str(1, &format!("\"args\":{args},"));
        }
        let answered = self.place.answer(&question.id, verb, text).await?;
        if self.json {
            return lines(&[answered]);
        }
        let missing = usize::try_from(answered.count).unwrap_or(1).saturating_sub(answered.answers.len());
        let state = answered.state.as_str();
        match missing {
            1.. if state == "pending" => {
                printer::line(format!("{} needs {missing} more", short(&answered.id)));
            }
            _ => printer::line(format!("{} is {state}", short(&answered.id))),
        }
        Ok(())
    }

    async fn grants(&self, all: bool) -> Done {
        let grants = self.place.grants(all).await?;
        if self.json {
            return lines(&grants);
        }
        let rows: Vec<Vec<String>> = grants
            .into_iter()
            .map(|g| {
                let scope = if g.pattern.is_empty() {
                    g.scope
                } else {
                    format!("{}: {}", g.scope, g.pattern.join(" and "))
                };
                vec![short(&g.id).to_owned(), g.state, g.agent, g.tool, scope, g.by, g.until]
            })
            .collect();
        printer::table(&["GRANT", "STATE", "AGENT", "TOOL", "PERMITS", "BY", "UNTIL"], &rows);
        Ok(())
    }

    async fn revoke(&self, id: &str) -> Done {
        let grants = self.place.grants(false).await?;
        let mut found = grants.iter().filter(|grant| grant.id.starts_with(id));
        let grant = match (found.next(), found.next()) {
            (Some(one), None) => one,
            (Some(_), Some(_)) => {
                return Err(Stop::failed(format!("more than one grant begins with `{id}`")));
            }
            (None, _) => {
                return Err(Stop::failed(format!("no grant that stands begins with `{id}`"))
                    .hint("`tollgate approvals grants` names them"));
            }
        };
        self.place.revoke(&grant.id).await?;
        if self.json {
            printer::line(json!({ "revoked": grant.id }));
        } else {
            printer::line(format!("{} is revoked", short(&grant.id)));
        }
        Ok(())
    }
}

fn lines<T: serde::Serialize>(list: &[T]) -> Done {
    for one in list {
        printer::line(serde_json::to_string(one).map_err(|e| Stop::failed(e.to_string()))?);
    }
    Ok(())
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The arguments in one line.
fn summary(question: &QuestionView) -> String {
    let args: Vec<String> = question.shown.iter().map(|one| format!("{}: {}", one.name, one.value)).collect();
    format!("{} wants {} {{ {} }}  rule: {}", question.agent, question.tool, args.join(", "), question.rule)
}

fn table(questions: &[QuestionView]) {
    let rows: Vec<Vec<String>> = questions
        .iter()
        .map(|q| {
            let args: Vec<String> =
                q.shown.iter().map(|one| format!("{}: {}", one.name, one.value)).collect();
            let args: String = args.join(", ").chars().take(60).collect();
            let answers = format!("{} of {}", q.answers.len(), q.count);
            let state = q.state.as_str().to_owned();
            let id = short(&q.id).to_owned();
            vec![
                id,
                state,
                q.agent.clone(),
                q.tool.clone(),
                args,
                q.of.clone(),
                answers,
                q.expires_at.clone(),
            ]
        })
        .collect();
    printer::table(&["ID", "STATE", "AGENT", "TOOL", "ARGUMENTS", "OF", "ANSWERS", "EXPIRES"], &rows);
}

/// One question, as it should be read before it is answered.
fn whole(question: &QuestionView) {
    let field = |name: &str, value: &str| printer::line(format!("{name:<9} {value}"));
    field("question", &question.id);
    field("state", question.state.as_str());
    field("agent", &question.agent);
    let optional = [
        ("user", &question.user),
        ("tenant", &question.tenant),
        ("client", &question.client),
        ("reason", &question.reason),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            field(name, value);
        }
    }
    field("tool", &question.tool);
    for one in &question.shown {
        let change = match one.change {
            None | Some(Change::Same) => "",
            Some(Change::Changed) => "   (differs from the last approved call)",
            Some(Change::New) => "   (not in the last approved call)",
            Some(Change::Gone) => "(gone since the last approved call)",
        };
        printer::line(format!("            {}: {}{change}", one.name, one.value));
    }
    field(
        "rule",
        &match &question.because {
            Some(because) => format!("{}: {because}", question.rule),
            None => question.rule.clone(),
        },
    );
    if !question.touched.is_empty() {
        field("touched", &question.touched.join(", "));
    }
    field("asked", &format!("{} of {} at {}", question.count, question.of, question.asked_at));
    field("expires", &question.expires_at);
    for answer in &question.answers {
        let note = answer.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        field(
            "answer",
            &format!("{} by {} ({}, {}){note}", answer.decision, answer.by, answer.via, answer.at),
        );
    }
}
