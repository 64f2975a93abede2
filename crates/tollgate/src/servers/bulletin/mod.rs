//! What a server reports unasked, told on: at most once a second for each topic, however often it is said.
//! *Never* tells anything but that something changed, and how far a task is: any other notification's own text goes nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tollgate_mcp::message::Notification;
use tollgate_mcp::object::Object;

use super::exchange::number;
use super::registry::{Made, Registry};
use super::{Listing, Notice, Progress};

#[cfg(test)]
mod tests;

/// Changes of one topic are told at most this often.
const PACE: Duration = Duration::from_secs(1);

/// The longest id of a task that is followed.
const TASK_MAX: usize = 1_024;

/// The longest URI of a resource whose changes are told.
const URI_MAX: usize = 8 * 1_024;

/// The longest params of a task's progress that are told.
const PROGRESS_MAX: usize = 8 * 1_024;

/// How many topics are followed at a time; a server that reports more is not listened to for the rest.
const TOPICS_MAX: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Topic {
    List(Listing),
    Resource(String),
    Task(String),
    Progress(Made),
}

/// One server's notices.
#[derive(Debug)]
pub(super) struct Bulletin {
    sender: broadcast::Sender<Notice>,
    /// Topics told within the last [`PACE`], and what was said of them since.
    recent: Mutex<HashMap<Topic, Option<Notice>>>,
}

impl Bulletin {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { sender: broadcast::channel(256).0, recent: Mutex::default() })
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Notice> {
        self.sender.subscribe()
    }

    /// Tells at once. Nobody listening is no error.
    pub(super) fn tell(&self, notice: Notice) {
        drop(self.sender.send(notice));
    }

    /// Takes a notification that belongs to no call; false if it is none of these.
    pub(super) fn take(self: &Arc<Self>, notification: &Notification) -> bool {
        match notification.method.as_str() {
            "notifications/tools/list_changed" => self.listed(Listing::Tools),
            "notifications/prompts/list_changed" => self.listed(Listing::Prompts),
            "notifications/resources/list_changed" => {
                self.listed(Listing::Resources);
                self.listed(Listing::Templates);
            }
            "notifications/resources/updated" => {
                if let Some(uri) = notification.params.string("uri").filter(|uri| uri.len() <= URI_MAX) {
                    self.changed(Topic::Resource(uri.to_string()), Notice::Updated(uri.into_owned()));
                }
            }
            // 2026-07-28, and 2025-11-25.
            "notifications/tasks" | "notifications/tasks/status" => {
                if let Some(id) = notification.params.string("taskId").filter(|id| id.len() <= TASK_MAX) {
                    self.changed(Topic::Task(id.to_string()), Notice::Task(id.into_owned()));
                }
            }
            _ => return false,
        }
        true
    }

    /// Takes `notifications/progress` that came beside the calls of its channel: of one that is open, or of the task that one ended with.
    pub(super) fn progress(self: &Arc<Self>, calls: &Registry, notification: Notification) {
        if let Some(token) = notification.params.slice("progressToken").and_then(number)
            && let Some(nobodys) = calls.notify(token, notification)
            && let Some(made) = calls.made_by(token)
        {
            self.progressed(made, nobodys.params);
        }
    }

    /// Takes what is said of a task's progress; the latest is told.
    pub(super) fn progressed(self: &Arc<Self>, of: Made, params: Object) {
        if params.text().len() > PROGRESS_MAX {
            return;
        }
        let Made { principal, task } = of.clone();
        self.changed(Topic::Progress(of), Notice::Progress(Box::new(Progress { principal, task, params })));
    }

    fn listed(self: &Arc<Self>, listing: Listing) {
        self.changed(Topic::List(listing), Notice::Changed(listing));
    }

    fn changed(self: &Arc<Self>, topic: Topic, notice: Notice) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = recent.get_mut(&topic) {
            *again = Some(notice);
            return;
        }
        if recent.len() >= TOPICS_MAX {
            return;
        }
        recent.insert(topic.clone(), None);
        drop(recent);
        self.tell(notice);
        let bulletin = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PACE).await;
                let Some(again) = bulletin.settle(&topic) else { return };
                bulletin.tell(again);
            }
        });
    }

    /// What was said of the topic since; forgets it if nothing was.
    fn settle(&self, topic: &Topic) -> Option<Notice> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let again = recent.get_mut(topic).and_then(Option::take);
        if again.is_none() {
            recent.remove(topic);
        }
        again
    }
}
