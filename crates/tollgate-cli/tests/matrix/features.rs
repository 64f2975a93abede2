//! What is tried in each cell, and what the eras can't express.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::json;
use tollgate_testkit::agent::{Agent, Outcome, PATIENCE, Pending, Reply};
use tollgate_testkit::json::Json;
use tollgate_testkit::scenario::Transport;
use tollgate_testkit::wire::RESERVED;
use tollgate_testkit::{Failure, Result};

use super::sides::{FORMS, Side, URLS};
use super::world::{Cell, heard};

type Run = for<'a> fn(&'a Cell<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
type Never = fn(Side, Side) -> Option<&'static str>;

/// One row of the matrix.
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    /// What is checked.
    pub(crate) says: &'static str,
    /// Why an agent and a server can't have it.
    pub(crate) never: Never,
    /// The tool that is called where they can't: it must end with an answer.
    pub(crate) tool: Option<&'static str>,
    pub(crate) run: Run,
}

/// Played by the world, for all agents at once.
pub(crate) const LISTS: Feature = Feature {
    name: "Changed lists",
    says: "A server says that its tools changed; the agent is told in its revision's way, and its next list is the new one.",
    never: always,
    tool: None,
    run: |_| Box::pin(async { Ok(()) }),
};

/// Played by the world, for all agents at once.
pub(crate) const RESOURCES: Feature = Feature {
    name: "Resource subscriptions",
    says: "`resources/subscribe` or `subscriptions/listen` on one side, either on the other: an update reaches the agent under its own URI.",
    never: always,
    tool: None,
    run: |_| Box::pin(async { Ok(()) }),
};

/// Played by the world when all others have been: on a shared pipe of 2026-07-28 a line belongs to the one call that asks for lines.
pub(crate) const LOGS: Feature = Feature {
    name: "Logging",
    says: "Of two lines the one that is not below the agent's level, on its call. (A line on a pipe that agents share names no call: of the calls that are on their way there, one at a time asks for lines.)",
    never: always,
    tool: None,
    run: |cell| Box::pin(logs(cell)),
};

fn always(_: Side, _: Side) -> Option<&'static str> {
    None
}

fn forms(from: Side, to: Side) -> Option<&'static str> {
    (from.revision < FORMS || to.revision < FORMS).then_some("elicitation came with 2025-06-18")
}

fn urls(from: Side, to: Side) -> Option<&'static str> {
    (from.revision < URLS || to.revision < URLS).then_some("url elicitation came with 2025-11-25")
}

fn tasks(from: Side, to: Side) -> Option<&'static str> {
    (from.revision < URLS || to.revision < URLS).then_some("tasks came with 2025-11-25")
}

fn sampling_tools(from: Side, to: Side) -> Option<&'static str> {
    (from.revision < URLS || to.revision < URLS).then_some("tools in sampling came with 2025-11-25")
}

macro_rules! feature {
    ($name:literal, $says:literal, $never:expr, $tool:expr, $run:ident) => {
        Feature { name: $name, says: $says, never: $never, tool: $tool, run: |cell| Box::pin($run(cell)) }
    };
}

/// All but what the world plays.
pub(crate) fn all() -> Vec<Feature> {
    vec![
        feature!(
            "Lists",
            "All four lists, read from the server page by page: nothing is missing.",
            always,
            None,
            lists
        ),
        feature!(
            "Definitions",
            "Titles, icons, annotations, unknown members and an MCP App's `ui://` URI reach the agent; `outputSchema` only where its revision has it, `execution` only where its revision has tasks and the server makes them.",
            always,
            None,
            definitions
        ),
        feature!(
            "Instructions",
            "The server's instructions reach the agent, under the server's name.",
            always,
            None,
            instructions
        ),
        feature!(
            "Calls",
            "Arguments arrive as sent, numbers to the last digit; so does the result.",
            always,
            None,
            calls
        ),
        feature!(
            "Unknown members",
            "Members, `_meta` keys and content types that nobody knows survive; an extension that the gateway does not carry is not declared to the server.",
            always,
            None,
            unknown
        ),
        feature!(
            "Content",
            "Every kind of content: what the agent's revision lacks becomes text (links up to 2025-03-26, audio in 2024-11-05), and structured content is there as text at least.",
            always,
            None,
            content
        ),
        feature!(
            "Marked arguments",
            "`x-mcp-header`: the server gets the header that its tool asks for.",
            marks,
            None,
            marked
        ),
        feature!(
            "Resources",
            "A resource is read by the URI that the list shows, and names itself so.",
            always,
            None,
            reads
        ),
        feature!("Templates", "A template's URI is filled in and read.", always, None, templates),
        feature!(
            "MCP Apps",
            "The `ui://` URI in a tool's definition leads back to its server.",
            always,
            None,
            apps
        ),
        feature!(
            "Prompts",
            "A prompt with an argument; the resource in it has the agent's URI.",
            always,
            None,
            prompts
        ),
        feature!("Completion", "A prompt's argument is completed.", always, None, completes),
        feature!(
            "Completion context",
            "The arguments so far reach the server.",
            |from, to| (from.revision < FORMS || to.revision < FORMS)
                .then_some("`context` came with 2025-06-18"),
            None,
            context
        ),
        feature!(
            "Caching hints",
            "Lists and reads have `ttlMs` and `cacheScope` where the agent's revision has them, and only there.",
            always,
            None,
            hints
        ),
        feature!(
            "Progress",
            "Three steps, before the answer, under the agent's own token.",
            always,
            None,
            progress
        ),
        feature!("Cancel", "The server learns that nobody waits, in its own way.", always, None, cancels),
        feature!(
            "Errors",
            "A tool's failure is a result, a server's failure an error, a missing resource has the agent's revision's code.",
            always,
            None,
            errors
        ),
        feature!(
            "Forms",
            "The server asks the agent's human with a form in mid-call.",
            forms,
            Some("ask"),
            form
        ),
        feature!(
            "Forms declined",
            "The human says no, and the server learns it.",
            forms,
            Some("ask"),
            declines
        ),
        feature!(
            "Forms cancelled",
            "The human closes the form, and the server learns it.",
            forms,
            Some("ask"),
            dismisses
        ),
        feature!(
            "Pages to open",
            "The server asks the agent's human to open a page (url elicitation).",
            urls,
            Some("ask_url"),
            url
        ),
        feature!("Sampling", "The server asks the agent's model.", always, None, samples),
        feature!(
            "Sampling with tools",
            "The server asks the agent's model, with tools.",
            sampling_tools,
            Some("sample_tools"),
            samples_with_tools
        ),
        feature!("Roots", "The server asks for the agent's roots.", always, None, roots),
        feature!("Several questions", "Two questions at once, both answered.", always, None, several),
        feature!("Several rounds", "A question after the answer to the first.", always, None, again),
        feature!(
            "Questions taken back",
            "The server takes its question back and answers: the agent's answer comes too late and harms nothing.",
            |from, to| {
                if to.is_modern() {
                    Some("a server of 2026-07-28 can't take a question back")
                } else {
                    forms(from, to)
                }
            },
            None,
            withdrawn
        ),
        feature!(
            "Pages before a call (`-32042`)",
            "The server refuses until a page was opened: the error as it is where the agent's revision has it, a question for 2026-07-28.",
            |from, to| {
                if to.revision != URLS {
                    Some("`-32042` is of 2025-11-25 servers only")
                } else if from.revision < URLS {
                    Some("the agent's revision has no pages to open")
                } else {
                    None
                }
            },
            Some("url_needed"),
            page_first
        ),
        feature!(
            "Tasks",
            "A call becomes a task: the agent gets a handle of its own, looks at it in its revision's way, and gets the tool's result with its own URIs.",
            tasks,
            Some("tasked"),
            task
        ),
        feature!(
            "Tasks that ask",
            "A task asks the agent's human with a form, by `tasks/result` or `tasks/get` and `tasks/update`, and ends with the answer.",
            tasks,
            Some("tasked_ask"),
            task_asks
        ),
        feature!(
            "Tasks cancelled",
            "The server of a task learns that it is cancelled, and the agent sees it so.",
            tasks,
            None,
            task_cancelled
        ),
        feature!(
            "Tasks listed",
            "`tasks/list` shows the agent's tasks under the handles that it has, as `tasks/get` does.",
            |from, to| { tasks(from, to).or(from.is_modern().then_some("2026-07-28 has no list of tasks")) },
            None,
            tasks_listed
        ),
        feature!(
            "Tasks told of",
            "A server says that a task is over; the agent is told by `notifications/tasks/status`, or by `notifications/tasks` on its subscription, with the result.",
            tasks,
            Some("tasked_told"),
            task_told
        ),
        feature!(
            "Progress of tasks",
            "A server goes on to say how far a task is; the agent that looks after it hears that, under its call's token.",
            |from, to| {
                let modern = from.is_modern() || to.is_modern();
                tasks(from, to)
                    .or(modern.then_some("2026-07-28 has no progress of a call that became a task"))
            },
            None,
            task_progress
        ),
        feature!(
            "Tasks inside a call",
            "A tool of 2025-11-25 that runs as a task only is called like any other by an agent that does not ask for one: the gateway makes the task and awaits it, and the agent hears its progress.",
            always,
            None,
            tasked
        ),
        feature!(
            "Batches",
            "Two requests in one array, two answers in one.",
            |from, _| (from.revision != "2025-03-26").then_some("batches are of 2025-03-26 only"),
            None,
            batches
        ),
        feature!(
            "Resumed streams",
            "The agent's connection breaks in mid-call; with `Last-Event-ID` it gets the rest.",
            |from, _| match (from.over, from.is_modern()) {
                (Transport::Http, false) => None,
                (Transport::Http, true) => Some("2026-07-28 has no resumption: a lost stream cancels"),
                (Transport::Sse, _) => Some("the stream of HTTP+SSE is the session: its end ends it"),
                (Transport::Stdio, _) => Some("a pipe does not break and come back"),
            },
            None,
            resumes
        ),
    ]
}

fn marks(_: Side, to: Side) -> Option<&'static str> {
    let headers = to.is_modern() && to.over == Transport::Http;
    (!headers)
        .then_some("only HTTP servers of 2026-07-28 have such headers; the argument arrives all the same")
}

/// A call of what can't be expressed ends with an answer.
pub(crate) async fn ends(cell: &Cell<'_>, tool: &str) -> Result<()> {
    converse(cell, tool, json!({}), "accept").await.map(drop)
}

fn wrong<T>(what: impl std::fmt::Debug) -> Result<T> {
    Err(Failure::new(format!("{what:?}")))
}

fn holds(condition: bool, what: impl std::fmt::Debug) -> Result<()> {
    if condition { Ok(()) } else { wrong(what) }
}

impl Cell<'_> {
    fn named(&self, name: &str) -> String {
        format!("{}_{name}", self.alias)
    }

    fn uri(&self, uri: &str) -> String {
        format!("{}+{uri}", self.alias)
    }

    fn call(&self, tool: &str, arguments: serde_json::Value) -> Pending {
        self.agent.call(&self.named(tool), arguments)
    }

    async fn said(&self, tool: &str, arguments: serde_json::Value) -> Result<String> {
        Ok(self.call(tool, arguments).reply(PATIENCE).await?.text()?.to_owned())
    }
}

/// Every page of a list.
async fn list(agent: &Agent, method: &str, member: &str) -> Result<Vec<Json>> {
    let (mut all, mut params) = (Vec::new(), Json::object());
    loop {
        let reply = agent.request(method, params.clone()).await?;
        let result = reply.result()?;
        all.extend(result.get(member).map(Json::elements).unwrap_or_default().iter().cloned());
        match result.get("nextCursor") {
            Some(cursor) => params.set("cursor", cursor.clone()),
            None => return Ok(all),
        }
    }
}

/// The tools that an agent sees.
pub(crate) async fn tools(agent: &Agent) -> Result<Vec<Json>> {
    list(agent, "tools/list", "tools").await
}

async fn lists(cell: &Cell<'_>) -> Result<()> {
    let tools = tools(cell.agent).await?;
    let mine =
        tools.iter().filter_map(|tool| tool.text("name")).filter(|name| name.starts_with(&cell.named("")));
    let count = mine.count();
    holds(count == 28, format!("{count} tools"))?;
    for (method, member, key, name) in [
        ("prompts/list", "prompts", "name", cell.named("greet")),
        ("resources/list", "resources", "uri", cell.uri("note:1")),
        ("resources/templates/list", "resourceTemplates", "uriTemplate", cell.uri("note:{id}")),
    ] {
        let all = list(cell.agent, method, member).await?;
        holds(all.iter().any(|item| item.text(key) == Some(&name)), format!("no `{name}` in {member}"))?;
    }
    Ok(())
}

async fn dressed(cell: &Cell<'_>) -> Result<Json> {
    let name = cell.named("dressed");
    let found = tools(cell.agent).await?.into_iter().find(|tool| tool.text("name") == Some(&name));
    found.ok_or_else(|| "it is not listed".into())
}

async fn definitions(cell: &Cell<'_>) -> Result<()> {
    let tool = dressed(cell).await?;
    for key in ["title", "icons", "annotations", "x-future", "inputSchema"] {
        holds(tool.get(key).is_some(), format!("`{key}` is gone: {tool}"))?;
    }
    holds(tool.at(&["_meta", "com.example/kept"]).is_some(), &tool)?;
    // A server of 2026-07-28 makes a task of any call as it likes.
    let execution = cell.from.revision == URLS && cell.to.is_modern();
    holds(tool.get("execution").is_some() == execution, &tool)?;
    holds(tool.get("outputSchema").is_some() == (cell.from.revision >= FORMS), &tool)
}

fn told(cell: &Cell<'_>) -> Result<()> {
    let text = cell.introduction.text("instructions").unwrap_or_default();
    holds(text.contains(&format!("## {}\na fake", cell.alias)), text)
}

async fn instructions(cell: &Cell<'_>) -> Result<()> {
    std::future::ready(told(cell)).await
}

async fn calls(cell: &Cell<'_>) -> Result<()> {
    let sent = r#"{"n":123456789012345678901234567890,"x":1.10,"s":"\u00fc"}"#;
    let call = cell.agent.call(&cell.named("echo"), Json::parse(sent)?).reply(PATIENCE).await?;
    let got = call.text()?;
    holds(got.contains("123456789012345678901234567890") && got.contains("1.10"), got)
}

async fn unknown(cell: &Cell<'_>) -> Result<()> {
    let arguments = json!({ "region": "eu", "more": [1, { "deep": null }] });
    let reply = cell.call("structured", arguments).reply(PATIENCE).await?;
    let result = reply.result()?;
    holds(result.at(&["x-future", "more"]).is_some(), result)?;
    let kept = result.at(&["_meta", "com.example/kept"]).map(ToString::to_string);
    holds(kept.as_deref() == Some("1.0000000000000000001"), result)?;
    let content = result.get("content").map(Json::elements).unwrap_or_default();
    holds(content.iter().any(|block| block.text("type") == Some("x-hologram")), result)?;
    let declared = format!("{RESERVED}clientCapabilities");
    let told = cell.server.received().iter().rev().any(|received| {
        let now = received.params.at(&["_meta", &declared]);
        let then = received.params.get("capabilities");
        now.or(then).and_then(|all| all.at(&["extensions", "com.example/unknown"])).is_some()
    });
    holds(!told, "an unknown extension was declared to the server")
}

async fn content(cell: &Cell<'_>) -> Result<()> {
    let reply = cell.call("rich", json!({})).reply(PATIENCE).await?;
    let result = reply.result()?;
    let blocks = result.get("content").map(Json::elements).unwrap_or_default();
    let kinds: Vec<_> = blocks.iter().filter_map(|block| block.text("type")).collect();
    let revision = cell.from.revision;
    let uri = cell.uri("file:///readme.md");
    let has = |kind: &str| kinds.contains(&kind);
    holds(has("image") && has("resource"), &kinds)?;
    holds(has("audio") == (revision >= "2025-03-26"), &kinds)?;
    holds(has("resource_link") == (revision >= FORMS), &kinds)?;
    let texts = blocks.iter().filter_map(|block| block.text("text"));
    let linked = blocks.iter().any(|block| block.text("uri") == Some(&uri))
        || texts.clone().any(|text| text.contains(&uri));
    holds(linked, format!("no link to {uri}: {result}"))?;
    let embedded =
        blocks.iter().any(|block| block.at(&["resource", "uri"]).and_then(Json::as_str) == Some(&uri));
    holds(embedded, result)?;
    let structured = result.get("structuredContent").is_some();
    holds(structured == (revision >= FORMS), result)?;
    holds(structured || has("text"), result)
}

async fn marked(cell: &Cell<'_>) -> Result<()> {
    // The server refuses the call, and keeps it as a fault, if the header is missing or differs.
    cell.call("structured", json!({ "region": "eu" })).reply(PATIENCE).await?.result().map(drop)
}

async fn read(cell: &Cell<'_>, uri: &str, original: &str) -> Result<()> {
    let reply = cell.agent.request("resources/read", Json::object().with("uri", uri)).await?;
    let result = reply.result()?;
    let contents = result.get("contents").map(Json::elements).unwrap_or_default();
    let text = format!("what {original} says");
    holds(contents.iter().any(|one| one.text("uri") == Some(uri) && one.text("text") == Some(&text)), result)
}

async fn reads(cell: &Cell<'_>) -> Result<()> {
    read(cell, &cell.uri("file:///readme.md"), "file:///readme.md").await
}

async fn templates(cell: &Cell<'_>) -> Result<()> {
    read(cell, &cell.uri("note:77"), "note:77").await
}

async fn apps(cell: &Cell<'_>) -> Result<()> {
    let tool = dressed(cell).await?;
    let uri = tool.at(&["_meta", "ui", "resourceUri"]).and_then(Json::as_str).unwrap_or_default();
    holds(uri.starts_with("ui://"), uri)?;
    read(cell, uri, "ui://app/main").await
}

async fn prompts(cell: &Cell<'_>) -> Result<()> {
    let params = json!({ "name": cell.named("greet"), "arguments": { "name": "Ana" } });
    let reply = cell.agent.request("prompts/get", params.into()).await?;
    let result = reply.result()?.to_string();
    holds(result.contains("Say hello to Ana") && result.contains(&cell.uri("note:1")), result)
}

async fn complete(cell: &Cell<'_>, rest: Json) -> Result<Vec<String>> {
    let reference = json!({ "type": "ref/prompt", "name": cell.named("greet") });
    let params = rest.with("ref", Json::from(reference));
    let params = params.with("argument", Json::from(json!({ "name": "name", "value": "A" })));
    let reply = cell.agent.request("completion/complete", params).await?;
    let values = reply.result()?.at(&["completion", "values"]).map(Json::elements).unwrap_or_default();
    Ok(values.iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect())
}

async fn completes(cell: &Cell<'_>) -> Result<()> {
    let values = complete(cell, Json::object()).await?;
    holds(values == ["A-one", "A-two"], values)
}

async fn context(cell: &Cell<'_>) -> Result<()> {
    let so_far = json!({ "arguments": { "greeting": "Servus" } });
    let values = complete(cell, Json::object().with("context", Json::from(so_far))).await?;
    holds(values == ["A-one", "A-two", "Servus"], values)
}

async fn hints(cell: &Cell<'_>) -> Result<()> {
    let uri = cell.uri("note:1");
    for (method, params) in
        [("tools/list", Json::object()), ("resources/read", Json::object().with("uri", uri.as_str()))]
    {
        let reply = cell.agent.request(method, params).await?;
        let result = reply.result()?;
        let there = result.get("ttlMs").and_then(Json::as_u64).is_some()
            && result.text("cacheScope") == Some("private");
        let any = result.get("ttlMs").is_some() || result.get("cacheScope").is_some();
        holds(if cell.from.is_modern() { there } else { !any }, format!("{method}: {any} {there}"))?;
    }
    Ok(())
}

async fn progress(cell: &Cell<'_>) -> Result<()> {
    let mut call = cell.call("progress", json!({}));
    let reply = call.reply(PATIENCE).await?;
    holds(reply.text()? == "done", &reply)?;
    let notes = call.take_notified();
    let steps: Vec<_> = notes
        .iter()
        .filter(|(method, _)| method == "notifications/progress")
        .map(|(_, p)| p.get("progress").and_then(Json::as_u64))
        .collect();
    holds(steps == [Some(1), Some(2), Some(3)], notes)
}

async fn logs(cell: &Cell<'_>) -> Result<()> {
    let level = "warning";
    let mut params = Json::object().with("name", cell.named("levels"));
    if cell.from.is_modern() {
        params.set("_meta", Json::object().with(&format!("{RESERVED}logLevel"), level));
    } else {
        cell.agent.request("logging/setLevel", Json::object().with("level", level)).await?.result()?;
    }
    let mut call = cell.agent.start("tools/call", params);
    call.reply(PATIENCE).await?.result()?;
    let seen = call.take_notified();
    let lines: Vec<_> = seen
        .iter()
        .filter(|(method, _)| method == "notifications/message")
        .map(|(_, params)| params.text("level"))
        .collect();
    holds(lines == [Some("error")], &seen)
}

async fn cancels(cell: &Cell<'_>) -> Result<()> {
    let before = cell.server.received().len();
    // Nobody else's call says this.
    let mark = format!("{}-{}", cell.from.alias(), cell.alias);
    let call = cell.call("slow", json!({ "mark": mark }));
    let came = |method: &'static str| {
        let mark = mark.clone();
        async move {
            for _ in 0..1000 {
                let received = cell.server.received();
                let ours = received.iter().skip(before).any(|one| {
                    one.method == method
                        && one.params.at(&["arguments", "mark"]).and_then(Json::as_str) == Some(&mark)
                });
                if ours {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            wrong::<()>(format!("`{method}` never reached the server"))
        }
    };
    came("tools/call").await?;
    call.cancel().await?;
    came("cancelled").await
}

async fn errors(cell: &Cell<'_>) -> Result<()> {
    let failed = cell.call("fail", json!({})).reply(PATIENCE).await?;
    holds(failed.result()?.get("isError") == Some(&Json::Bool(true)), &failed)?;
    let broken = cell.call("error", json!({ "code": -32603 })).reply(PATIENCE).await?;
    holds(
        matches!(&broken.outcome, Outcome::Error(error) if error.get("code").map(ToString::to_string).as_deref() == Some("-32603")),
        &broken,
    )?;
    let missing =
        cell.agent.request("resources/read", Json::object().with("uri", cell.uri("none:1"))).await?;
    let code = if cell.from.is_modern() { "-32602" } else { "-32002" };
    holds(
        matches!(&missing.outcome, Outcome::Error(error) if error.get("code").map(ToString::to_string).as_deref() == Some(code)),
        &missing,
    )
}

/// The answer of an agent's human, or model.
fn answer(method: &str, params: &Json, action: &str) -> Json {
    match method {
        "elicitation/create" if action != "accept" => json!({ "action": action }).into(),
        "elicitation/create" if params.text("mode") == Some("url") => json!({ "action": "accept" }).into(),
        "elicitation/create" => json!({ "action": "accept", "content": { "name": "Ana" } }).into(),
        "sampling/createMessage" => {
            json!({ "role": "assistant", "content": { "type": "text", "text": "Word" }, "model": "m", "stopReason": "endTurn" }).into()
        }
        _ => json!({ "roots": [{ "uri": "file:///home/ana" }] }).into(),
    }
}

/// Calls a tool and answers what it asks: the end, and what was asked.
async fn converse(
    cell: &Cell<'_>,
    tool: &str,
    arguments: serde_json::Value,
    action: &str,
) -> Result<(Reply, Vec<(String, Json)>)> {
    let mut call = cell.call(tool, arguments);
    let mut asked = Vec::new();
    while let Some(question) = call.question(PATIENCE).await {
        let answer = answer(&question.method, &question.params, action);
        asked.push((question.method.clone(), question.params.clone()));
        // One that was taken back waits for nothing.
        drop(question.answer(answer));
    }
    Ok((call.reply(PATIENCE).await?, asked))
}

async fn asked(
    cell: &Cell<'_>,
    tool: &str,
    action: &str,
    methods: &[&str],
    said: &[&str],
) -> Result<Vec<(String, Json)>> {
    let (reply, asked) = converse(cell, tool, json!({}), action).await?;
    let mut were: Vec<_> = asked.iter().map(|(method, _)| method.as_str()).collect();
    let mut wanted = methods.to_vec();
    were.sort_unstable();
    wanted.sort_unstable();
    let text = reply.text()?;
    holds(were == wanted, format!("asked {were:?}, then {text}"))?;
    holds(said.iter().all(|part| text.contains(part)), text)?;
    Ok(asked)
}

const ELICIT: &str = "elicitation/create";
const SAMPLE: &str = "sampling/createMessage";
const ROOTS: &str = "roots/list";

async fn form(cell: &Cell<'_>) -> Result<()> {
    let asked = asked(cell, "ask", "accept", &[ELICIT], &[r#""name":"Ana""#]).await?;
    let message = asked.first().and_then(|(_, params)| params.text("message")).unwrap_or_default().to_owned();
    holds(message == format!("[{}] What is your name?", cell.alias), message)
}

async fn declines(cell: &Cell<'_>) -> Result<()> {
    asked(cell, "ask", "decline", &[ELICIT], &[r#""action":"decline""#]).await.map(drop)
}

async fn dismisses(cell: &Cell<'_>) -> Result<()> {
    asked(cell, "ask", "cancel", &[ELICIT], &[r#""action":"cancel""#]).await.map(drop)
}

async fn url(cell: &Cell<'_>) -> Result<()> {
    let asked = asked(cell, "ask_url", "accept", &[ELICIT], &[r#""action":"accept""#]).await?;
    let url = asked.first().and_then(|(_, params)| params.text("url")).unwrap_or_default().to_owned();
    holds(url == "https://x.example/in", url)
}

async fn samples(cell: &Cell<'_>) -> Result<()> {
    asked(cell, "sample", "accept", &[SAMPLE], &[r#""text":"Word""#]).await.map(drop)
}

async fn samples_with_tools(cell: &Cell<'_>) -> Result<()> {
    let asked = asked(cell, "sample_tools", "accept", &[SAMPLE], &[r#""text":"Word""#]).await?;
    holds(asked.iter().all(|(_, params)| params.get("tools").is_some()), asked)
}

async fn roots(cell: &Cell<'_>) -> Result<()> {
    asked(cell, "roots", "accept", &[ROOTS], &["file:///home/ana"]).await.map(drop)
}

async fn several(cell: &Cell<'_>) -> Result<()> {
    asked(cell, "ask_several", "accept", &[SAMPLE, ROOTS], &[r#""text":"Word""#, "file:///home/ana"])
        .await
        .map(drop)
}

async fn again(cell: &Cell<'_>) -> Result<()> {
    asked(cell, "ask_again", "accept", &[SAMPLE, ROOTS], &[r#""text":"Word""#, "file:///home/ana"])
        .await
        .map(drop)
}

async fn withdrawn(cell: &Cell<'_>) -> Result<()> {
    let mark = format!("{}-{}", cell.from.alias(), cell.alias);
    let mut call = cell.call("ask_withdrawn", json!({ "mark": mark }));
    let Some(question) = call.question(PATIENCE).await else {
        return Err(Failure::new(format!("it was not asked: {:?}", call.reply(PATIENCE).await)));
    };
    cell.server.take_back(&mark);
    // An answer that crosses that on its way would be nobody's fault.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(question.answer(answer(ELICIT, &Json::object(), "accept")));
    let reply = call.reply(PATIENCE).await?;
    holds(reply.text()? == "took it back", &reply)
}

async fn page_first(cell: &Cell<'_>) -> Result<()> {
    if cell.from.is_modern() {
        let (reply, asked) = converse(cell, "url_needed", json!({}), "accept").await?;
        holds(asked.len() == 1 && asked[0].1.text("url") == Some("https://x.example/in"), &asked)?;
        return holds(reply.text()? == "signed in", &reply);
    }
    let refused = cell.call("url_needed", json!({})).reply(PATIENCE).await?;
    holds(
        matches!(&refused.outcome, Outcome::Error(error) if error.to_string().contains("https://x.example/in")),
        &refused,
    )?;
    let text = cell.said("url_needed", json!({})).await?;
    holds(text == "signed in", text)
}

/// Makes a task: the agent's handle of it.
async fn make_task(cell: &Cell<'_>, tool: &str) -> Result<(Agent, String)> {
    let mut agent = cell.agent.clone();
    if cell.from.is_modern() {
        let tasks = Json::object().with(&format!("{RESERVED}tasks"), Json::object());
        agent = agent.declaring(cell.from.capabilities().with("extensions", tasks));
    }
    let params = Json::object()
        .with("name", cell.named(tool))
        .with("arguments", Json::object())
        .with("task", Json::object());
    let reply = agent.request("tools/call", params).await?;
    let result = reply.result()?;
    let task = if cell.from.is_modern() { result } else { result.get("task").unwrap_or(result) };
    let times = if cell.from.is_modern() { ["ttlMs", "pollIntervalMs"] } else { ["ttl", "pollInterval"] };
    holds(times.iter().all(|time| task.get(time).is_some()), result)?;
    holds(task.text("status") == Some("working"), result)?;
    let id = task.text("taskId").unwrap_or_default().to_owned();
    // It is the gateway's own, not the server's.
    holds(!id.is_empty() && !id.starts_with("task-"), result)?;
    Ok((agent, id))
}

async fn task(cell: &Cell<'_>) -> Result<()> {
    let (agent, id) = make_task(cell, "tasked").await?;
    let reply = agent.awaits(&id).reply(PATIENCE).await?;
    let told = reply.result()?.to_string();
    holds(reply.text()? == "the task's result" && told.contains(&cell.uri("file:///readme.md")), told)
}

async fn task_asks(cell: &Cell<'_>) -> Result<()> {
    let (agent, id) = make_task(cell, "tasked_ask").await?;
    let mut task = agent.awaits(&id);
    let question = task.question(PATIENCE).await.ok_or("it was not asked")?;
    let message = question.params.text("message").unwrap_or_default().to_owned();
    holds(message == format!("[{}] What is your name?", cell.alias), message)?;
    question.answer(answer(ELICIT, &Json::object(), "accept"))?;
    let reply = task.reply(PATIENCE).await?;
    holds(reply.text()?.contains(r#""name":"Ana""#), &reply)
}

async fn task_cancelled(cell: &Cell<'_>) -> Result<()> {
    let (agent, id) = make_task(cell, "tasked_slow").await?;
    let about = Json::object().with("taskId", id);
    agent.request("tasks/cancel", about.clone()).await?.result()?;
    let reply = agent.request("tasks/get", about).await?;
    holds(reply.result()?.text("status") == Some("cancelled"), &reply)
}

async fn tasks_listed(cell: &Cell<'_>) -> Result<()> {
    let (agent, first) = make_task(cell, "tasked_slow").await?;
    let (_, second) = make_task(cell, "tasked").await?;
    let all = list(&agent, "tasks/list", "tasks").await?;
    let of = |id: &str| all.iter().find(|task| task.text("taskId") == Some(id));
    holds(of(&first).is_some_and(|task| task.text("status") == Some("working")), &all)?;
    holds(of(&second).is_some_and(|task| task.get("createdAt").is_some()), &all)?;
    agent.request("tasks/cancel", Json::object().with("taskId", first)).await?.result()?;
    Ok(())
}

async fn task_told(cell: &Cell<'_>) -> Result<()> {
    let (agent, id) = make_task(cell, "tasked_told").await?;
    let ours = |method: &str, params: &Json| {
        method.starts_with("notifications/tasks")
            && params.text("taskId") == Some(&id)
            && params.text("status") == Some("completed")
    };
    if !cell.from.is_modern() {
        let told = agent.hears(ours, PATIENCE).await.ok_or("it was not told")?;
        return holds(told.get("ttl").is_some() && told.get("result").is_none(), &told);
    }
    let wanted = Json::object().with("taskIds", vec![Json::from(id.as_str())]);
    let mut open = agent.start("subscriptions/listen", Json::object().with("notifications", wanted));
    let ack = heard(&mut open, |method, _| method == "notifications/subscriptions/acknowledged").await;
    let ack = ack.ok_or("it was not acknowledged")?;
    let followed = ack.at(&["notifications", "taskIds"]).map(Json::elements).unwrap_or_default();
    holds(followed.len() == 1 && followed[0].as_str() == Some(&id), &ack)?;
    let told = heard(&mut open, ours).await.ok_or("it was not told")?;
    open.cancel().await?;
    holds(told.to_string().contains(&cell.uri("file:///readme.md")), &told)
}

async fn task_progress(cell: &Cell<'_>) -> Result<()> {
    let (agent, id) = make_task(cell, "tasked_slow").await?;
    let related = format!("{RESERVED}related-task");
    let ours = |method: &str, params: &Json| {
        method == "notifications/progress"
            && params.at(&["_meta", &related, "taskId"]).and_then(Json::as_str) == Some(&id)
    };
    let told = agent.hears(ours, PATIENCE).await;
    agent.request("tasks/cancel", Json::object().with("taskId", id.as_str())).await?.result()?;
    let told = told.ok_or("it was not told")?;
    holds(told.text("message") == Some("on it") && told.get("progressToken").is_some(), told)
}

async fn tasked(cell: &Cell<'_>) -> Result<()> {
    let mut call = cell.call("tasked", json!({}));
    let reply = call.reply(PATIENCE).await?;
    holds(reply.text()? == "the task's result", &reply)?;
    let notes = call.take_notified();
    let told = notes.iter().any(|(method, _)| method == "notifications/progress");
    holds(told == (cell.to.revision == URLS), notes)
}

async fn batches(cell: &Cell<'_>) -> Result<()> {
    let echo = Json::object()
        .with("name", cell.named("echo"))
        .with("arguments", Json::from(json!({ "text": "one" })));
    let replies = cell.agent.batch(vec![("tools/call", echo), ("ping", Json::object())]).await?;
    let [first, second] = replies.as_slice() else { return wrong(replies) };
    holds(first.text()? == "one" && second.result().is_ok(), &replies)
}

async fn resumes(cell: &Cell<'_>) -> Result<()> {
    let params = Json::object().with("name", cell.named("progress")).with("arguments", Json::object());
    let messages = cell.agent.broken_off("tools/call", params).await?;
    let told = messages.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let steps =
        messages.iter().filter(|message| message.text("method") == Some("notifications/progress")).count();
    holds(steps == 3 && told.contains("done"), told)
}
