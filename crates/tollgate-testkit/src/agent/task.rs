use std::sync::Arc;
use std::time::Duration;

use super::{Agent, Carrier, Outcome, Pending, Reply, Sink, gather};
use crate::json::Json;
use crate::{Failure, Result};

/// How often a task is looked at.
const LOOK: Duration = Duration::from_millis(30);

impl Agent {
    /// Awaits a task as its revision does: looks at it, answers what it asks, and ends with what its call ends with.
    pub fn awaits(&self, id: &str) -> Pending {
        let (agent, id) = (self.clone(), id.to_owned());
        self.pending(|sink| async move { agent.await_task(&id, &sink).await })
    }

    /// The same agent, declaring something else on each request (2026-07-28).
    #[must_use]
    pub fn declaring(&self, capabilities: Json) -> Self {
        Self { declares: Some(Arc::new(capabilities)), ..self.clone() }
    }

    async fn await_task(&self, id: &str, sink: &Sink) -> Result<Reply> {
        let modern = match &*self.carrier {
            Carrier::Http(agent) => agent.setup.is_modern(),
            Carrier::Pipe(agent) => agent.setup.is_modern(),
            Carrier::Sse(agent) => agent.setup.is_modern(),
        };
        let about = Json::object().with("taskId", id);
        let mut answered: Vec<String> = Vec::new();
        loop {
            let reply = self.run("tasks/get", about.clone(), sink).await?;
            let Outcome::Result(task) = &reply.outcome else { return Ok(reply) };
            if task.text("taskId") != Some(id) {
                return Err(Failure::new(format!("another task: {task}")));
            }
            match task.text("status").unwrap_or_default() {
                "working" => {}
                "input_required" if modern => {
                    let mut open = task.get("inputRequests").cloned().unwrap_or_default();
                    for key in &answered {
                        open = open.without(key);
                    }
                    if !open.members().is_empty() {
                        answered.extend(open.members().iter().map(|(key, _)| key.clone()));
                        let asks = Json::object().with("inputRequests", open);
                        let params = gather(&asks, &about, sink).await?;
                        self.run("tasks/update", params, sink).await?.result()?;
                    }
                }
                "completed" | "failed" | "cancelled" if modern => {
                    let outcome = match (task.get("result"), task.get("error")) {
                        (Some(result), _) => Outcome::Result(result.clone()),
                        (None, Some(error)) => Outcome::Error(error.clone()),
                        (None, None) => Outcome::Result(task.clone()),
                    };
                    return Ok(Reply { outcome, ..reply });
                }
                _ => {
                    let reply = self.run("tasks/result", about.clone(), sink).await?;
                    return named(id, reply);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A result of 2025-11-25 must name its task.
fn named(id: &str, reply: Reply) -> Result<Reply> {
    if let Outcome::Result(result) = &reply.outcome {
        let key = format!("{}related-task", crate::wire::RESERVED);
        if result.at(&["_meta", &key, "taskId"]).and_then(Json::as_str) != Some(id) {
            return Err(Failure::new(format!("a result that does not name its task: {result}")));
        }
    }
    Ok(reply)
}
