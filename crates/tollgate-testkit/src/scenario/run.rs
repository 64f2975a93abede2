use std::collections::BTreeMap;
use std::time::Duration;

use super::compare::{Mode, blessed, difference};
use super::desk::{self, Desk};
use super::over::Variant;
use super::parse::{Block, Check, DEFAULT_AGENT, Request, Scenario, Step};
use super::seat::{Place, Seat, key, key_variable};
use super::{Options, yaml};
use crate::agent::PATIENCE;
use crate::fake::{Kind, Script, Server};
use crate::gateway::Running;
use crate::json::Json;
use crate::{Failure, Result};

/// How long silence must last to count as nothing.
const SILENCE: Duration = Duration::from_millis(200);

/// One run of one file.
struct Run<'a> {
    scenario: &'a Scenario,
    variant: &'a Variant,
    options: &'a Options,
    gateway: Option<Running>,
    servers: BTreeMap<String, Server>,
    seats: BTreeMap<String, Seat>,
    entries_seen: usize,
    desk: Desk,
    ran: Vec<String>,
    /// The id of the task that an agent was told of last.
    task: String,
    rewritten: Vec<(std::ops::Range<usize>, String)>,
}

/// Plays a file with one variant. Returns its text, with bless rewritten to what came.
///
/// # Errors
/// The first block that does not hold, with its line; or what a fake found wrong in the gateway's requests.
pub async fn play(scenario: &Scenario, variant: &Variant, options: &Options) -> Result<String> {
    let mut run = Run {
        scenario,
        variant,
        options,
        gateway: None,
        servers: BTreeMap::new(),
        seats: BTreeMap::new(),
        entries_seen: 0,
        desk: Desk::default(),
        ran: Vec::new(),
        task: String::new(),
        rewritten: Vec::new(),
    };
    for block in &scenario.blocks {
        let place = format!("{}:{}", scenario.path.display(), block.line);
        if let Err(failure) = Box::pin(run.step(block)).await {
            let log = run.gateway.as_ref().map(Running::log).unwrap_or_default();
            let log = if log.is_empty() { log } else { format!("\n--- the gateway's log\n{log}") };
            return Err(Failure::new(format!("{place}: {failure}{}{log}", run.faults())));
        }
    }
    let faults = run.faults();
    if !faults.is_empty() {
        return Err(Failure::new(format!("{}: {}", scenario.path.display(), faults.trim())));
    }
    if let Some(gateway) = &mut run.gateway {
        gateway.stop(PATIENCE).await?;
    }
    Ok(run.source())
}

impl Run<'_> {
    async fn step(&mut self, block: &Block) -> Result<()> {
        match &block.step {
            Step::Gateway => self.start(&block.body).await,
            Step::Reloads => self.reload(&block.body, true).await,
            Step::Refuses => self.reload(&block.body, false).await,
            Step::Restarts => {
                let gateway = self.gateway()?;
                gateway.stop(PATIENCE).await?;
                gateway.restart(PATIENCE).await.map(drop)
            }
            Step::Killed => {
                let gateway = self.gateway()?;
                gateway.kill().await?;
                gateway.restart(PATIENCE).await.map(drop)
            }
            Step::Crashes(name) => self.server(name).map(Server::crash),
            Step::Returns(name) => self.server(name)?.restart().await,
            Step::Offers(name) => {
                let script = Script::read(&yaml(&block.body)?)?;
                self.server(name).map(|server| server.rescript(script))
            }
            Step::Agent(name) => {
                let config = yaml(&block.body)?;
                self.seat(name).configure(&config)
            }
            Step::Requests(request, name) => self.act(*request, name, &block.body).await,
            Step::Answers(name) => {
                let answer = Json::parse(&block.body)?;
                self.seat(name).answer(answer).await
            }
            Step::Cancels(name) => self.seat(name).cancel().await,
            Step::Operates(act, name) => {
                let gateway = self.gateway.as_ref().ok_or("there is no gateway in this run")?;
                self.desk.act(gateway, *act, name, &Json::parse(&block.body)?).await
            }
            Step::Runs => {
                for line in block.body.lines().filter(|line| !line.trim().is_empty()) {
                    let (line, fails) = match line.strip_prefix('!') {
                        Some(rest) => (rest, true),
                        None => (line, false),
                    };
                    self.ran = line.split_whitespace().map(ToOwned::to_owned).collect();
                    let (failed, told) = self.command().await?;
                    if failed != fails {
                        return Err(Failure::new(format!("`{line}` told:\n{told}")));
                    }
                }
                Ok(())
            }
            Step::Checks(check) => self.check(check, block).await,
        }
    }

    async fn start(&mut self, body: &str) -> Result<()> {
        let config = self.config(body).await?;
        if let Some(binary) = &self.options.binary {
            let names = self.scenario.agents();
            let operators = self.scenario.operators().into_iter().map(desk::seat);
            let seats = names.into_iter().map(ToOwned::to_owned).chain(operators);
            let env: Vec<_> = seats.map(|name| (key_variable(&name), key(&name))).collect();
            self.gateway = Some(Running::start(binary, config, &env).await?);
        }
        Ok(())
    }

    /// Gives the gateway another configuration, which it must take, or must not.
    async fn reload(&mut self, body: &str, wanted: bool) -> Result<()> {
        let config = self.config(body).await?;
        match self.gateway()?.reload(config).await? {
            applies if applies == wanted => Ok(()),
            true => Err("the configuration applies".into()),
            false => Err("the old configuration stays".into()),
        }
    }

    /// The configuration, with the fakes started and in their places, and a key for every agent of the file.
    async fn config(&mut self, body: &str) -> Result<Json> {
        let mut config = yaml(body)?;
        let mut servers = config.get("servers").cloned().unwrap_or_default();
        for (name, server) in servers.clone().members() {
            let script = match (server.as_str(), server.get("fake")) {
                (Some("fake"), _) => Json::object(),
                (_, Some(script)) => script.clone(),
                _ => continue,
            };
            let place = self.fake(name, &script).await?;
            let mut server =
                if server.as_str().is_some() { Json::object() } else { server.clone().without("fake") };
            for (key, value) in place.members() {
                server.set(key, value.clone());
            }
            servers.set(name, server);
        }
        config.set("servers", servers);
        let mut agents = config.get("agents").cloned().unwrap_or_default();
        let named = self.scenario.agents();
        for name in if named.is_empty() { vec![DEFAULT_AGENT] } else { named } {
            let agent = agents.get(name).cloned().unwrap_or_default();
            if agent.get("keys").is_none() {
                let key = Json::from(format!("${{env:{}}}", key_variable(name)));
                agents.set(name, agent.with("keys", vec![key]));
            }
        }
        let mut operators = config.get("operators").cloned().unwrap_or_default();
        for name in self.scenario.operators() {
            let key = Json::from(format!("${{env:{}}}", key_variable(&desk::seat(name))));
            let operator = operators.get(name).cloned().unwrap_or_default();
            operators.set(name, operator.with("keys", vec![key]));
        }
        if !operators.members().is_empty() {
            config.set("operators", operators);
        }
        Ok(config.with("agents", agents))
    }

    /// Starts a fake, or gives a running one another script; how the configuration reaches it.
    async fn fake(&mut self, name: &str, script: &Json) -> Result<Json> {
        let kind = match script.text("kind") {
            Some(kind) => Kind::parse(kind).ok_or_else(|| Failure::new(format!("no fake is a `{kind}`")))?,
            None => self.variant.server,
        };
        let script = Script::read(&script.clone().without("kind"))?;
        if !self.servers.contains_key(name) {
            self.servers.insert(name.to_owned(), Server::start(kind, script).await?);
        }
        let server = self.server(name)?;
        Ok(if kind.is_stdio() {
            let command =
                server.command(&self.options.carrier).into_iter().map(Json::from).collect::<Vec<_>>();
            Json::object().with("command", command)
        } else {
            Json::object().with("url", server.url())
        })
    }

    /// Starts what an agent does.
    async fn act(&mut self, request: Request, name: &str, body: &str) -> Result<()> {
        let body = Json::parse(&body.replace("[task]", &self.task))?;
        let member = |key: &str| body.get(key).cloned();
        let renamed = |from: &str| {
            let name = member(from).ok_or_else(|| Failure::new(format!("`{from}` is missing")));
            Ok::<_, Failure>(Json::object().with("name", name?))
        };
        let with_rest = |params: Json, taken: &str| {
            let rest = body.members().iter().filter(|(key, _)| key != taken);
            rest.fold(params, |params, (key, value)| params.with(key, value.clone()))
        };
        let (method, params) = match request {
            Request::Calls => ("tools/call", with_rest(renamed("tool")?, "tool")),
            Request::Prompts => ("prompts/get", with_rest(renamed("prompt")?, "prompt")),
            Request::Reads => ("resources/read", body.clone()),
            Request::Completes => ("completion/complete", body.clone()),
            Request::Sends => {
                (body.text("method").ok_or("`method` is missing")?, member("params").unwrap_or_default())
            }
            Request::Awaits => {
                let id = body.text("task").ok_or("`task` is missing")?.to_owned();
                return self.with_seat(name, async |seat, place| seat.awaits(&place, &id).await).await;
            }
            Request::Lists => {
                let list = body.text("list").or(body.as_str()).ok_or("`list` is missing")?.to_owned();
                let full = body.get("full") == Some(&Json::Bool(true));
                let until = body.text("until").map(ToOwned::to_owned);
                let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
                loop {
                    self.with_seat(name, async |seat, place| seat.list(&place, &list, full).await).await?;
                    let missing = until.as_deref().is_some_and(|wanted| !self.seat(name).was_listed(wanted));
                    if !missing || tokio::time::Instant::now() >= deadline {
                        return Ok(());
                    }
                    self.seat(name).forget();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let method = method.to_owned();
        self.with_seat(name, async |seat, place| seat.start(&place, &method, params).await).await
    }

    /// Takes a seat out while it connects, since connecting looks at the gateway.
    async fn with_seat(
        &mut self,
        name: &str,
        act: impl AsyncFnOnce(&mut Seat, Place<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut seat = self.seats.remove(name).unwrap_or_else(|| Seat::new(name, &self.variant.agent));
        let done = match (&self.gateway, self.servers.values().next()) {
            (Some(gateway), _) => act(&mut seat, Place::Gateway(gateway)).await,
            (None, Some(server)) => act(&mut seat, Place::Server(server.url())).await,
            (None, None) => Err("nobody to talk to".into()),
        };
        self.seats.insert(name.to_owned(), seat);
        done
    }

    /// Compares a checked block, or rewrites it.
    async fn check(&mut self, check: &Check, block: &Block) -> Result<()> {
        let expected = if block.is_nothing() || matches!(check, Check::Metrics | Check::Reads) {
            Vec::new()
        } else {
            Json::parse_many(&block.body)?
        };
        // A list of values may be written as an array or one after another.
        let expected = match (check, expected.as_slice()) {
            (
                Check::Receives(_) | Check::Sees(_) | Check::Inbox(_) | Check::Grants(_) | Check::Ledger,
                [Json::Array(elements)],
            ) => elements.clone(),
            _ => expected,
        };
        let patience =
            if expected.is_empty() && !self.options.bless { SILENCE } else { Duration::from_secs(5) };
        let (mode, actual) = match check {
            Check::Gets(name) if block.is_nothing() => {
                tokio::time::sleep(SILENCE).await;
                return if self.seat(name).is_waiting() { Ok(()) } else { Err("the call is over".into()) };
            }
            Check::Gets(name) => {
                let (got, task) = self.seat(name).get().await?;
                if let Some(task) = task {
                    self.task = task;
                }
                (Mode::Exact, vec![got])
            }
            Check::Asked(name) => {
                (Mode::Partial, self.seat(name).question(patience).await.into_iter().collect())
            }
            Check::Sees(name) => (Mode::Exact, self.seen(&name.clone(), expected.len(), patience).await),
            Check::Receives(name) => {
                let patience = if expected.is_empty() { SILENCE } else { patience };
                let calls = self.server(name)?.take_calls(expected.len(), patience).await;
                (Mode::Exact, calls.iter().map(crate::fake::Received::summary).collect())
            }
            Check::Inbox(name) => (Mode::Partial, self.waiting(name, expected.len(), patience).await?),
            Check::Grants(name) => {
                (Mode::Partial, Desk::list(self.gateway()?, name, "/api/v1/grants").await?)
            }
            Check::Ledger => (Mode::Partial, self.entries(&expected, patience).await?),
            Check::Metrics => return self.metrics(block).await,
            Check::Reads => return self.reads(block).await,
        };
        if self.options.bless {
            self.bless(block, &expected, &actual, mode);
            return Ok(());
        }
        compare(&expected, &actual, mode)
    }

    /// The questions that wait, as soon as `count` do.
    async fn waiting(&mut self, name: &str, count: usize, patience: Duration) -> Result<Vec<Json>> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let waiting = Desk::list(self.gateway()?, name, "/api/v1/approvals").await?;
            let enough = count > 0 && waiting.len() >= count;
            if enough || tokio::time::Instant::now() >= deadline {
                return Ok(waiting);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The notifications of an agent's calls, as soon as `count` are there.
    async fn seen(&mut self, name: &str, count: usize, patience: Duration) -> Vec<Json> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut seen = Vec::new();
        loop {
            seen.extend(self.seat(name).seen());
            let enough = count > 0 && seen.len() >= count;
            if enough || tokio::time::Instant::now() >= deadline {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The ledger's entries since the last look, as soon as they are what is expected.
    async fn entries(&mut self, expected: &[Json], patience: Duration) -> Result<Vec<Json>> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let all = self.gateway()?.ledger().await?;
            let fresh: Vec<_> = all.iter().skip(self.entries_seen).cloned().collect();
            let holds = !expected.is_empty() && compare(expected, &fresh, Mode::Partial).is_ok();
            if holds || tokio::time::Instant::now() >= deadline {
                self.entries_seen = all.len();
                return Ok(fresh);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The last command's output: whether it failed, and what it printed.
    async fn command(&mut self) -> Result<(bool, String)> {
        let words = self.ran.clone();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, out, err) = self.gateway()?.run(&words).await?;
        Ok((code != Some(0), out + &err))
    }

    /// Every line must be part of the output, at once or within five seconds of looking again; `nothing`: there is none.
    async fn reads(&mut self, block: &Block) -> Result<()> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        loop {
            let (_, told) = self.command().await?;
            let wanted: Vec<&str> =
                block.body.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let holds = if block.is_nothing() {
                told.trim().is_empty()
            } else {
                wanted.iter().all(|line| told.contains(line))
            };
            if holds {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Failure::new(format!("the command prints:\n{told}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn metrics(&mut self, block: &Block) -> Result<()> {
        let text = self.gateway()?.metrics().await?;
        let bless = self.options.bless;
        let mut lines = Vec::new();
        for wanted in block.body.lines().filter(|line| !line.trim().is_empty()) {
            let name = wanted.rsplit_once(' ').map_or(wanted, |(name, _)| name);
            let there =
                text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(there, _)| there == name));
            match there {
                Some(there) if bless || there == wanted || wanted.ends_with(" [n]") => {
                    lines.push(if wanted.ends_with(" [n]") { wanted } else { there }.to_owned());
                }
                Some(there) => return Err(Failure::new(format!("`{there}` instead of `{wanted}`"))),
                None => return Err(Failure::new(format!("no metric `{name}`"))),
            }
        }
        if bless {
            self.rewritten.push((block.place.clone(), lines.join("\n") + "\n"));
        }
        Ok(())
    }

    fn bless(&mut self, block: &Block, expected: &[Json], actual: &[Json], mode: Mode) {
        let fresh_ledger = |entry: &Json| {
            ["tool", "agent", "verdict", "outcome"].iter().fold(Json::object(), |short, key| {
                match entry.get(key) {
                    Some(value) => short.with(key, value.clone()),
                    None => short,
                }
            })
        };
        let value = |(place, value): (usize, &Json)| match (expected.get(place), &block.step) {
            (None, Step::Checks(Check::Ledger)) => fresh_ledger(value),
            (expected, _) => blessed(expected, value, mode),
        };
        let lines: Vec<_> = actual.iter().enumerate().map(value).map(|value| value.pretty(110)).collect();
        let text = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") };
        self.rewritten.push((block.place.clone(), text + "\n"));
    }

    /// The file's text with the rewritten blocks in it.
    fn source(&self) -> String {
        let mut source = self.scenario.source.clone();
        for (place, text) in self.rewritten.iter().rev() {
            source.replace_range(place.clone(), text);
        }
        source
    }

    fn gateway(&mut self) -> Result<&mut Running> {
        self.gateway.as_mut().ok_or_else(|| "there is no gateway in this run".into())
    }

    fn server(&self, name: &str) -> Result<&Server> {
        self.servers.get(name).ok_or_else(|| Failure::new(format!("no fake is called `{name}`")))
    }

    fn seat(&mut self, name: &str) -> &mut Seat {
        let speaks = &self.variant.agent;
        self.seats.entry(name.to_owned()).or_insert_with(|| Seat::new(name, speaks))
    }

    /// What the fakes found wrong, one a line.
    fn faults(&self) -> String {
        let mut told = String::new();
        for (name, server) in &self.servers {
            for fault in server.faults() {
                told.extend(["\nserver ", name, " found a fault: ", &fault]);
            }
        }
        told
    }
}

/// The first difference, with both sides written out.
fn compare(expected: &[Json], actual: &[Json], mode: Mode) -> Result<()> {
    let found = if expected.len() == actual.len() {
        expected.iter().zip(actual).find_map(|(expected, actual)| difference(expected, actual, mode))
    } else {
        Some(format!("{} came instead of {}", actual.len(), expected.len()))
    };
    let Some(found) = found else { return Ok(()) };
    let write = |values: &[Json]| match values {
        [] => "nothing".to_owned(),
        values => values.iter().map(|value| value.pretty(110)).collect::<Vec<_>>().join("\n"),
    };
    Err(Failure::new(format!("{found}\n--- expected\n{}\n--- came\n{}", write(expected), write(actual))))
}
