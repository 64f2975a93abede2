//! Answers, errors and content between eras: pure, tested as tables.

use bytes::Bytes;

use crate::error::RpcError;
use crate::method::Method;
use crate::object::Object;
use crate::revision::Revision;
use crate::rope::Rope;

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

/// Reads a server's result: `resultType` absent ⇒ complete; unknown ⇒ an error (-32603).
/// `task` is only valid where `tasks` says that we declared the extension.
pub fn read_answer(
    method: Method,
    result: Object,
    server: Revision,
    tasks: bool,
) -> Result<Answer, RpcError> {
    let _ = (method, result, server, tasks);
    todo!("read_answer")
}

/// The result's text for a modern agent: `resultType`, `ttlMs`/`cacheScope` where cacheable, `_meta` with our `serverInfo`
/// (`server_info` is a JSON object's text) and none of the server's own reserved keys; all other bytes as they were.
pub fn to_modern(answer: &Answer, server_info: &Bytes) -> Rope {
    let _ = (answer, server_info);
    todo!("to_modern")
}

/// The result's text for a legacy agent of `revision`: `resultType`, `ttlMs`, `cacheScope` and the reserved `_meta` keys stripped;
/// content downgraded as `protocol.md` §3.8 says, for the method it answers.
pub fn to_legacy(answer: &Answer, method: Method, revision: Revision) -> Rope {
    let _ = (answer, method, revision);
    todo!("to_legacy")
}

/// A server's error as an agent of `agent`'s revision gets it (`protocol.md` §3.3, errors): -32002 ↔ -32602, -32042 and reserved codes
/// never to modern agents. `data` is kept where the code is kept.
pub fn error(error: RpcError, method: Method, server: Revision, agent: Revision) -> RpcError {
    let _ = (error, method, server, agent);
    todo!("translate::error")
}

/// `initialize`'s result from `server/discover`'s: same capabilities (without `extensions`), `serverInfo`, `instructions`.
pub fn initialize_result(discover: &Object, revision: Revision, server_info: &Bytes) -> Rope {
    let _ = (discover, revision, server_info);
    todo!("initialize_result")
}

/// Whether a tool call's result says `isError: true`.
pub fn is_tool_error(result: &Object) -> bool {
    result.slice("isError") == Some(b"true".as_slice())
}

/// Rewrites every URI of a result that names a resource on `server` (`contents[].uri`, `resource_link`, embedded resources in
/// `content[]`, prompts' `messages[].content`) with `expose`. `None` = nothing to rewrite: the bytes stay as they are.
pub fn rewrite_uris(method: Method, result: &Object, expose: &dyn Fn(&str) -> String) -> Option<Rope> {
    let _ = (method, result, expose);
    todo!("rewrite_uris")
}

/// One entry of a server's list, for an agent of `revision`: `execution` goes for modern ones; reserved `_meta` keys go.
pub fn list_item(item: &Bytes, method: Method, revision: Revision) -> Rope {
    let _ = (item, method, revision);
    todo!("list_item")
}

/// A server's question (`elicitation/create`, `sampling/createMessage`, `roots/list` params) as the canonical `inputRequests` entry holds it,
/// or as an agent of a legacy `revision` gets it (titled enums ⇒ `enumNames` before 2025-11-25, `mode` dropped, defaults dropped).
pub fn question(method: &str, params: &Object, to: Revision) -> Rope {
    let _ = (method, params, to);
    todo!("question")
}
