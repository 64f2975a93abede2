use std::collections::VecDeque;

use super::over::{Speaks, Transport};
use super::told;
use crate::agent::{Agent, Outcome, PATIENCE, Pending, Question, Reply, Setup};
use crate::gateway::Running;
use crate::json::Json;
use crate::{Failure, Result};

/// An agent in its seat: how it speaks, and its calls on their way, oldest first.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) name: String,
    speaks: Speaks,
    setup: Setup,
    endpoint: String,
    agent: Option<Agent>,
    calls: VecDeque<Call>,
    asked: Option<Question>,
    seen: Vec<Json>,
}

#[derive(Debug)]
enum Call {
    Running(Pending),
    /// Answered already: a list with all its pages, or a handshake that was refused.
    Over(Reply),
}

/// The key of a scenario's agent.
pub(super) fn key(name: &str) -> String {
    format!("tgk_scenario_{name}_0123456789abcdef0123456789abcdef")
}

/// The environment variable that the configuration takes it from.
pub(super) fn key_variable(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("TOLLGATE_SCENARIO_KEY_{}", letters.collect::<String>())
}

/// Where agents connect to.
pub(super) enum Place<'a> {
    Gateway(&'a Running),
    /// The only server, without a gateway.
    Server(String),
}

impl Seat {
    pub(super) fn new(name: &str, speaks: &Speaks) -> Self {
        let mut setup = Setup::of(&speaks.revision);
        setup.key = Some(key(name));
        Self {
            name: name.to_owned(),
            speaks: speaks.clone(),
            setup,
            endpoint: "/mcp".to_owned(),
            agent: None,
            calls: VecDeque::new(),
            asked: None,
            seen: Vec::new(),
        }
    }

    /// `yaml agent`: `speaks`, `capabilities`, `endpoint`, `key` (own, none, wrong), `headers`, `log`.
    pub(super) fn configure(&mut self, config: &Json) -> Result<()> {
        for (name, value) in config.members() {
            let text = value.as_str().unwrap_or_default();
            match name.as_str() {
                "speaks" => {
                    let speaks = Speaks::parse(text)
                        .ok_or_else(|| Failure::new(format!("no agent speaks `{text}`")))?;
                    *self = Self { endpoint: self.endpoint.clone(), ..Self::new(&self.name, &speaks) };
                }
                "capabilities" => self.setup.capabilities = value.clone(),
                "endpoint" => text.clone_into(&mut self.endpoint),
                "key" => {
                    self.setup.key = match text {
                        "own" => Some(key(&self.name)),
                        "none" => None,
                        "wrong" => Some("tgk_wrong_0123456789abcdef0123456789abcdef".to_owned()),
                        other => {
                            return Err(Failure::new(format!("a key is own, none or wrong, not `{other}`")));
                        }
                    }
                }
                "headers" => {
                    let header = |(name, value): &(String, Json)| {
                        (name.clone(), value.as_str().unwrap_or_default().to_owned())
                    };
                    self.setup.headers = value.members().iter().map(header).collect();
                }
                "log" => self.setup.log_level = Some(text.to_owned()),
                other => return Err(Failure::new(format!("an agent has no `{other}`"))),
            }
        }
        Ok(())
    }

    /// The connected agent; a refused handshake comes back as its reply.
    async fn connect(&mut self, place: &Place<'_>) -> Result<Result<Agent, Reply>> {
        if let Some(agent) = &self.agent {
            return Ok(Ok(agent.clone()));
        }
        let agent = match place {
            Place::Gateway(gateway) if self.speaks.over == Transport::Stdio => {
                let key = self.setup.key.iter().map(|key| ("TOLLGATE_KEY".to_owned(), key.clone()));
                let env: Vec<_> = gateway.env().iter().cloned().chain(key).collect();
                Agent::stdio(&gateway.stdio_command(), &env, self.setup.clone()).await?
            }
            Place::Gateway(gateway) if self.speaks.over == Transport::Sse => {
                let path = self.endpoint.replacen("/mcp", "/sse", 1);
                Agent::silent_sse(&gateway.url(&path), self.setup.clone())
            }
            Place::Gateway(gateway) => Agent::silent(&gateway.url(&self.endpoint), self.setup.clone()),
            Place::Server(url) if url.ends_with("/sse") => Agent::silent_sse(url, self.setup.clone()),
            Place::Server(url) => Agent::silent(url, self.setup.clone()),
        };
        if self.speaks.over != Transport::Stdio
            && let Some(reply) = agent.knock().await?
            && reply.result().is_err()
        {
            return Ok(Err(reply));
        }
        self.agent = Some(agent.clone());
        Ok(Ok(agent))
    }

    /// Starts a request.
    pub(super) async fn start(&mut self, place: &Place<'_>, method: &str, params: Json) -> Result<()> {
        let call = match self.connect(place).await? {
            Ok(agent) => Call::Running(agent.start(method, params)),
            Err(reply) => Call::Over(reply),
        };
        self.calls.push_back(call);
        Ok(())
    }

    /// Awaits a task.
    pub(super) async fn awaits(&mut self, place: &Place<'_>, id: &str) -> Result<()> {
        let call = match self.connect(place).await? {
            Ok(agent) => Call::Running(agent.awaits(id)),
            Err(reply) => Call::Over(reply),
        };
        self.calls.push_back(call);
        Ok(())
    }

    /// Whether the list that was read last names `wanted`.
    pub(super) fn was_listed(&self, wanted: &str) -> bool {
        match self.calls.back() {
            Some(Call::Over(reply)) => {
                reply.result().is_ok_and(|list| list.to_string().contains(&format!("\"{wanted}\"")))
            }
            Some(Call::Running(_)) | None => false,
        }
    }

    /// Drops the call that was made last.
    pub(super) fn forget(&mut self) {
        self.calls.pop_back();
    }

    /// Lists all pages; without `full`, what it gets is the names.
    pub(super) async fn list(&mut self, place: &Place<'_>, list: &str, full: bool) -> Result<()> {
        let (method, member) = match list {
            "templates" => ("resources/templates/list".to_owned(), "resourceTemplates"),
            "tools" | "prompts" | "resources" => (format!("{list}/list"), list),
            other => return Err(Failure::new(format!("there is no list of `{other}`"))),
        };
        let agent = match self.connect(place).await? {
            Ok(agent) => agent,
            Err(reply) => {
                self.calls.push_back(Call::Over(reply));
                return Ok(());
            }
        };
        let (mut all, mut params, mut reply) =
            (Vec::new(), Json::object(), agent.request(&method, Json::object()).await?);
        while let Outcome::Result(result) = &reply.outcome {
            all.extend(result.get(member).map(Json::elements).unwrap_or_default().iter().cloned());
            match result.get("nextCursor") {
                Some(cursor) => params.set("cursor", cursor.clone()),
                None => break,
            }
            reply = agent.request(&method, params.clone()).await?;
        }
        if let Outcome::Result(_) = &reply.outcome {
            let whole = Json::object().with(member, all);
            let told = if full {
                whole
            } else {
                told::reply(&Reply { outcome: Outcome::Result(whole), ..reply.clone() }, true)
            };
            reply.outcome = Outcome::Result(told);
        }
        self.calls.push_back(Call::Over(reply));
        Ok(())
    }

    /// The end of the oldest call, and the id of the task that it tells of.
    pub(super) async fn get(&mut self) -> Result<(Json, Option<String>)> {
        let call = self
            .calls
            .pop_front()
            .ok_or_else(|| Failure::new(format!("{} has no call on its way", self.name)))?;
        let reply = match call {
            Call::Over(reply) => reply,
            Call::Running(mut pending) => {
                let reply = pending.reply(PATIENCE).await?;
                self.seen.extend(
                    pending.take_notified().iter().map(|(method, params)| told::notification(method, params)),
                );
                reply
            }
        };
        let task = reply.result().ok().and_then(|result| told::task(result)?.text("taskId"));
        Ok((told::reply(&reply, false), task.map(ToOwned::to_owned)))
    }

    /// The next question on any call on its way.
    pub(super) async fn question(&mut self, patience: std::time::Duration) -> Option<Json> {
        for call in &mut self.calls {
            if let Call::Running(pending) = call
                && let Some(question) = pending.question(patience).await
            {
                let told = told::question(&question.method, &question.params);
                self.asked = Some(question);
                return Some(told);
            }
        }
        None
    }

    /// Answers the question that was looked at last, else the next one.
    pub(super) async fn answer(&mut self, answer: Json) -> Result<()> {
        if self.asked.is_none() {
            self.question(PATIENCE).await;
        }
        let question =
            self.asked.take().ok_or_else(|| Failure::new(format!("{} is asked nothing", self.name)))?;
        question.answer(answer)
    }

    /// Gives up the oldest call.
    pub(super) async fn cancel(&mut self) -> Result<()> {
        match self.calls.pop_front() {
            Some(Call::Running(pending)) => pending.cancel().await,
            Some(Call::Over(_)) | None => Err(Failure::new(format!("{} has no call to give up", self.name))),
        }
    }

    /// Whether a call is on its way and has not ended.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.calls.front(), Some(Call::Running(pending)) if !pending.is_over())
    }

    /// The notifications so far that were not looked at yet.
    pub(super) fn seen(&mut self) -> Vec<Json> {
        let mut seen = std::mem::take(&mut self.seen);
        for call in &mut self.calls {
            if let Call::Running(pending) = call {
                seen.extend(
                    pending.take_notified().iter().map(|(method, params)| told::notification(method, params)),
                );
            }
        }
        seen
    }
}
