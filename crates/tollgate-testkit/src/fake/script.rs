use std::time::Duration;

use serde_json::json;

use crate::json::Json;
use crate::{Failure, Result};

/// What a fake offers. Without anything said: every stock tool, one prompt, two resources, one template.
#[derive(Clone, Debug)]
pub struct Script {
    /// The tools, in list order.
    pub tools: Vec<Tool>,
    /// The resources' URIs.
    pub resources: Vec<String>,
    /// The newest revision a legacy fake agrees to.
    pub revision: String,
    /// List entries a page; 0 = all on one.
    pub page: usize,
    /// Waits so long before every answer.
    pub delay: Duration,
    /// Answers plain HTTP requests as event streams too.
    pub events: bool,
    /// Offers this without saying that anything changed: then headers that fit an older list are refused, but are no fault.
    pub quietly: bool,
}

/// One tool.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The stock tool whose behaviour it has.
    pub like: String,
    /// Its entry in `tools/list`.
    pub definition: Json,
    /// What it says instead of its stock text.
    pub says: Option<String>,
}

/// The stock tools: `(name, what it does, properties of its arguments)`.
const STOCK: [(&str, &str, &str); 13] = [
    ("echo", "Says `text`, or all its arguments as they came", r#"{"text":{"type":"string"}}"#),
    ("delete_file", "Deletes a file", r#"{"path":{"type":"string"}}"#),
    ("slow", "Answers after `ms` milliseconds, a minute if not said", r#"{"ms":{"type":"integer"}}"#),
    ("ask", "Asks its user for a name and says the answer", "{}"),
    ("sample", "Asks for a completion and says the answer", "{}"),
    ("roots", "Asks for the roots and says the answer", "{}"),
    ("progress", "Reports three steps, then says `done`", "{}"),
    ("log", "Logs a line at level warning, then says `logged`", "{}"),
    ("fail", "Fails as a tool does", "{}"),
    ("error", "Fails as a server does, with `code` and `message`", r#"{"code":{"type":"integer"}}"#),
    ("big", "Says `bytes` bytes", r#"{"bytes":{"type":"integer"}}"#),
    ("link", "Links to a resource and embeds it", "{}"),
    (
        "structured",
        "Answers with structured content, unknown members and an unknown content type",
        r#"{"region":{"type":"string","x-mcp-header":"Region"}}"#,
    ),
];

/// Tools that are there when asked for only.
const RARE: [(&str, &str, &str); 14] = [
    ("ask_url", "Asks its user to open a page and says the answer", "{}"),
    ("ask_several", "Asks for a completion and the roots at once", "{}"),
    ("ask_again", "Asks for a completion and then for the roots", "{}"),
    ("ask_withdrawn", "Asks its user and takes the question back", "{}"),
    ("sample_tools", "Asks for a completion with tools", "{}"),
    ("url_needed", "Wants its user to sign in first", "{}"),
    ("rich", "Answers with content of every kind", "{}"),
    ("tasked", "Runs as a task only, where there are tasks", "{}"),
    ("tasked_ask", "Asks its user for a name and says the answer, as a task if wanted", "{}"),
    ("tasked_slow", "Runs until it is cancelled, as a task if wanted", "{}"),
    ("tasked_told", "Runs for a while, as a task if wanted, and says when it is over", "{}"),
    ("tasked_fail", "Fails as a tool does, as a task if wanted", "{}"),
    ("tasked_error", "Fails as a server does, as a task if wanted", "{}"),
    ("levels", "Logs at level debug and at level error", "{}"),
];

/// No tool for a server that has everything: it has no end.
const ENDLESS: (&str, &str, &str) =
    ("once_more", "Asks for nothing but to be called again, without end", "{}");

impl Tool {
    /// The stock tool `name`.
    pub fn stock(name: &str) -> Option<Self> {
        let (name, description, properties) =
            STOCK.into_iter().chain(RARE).chain([ENDLESS]).find(|(n, _, _)| *n == name)?;
        let schema = json!({ "type": "object", "properties": serde_json::from_str::<serde_json::Value>(properties).ok()? });
        let mut definition =
            Json::object().with("name", name).with("description", description).with("inputSchema", schema);
        if name.starts_with("tasked") {
            let support = if name == "tasked" { "required" } else { "optional" };
            definition.set("execution", Json::object().with("taskSupport", support));
        }
        Some(Self { like: name.to_owned(), definition, says: None })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.definition.text("name").unwrap_or_default()
    }

    /// A stock tool by name, or an object: `name`, `like` (a stock tool; default: its name, else `echo`), `says`; all other members go
    /// into its definition.
    fn read(json: &Json) -> Result<Self> {
        if let Some(name) = json.as_str() {
            return Self::stock(name)
                .ok_or_else(|| Failure::new(format!("no stock tool is called `{name}`")));
        }
        let name = json.text("name").ok_or("a tool needs a `name`")?;
        let like = json.text("like").unwrap_or(name);
        let mut tool = Self::stock(like).or_else(|| Self::stock("echo")).ok_or("no stock tool")?;
        for (key, value) in json.members() {
            match key.as_str() {
                "like" => {}
                "says" => tool.says = value.as_str().map(ToOwned::to_owned),
                _ => tool.definition.set(key, value.clone()),
            }
        }
        Ok(tool)
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            tools: STOCK.iter().filter_map(|(name, _, _)| Tool::stock(name)).collect(),
            resources: vec!["file:///readme.md".to_owned(), "note:1".to_owned()],
            revision: "2025-11-25".to_owned(),
            page: 0,
            delay: Duration::ZERO,
            events: false,
            quietly: false,
        }
    }
}

impl Script {
    /// Every tool that there is.
    pub fn everything() -> Self {
        let tools = STOCK.iter().chain(&RARE).filter_map(|(name, _, _)| Tool::stock(name)).collect();
        Self { tools, ..Self::default() }
    }

    /// Reads a script: `tools`, `resources`, `revision`, `page`, `delay_ms`, `events`, `quietly`; what is left out is as in [`Script::default`].
    pub fn read(json: &Json) -> Result<Self> {
        let mut script = Self::default();
        for (key, value) in json.members() {
            match key.as_str() {
                "tools" => script.tools = value.elements().iter().map(Tool::read).collect::<Result<_>>()?,
                "resources" => {
                    script.resources =
                        value.elements().iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect();
                }
                "revision" => value.as_str().unwrap_or_default().clone_into(&mut script.revision),
                "page" => {
                    script.page = value.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
                }
                "delay_ms" => script.delay = Duration::from_millis(value.as_u64().unwrap_or_default()),
                "quietly" => script.quietly = *value == Json::Bool(true),
                "events" => script.events = *value == Json::Bool(true),
                other => return Err(Failure::new(format!("a fake has no `{other}`"))),
            }
        }
        Ok(script)
    }
}
