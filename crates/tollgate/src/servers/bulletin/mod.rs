//! What a server reports unasked, told on: at most once a second for each topic, however often it is said.
//! *Never* tells anything but that something changed: a notification's own text goes nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tollgate_mcp::message::Notification;

use super::{Listing, Notice};

#[cfg(test)]
mod tests;

/// Changes of one topic are told at most this often.
const PACE: Duration = Duration::from_secs(1);

/// The longest id of a task that is followed.
const TASK_MAX: usize = 1_024;

/// How many topics are followed at a time; a server that reports more is not listened to for the rest.
const TOPICS_MAX: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Topic {
    List(Listing),
    Resource(String),
    Task(String),
}

impl Topic {
    fn notice(&self) -> Notice {
        match self {
            Self::List(listing) => Notice::Changed(*listing),
            Self::Resource(uri) => Notice::Updated(uri.clone()),
            Self::Task(id) => Notice::Task(id.clone()),
        }
    }
}

/// One server's notices.
#[derive(Debug)]
pub(super) struct Bulletin {
    sender: broadcast::Sender<Notice>,
    /// Topics told within the last [`PACE`], and whether they changed again since.
    recent: Mutex<HashMap<Topic, bool>>,
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
            "notifications/tools/list_changed" => self.changed(Topic::List(Listing::Tools)),
            "notifications/prompts/list_changed" => self.changed(Topic::List(Listing::Prompts)),
            "notifications/resources/list_changed" => {
                self.changed(Topic::List(Listing::Resources));
                self.changed(Topic::List(Listing::Templates));
            }
            "notifications/resources/updated" => {
                if let Some(uri) = notification.params.string("uri") {
                    self.changed(Topic::Resource(uri.into_owned()));
                }
            }
            // 2026-07-28, and 2025-11-25.
            "notifications/tasks" | "notifications/tasks/status" => {
                if let Some(id) = notification.params.string("taskId").filter(|id| id.len() <= TASK_MAX) {
                    self.changed(Topic::Task(id.into_owned()));
                }
            }
            _ => return false,
        }
        true
    }

    fn changed(self: &Arc<Self>, topic: Topic) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = recent.get_mut(&topic) {
            *again = true;
            return;
        }
        if recent.len() >= TOPICS_MAX {
            return;
        }
        recent.insert(topic.clone(), false);
        drop(recent);
        self.tell(topic.notice());
        let bulletin = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PACE).await;
                if !bulletin.settle(&topic) {
                    return;
                }
                bulletin.tell(topic.notice());
            }
        });
    }

    /// Whether the topic changed again; forgets it if not.
    fn settle(&self, topic: &Topic) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let again = recent.get_mut(topic).is_some_and(std::mem::take);
        if !again {
            recent.remove(topic);
        }
        again
    }
}
