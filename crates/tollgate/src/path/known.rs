//! Which tasks a principal has: the handles that were given out. *Never* tells of another principal's.

use std::sync::Arc;
use std::time::Duration;

use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_PARAMS, RpcError};
use tollgate_mcp::object::Object;

use crate::call::{Caller, TaskPage};
use crate::seal::Purpose;

use super::Gate;

/// The most of one principal that are remembered: the latest.
const EACH: usize = 256;
/// How many a page has.
const PAGE: usize = 16;
/// How long one is remembered, unless its server says that it is kept for less; and how long a cursor is good.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// What begins the plain text of these cursors.
const CURSOR: &str = "tasks\n";

impl Gate {
    /// Remembers a task that its agent is about to be given.
    pub(super) async fn keep_task(&self, principal: &Arc<str>, task: &Object) {
        let Some(handle) = task.string("taskId").map(std::borrow::Cow::into_owned) else { return };
        let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
        let ttl = task.slice("ttlMs").and_then(|ttl| std::str::from_utf8(ttl).ok()?.parse().ok());
        let (now_ms, ttl) = (self.clock.now_ms(), ttl.map_or(kept, |ttl: u64| ttl.min(kept)));
        let (tasks, principal) = (self.tasks.clone(), Arc::clone(principal));
        let put = tokio::task::spawn_blocking(move || {
            tasks.put(&principal, &handle, now_ms.saturating_add(ttl), now_ms, EACH)
        });
        let failed = match put.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(error = %failed, "a task could not be remembered: it will not be listed");
    }

    /// What its caller may list.
    pub(super) async fn known_tasks(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
    ) -> Result<TaskPage, RpcError> {
        let bad = || RpcError::new(INVALID_PARAMS, "invalid cursor");
        let now_ms = self.clock.now_ms();
        let principal = Arc::clone(&caller.principal);
        let after = match cursor {
            None => 0,
            Some(cursor) => {
                let plain =
                    self.sealer.open(Purpose::Cursor, &principal, cursor, now_ms).map_err(|_| bad())?;
                let place = std::str::from_utf8(&plain).ok().and_then(|plain| plain.strip_prefix(CURSOR));
                place.and_then(|place| place.parse().ok()).ok_or_else(bad)?
            }
        };
        let (tasks, of) = (self.tasks.clone(), Arc::clone(&principal));
        // One more than a page, which says whether there is another one.
        let found = tokio::task::spawn_blocking(move || tasks.of(&of, after, now_ms, PAGE + 1)).await;
        let mut found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(unreadable(&error)),
            Err(error) => return Err(unreadable(&error)),
        };
        let more = found.len() > PAGE;
        found.truncate(PAGE);
        let next = found.last().filter(|_| more).map(|(place, _)| {
            let expires = now_ms.saturating_add(u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX));
            self.sealer.seal(Purpose::Cursor, &principal, format!("{CURSOR}{place}").as_bytes(), expires)
        });
        Ok(TaskPage { handles: found.into_iter().map(|(_, handle)| handle).collect(), next })
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> RpcError {
    tracing::error!(%error, "the tasks cannot be read");
    RpcError::new(INTERNAL_ERROR, "the tasks cannot be read")
}
