//! `notifications/tasks/status` of 2025-11-25, and the progress of tasks: a session's tasks, each followed by a canonical
//! `subscriptions/listen` of its own for as long as the session's stream is read. *Never* tells a status twice in a row, nor what becomes of a task that its agent has cancelled.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{AbortHandle, JoinSet};
use tollgate_mcp::message;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::related_to_task;

use super::listen::{Listener, Told};
use super::{Core, Outlet, tasks};
use crate::call::{Canceller, Handle, Next, PartKind};

/// How many tasks of one session are followed; those that come later are only there to be looked at.
const FOLLOWED_MAX: usize = 64;

/// Follows a task that the session was just given. `token`: the progress token of its call.
pub(super) fn begin(core: &Core, id: &str, token: Option<Bytes>) {
    let told = Told { last: told_of("working", ""), token };
    core.wanted.send_if_modified(|wanted| {
        wanted.tasks.len() < FOLLOWED_MAX && wanted.tasks.insert(id.to_owned(), told).is_none()
    });
}

/// The agent knows how a task ended: there is nothing to tell of it any more. Who follows it is sent away when another one begins.
pub(super) fn end(core: &Core, id: &str) {
    core.wanted.send_if_modified(|wanted| {
        wanted.tasks.remove(id);
        false
    });
}

/// What makes a difference to an agent that is told.
fn told_of(status: &str, message: &str) -> String {
    format!("{status}\n{message}")
}

/// The tasks that are followed just now; dropping it ends that.
#[derive(Default)]
pub(super) struct Followed {
    running: HashMap<String, AbortHandle>,
    all: JoinSet<()>,
}

impl Followed {
    /// Follows what the session wants, while somebody reads.
    pub(super) fn update<H: Handle, O: Outlet>(&mut self, listener: &Arc<Listener<H, O>>) {
        let wanted = listener.core.wanted.borrow().clone();
        while self.all.try_join_next().is_some() {}
        self.running.retain(|id, task| {
            let keep = wanted.lists && wanted.tasks.contains_key(id);
            if !keep {
                task.abort();
            }
            keep && !task.is_finished()
        });
        if !wanted.lists {
            return;
        }
        for id in wanted.tasks.into_keys() {
            if !self.running.contains_key(&id) {
                let (listener, about) = (Arc::clone(listener), id.clone());
                let task = self.all.spawn(async move { follow(&listener, &about).await });
                self.running.insert(id, task);
            }
        }
    }
}

/// Fires when it is dropped: the walk ends with its reader.
struct Ends(Canceller);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fire();
    }
}

async fn follow<H: Handle, O: Outlet>(listener: &Listener<H, O>, id: &str) {
    let Some(known) = listener.core.tasks.get() else { return };
    let params = Object::scan(Bytes::from(format!(r#"{{"notifications":{{"taskIds":[{}]}}}}"#, quote(id))));
    let params = params.unwrap_or_else(|_| Object::empty());
    let arrival = tasks::arrival(&listener.core, &listener.caller, &known.client, Method::Listen, params, 0);
    let ends = Ends(Canceller::new());
    let mut outgoing = listener.handle.handle(arrival, ends.0.cancel());
    loop {
        match outgoing.next().await {
            Next::Part(part) if part.kind == PartKind::Task => {
                let Ok(task) = Object::scan(part.params.into_bytes()) else { continue };
                if known.is_cancelled(id) {
                    break;
                }
                let status = task.string("status").unwrap_or_default().into_owned();
                if is_news(&listener.core, id, &status, &task) {
                    let shown = known.shown(id, &task);
                    listener.out.send(message::write_notification("notifications/tasks/status", shown)).await;
                }
                if matches!(status.as_str(), "completed" | "failed" | "cancelled") {
                    break;
                }
            }
            Next::Part(part) if part.kind == PartKind::Progress => {
                if known.is_cancelled(id) {
                    break;
                }
                let Ok(params) = Object::scan(part.params.into_bytes()) else { continue };
                if let Some(params) = with_token(&listener.core, id, &params) {
                    let params = related_to_task(params, id);
                    listener.out.send(message::write_notification("notifications/progress", params)).await;
                }
            }
            Next::Part(part) if part.kind == PartKind::Acknowledged => {
                let params = Object::scan(part.params.into_bytes()).ok();
                let granted = params.and_then(|params| params.object("notifications"));
                if granted.is_none_or(|granted| granted.find("taskIds").is_none()) {
                    break;
                }
            }
            Next::Part(_) => {}
            Next::Last(_) => return,
        }
    }
    // It is over, or there is nothing to follow: that wakes nobody.
    listener.core.wanted.send_if_modified(|wanted| {
        wanted.tasks.remove(id);
        false
    });
}

/// A task's progress under the agent's own token.
fn with_token(core: &Core, id: &str, params: &Object) -> Option<Rope> {
    let token = core.wanted.borrow().tasks.get(id)?.token.clone()?;
    let mut edit = params.edit();
    edit.set("progressToken", token);
    Some(edit.finish())
}

/// Whether the agent was not told just that; it is, from now on.
fn is_news(core: &Core, id: &str, status: &str, task: &Object) -> bool {
    let now = told_of(status, &task.string("statusMessage").unwrap_or_default());
    let mut news = false;
    core.wanted.send_if_modified(|wanted| {
        if let Some(told) = wanted.tasks.get_mut(id)
            && told.last != now
        {
            told.last.clone_from(&now);
            news = true;
        }
        false
    });
    news
}
