//! Tasks that a `subscriptions/listen` follows (Tasks extension, "Task Status Notifications"): looked at when their server says that they
//! changed, and for agents of 2026-07-28 at their own interval too, since no server has to say so. Progress, which 2025-11-25 alone has here,
//! is passed on. *Never* tells how a task stands but as `tasks/get` answers at that moment, nor anything of one that it refuses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tollgate_mcp::error::INVALID_PARAMS;
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{Object, elements, quote, unquote};
use tollgate_mcp::revision::Era;

use crate::call::{Arrival, Cancel, Ending, Part, PartKind, Reply as _};
use crate::clock::at;
use crate::resolve::{self, Target};
use crate::servers::{Following, Notice};
use crate::transform::clean::{Cleaner, Stream};

use super::Gate;
use super::listen::{Update, Updated};

#[cfg(test)]
mod tests;

/// The most tasks of one listen.
const TASKS: usize = 64;
/// How often a task is looked at, whatever its server wishes: at most, and at least.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What a server says.
enum Said {
    /// The task may have changed.
    Changed,
    /// How far it is.
    Progress(Object),
}

/// What a look came to.
enum Look {
    Task(Object),
    /// There is no such task for this caller.
    Unknown,
    /// Its server cannot be asked just now.
    Failed,
}

impl Gate {
    /// Follows what a listen asks for; the handles of those that there are, in time.
    pub(super) async fn follow_tasks(
        self: &Arc<Self>,
        arrival: &Arrival,
        wanted: &Object,
        feeds: &mut JoinSet<()>,
        updates: &mpsc::Sender<Update>,
        patience: Duration,
    ) -> Vec<String> {
        let texts = wanted.get("taskIds").and_then(|ids| elements(&ids).ok()).unwrap_or_default();
        let mut handles: Vec<String> = Vec::new();
        for handle in texts.iter().take(TASKS).filter_map(|text| unquote(text)) {
            if !handles.iter().any(|known| *known == handle) {
                handles.push(handle.into_owned());
            }
        }
        let firsts: Vec<_> = handles
            .into_iter()
            .map(|handle| {
                let (found, first) = oneshot::channel();
                let watch = Arc::clone(self).watch(arrival.clone(), handle.clone(), found, updates.clone());
                feeds.spawn(Box::pin(watch));
                (handle, first)
            })
            .collect();
        let until = Instant::now() + patience;
        let mut followed = Vec::new();
        for (handle, first) in firsts {
            if matches!(tokio::time::timeout_at(until, first).await, Ok(Ok(()))) {
                followed.push(handle);
            }
        }
        followed
    }

    /// Follows one task to its end. `found` hears that it is there; if nobody waits for that any more, it is not followed.
    async fn watch(
        self: Arc<Self>,
        arrival: Arrival,
        handle: String,
        found: oneshot::Sender<()>,
        updates: mpsc::Sender<Update>,
    ) {
        let now_ms = self.clock.now_ms();
        let theirs = resolve::task_of(&self.sealer, now_ms, &arrival.caller, &handle);
        let server = theirs.as_ref().and_then(|theirs| self.servers.get(theirs.server()));
        // Heard from before it is looked at, so that no change falls between.
        let mut notices = server.as_ref().map(|server| server.notices());
        let id = theirs.as_ref().map(|theirs| theirs.original().as_ref()).unwrap_or_default();
        // One of 2025-11-25 looks for itself, and is told what servers tell. What waits for operators nobody else can tell of.
        let looks = theirs.is_none() || arrival.client.revision.era() == Era::Modern;
        // Of the others only a look that failed is repeated: a look may bring a question, which is nobody's to see yet.
        let (mut shown, mut due) = (None, None);
        if looks {
            let Look::Task(first) = self.look(&arrival, &handle).await else { return };
            due = Some(Instant::now() + interval(&first));
            shown = Some(first);
        }
        let following = server.as_ref().map(|server| server.follow_task(id));
        if found.send(()).is_err() {
            return;
        }
        let (mut told, mut taken_up) = (false, false);
        let mut pause = INTERVAL.0;
        loop {
            if let Some(task) = &shown {
                // What it is at first is told too: it may have changed since its agent last looked.
                if !std::mem::replace(&mut told, true)
                    && updates.send(Box::new(Updated::Task(part(task)))).await.is_err()
                {
                    return;
                }
                if is_over(task) {
                    return;
                }
            }
            let mut progress = None;
            tokio::select! {
                said = said(&mut notices, &arrival.caller.principal, id) => if let Said::Progress(params) = said {
                    // Never on a stream of 2026-07-28.
                    if looks {
                        continue;
                    }
                    progress = Some(params);
                },
                () = begun(following.as_ref()), if looks && !taken_up => taken_up = true,
                () = at(due) => {}
            }
            match self.look(&arrival, &handle).await {
                Look::Task(now) => {
                    let progress = progress.zip(theirs.as_ref());
                    let progress = progress.and_then(|(params, of)| self.progress(&arrival, of, &params));
                    if let Some(part) = progress
                        && updates.send(Box::new(Updated::Task(part))).await.is_err()
                    {
                        return;
                    }
                    told = shown.as_ref().is_some_and(|shown| same(&now) == same(shown));
                    pause = INTERVAL.0;
                    due = looks.then(|| Instant::now() + interval(&now));
                    shown = Some(now);
                }
                Look::Unknown => return,
                Look::Failed => {
                    pause = (pause * 2).min(INTERVAL.1);
                    due = Some(Instant::now() + pause);
                }
            }
        }
    }

    /// A task's progress, cleaned as its call's would be; `None` = it cannot be.
    fn progress(&self, arrival: &Arrival, task: &Target, params: &Object) -> Option<Part> {
        let config = self.config.load();
        let cleaner = Cleaner::new(&config, &self.sealer, self.clock.now_ms(), &arrival.caller, task);
        let part = Part { kind: PartKind::Progress, params: params.text().clone().into() };
        let mut stream = Stream::default();
        let ([part, _], _) = stream.push(&cleaner, part);
        // Nothing goes on behind it.
        part.or_else(|| stream.release(&cleaner).0)
    }

    /// `tasks/get`, as the agent that listens would send it.
    async fn look(self: &Arc<Self>, listen: &Arrival, handle: &str) -> Look {
        // It may have been a long time ago that its caller was admitted.
        if !self.keys.load().still_admit(&listen.caller, self.clock.now_ms()) {
            return Look::Unknown;
        }
        let params = Object::scan(Bytes::from(format!(r#"{{"taskId":{}}}"#, quote(handle))));
        let arrival = Arrival {
            method: Method::TasksGet,
            params: params.unwrap_or_else(|_| Object::empty()),
            param_headers: None,
            bytes_in: 0,
            ..listen.clone()
        };
        // Nothing comes before the answer to such a request.
        let (out, parts) = mpsc::channel(1);
        drop(parts);
        let reply = Box::pin(Arc::clone(self).walk(arrival, Cancel::never(), out)).await;
        match reply.into_ending() {
            Ending::Answer(answer) => Look::Task(answer.object),
            Ending::Error(error) if error.code == INVALID_PARAMS => Look::Unknown,
            Ending::Error(_) => Look::Failed,
        }
    }
}

/// Ends when the server has begun to tell.
async fn begun(following: Option<&Following>) {
    match following {
        Some(following) => following.taken_up().await,
        None => std::future::pending().await,
    }
}

/// What the server says of this task next; never, if nobody is listened to.
async fn said(notices: &mut Option<broadcast::Receiver<Notice>>, principal: &str, id: &str) -> Said {
    loop {
        let Some(open) = notices else { return std::future::pending().await };
        match open.recv().await {
            Ok(Notice::Task(changed)) if changed == id => return Said::Changed,
            // Processes of two principals may give two tasks the same id.
            Ok(Notice::Progress(of)) if *of.task == *id && *of.principal == *principal => {
                return Said::Progress(of.params);
            }
            // What was missed may have been this, and a server that came back may have gone on meanwhile.
            Ok(Notice::Ready) | Err(broadcast::error::RecvError::Lagged(_)) => return Said::Changed,
            Ok(
                Notice::Task(_)
                | Notice::Progress(_)
                | Notice::Down
                | Notice::Changed(_)
                | Notice::Updated(_),
            ) => {}
            Err(broadcast::error::RecvError::Closed) => *notices = None,
        }
    }
}

fn is_over(task: &Object) -> bool {
    matches!(task.string("status").as_deref(), Some("completed" | "failed" | "cancelled"))
}

fn interval(task: &Object) -> Duration {
    let wanted = task.slice("pollIntervalMs").and_then(|ms| std::str::from_utf8(ms).ok()?.parse().ok());
    wanted.map_or(Duration::from_secs(5), Duration::from_millis).clamp(INTERVAL.0, INTERVAL.1)
}

/// What makes a difference: a time alone does not.
fn same(task: &Object) -> Bytes {
    let mut edit = task.edit();
    edit.remove("lastUpdatedAt");
    edit.finish().into_bytes()
}

fn part(task: &Object) -> Part {
    let mut edit = task.edit();
    edit.remove("resultType");
    Part { kind: PartKind::Task, params: edit.finish() }
}
