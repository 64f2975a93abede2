//! What operators ask a gate: its servers, what an agent sees, one call along the path.
//! *Never* a second way to a server: a call from here walks the same path as an agent's.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tollgate_mcp::capability::Capabilities;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::Revision;

use crate::call::{Arrival, Caller, Cancel, Client, Ending, Endpoint, Handle, Next, Reply};
use crate::catalog::Finding;
use crate::config::{Auth, Over, Transport};
use crate::path::Gate;
use crate::servers::{Health, Listing};

mod approvals;
mod explain;
pub use explain::{Around, Explained, FactTold, RuleTold, explain};

/// One server, for operators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerState {
    /// The alias.
    pub server: String,
    /// stdio or http.
    pub transport: String,
    /// starting, ready, down or disabled.
    pub health: String,
    /// The revision spoken with it.
    pub revision: Option<String>,
    /// Which kind of credential it gets; never its value.
    pub credential: String,
    /// How many tools it offers.
    pub tools: usize,
    /// Why it is down, or why its lists are missing or old.
    pub error: Option<String>,
}

/// One tool as an agent would find it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolState {
    /// `server/original`.
    pub tool: String,
    /// What the agent sees.
    pub exposed: String,
    /// allow, ask, deny, or depends (on the call).
    pub verdict: String,
    /// The determining rules; those that look at the call, where it depends.
    pub rules: Vec<String>,
    /// Whether it counts as destructive.
    pub destructive: bool,
    /// Whether the agent's lists show it.
    pub listed: bool,
    /// `pinned`, or `changed`: held until an operator accepts its definition.
    pub pin: String,
    /// What stands out in its definition.
    pub findings: Vec<Finding>,
}

/// The labels that a tool's annotations suggest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The server's alias.
    pub server: String,
    /// The original name.
    pub tool: String,
    /// `untrusted` (it reads from outside), `reads-private` (it reads what its server holds), `writes-outside`.
    pub labels: Vec<String>,
}

/// What a call from here ended with: a result or an error.
#[derive(Debug, Serialize, Deserialize)]
pub struct Called {
    /// The result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    /// The error: code and message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
}

/// A JSON-RPC error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallError {
    /// The code.
    pub code: i64,
    /// The text.
    pub message: String,
}

impl Gate {
    /// All servers.
    pub fn server_states(&self) -> Vec<ServerState> {
        let counts = self.catalog.tool_counts();
        self.servers
            .all()
            .iter()
            .map(|server| {
                let config = &server.config;
                let (health, revision, error) = match server.health() {
                    Health::Starting => ("starting", None, None),
                    Health::Ready(introduction) => {
                        let withheld = server.withheld();
                        let health = if withheld.is_some() { "down" } else { "ready" };
                        let error = withheld.or_else(|| self.catalog.unread(&config.alias));
                        (health, Some(introduction.revision.as_str().to_owned()), error)
                    }
                    Health::Down { why } => ("down", None, Some(why)),
                    Health::Disabled => ("disabled", None, None),
                };
                let (transport, credential) = match &config.transport {
                    Transport::Stdio { env, .. } => ("stdio", if env.is_empty() { "none" } else { "env" }),
                    Transport::Http { auth, over, .. } => (
                        match over {
                            Over::Auto | Over::Http => "http",
                            Over::Sse => "sse",
                        },
                        match auth {
                            None => "none",
                            Some(Auth::Bearer(_)) => "bearer",
                            Some(Auth::Header { .. }) => "header",
                            Some(Auth::Basic(_)) => "basic",
                        },
                    ),
                };
                ServerState {
                    server: config.alias.to_string(),
                    transport: transport.to_owned(),
                    health: health.to_owned(),
                    revision,
                    credential: credential.to_owned(),
                    tools: counts.get(&config.alias).copied().unwrap_or(0),
                    error,
                }
            })
            .collect()
    }

    /// Every tool of an endpoint, with the verdict it would get.
    pub async fn tool_states(&self, caller: &Arc<Caller>, endpoint: &Endpoint) -> Vec<ToolState> {
        let client = Arc::new(operator_client());
        let snapshot = self.catalog.snapshot(&client, &caller.principal, None).await;
        let config = self.config.load_full();
        let Some(scope) = crate::resolve::Scope::of(&config, endpoint, caller) else { return Vec::new() };
        let visible = self.decider.visible(caller, &snapshot, Listing::Tools);
        let items = snapshot.items(Listing::Tools).iter().enumerate();
        items
            .filter(|(_, item)| scope.shows(&item.server, &item.label))
            .map(|(place, item)| {
                let (verdict, rules) = self.decider.would(caller, item);
                ToolState {
                    tool: item.label.to_string(),
                    exposed: item.exposed.to_string(),
                    verdict: verdict.to_owned(),
                    rules: rules.iter().map(ToString::to_string).collect(),
                    destructive: item.flags.destructive,
                    listed: visible.places.binary_search(&place).is_ok(),
                    pin: if item.held { "changed" } else { "pinned" }.to_owned(),
                    findings: item.findings.clone(),
                }
            })
            .collect()
    }

    /// The labels that the annotations of tools without any suggest. Only tools that send hints: an absent one says nothing.
    pub async fn suggested_labels(&self) -> Vec<Suggestion> {
        let snapshot = self.catalog.base_snapshot().await;
        let tools =
            snapshot.items(Listing::Tools).iter().filter(|item| item.labels.is_empty() && item.flags.hinted);
        tools
            .filter_map(|item| {
                let flags = item.flags;
                let labels: &[&str] = match (flags.read_only, flags.open_world) {
                    (true, true) => &["untrusted"],
                    (true, false) => &["reads-private"],
                    (false, true) => &["writes-outside"],
                    (false, false) => return None,
                };
                Some(Suggestion {
                    server: item.server.to_string(),
                    tool: item.original.to_string(),
                    labels: labels.iter().map(|l| (*l).to_owned()).collect(),
                })
            })
            .collect()
    }

    /// One call of `server/tool`, along the path of every call.
    pub async fn call_once(
        self: &Arc<Self>,
        caller: Arc<Caller>,
        tool: &str,
        arguments: &RawValue,
        reason: Option<&str>,
    ) -> Result<Called, String> {
        let (server, name) = tool.split_once('/').ok_or("a tool is named SERVER/TOOL")?;
        if !self.config.load().servers.contains_key(server) {
            return Err(format!("there is no server `{server}`"));
        }
        let meta = reason.map(|r| format!(",\"_meta\":{{\"dev.tollgate/reason\":{}}}", quote(r)));
        let meta = meta.unwrap_or_default();
        let text = format!("{{\"name\":{},\"arguments\":{}{meta}}}", quote(name), arguments.get());
        let params = Object::scan(Bytes::from(text)).map_err(|_| "the arguments are not a JSON object")?;
        if params.slice("arguments").is_none_or(|a| a.first() != Some(&b'{')) {
            return Err("the arguments are not a JSON object".to_owned());
        }
        let arrival = Arrival {
            caller,
            client: Arc::new(operator_client()),
            endpoint: Endpoint::Server(Arc::from(server)),
            method: Method::ToolsCall,
            bytes_in: u64::try_from(params.text().len()).unwrap_or(u64::MAX),
            params,
            progress: None,
            log_level: None,
            session: None,
            param_headers: None,
        };
        let mut outgoing = self.handle(arrival, Cancel::never());
        let ending = loop {
            match outgoing.next().await {
                Next::Part(_) => {}
                Next::Last(reply) => break reply.into_ending(),
            }
        };
        Ok(match ending {
            Ending::Answer(answer) => {
                let text = String::from_utf8_lossy(answer.object.text()).into_owned();
                Called { result: RawValue::from_string(text).ok(), error: None }
            }
            Ending::Error(error) => {
                Called { result: None, error: Some(CallError { code: error.code, message: error.message }) }
            }
        })
    }
}

fn operator_client() -> Client {
    Client {
        revision: Revision::LATEST,
        info: Some(Bytes::from_static(b"{\"name\":\"tollgate\",\"version\":\"1\"}")),
        label: Some(Arc::from("tollgate-cli")),
        capabilities: Capabilities::none(),
    }
}
