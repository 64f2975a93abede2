//! Tools of 2025-11-25 servers that can only be called as a task: the task is made and awaited inside the call, so that every agent can
//! call them. *Never* leaves one running that nobody waits for.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::revision::Revision;

use crate::call::Client;
use crate::resolve::Target;
use crate::servers::{Event, Exchange, Failure, Health, Outbound, Server};
use crate::transform::Prepared;

/// How often a task's result is awaited anew after a call's time: a task may take as long as a call that shows progress.
const WAITS_MAX: u8 = 9;

/// One task.
#[derive(Debug)]
pub(super) struct Task {
    server: Arc<Server>,
    client: Arc<Client>,
    principal: Arc<str>,
    /// Once it is made.
    id: Option<String>,
    waits: u8,
}

/// What follows an event on the call of a task.
pub(super) enum Then {
    /// It is the call's own.
    Event(Event),
    /// The task's result is awaited.
    Awaits(Box<Exchange>),
}

impl Task {
    /// Makes `outbound` ask for a task, where the tool and its server are of that kind.
    pub(super) fn wanted(prepared: &Prepared, server: &Arc<Server>, outbound: &mut Outbound) -> Option<Self> {
        let Target::Tool(_, item) = &prepared.call.target else { return None };
        // An agent's own wish is none of 2026-07-28.
        let stray = outbound.params.find("task").is_some();
        if !stray && !item.task {
            return None;
        }
        let able = item.task
            && matches!(server.health(), Health::Ready(introduction) if makes_tasks(&introduction.capabilities, introduction.revision));
        let mut edit = outbound.params.edit();
        if able {
            edit.set("task", Bytes::from_static(b"{}"));
        } else {
            edit.remove("task");
        }
        if let Ok(params) = Object::scan(edit.finish().into_bytes()) {
            outbound.params = params;
        }
        able.then(|| Self {
            server: Arc::clone(server),
            client: Arc::clone(&outbound.client),
            principal: Arc::clone(&outbound.principal),
            id: None,
            waits: 0,
        })
    }

    /// What to make of the next event.
    pub(super) async fn then(&mut self, event: Event) -> Then {
        match event {
            Event::Done(Ok(answer)) if self.id.is_none() => {
                let made = answer
                    .object
                    .object("task")
                    .and_then(|task| task.string("taskId").map(std::borrow::Cow::into_owned));
                match made {
                    Some(id) => {
                        self.id = Some(id);
                        self.wait().await
                    }
                    // It answered at once.
                    None => Then::Event(Event::Done(Ok(answer))),
                }
            }
            Event::Failed(Failure::Timeout { .. }) if self.id.is_some() && self.waits < WAITS_MAX => {
                self.waits += 1;
                self.wait().await
            }
            Event::Done(done) => {
                self.over();
                Then::Event(Event::Done(done))
            }
            event @ (Event::Failed(_)
            | Event::Progress(_)
            | Event::Log(_)
            | Event::Asked(_)
            | Event::Withdrew
            | Event::Paused(_)) => Then::Event(event),
        }
    }

    /// Its end needs no telling.
    pub(super) fn over(&mut self) {
        self.id = None;
    }

    async fn wait(&self) -> Then {
        match self.server.send(self.about(Method::TasksResult)).await {
            Ok(exchange) => Then::Awaits(Box::new(exchange)),
            Err(failure) => Then::Event(Event::Failed(failure)),
        }
    }

    fn about(&self, method: Method) -> Outbound {
        let params = format!(r#"{{"taskId":{}}}"#, quote(self.id.as_deref().unwrap_or_default()));
        Outbound {
            method,
            params: Object::scan(Bytes::from(params)).unwrap_or_else(|_| Object::empty()),
            client: Arc::clone(&self.client),
            principal: Arc::clone(&self.principal),
            progress: false,
            log_level: None,
            marks: Arc::from([]),
        }
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

fn makes_tasks(capabilities: &Object, revision: Revision) -> bool {
    let requests = capabilities.object("tasks").and_then(|tasks| tasks.object("requests"));
    let calls = requests.and_then(|requests| requests.object("tools")).and_then(|tools| tools.object("call"));
    revision == Revision::V2025_11_25 && calls.is_some()
}
