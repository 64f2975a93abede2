//! One gateway, all servers behind it, all agents before it, at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tollgate_testkit::agent::{Agent, Pending, Setup};
use tollgate_testkit::fake::script::Tool;
use tollgate_testkit::fake::{Script, Server};
use tollgate_testkit::gateway::Running;
use tollgate_testkit::json::Json;
use tollgate_testkit::scenario::Transport;
use tollgate_testkit::{Failure, Result};

use super::features::{self, Feature};
use super::sides::Side;

/// How a cell went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Works,
    /// Why the eras can't express it.
    Never(&'static str),
    Fails(String),
}

/// All cells.
pub(crate) struct Outcome {
    pub(crate) sides: Vec<Side>,
    pub(crate) features: Vec<Feature>,
    /// By feature, agent and server, as places in the lists above.
    pub(crate) marks: BTreeMap<(usize, usize, usize), Mark>,
}

impl Outcome {
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        self.marks.iter().filter_map(|((feature, agent, server), mark)| match mark {
            Mark::Fails(why) => Some(format!(
                "{}: {} to {}: {why}",
                self.features[*feature].name, self.sides[*agent], self.sides[*server]
            )),
            Mark::Works | Mark::Never(_) => None,
        })
    }
}

/// One agent and one server, for one feature.
pub(crate) struct Cell<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) from: Side,
    pub(crate) to: Side,
    pub(crate) server: &'a Server,
    pub(crate) alias: String,
    /// What the agent was told when it came.
    pub(crate) introduction: &'a Json,
}

pub(crate) fn key(name: &str) -> String {
    format!("tgk_matrix_{name}_0123456789abcdef0123456789abcdef")
}

/// A tool with everything that a definition can have.
fn dressed() -> Tool {
    let definition = json!({
        "name": "dressed", "title": "Dressed", "description": "Has everything",
        "icons": [{ "src": "data:image/png;base64,AAAA", "mimeType": "image/png" }],
        "annotations": { "readOnlyHint": true }, "x-future": { "n": 1 },
        "inputSchema": { "type": "object", "properties": {} },
        "outputSchema": { "type": "object", "properties": { "n": { "type": "integer" } } },
        "_meta": { "ui": { "resourceUri": "ui://app/main" }, "com.example/kept": true }
    });
    Tool { like: "echo".to_owned(), definition: definition.into(), says: None }
}

fn script(side: Side) -> Script {
    let mut script = Script::everything();
    script.tools.push(dressed());
    script.resources.push("ui://app/main".to_owned());
    script.page = 5;
    if !side.is_modern() {
        side.revision.clone_into(&mut script.revision);
    }
    script
}

async fn connect(gateway: &Running, side: Side) -> Result<(Agent, Json)> {
    let mut setup = Setup::of(side.revision);
    setup.capabilities = side.capabilities();
    setup.key = Some(key(&side.alias()));
    if side.is_modern() {
        // The only tool with a marked argument is always called with this one.
        setup.headers = vec![("mcp-param-region".to_owned(), "eu".to_owned())];
    }
    let agent = match side.over {
        Transport::Http => Agent::silent(&gateway.url("/mcp"), setup),
        Transport::Sse => Agent::silent_sse(&gateway.url("/sse"), setup),
        Transport::Stdio => {
            let key = [("TOLLGATE_KEY".to_owned(), key(&side.alias()))];
            let env: Vec<_> = gateway.env().iter().cloned().chain(key).collect();
            Agent::silent_stdio(&gateway.stdio_command(), &env, setup)?
        }
    };
    let introduced = match agent.knock().await? {
        Some(reply) => reply,
        None => agent.request("server/discover", Json::object()).await?,
    };
    if !side.is_modern() {
        agent.listen().await?;
    }
    Ok((agent, introduced.result()?.clone()))
}

pub(crate) async fn run() -> Result<Outcome> {
    let (sides, features) = (Side::all(), features::all());
    let carrier = vec![std::env::current_exe()?.to_string_lossy().into_owned()];
    let mut servers: Vec<Server> = Vec::new();
    let (mut configured, mut agents, mut env) = (Json::object(), Json::object(), Vec::new());
    for side in &sides {
        let server = Server::start(side.kind(), script(*side)).await?;
        let place = if side.over == Transport::Stdio {
            let command: Vec<Json> = server.command(&carrier).into_iter().map(Json::from).collect();
            let processes = Json::object().with("max", 64_u64);
            Json::object().with("command", command).with("processes", processes)
        } else {
            Json::object().with("url", server.url())
        };
        configured.set(&side.alias(), place);
        let variable = format!("KEY_{}", side.alias().to_ascii_uppercase());
        agents.set(
            &side.alias(),
            Json::object().with("keys", vec![Json::from(format!("${{env:{variable}}}"))]),
        );
        env.push((variable, key(&side.alias())));
        servers.push(server);
    }
    let policy = Json::object().with("default", "allow");
    let config = Json::object().with("servers", configured).with("agents", agents).with("policy", policy);
    let gateway = Arc::new(Running::start(Path::new(env!("CARGO_BIN_EXE_tollgate")), config, &env).await?);
    let (servers, shared) = (Arc::new(servers), Arc::new(features));
    let mut outcome = Outcome { sides: sides.clone(), features: Vec::new(), marks: BTreeMap::new() };

    let mut playing = tokio::task::JoinSet::new();
    for (place, side) in sides.iter().copied().enumerate() {
        let (gateway, servers, features) = (Arc::clone(&gateway), Arc::clone(&servers), Arc::clone(&shared));
        let sides = sides.clone();
        playing.spawn(async move {
            let (agent, introduction) = match connect(&gateway, side).await {
                Ok(connected) => connected,
                Err(failure) => return Err(failure.while_doing(side)),
            };
            let mut marks = Vec::new();
            // Each begins at another server, so that they do not all stand before the same one.
            for (at, to) in sides.iter().copied().enumerate().cycle().skip(place).take(sides.len()) {
                let cell = Cell {
                    agent: &agent,
                    from: side,
                    to,
                    server: &servers[at],
                    alias: to.alias(),
                    introduction: &introduction,
                };
                for (number, feature) in features.iter().enumerate() {
                    marks.push(((number, place, at), play(feature, &cell).await));
                }
            }
            Ok((place, agent, introduction, marks))
        });
    }
    let mut seated: Vec<Option<(Agent, Json)>> = vec![None; sides.len()];
    while let Some(played) = playing.join_next().await {
        let (place, agent, introduction, marks) = played.map_err(|e| Failure::new(e.to_string()))??;
        outcome.marks.extend(marks);
        seated[place] = Some((agent, introduction));
    }
    let logging = logging(&sides, &servers, &seated).await;
    let seated: Vec<Agent> = seated.into_iter().flatten().map(|(agent, _)| agent).collect();
    let count = shared.len();
    let news = news(&sides, &servers, &seated).await?;
    outcome.features = Arc::into_inner(shared).ok_or("the features are still in use")?;
    let rows = [features::LISTS, features::RESOURCES, features::LOGS];
    for (number, (feature, marks)) in rows.into_iter().zip(news.into_iter().chain([logging])).enumerate() {
        outcome.features.push(feature);
        outcome
            .marks
            .extend(marks.into_iter().map(|((agent, server), mark)| ((count + number, agent, server), mark)));
    }
    for (side, server) in sides.iter().zip(servers.iter()) {
        if let Some(fault) = server.faults().first() {
            return Err(Failure::new(format!("server {side} found a fault: {fault}")));
        }
    }
    Ok(outcome)
}

async fn play(feature: &Feature, cell: &Cell<'_>) -> Mark {
    let reason = (feature.never)(cell.from, cell.to);
    let run = async {
        match (reason, feature.tool) {
            (None, _) => (feature.run)(cell).await,
            // What can't be expressed must still come to an end.
            (Some(_), Some(tool)) => features::ends(cell, tool).await,
            (Some(_), None) => Ok(()),
        }
    };
    match (tokio::time::timeout(CELL, run).await, reason) {
        (Ok(Ok(())), None) => Mark::Works,
        (Ok(Ok(())), Some(reason)) => Mark::Never(reason),
        (Ok(Err(failure)), _) => Mark::Fails(failure.to_string()),
        (Err(_), _) => Mark::Fails("it never came to an end".to_owned()),
    }
}

/// How long one cell may take.
const CELL: Duration = Duration::from_mins(1);

type News = BTreeMap<(usize, usize), Mark>;

/// Log lines: one call after the other, when nobody else calls.
async fn logging(sides: &[Side], servers: &[Server], agents: &[Option<(Agent, Json)>]) -> News {
    let mut marks = News::new();
    for (place, (agent, introduction)) in agents.iter().flatten().enumerate() {
        for (at, to) in sides.iter().copied().enumerate() {
            let (server, alias) = (&servers[at], to.alias());
            let cell = Cell { agent, from: sides[place], to, server, alias, introduction };
            marks.insert((place, at), play(&features::LOGS, &cell).await);
        }
    }
    marks
}

/// Changed lists and resources: each server says it once, and every agent must hear it.
async fn news(sides: &[Side], servers: &[Server], agents: &[Agent]) -> Result<[News; 2]> {
    let mut open: Vec<Option<Pending>> = Vec::new();
    let uri = |to: Side| format!("{}+file:///readme.md", to.alias());
    let mut listening = Vec::new();
    for (agent, from) in agents.iter().zip(sides) {
        if from.is_modern() {
            let uris: Vec<Json> = sides.iter().map(|to| Json::from(uri(*to))).collect();
            let wanted =
                Json::object().with("toolsListChanged", Json::Bool(true)).with("resourceSubscriptions", uris);
            open.push(Some(
                agent.start("subscriptions/listen", Json::object().with("notifications", wanted)),
            ));
            continue;
        }
        open.push(None);
        let (agent, sides) = (agent.clone(), sides.to_vec());
        listening.push(tokio::spawn(async move {
            for to in sides {
                let params = Json::object().with("uri", format!("{}+file:///readme.md", to.alias()));
                agent.request("resources/subscribe", params).await?.result()?;
            }
            Ok::<_, Failure>(())
        }));
    }
    for listening in listening {
        listening.await.map_err(|e| Failure::new(e.to_string()))??;
    }
    for pending in open.iter_mut().flatten() {
        heard(pending, |method, _| method == "notifications/subscriptions/acknowledged")
            .await
            .ok_or("a subscription was not acknowledged")?;
    }
    let mut news = [News::new(), News::new()];
    for (at, to) in sides.iter().copied().enumerate() {
        let wanted = uri(to);
        servers[at].update("file:///readme.md");
        for (place, agent) in agents.iter().enumerate() {
            let ours = |method: &str, params: &Json| {
                method == "notifications/resources/updated" && params.text("uri") == Some(&wanted)
            };
            let told = match &mut open[place] {
                Some(pending) => heard(pending, ours).await.is_some(),
                None => agent.hears(ours, PATIENCE).await.is_some(),
            };
            let mark = if told { Mark::Works } else { Mark::Fails("it was not told".to_owned()) };
            news[1].insert((place, at), mark);
        }
        let mut script = script(to);
        script.tools.retain(|tool| tool.name() != "big");
        servers[at].rescript(script);
        for (place, agent) in agents.iter().enumerate() {
            let ours = |method: &str, _: &Json| method == "notifications/tools/list_changed";
            let told = match &mut open[place] {
                Some(pending) => heard(pending, ours).await.is_some(),
                None => agent.hears(ours, PATIENCE).await.is_some(),
            };
            let gone = format!("{}_big", to.alias());
            let mark = match (told, features::tools(agent).await) {
                (false, _) => Mark::Fails("it was not told".to_owned()),
                (true, Ok(tools)) if tools.iter().any(|tool| tool.text("name") == Some(&gone)) => {
                    Mark::Fails("the list is the old one".to_owned())
                }
                (true, Ok(_)) => Mark::Works,
                (true, Err(failure)) => Mark::Fails(failure.to_string()),
            };
            news[0].insert((place, at), mark);
        }
    }
    Ok(news)
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the first wanted notification of a subscription.
pub(crate) async fn heard(pending: &mut Pending, wanted: impl Fn(&str, &Json) -> bool) -> Option<Json> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        if let Some(found) = pending.take_first(&wanted) {
            return Some(found);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    None
}
