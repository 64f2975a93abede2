//! Tools of 2025-11-25 servers that are called as a task. An agent that knows tasks gets the task; for all others one that can only be
//! called so is made and awaited inside the call. *Never* leaves one running that nobody knows of.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::Era;
use tollgate_mcp::translate::{ResultType, TaskSupport, task_made};

use crate::call::Client;
use crate::resolve::Target;
use crate::servers::{Event, Exchange, Failure, Outbound, Server};
use crate::transform::Prepared;

/// How often a task's result is awaited anew after a call's time: a task may take as long as a call that shows progress.
const WAITS_MAX: u8 = 9;

/// One task.
#[derive(Debug)]
pub(super) struct Task {
    server: Arc<Server>,
    client: Arc<Client>,
    principal: Arc<str>,
    /// Once it is made, while it is awaited.
    id: Option<String>,
    waits: u8,
    /// The agent gets it; else it is awaited.
    handed_over: bool,
    /// The agent wants progress.
    progress: bool,
    /// Its result is being asked for.
    asking: Option<Asking>,
}

/// A request that is being sent. Kept, so that whoever waits for it may do something else in between.
struct Asking(Pin<Box<dyn Future<Output = Result<Exchange, Failure>> + Send>>);

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asking")
    }
}

impl Task {
    /// Whether a call's tool may have to be called as a task, or its params speak of one.
    pub(super) fn concerns(prepared: &Prepared, outbound: &Outbound) -> bool {
        let Target::Tool(_, item) = &prepared.call.target else { return false };
        // An agent's own wish is none of 2026-07-28.
        is_wanted(item.task, outbound) || outbound.params.find("task").is_some()
    }

    /// Makes `outbound` ask for a task, where the tool and its server are of that kind. Waits for a starting server.
    pub(super) async fn wanted(
        prepared: &Prepared,
        server: &Arc<Server>,
        outbound: &mut Outbound,
    ) -> Option<Self> {
        let Target::Tool(_, item) = &prepared.call.target else { return None };
        let able = is_wanted(item.task, outbound)
            && server.introduction().await.is_ok_and(|said| said.tasks() == Some(Era::Legacy));
        let mut edit = outbound.params.edit();
        if able {
            edit.set("task", wish(outbound));
        } else {
            edit.remove("task");
        }
        if let Ok(params) = edit.object() {
            outbound.params = params;
        }
        able.then(|| Self {
            server: Arc::clone(server),
            client: Arc::clone(&outbound.client),
            principal: Arc::clone(&outbound.principal),
            id: None,
            waits: 0,
            handed_over: outbound.client.capabilities.tasks,
            progress: outbound.progress,
            asking: None,
        })
    }

    /// What to make of the next event on `exchange`; `None` = its result is asked for, see [`Self::asked`].
    pub(super) fn then(&mut self, event: Event, exchange: &mut Exchange) -> Option<Event> {
        match event {
            Event::Done(Ok(answer)) if self.handed_over => {
                // Or it answered at once.
                let made = task_made(&answer.object);
                Some(Event::Done(Ok(made.unwrap_or(answer))))
            }
            Event::Done(Ok(answer)) if self.id.is_none() => {
                let made = answer
                    .object
                    .object("task")
                    .and_then(|task| task.string("taskId").map(std::borrow::Cow::into_owned));
                match made {
                    Some(id) => {
                        self.id = Some(id);
                        self.ask();
                        None
                    }
                    // It answered at once.
                    None => Some(Event::Done(Ok(answer))),
                }
            }
            Event::Failed(Failure::Timeout { .. }) if self.id.is_some() && self.waits < WAITS_MAX => {
                self.waits += 1;
                // Where calls take turns, the next request would wait for this one.
                exchange.give_turn();
                self.ask();
                None
            }
            Event::Done(done) => {
                self.over();
                Some(Event::Done(done))
            }
            event @ (Event::Failed(_)
            | Event::Progress(_)
            | Event::Log(_)
            | Event::Asked(_)
            | Event::Withdrew
            | Event::Paused(_)) => Some(event),
        }
    }

    /// The request for its result that is on its way, once it is sent; `None` = none is. Cancel-safe.
    pub(super) async fn asked(&mut self) -> Option<Result<Exchange, Failure>> {
        let sent = self.asking.as_mut()?.0.as_mut().await;
        self.asking = None;
        Some(sent)
    }

    /// Where an agent of 2025-11-25 gets the task, its progress goes on after the call (tasks, "Progress Notifications").
    pub(super) fn handed(&self, event: &Event, made: &Exchange) {
        let Event::Done(Ok(answer)) = event else { return };
        if !(self.handed_over && self.progress && self.client.revision.era() == Era::Legacy) {
            return;
        }
        if let (ResultType::Task, Some(id)) = (&answer.kind, answer.object.string("taskId")) {
            made.ended_with(&self.principal, &id);
        }
    }

    /// Its end needs no telling.
    pub(super) fn over(&mut self) {
        self.id = None;
    }

    fn ask(&mut self) {
        let awaits = Outbound { progress: self.progress, ..self.about(Method::TasksResult) };
        let server = Arc::clone(&self.server);
        self.asking = Some(Asking(Box::pin(async move { server.send(awaits).await })));
    }

    fn about(&self, method: Method) -> Outbound {
        about(method, self.id.as_deref().unwrap_or_default(), &self.client, &self.principal)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.id.is_none() {
            return;
        }
        let (server, cancel) = (Arc::clone(&self.server), self.about(Method::TasksCancel));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Ok(mut exchange) = server.send(cancel).await {
                    drop(exchange.next().await);
                }
            });
        }
    }
}

fn is_wanted(support: TaskSupport, outbound: &Outbound) -> bool {
    match support {
        TaskSupport::Required => true,
        TaskSupport::Optional => outbound.client.capabilities.tasks,
        TaskSupport::Forbidden => false,
    }
}

/// A request about the task `id` of a 2025-11-25 server.
pub(super) fn about(method: Method, id: &str, client: &Arc<Client>, principal: &Arc<str>) -> Outbound {
    let params = format!(r#"{{"taskId":{}}}"#, quote(id));
    Outbound {
        method,
        params: Object::scan(Bytes::from(params)).unwrap_or_else(|_| Object::empty()),
        client: Arc::clone(client),
        principal: Arc::clone(principal),
        progress: false,
        log_level: None,
        marks: Arc::from([]),
    }
}

/// How long a 2025-11-25 agent wants its task kept; nobody else can say.
fn wish(outbound: &Outbound) -> Bytes {
    let ttl = outbound.params.object("task").filter(|_| outbound.client.revision.era() == Era::Legacy);
    let ttl = ttl.and_then(|task| task.get("ttl")).filter(|ttl| ttl.iter().all(u8::is_ascii_digit));
    ttl.map_or_else(
        || Bytes::from_static(b"{}"),
        |ttl| Bytes::from(format!(r#"{{"ttl":{}}}"#, String::from_utf8_lossy(&ttl))),
    )
}
