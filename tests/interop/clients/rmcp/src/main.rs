//! The official Rust SDK, driven line by line by `rmcp.mjs`: `interop-rmcp URL legacy|modern [mute]`.
//!
//! A line in is `{"method","params"}`; the lines out are `{"asked": PARAMS}` for each question, which the next line in answers, and then
//! `{"result"}` or `{"error"}`.

#![expect(deprecated, reason = "sampling and roots are walked as long as agents have them")]

use std::sync::Arc;

use rmcp::model::{
    ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult, Implementation,
    ListRootsResult, ProtocolVersion,
};
use rmcp::service::RequestContext;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::sync::Mutex;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Who sits at the client: the other end of stdin and stdout.
#[derive(Clone)]
struct Human {
    mute: bool,
    lines: Arc<Mutex<Lines<BufReader<Stdin>>>>,
}

impl Human {
    async fn line(&self) -> Option<Value> {
        let line = self.lines.lock().await.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, kind: &str, params: Value) -> Result<T, ErrorData> {
        println!("{}", json!({ "asked": kind, "params": params }));
        let answer = self.line().await.unwrap_or_default();
        serde_json::from_value(answer).map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }
}

impl ClientHandler for Human {
    fn get_info(&self) -> ClientConfig {
        let declared = if self.mute { json!({}) } else { json!({ "elicitation": {}, "sampling": {}, "roots": {} }) };
        let capabilities: ClientCapabilities = serde_json::from_value(declared).unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new("interop-rmcp", "1.0.0"))
    }

    async fn create_elicitation(&self, params: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        self.ask("elicit", serde_json::to_value(params).unwrap_or_default()).await
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.ask("sample", serde_json::to_value(params).unwrap_or_default()).await
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        serde_json::from_value(json!({ "roots": [{ "uri": "file:///interop", "name": "interop" }] }))
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, era, rest @ ..] = words.as_slice() else { return Err("usage: interop-rmcp URL legacy|modern [mute]".into()) };
    let human = Human { mute: !rest.is_empty(), lines: Arc::new(Mutex::new(BufReader::new(tokio::io::stdin()).lines())) };
    let lifecycle = match era.as_str() {
        "legacy" => ClientLifecycleMode::Initialize,
        _ => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
    };
    let client = human.clone().serve_with_lifecycle(StreamableHttpClientTransport::from_uri(url.as_str()), lifecycle).await?;
    let spoken = client.peer().peer_info().map(|info| serde_json::to_value(&*info)).transpose()?;
    println!("{}", json!({ "result": spoken }));
    while let Some(line) = human.line().await {
        let params = line["params"].clone();
        let done = match line["method"].as_str().unwrap_or_default() {
            "tools/list" => value(client.list_tools(serde_json::from_value(params)?).await),
            "resources/list" => value(client.list_resources(serde_json::from_value(params)?).await),
            "resources/templates/list" => value(client.list_resource_templates(serde_json::from_value(params)?).await),
            "prompts/list" => value(client.list_prompts(serde_json::from_value(params)?).await),
            "tools/call" => value(client.call_tool(serde_json::from_value(params)?).await),
            "prompts/get" => value(client.get_prompt(serde_json::from_value(params)?).await),
            "resources/read" => value(client.read_resource(serde_json::from_value(params)?).await),
            "completion/complete" => value(client.complete(serde_json::from_value(params)?).await),
            other => Err(format!("unknown method `{other}`").into()),
        };
        println!("{}", done.map_or_else(|error| json!({ "error": error.to_string() }), |result| json!({ "result": result })));
    }
    client.cancel().await?;
    Ok(())
}

fn value<T: serde::Serialize, E: std::error::Error + Send + Sync + 'static>(done: Result<T, E>) -> Result<Value, Failed> {
    Ok(serde_json::to_value(done?)?)
}
