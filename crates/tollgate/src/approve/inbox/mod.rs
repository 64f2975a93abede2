//! Questions that wait for operators, and the grants that stand. Kept in the state database, so that a restart forgets neither and
//! every process on one state directory sees the same. *Never* on the way of a call that no rule asks about.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use super::grant::{Grant, Scope, marks};
use super::terms::Terms;
use crate::clock::Clock;
use crate::store::{GrantRow, Put, QuestionRow, Room, Store, StoreError};

mod answer;
mod asked;
mod posted;
mod view;
mod withdraw;

pub use answer::AnswerError;
pub use asked::{AnswerView, Asked, Change, Decision, Given, GrantView, QuestionView, Shown, Standing, Wish};
pub use posted::{No, Yes};
pub(crate) use view::moment;

/// How many questions may wait.
const ROOM: Room = Room { all: 1_000, each: 64 };

/// Arguments beyond this are too large to be judged by a person.
pub const ARGS_MAX: usize = 256 * 1024;

/// The inbox. Cheap to look into: what is known is a snapshot in memory.
#[derive(Debug)]
pub struct Inbox {
    store: Store,
    clock: Clock,
    known: ArcSwap<Known>,
    turns: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    questions: HashMap<String, Arc<Slip>>,
    /// By principal and tool.
    grants: HashMap<(String, String), Vec<Arc<Grant>>>,
}

/// What is kept of a question in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// Its id.
    pub id: String,
    /// `server/original`.
    pub tool: String,
    /// Who is asked.
    pub of: String,
    /// When it was asked (milliseconds since the Unix epoch).
    pub asked_ms: u64,
    /// From when on it counts as denied.
    pub expires_ms: u64,
    /// The store's word.
    state: String,
    /// The no, if somebody said it.
    pub denied: Option<Given>,
}

impl Slip {
    /// Where it stands.
    pub fn standing(&self, now_ms: u64) -> Standing {
        Standing::read(&self.state, self.expires_ms, now_ms)
    }
}

/// What became of a question that was put.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is in the inbox under this id; `fresh` = it was not before.
    Waits {
        /// Its id.
        id: String,
        /// Whether it is new.
        fresh: bool,
    },
    /// Too many wait.
    Full,
}

impl Inbox {
    /// Opens the inbox. Blocks for a moment (a read of the database).
    pub fn open(store: Store, clock: Clock) -> Result<Arc<Self>, StoreError> {
        let inbox = Self { store, clock, known: ArcSwap::default(), turns: watch::Sender::new(0) };
        inbox.reload()?;
        Ok(Arc::new(inbox))
    }

    /// Follows what other processes change, and drops what is long over, until it is dropped itself.
    pub async fn follow(self: Arc<Self>) {
        let mut changes = self.store.changes();
        let mut hourly = tokio::time::interval(Duration::from_hours(1));
        loop {
            let prune = tokio::select! {
                turned = changes.changed() => match turned {
                    Ok(()) => false,
                    Err(_closed) => return,
                },
                _ = hourly.tick() => true,
            };
            let inbox = Arc::clone(&self);
            let read = blocking(move || {
                if prune {
                    inbox.store.prune_approvals(inbox.clock.now_ms())?;
                }
                inbox.reload()
            });
            if let Err(error) = read.await {
                tracing::error!(%error, "the inbox could not be read again");
            }
        }
    }

    /// Moves whenever a question or a grant may have changed.
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// What is known of a question.
    pub fn slip(&self, id: &str) -> Option<Arc<Slip>> {
        self.known.load().questions.get(id).map(Arc::clone)
    }

    /// How many questions wait.
    pub fn waiting(&self) -> usize {
        let now = self.clock.now_ms();
        self.known.load().questions.values().filter(|slip| slip.standing(now) == Standing::Pending).count()
    }

    fn reload(&self) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let mut known = Known::default();
        let before = self.known.load();
        // An hour more, so that who comes late is told what became of it.
        for (id, state) in self.store.question_states(now.saturating_sub(3_600_000))? {
            // Arguments can be large: only what is new is read.
            let slip = match before.questions.get(&id) {
                Some(slip) if slip.state == state => Some(Arc::clone(slip)),
                Some(_) | None => self.store.question(&id)?.and_then(slip_of),
            };
            if let Some(slip) = slip {
                known.questions.insert(id, slip);
            }
        }
        for row in self.store.grants()? {
            let over = row.revoked_ms.is_some() || row.expires_ms <= now;
            if let Some(grant) = read::<Grant>(&row.body)
                && !over
                && !(grant.is_single() && row.used_ms.is_some())
            {
                let key = (grant.principal.clone(), grant.tool.clone());
                known.grants.entry(key).or_default().push(Arc::new(grant));
            }
        }
        self.known.store(Arc::new(known));
        self.turns.send_modify(|turn| *turn = turn.wrapping_add(1));
        Ok(())
    }

    /// Uses a grant that permits this call, if there is one. The use is on the medium when it returns. `idle_ms`: how long a
    /// conversation's grant stands unused.
    pub async fn granted(
        self: &Arc<Self>,
        terms: &Terms,
        arguments: &Bytes,
        idle_ms: u64,
    ) -> Result<Option<Arc<Grant>>, StoreError> {
        let known = self.known.load_full();
        let key = (terms.principal.clone(), terms.tool.clone());
        let Some(grants) = known.grants.get(&key) else { return Ok(None) };
        for grant in grants.iter().filter(|grant| grant.permits(terms, arguments)) {
            let (inbox, id, single) = (Arc::clone(self), grant.id.clone(), grant.is_single());
            let idle = matches!(grant.scope, Scope::Conversation { .. }).then_some(idle_ms);
            let used = blocking(move || {
                let used = inbox.store.use_grant(&id, single, idle, inbox.clock.now_ms())?;
                if used && single {
                    inbox.reload()?;
                }
                Ok(used)
            })
            .await?;
            if used {
                return Ok(Some(Arc::clone(grant)));
            }
        }
        Ok(None)
    }

    /// Puts a question, or finds the same one. On the medium when it returns.
    pub async fn put(
        self: &Arc<Self>,
        asked: Asked,
        binding: [u8; 32],
        expire_ms: u64,
    ) -> Result<Placed, StoreError> {
        let inbox = Arc::clone(self);
        blocking(move || {
            let now = inbox.clock.now_ms();
            let before = inbox.store.last_approved(&asked.terms.principal, &asked.terms.tool)?;
            let asked = Asked { before: before.as_deref().and_then(read), ..asked };
            let row = QuestionRow {
                id: Uuid::new_v4().to_string(),
                binding,
                principal: asked.terms.principal.clone(),
                state: Standing::Pending.as_str().to_owned(),
                created_ms: now,
                expires_ms: now.saturating_add(expire_ms),
                body: write(&asked),
            };
            let placed = match inbox.store.put_question(&row, ROOM, now)? {
                Put::Fresh => Placed::Waits { id: row.id, fresh: true },
                Put::Known(id) => Placed::Waits { id, fresh: false },
                Put::Full => Placed::Full,
            };
            inbox.reload()?;
            Ok(placed)
        })
        .await
    }

    /// Keeps a grant that the agent's own human gave. On the medium when it returns.
    pub async fn keep(self: &Arc<Self>, grant: Grant) -> Result<(), StoreError> {
        let inbox = Arc::clone(self);
        blocking(move || {
            inbox.store.put_grant(&row_of(&grant))?;
            inbox.reload()
        })
        .await
    }

    /// What was approved last of this caller's calls of a tool, as marks.
    pub async fn before(
        self: &Arc<Self>,
        principal: &str,
        tool: &str,
    ) -> Option<std::collections::BTreeMap<String, String>> {
        let (inbox, principal, tool) = (Arc::clone(self), principal.to_owned(), tool.to_owned());
        let found = blocking(move || inbox.store.last_approved(&principal, &tool)).await;
        found.ok().flatten().as_deref().and_then(read)
    }

    /// Remembers an approved call, to show what the next one changes.
    pub async fn remember(self: &Arc<Self>, principal: &str, tool: &str, arguments: &Bytes) {
        let (inbox, principal, tool) = (Arc::clone(self), principal.to_owned(), tool.to_owned());
        let text = write(&marks(arguments));
        if text.len() > 64 * 1024 {
            return;
        }
        let kept =
            blocking(move || inbox.store.put_last_approved(&principal, &tool, &text, inbox.clock.now_ms()));
        if let Err(error) = kept.await {
            // The next question shows fewer marks; the call itself is none the worse.
            tracing::warn!(%error, "an approved call could not be remembered");
        }
    }
}

/// What is kept of a question's row in memory.
fn slip_of(row: QuestionRow) -> Option<Arc<Slip>> {
    let asked: Asked = read(&row.body)?;
    let no = |given: &&Given| matches!(given.decision, Decision::Deny { .. });
    Some(Arc::new(Slip {
        denied: asked.answers.iter().find(no).cloned(),
        id: row.id,
        tool: asked.terms.tool,
        of: asked.terms.of,
        asked_ms: row.created_ms,
        expires_ms: row.expires_ms,
        state: row.state,
    }))
}

/// A grant's row.
fn row_of(grant: &Grant) -> GrantRow {
    GrantRow {
        id: grant.id.clone(),
        created_ms: grant.at,
        expires_ms: grant.until,
        used_ms: None,
        revoked_ms: None,
        body: write(grant),
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).inspect_err(|error| tracing::error!(%error, "a row cannot be read")).ok()
}

fn write(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            Err(StoreError::Io { path: "tollgate.sqlite".into(), source: std::io::Error::other(error) })
        }
    }
}
