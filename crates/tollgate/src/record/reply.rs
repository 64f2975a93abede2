//! The last part of an answer. This module is small because privacy is per module: only closing an entry, and the list of
//! methods that leave none, make a [`Reply`].

use tollgate_mcp::method::Method;

use crate::call::{self, Ending};

/// The last part of an answer: its entry is closed, or it is one of the few that leave none.
///
/// It can be taken apart, as the edges must:
///
/// ```
/// fn edge(reply: tollgate::record::Reply) -> tollgate::call::Ending {
///     tollgate::call::Reply::into_ending(reply)
/// }
/// ```
///
/// but not made:
///
/// ```compile_fail,E0451
/// fn forge(ending: tollgate::call::Ending) -> tollgate::record::Reply {
///     tollgate::record::Reply { ending }
/// }
/// ```
///
/// ```compile_fail,E0624
/// fn forge(ending: tollgate::call::Ending) -> tollgate::record::Reply {
///     tollgate::record::Reply::new(ending)
/// }
/// ```
#[derive(Debug)]
pub struct Reply {
    ending: Ending,
}

impl Reply {
    pub(in crate::record) fn new(ending: Ending) -> Self {
        Self { ending }
    }
}

impl call::Reply for Reply {
    fn into_ending(self) -> Ending {
        self.ending
    }
}

/// The method's requests leave an entry; the ending is handed back unsent.
#[derive(Debug, thiserror::Error)]
#[error("`{}` must be recorded", method.as_str())]
pub struct MustBeRecorded {
    /// The method.
    pub method: Method,
    /// What was to be answered.
    pub ending: Box<Ending>,
}

/// Answers a request that is counted but not recorded ("What is a call?": `server/discover`, `ping`, a task's polls, …).
pub fn unrecorded(method: Method, ending: Ending) -> Result<Reply, MustBeRecorded> {
    match method {
        Method::Discover | Method::Initialize | Method::Ping | Method::SetLevel | Method::TasksGet => {
            Ok(Reply::new(ending))
        }
        Method::ToolsList
        | Method::ToolsCall
        | Method::PromptsList
        | Method::PromptsGet
        | Method::ResourcesList
        | Method::ResourcesTemplatesList
        | Method::ResourcesRead
        | Method::Complete
        | Method::Listen
        | Method::TasksUpdate
        | Method::TasksCancel
        | Method::Subscribe
        | Method::Unsubscribe
        | Method::TasksResult
        | Method::TasksList => Err(MustBeRecorded { method, ending: Box::new(ending) }),
    }
}
