//! Tasks: what a look at one brings, and those of 2025-11-25 servers, which speak of them in another way.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tollgate_mcp::method::Method;
use tollgate_mcp::translate::{self, Answer, InputRequest};

use crate::call::{Cancel, Code, Ending, Refused};
use crate::decide::Permit;
use crate::forward::{Landed, Told};
use crate::record::{Close, Entry, Outcome, Reply};
use crate::resolve::Call;
use crate::servers::Question;
use crate::transform::{self, Prepared};

use super::{Gate, give_up, refuse};

/// What of tasks was seen and recorded: their ends, and what they asked. The latest ones.
#[derive(Debug, Default)]
pub struct TasksSeen(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    all: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl TasksSeen {
    const KEPT: usize = 10_000;

    fn first(&self, what: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.all.contains(what) {
            return false;
        }
        if seen.order.len() >= Self::KEPT
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.all.remove(&oldest);
        }
        let what: Arc<str> = Arc::from(what);
        seen.all.insert(Arc::clone(&what));
        seen.order.push_back(what);
        true
    }
}

impl Gate {
    /// A request about a task of a 2025-11-25 server; given back if its server knows the Tasks extension itself.
    pub(super) async fn translated_task(
        &self,
        mut entry: Entry,
        permit: Permit,
        method: Method,
        cancel: &Cancel,
    ) -> Result<Reply, Box<(Entry, Permit)>> {
        let found = tokio::select! {
            biased;
            found = self.forwarder.translated(&permit.prepared().call.target) => found,
            () = cancel.fired() => return Ok(give_up(entry).await),
        };
        let Some((server, revision)) = found else { return Err(Box::new((entry, permit))) };
        entry.facts_mut().server_revision = Some(revision);
        let sent_at = self.clock.instant();
        let told = tokio::select! {
            biased;
            told = self.forwarder.task(&server, revision, permit) => told,
            () = cancel.fired() => return Ok(give_up(entry).await),
        };
        let elapsed = self.clock.instant().duration_since(sent_at).as_millis();
        entry.facts_mut().server_ms = u64::try_from(elapsed).ok();
        Ok(match told {
            Ok((landed, Told::Answer(answer))) => self.answer(entry, landed, method, answer).await,
            Ok((landed, Told::Asks(task, questions))) => {
                let put = self.may_be_put(&entry, &landed, questions).await;
                let answer = self.forwarder.asking(&task, &put);
                self.answer(entry, landed, method, answer).await
            }
            Ok((landed, Told::Error(error))) => self.failed(entry, &landed, method, error).await,
            Err(refused) => refuse(entry, Outcome::Failed, &refused, method).await,
        })
    }

    /// Which questions of a task may be put; the others are taken back at its server.
    async fn may_be_put(&self, entry: &Entry, landed: &Landed, questions: Vec<Question>) -> Vec<Question> {
        let (mut put, mut withdrawn) = (Vec::new(), Vec::new());
        for question in questions {
            if self.is_allowed(&landed.call, &question.method) {
                put.push(question);
            } else {
                self.question_seen(entry, &landed.call, &question.key, &question.method, false).await;
                withdrawn.push(question.key);
            }
        }
        if !withdrawn.is_empty() {
            self.forwarder.withdraw(&landed.call, &withdrawn).await;
        }
        put
    }

    fn is_allowed(&self, call: &Prepared, method: &str) -> bool {
        self.decider.may_ask(call, method, self.clock.now_ms())
    }

    /// A question of a task has its entry when it is first seen.
    async fn question_seen(&self, entry: &Entry, call: &Prepared, key: &str, method: &str, allowed: bool) {
        if self.tasks_seen.first(&format!("{}\n{key}", name(&call.call))) {
            self.record_question(entry, method, allowed).await;
        }
    }

    /// What a look at a task brought, cleaned. Only the first one that shows its end leaves an entry.
    pub(super) async fn looked(&self, mut entry: Entry, landed: &Landed, answer: Answer) -> Reply {
        let call = &landed.call.call;
        let answer = match self.questions_put(&entry, landed, answer).await {
            Ok(answer) => answer,
            Err(refused) => return refuse(entry, Outcome::Withheld, &refused, Method::TasksGet).await,
        };
        let handle = call.arrival.params.string("taskId").unwrap_or_default();
        let endpoint = &call.arrival.endpoint;
        let answer = transform::results(Method::TasksGet, &landed.server, endpoint, answer, &|_| {
            handle.clone().into_owned()
        });
        let task = &answer.object;
        let close = match task.string("status").as_deref() {
            Some("completed") if task.object("result").is_some_and(|r| translate::is_tool_error(&r)) => {
                Close::with(Outcome::ToolError, "tool_error", "the tool reports an error")
            }
            Some("completed") => Close::of(Outcome::Ok),
            Some("failed") => {
                let error = task.object("error");
                let code = error.as_ref().and_then(|error| error.get("code")).unwrap_or_default();
                let message = error.as_ref().and_then(|e| Some(e.string("message")?.into_owned()));
                let code = String::from_utf8_lossy(&code).into_owned();
                Close::with(Outcome::Failed, code, message.unwrap_or_default())
            }
            Some("cancelled") => Close::of(Outcome::Cancelled),
            Some(_) | None => return self.poll(entry, landed, answer).await,
        };
        if !self.tasks_seen.first(&name(call)) {
            return self.poll(entry, landed, answer).await;
        }
        entry.facts_mut().bytes_out = u64::try_from(answer.object.text().len()).ok();
        entry.close(close, Ending::Answer(answer)).await
    }

    /// A task that goes on, or whose end is recorded.
    async fn poll(&self, entry: Entry, landed: &Landed, answer: Answer) -> Reply {
        match entry.unrecorded(Ending::Answer(answer)) {
            Ok(reply) => reply,
            Err(error) => {
                self.begin(&landed.call.call.arrival).close(Close::of(Outcome::Ok), *error.ending).await
            }
        }
    }

    /// A task that waits for input: each question is decided, and named after its server. One that may not be put stops the task here:
    /// the extension has no way to say no to a single one.
    async fn questions_put(
        &self,
        entry: &Entry,
        landed: &Landed,
        answer: Answer,
    ) -> Result<Answer, Box<Refused>> {
        if answer.object.find("inputRequests").is_none() {
            return Ok(answer);
        }
        let what = || Arc::clone(landed.call.call.target.label());
        let refused = |because: &str| Box::new(Refused::new(Code::RuleDenied, what(), because));
        let requests: Vec<InputRequest> = translate::input_requests(&answer.object)
            .map_err(|_| refused("its server's questions cannot be read"))?;
        for request in &requests {
            let allowed = self.is_allowed(&landed.call, &request.method)
                && landed.call.call.arrival.client.capabilities.allows(&request.method, &request.params);
            self.question_seen(entry, &landed.call, &request.key, &request.method, allowed).await;
            if !allowed {
                return Err(refused("its server may not ask this agent"));
            }
        }
        Ok(self.forwarder.named_questions(&landed.call, answer, &requests))
    }
}

/// Names a task in what was seen: two principals' processes may give two tasks the same id, and so may two tools. Written so that no id
/// can pass for another one.
fn name(call: &Call) -> String {
    format!("{:?}", (&call.arrival.caller.principal, call.target.label(), call.target.original()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Endpoint;
    use crate::resolve::Target;
    use crate::testing::{arrival, caller, snapshot, two_servers};

    fn look(principal: &str, label: &str, id: &str) -> Call {
        let mut arrival = arrival(Method::TasksGet, Endpoint::Whole, "{}");
        arrival.caller = caller(principal);
        Call {
            arrival,
            target: Target::Task { server: Arc::from("files"), id: Arc::from(id), label: Arc::from(label) },
            state: None,
            interaction: uuid::Uuid::nil(),
            round: 1,
            snapshot: snapshot(&two_servers(), &[]),
            here: None,
        }
    }

    #[test]
    fn a_task_is_seen_for_the_first_time_by_each_principal_that_has_one_of_its_id() {
        let seen = TasksSeen::default();
        assert!(seen.first(&name(&look("ana", "files/read", "1"))));
        assert!(!seen.first(&name(&look("ana", "files/read", "1"))), "it was seen");
        assert!(seen.first(&name(&look("ben", "files/read", "1"))));
        assert!(seen.first(&name(&look("ana", "files/copy", "1"))));
        assert!(seen.first(&name(&look("ana", "files/read", "1\", \"2"))));
    }
}
