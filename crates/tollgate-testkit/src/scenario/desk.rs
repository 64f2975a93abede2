use std::time::Duration;

use hyper::Method;

use super::parse::{Act, DEFAULT_OPERATOR};
use super::seat::key;
use crate::gateway::Running;
use crate::json::Json;
use crate::{Failure, Result};

/// How long an operator waits for a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// What operators remember between blocks.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The question that was answered last.
    answered: Option<String>,
}

/// An operator's place among the scenario's keys: nobody shares one with an agent.
pub(super) fn seat(name: &str) -> String {
    format!("operator_{name}")
}

impl Desk {
    /// Answers the question that has waited longest, or revokes the newest grant.
    pub(super) async fn act(&mut self, gateway: &Running, act: Act, name: &str, body: &Json) -> Result<()> {
        let again = body.get("again") == Some(&Json::Bool(true));
        let refused = body.get("refused").and_then(Json::as_u64);
        let path = match act {
            Act::Revokes => {
                let grants = Self::list(gateway, name, "/api/v1/grants").await?;
                let newest = grants.last().and_then(|grant| grant.text("id")).ok_or("no grant stands")?;
                format!("/api/v1/grants/{newest}/revoke")
            }
            Act::Approves | Act::Denies => {
                let id = match (&self.answered, again) {
                    (Some(id), true) => id.clone(),
                    (None, true) => return Err("no question was answered before".into()),
                    (_, false) => Self::oldest(gateway, name).await?,
                };
                let verb = if act == Act::Approves { "approve" } else { "deny" };
                let path = format!("/api/v1/approvals/{id}/{verb}");
                self.answered = Some(id);
                path
            }
        };
        let body = body.clone().without("again").without("refused");
        let key = own_key(name);
        let (status, text) = gateway.admin(key.as_deref(), Method::POST, &path, body.pretty(10_000)).await?;
        if u64::from(status) == refused.unwrap_or(200) {
            return Ok(());
        }
        Err(Failure::new(format!("the answer got HTTP {status}: {text}")))
    }

    async fn oldest(gateway: &Running, name: &str) -> Result<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let waiting = Self::list(gateway, name, "/api/v1/approvals").await?;
            if let Some(id) = waiting.first().and_then(|question| question.text("id")) {
                return Ok(id.to_owned());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err("no question waits".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A list of the admin API.
    pub(super) async fn list(gateway: &Running, name: &str, path: &str) -> Result<Vec<Json>> {
        match gateway.admin(own_key(name).as_deref(), Method::GET, path, String::new()).await? {
            (200, text) => Ok(Json::parse(&text)?.elements().to_vec()),
            (status, text) => Err(Failure::new(format!("{path}: HTTP {status}: {text}"))),
        }
    }
}

/// `None` = the operator token.
fn own_key(name: &str) -> Option<String> {
    (name != DEFAULT_OPERATOR).then(|| key(&seat(name)))
}
