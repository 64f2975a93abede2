//! `tasks/list` of 2025-11-25: the session's finished tasks, and those of its principal, each looked at as `tasks/get` would.
//! *Never* shows one that `tasks/get` would not: what a server itself lists says neither whose it is nor of which tool.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tollgate_mcp::error::{INVALID_PARAMS, RpcError};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, quote};
use tollgate_mcp::rope::Rope;

use super::Outlet;
use super::call::Call;
use super::tasks::{self, Tasks};
use crate::call::{Arrival, Cancel, Ending, Handle, Next, Reply as _};

/// How long a page's servers may take: a task whose server does not answer is not listed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The result's text; `Ok(None)` = cancelled.
pub(super) async fn list<H: Handle, O: Outlet>(
    call: &Call<H, O>,
    known: &Tasks,
) -> Result<Option<Rope>, RpcError> {
    call.handle.count("tasks/list");
    let params = &call.request.params;
    let cursor = params.string("cursor");
    if cursor.is_none() && params.find("cursor").is_some() {
        return Err(RpcError::new(INVALID_PARAMS, "invalid cursor"));
    }
    let page = call.handle.tasks(&call.caller, cursor.as_deref()).await?;
    let mut shown = if cursor.is_none() { known.all_finished() } else { Vec::new() };
    let cancel = call.flight.canceller.cancel();
    let mut looks = JoinSet::new();
    for (place, handle) in page.handles.iter().enumerate() {
        let params = Object::scan(Bytes::from(format!(r#"{{"taskId":{}}}"#, quote(handle))));
        let params = params.unwrap_or_else(|_| Object::empty());
        let about = tasks::arrival(&call.core, &call.caller, &known.client, Method::TasksGet, params, 0);
        let look = look(Arc::clone(&call.handle), about, cancel.clone());
        looks.spawn(async move { (place, look.await) });
    }
    let mut found: Vec<Option<Object>> = vec![None; page.handles.len()];
    let looking = async {
        while let Some(looked) = looks.join_next().await {
            if let Ok((place, task)) = looked
                && let Some(slot) = found.get_mut(place)
            {
                *slot = task;
            }
        }
    };
    tokio::select! {
        () = cancel.fired() => return Ok(None),
        _late = tokio::time::timeout(PATIENCE, looking) => {}
    }
    for (handle, task) in page.handles.iter().zip(found) {
        if let Some(task) = task {
            shown.push(known.shown(handle, &task));
        }
    }
    let mut out = Rope::from("{\"tasks\":[");
    for (at, task) in shown.into_iter().enumerate() {
        if at > 0 {
            out.push(Bytes::from_static(b","));
        }
        out.append(task);
    }
    out.push(Bytes::from_static(b"]"));
    if let Some(next) = page.next {
        out.push(Bytes::from(format!(r#","nextCursor":{}"#, quote(&next))));
    }
    out.push(Bytes::from_static(b"}"));
    Ok(Some(out))
}

async fn look<H: Handle>(handle: Arc<H>, about: Arrival, cancel: Cancel) -> Option<Object> {
    let mut outgoing = handle.handle(about, cancel);
    loop {
        match outgoing.next().await {
            Next::Part(_) => {}
            Next::Last(reply) => {
                return match reply.into_ending() {
                    Ending::Answer(answer) => Some(answer.object),
                    Ending::Error(_) => None,
                };
            }
        }
    }
}
