//! Answers, errors, questions and content between eras: pure, tested as tables. *Never* changes a byte that no rule of `protocol.md` §3
//! speaks of.

use crate::object::Object;

mod answer;
pub use answer::{is_tool_error, read_answer, to_legacy, to_modern, tool_error};

mod content;

mod error;
pub use error::error;

mod input;
pub use input::{InputRequest, input_requests, input_required};

mod introduce;
pub use introduce::{discover_result, initialize_result, offers_tasks};

mod list;
pub use list::list_item;

mod meta;
pub use meta::stamp_subscription;

mod question;
pub use question::{answer_to_server, askable, question};

mod task;
pub use task::{TaskSupport, related_to_task, task_made, task_to_legacy, task_to_modern, unrelated_to_task};

mod uris;
pub use uris::{error_uri, list_item_uris, rewrite_uris};

#[cfg(test)]
mod tests;

/// What kind of result it is (`resultType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// The final answer.
    Complete,
    /// The server asks something first.
    InputRequired,
    /// The Tasks extension made a task.
    Task,
}

impl ResultType {
    /// The name on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::InputRequired => "input_required",
            Self::Task => "task",
        }
    }
}

/// How long and for whom a result may be cached (`ttlMs`, `cacheScope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHint {
    /// Milliseconds.
    pub ttl_ms: u64,
    /// `public` rather than `private`.
    pub public: bool,
}

/// A result on its way to an agent: the server's object, with the hop-owned stamps beside it instead of in it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The result as the server sent it (edited by us only where names, URIs or state are ours).
    pub object: Object,
    /// Its kind.
    pub kind: ResultType,
    /// Its cache hint: `Some` for cacheable methods.
    pub cache: Option<CacheHint>,
}
