//! One legacy request, from its message to its response: what ends at the edge is answered here, the rest walks the path, again and
//! again while the path answers `input_required`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tollgate_mcp::error::{INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, RpcError};
use tollgate_mcp::message::{self, Id, Request};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::{self, Object};
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::{self, Answer, ResultType};

use super::ask::{self, Round};
use super::listen::{self, Subscribed};
use super::tasks::About;
use super::{Core, Flight, Outlet, empty, task_list};
use crate::call::{Arrival, Caller, Cancel, Ending, Handle, LogLevel, Next, Outgoing, Part, PartKind, Reply};
use crate::receive::edge::{self, Meta};

/// How long a cancelled walk may take to end before it is dropped.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// The pause before the first retry of a round that asked nothing, and the longest one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// One request of a legacy session.
#[derive(Debug)]
pub(in crate::receive) struct Call<H, O> {
    pub(in crate::receive) handle: Arc<H>,
    pub(in crate::receive) core: Arc<Core>,
    pub(in crate::receive) caller: Arc<Caller>,
    /// Where messages before the response go.
    pub(in crate::receive) out: O,
    pub(in crate::receive) request: Request,
    pub(in crate::receive) flight: Flight,
    pub(in crate::receive) bytes_in: u64,
}

impl<H: Handle, O: Outlet> Call<H, O> {
    /// Answers it: the response's text, or `None` if it was cancelled and gets none.
    pub(in crate::receive) async fn run(self) -> Option<Rope> {
        let id = self.request.id.clone();
        let ended = match Method::parse(&self.request.method) {
            None => Err(edge::unknown(&self.request.method)),
            Some(method) => match method {
                Method::Ping => {
                    self.handle.count("ping");
                    Ok(Some(empty()))
                }
                Method::SetLevel => self.set_level().map(Some),
                Method::Subscribe => Box::pin(self.subscribe()).await.map(Some),
                Method::Unsubscribe => self.unsubscribe().map(Some),
                Method::Initialize => {
                    Err(RpcError::new(INVALID_REQUEST, "this session is initialized already"))
                }
                Method::TasksGet => match self.about_task() {
                    Ok(about) => Box::pin(about.get()).await,
                    Err(error) => Err(error),
                },
                Method::TasksCancel => match self.about_task() {
                    Ok(about) => Box::pin(about.cancel()).await,
                    Err(error) => Err(error),
                },
                Method::TasksResult => match self.about_task() {
                    Ok(about) => Box::pin(about.result()).await,
                    Err(error) => Err(error),
                },
                Method::TasksList => match self.core.tasks.get() {
                    Some(tasks) => Box::pin(task_list::list(&self, tasks)).await,
                    None => Err(edge::unknown(&self.request.method)),
                },
                // Not of these revisions.
                Method::Discover | Method::Listen | Method::TasksUpdate => {
                    Err(edge::unknown(&self.request.method))
                }
                Method::ToolsList
                | Method::ToolsCall
                | Method::PromptsList
                | Method::PromptsGet
                | Method::ResourcesList
                | Method::ResourcesTemplatesList
                | Method::ResourcesRead
                | Method::Complete => Walk::new(self, method).run().await,
            },
        };
        match ended {
            Ok(Some(result)) => Some(message::write_result(&id, result)),
            Ok(None) => None,
            Err(error) => Some(message::write_error(Some(&id), &error)),
        }
    }

    /// Where tasks were not offered, there are none.
    fn about_task(self) -> Result<About<H, O>, RpcError> {
        let core = Arc::clone(&self.core);
        let Some(tasks) = core.tasks.get() else { return Err(edge::unknown(&self.request.method)) };
        About::new(self, tasks)
    }

    fn set_level(&self) -> Result<Rope, RpcError> {
        self.handle.count("logging/setLevel");
        let level = self.request.params.string("level");
        let level = level
            .as_deref()
            .and_then(LogLevel::parse)
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "`level` must be one of the RFC 5424 severities"))?;
        self.core.set_log_level(level);
        Ok(empty())
    }

    async fn subscribe(&self) -> Result<Rope, RpcError> {
        let uri = self.uri()?;
        match listen::subscribe(&self.core, &uri).await {
            Subscribed::Yes => Ok(empty()),
            Subscribed::No => Err(RpcError::new(
                tollgate_mcp::error::RESOURCE_NOT_FOUND,
                "no such resource, or its server offers no subscriptions",
            )
            .with_data(format!(r#"{{"uri":{}}}"#, object::quote(&uri)))),
            Subscribed::TooMany => {
                Err(RpcError::new(INVALID_PARAMS, "this session has too many subscriptions"))
            }
            Subscribed::Late => {
                Err(RpcError::new(INTERNAL_ERROR, "the subscription was not acknowledged in time"))
            }
        }
    }

    fn unsubscribe(&self) -> Result<Rope, RpcError> {
        listen::unsubscribe(&self.core, &self.uri()?);
        Ok(empty())
    }

    fn uri(&self) -> Result<String, RpcError> {
        let uri = self.request.params.string("uri");
        uri.map(std::borrow::Cow::into_owned)
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "`uri` must be a string"))
    }
}

/// A request on the path, round by round.
struct Walk<H, O> {
    handle: Arc<H>,
    core: Arc<Core>,
    caller: Arc<Caller>,
    out: O,
    method: Method,
    id: Id,
    params: Object,
    /// What the agent says of the task that it wants its call to be.
    task: Option<Box<Object>>,
    flight: Flight,
    bytes_in: u64,
}

impl<H: Handle, O: Outlet> Walk<H, O> {
    fn new(call: Call<H, O>, method: Method) -> Self {
        let Call { handle, core, caller, out, request, flight, bytes_in } = call;
        let Request { id, params, .. } = request;
        let offered = method == Method::ToolsCall && core.tasks.get().is_some();
        let task = offered.then(|| params.object("task")).flatten().map(Box::new);
        let params = edge::canonical(params, task.is_some());
        Self { handle, core, caller, out, method, id, params, task, flight, bytes_in }
    }

    /// `Ok(None)` = cancelled.
    async fn run(self) -> Result<Option<Rope>, RpcError> {
        let progress = Meta::of(&self.params).progress()?;
        let cancel = self.flight.canceller.cancel();
        let mut asking = Asking::new(&self.core);
        let mut params = self.params.clone();
        loop {
            let outgoing = self.handle.handle(self.arrival(params, progress.clone()), cancel.clone());
            let Some(ending) = relay(outgoing, &self.out, &cancel).await else { return Ok(None) };
            let answer = match ending {
                Ending::Answer(answer) => answer,
                Ending::Error(error) => return Err(error),
            };
            match (&answer.kind, &self.task) {
                (ResultType::Complete | ResultType::Task, Some(wish)) => {
                    asking.completed(&self.out).await;
                    return self.core.created(&answer, wish, progress, self.handle.now_ms()).map(Some);
                }
                (ResultType::Complete, None) => {
                    asking.completed(&self.out).await;
                    return Ok(Some(translate::to_legacy(&answer, self.method, self.core.client.revision)));
                }
                (ResultType::Task, None) => {
                    return Err(RpcError::new(
                        INTERNAL_ERROR,
                        "the server made a task that was not asked for",
                    ));
                }
                (ResultType::InputRequired, _) => {
                    let round =
                        asking.round(&self.core, &self.out, self.method, &self.params, &answer, &cancel);
                    match Box::pin(round).await {
                        Round::Again(next) => params = *next,
                        Round::Cancelled => return Ok(None),
                        Round::Stop(text) => return self.stopped(&text).map(Some),
                    }
                }
            }
        }
    }

    fn arrival(&self, params: Object, progress: Option<Bytes>) -> Arrival {
        let tasks = self.core.tasks.get().filter(|_| self.task.is_some());
        Arrival {
            caller: Arc::clone(&self.caller),
            client: Arc::clone(tasks.map_or(&self.core.client, |tasks| &tasks.client)),
            endpoint: self.core.endpoint.clone(),
            method: self.method,
            params,
            progress,
            log_level: self.core.log_level(),
            session: Some(Arc::clone(&self.core.identity)),
            param_headers: None,
            bytes_in: self.bytes_in,
        }
    }

    /// What a call ends with when its questions can't be answered: a tool's error that a model can read, else an error.
    fn stopped(&self, text: &str) -> Result<Rope, RpcError> {
        // Nothing ran, so that there is no task.
        if self.method != Method::ToolsCall || self.task.is_some() {
            return Err(RpcError::new(INTERNAL_ERROR, text));
        }
        let text = object::quote(text);
        let result = format!(r#"{{"content":[{{"type":"text","text":{text}}}],"isError":true}}"#);
        Ok(Bytes::from(result).into())
    }
}

impl<H, O> std::fmt::Debug for Walk<H, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("method", &self.method).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Passes a walk's parts on until it ends. `None` = it was cancelled: whatever it still ends with is not for the agent.
pub(super) async fn relay<R: Reply>(
    mut outgoing: Outgoing<R>,
    out: &impl Outlet,
    cancel: &Cancel,
) -> Option<Ending> {
    let overdue = async {
        cancel.fired().await;
        tokio::time::sleep(CANCEL_GRACE).await;
    };
    tokio::pin!(overdue);
    loop {
        let next = tokio::select! {
            biased;
            next = outgoing.next() => next,
            () = &mut overdue => return None,
        };
        match next {
            Next::Last(_) if cancel.is_fired() => return None,
            Next::Last(reply) => return Some(reply.into_ending()),
            Next::Part(_) if cancel.is_fired() => {}
            Next::Part(Part { kind: PartKind::Paused { retry_ms }, .. }) => out.pause(retry_ms),
            Next::Part(part) => {
                if let Some(notification) = notification(part) {
                    out.send(notification).await;
                }
            }
        }
    }
}

/// A part as a legacy agent gets it; `None` = these revisions have no such notification.
pub(super) fn notification(part: Part) -> Option<Rope> {
    match part.kind {
        PartKind::Progress
        | PartKind::Message
        | PartKind::ToolsChanged
        | PartKind::PromptsChanged
        | PartKind::ResourcesChanged
        | PartKind::ResourceUpdated => {
            let method = part.kind.method()?;
            Some(message::write_notification(method, edge::strip_subscription(part.params)))
        }
        PartKind::Acknowledged | PartKind::Task | PartKind::Paused { .. } => None,
    }
}

/// The rounds of one call so far.
#[derive(Debug)]
struct Asking {
    rounds: u32,
    pause: Duration,
    until: Instant,
    memory: ask::Memory,
}

impl Asking {
    fn new(core: &Core) -> Self {
        Self {
            rounds: 0,
            pause: PAUSE.0,
            until: Instant::now() + core.patience.wall,
            memory: ask::Memory::default(),
        }
    }

    /// Gets one `input_required` answered, and makes the params of the next round.
    async fn round(
        &mut self,
        core: &Arc<Core>,
        out: &impl Outlet,
        method: Method,
        params: &Object,
        answer: &Answer,
        cancel: &Cancel,
    ) -> Round {
        if !method.may_ask() {
            return Round::Stop("the server asked for input where it may not".to_owned());
        }
        if Instant::now() >= self.until {
            return Round::Stop("the server kept asking for input for too long".to_owned());
        }
        if self.rounds >= core.patience.rounds && answer.object.find("inputRequests").is_some() {
            return Round::Stop("the server asked too many rounds of questions".to_owned());
        }
        let collected = ask::collect(core, out, &answer.object, &mut self.memory, cancel).await;
        let (responses, asked) = match collected {
            ask::Collected::Answers { responses, asked } => (responses, asked),
            ask::Collected::Cancelled => return Round::Cancelled,
            ask::Collected::Stop(text) => return Round::Stop(text),
        };
        if asked {
            self.rounds += 1;
            self.pause = PAUSE.0;
        } else {
            let stopped = tokio::select! {
                () = tokio::time::sleep(self.pause) => false,
                () = cancel.fired() => true,
            };
            if stopped {
                return Round::Cancelled;
            }
            self.pause = (self.pause * 2).min(PAUSE.1);
        }
        ask::next_params(params, responses, &answer.object)
    }

    /// The call is complete: what was asked by url is, too.
    async fn completed(&mut self, out: &impl Outlet) {
        for id in self.memory.urls() {
            let params = format!(r#"{{"elicitationId":{id}}}"#);
            let note =
                message::write_notification("notifications/elicitation/complete", Bytes::from(params).into());
            out.send(note).await;
        }
    }
}
