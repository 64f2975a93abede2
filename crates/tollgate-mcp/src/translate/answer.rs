//! Results: read from a server, written for an agent.

use bytes::Bytes;

use super::{Answer, CacheHint, ResultType, content, meta};
use crate::error::{INTERNAL_ERROR, RpcError};
use crate::method::Method;
use crate::object::{Object, quote};
use crate::revision::{Era, Revision};
use crate::rope::{Rope, Weaver};

const RESULT_TYPE: &str = "resultType";
const TTL: &str = "ttlMs";
const SCOPE: &str = "cacheScope";

/// Reads a server's result: `resultType` absent ⇒ complete; unknown ⇒ an error (-32603).
/// `task` is only valid where `tasks` says that we declared the extension. A legacy server's result is always complete.
pub fn read_answer(
    method: Method,
    result: Object,
    server: Revision,
    tasks: bool,
) -> Result<Answer, RpcError> {
    let kind = match server.era() {
        Era::Legacy => ResultType::Complete,
        Era::Modern => kind(method, &result, tasks)
            .ok_or_else(|| RpcError::new(INTERNAL_ERROR, "the server sent a result of an unexpected type"))?,
    };
    let cacheable = kind == ResultType::Complete && is_cacheable(method);
    let cache = cacheable.then(|| CacheHint {
        ttl_ms: result
            .slice(TTL)
            .and_then(|ttl| std::str::from_utf8(ttl).ok()?.parse().ok())
            .filter(|_| server.era() == Era::Modern)
            .unwrap_or(0),
        public: server.era() == Era::Modern && result.string(SCOPE).as_deref() == Some("public"),
    });
    Ok(Answer { object: result, kind, cache })
}

/// The result's text for a modern agent: `resultType`, `ttlMs`/`cacheScope` where cacheable, `_meta` with our `serverInfo`
/// (`server_info` is a JSON object's text) and none of the server's own hop-owned keys, all of them put first; all other members as they were. A subscription's
/// id goes on afterwards: [`super::stamp_subscription`].
pub fn to_modern(answer: &Answer, server_info: &Bytes) -> Rope {
    let Answer { object, kind, cache } = answer;
    let mut out = Weaver::with_room(object.text().len().min(512) + server_info.len().min(512) + 192);
    out.text("{\"resultType\":\"").text(kind.as_str());
    let stamped: &[&str] = match (kind, cache) {
        (ResultType::Complete, Some(hint)) => {
            out.text("\",\"ttlMs\":").text(hint.ttl_ms.to_string());
            out.text(",\"cacheScope\":\"").text(if hint.public { "public" } else { "private" });
            &[RESULT_TYPE, meta::KEY, TTL, SCOPE]
        }
        // Only what is complete may be cached.
        (ResultType::InputRequired, _) => &[RESULT_TYPE, meta::KEY, TTL, SCOPE],
        // A task's `ttlMs` is its own.
        (ResultType::Complete | ResultType::Task, _) => &[RESULT_TYPE, meta::KEY],
    };
    out.text("\",\"_meta\":");
    meta::of_result(&mut out, object, server_info);
    meta::append_others(&mut out, object, stamped);
    out.text("}");
    out.finish()
}

/// The result's text for a legacy agent of `revision`: `resultType`, `ttlMs`, `cacheScope` and the hop-owned `_meta` keys stripped;
/// content downgraded as `protocol.md` §3.8 says, for the method it answers. Only complete answers have a legacy form.
pub fn to_legacy(answer: &Answer, method: Method, revision: Revision) -> Rope {
    let object = &answer.object;
    let mut edit = object.edit();
    edit.remove(RESULT_TYPE).remove(TTL).remove(SCOPE);
    meta::strip(object, meta::HOP_OWNED, &mut edit);
    content::downgrade(object, method, revision, &mut edit);
    edit.finish()
}

/// Whether a tool call's result says `isError: true`.
pub fn is_tool_error(result: &Object) -> bool {
    result.slice("isError") == Some(b"true".as_slice())
}

/// A tool call's answer that says what went wrong, in words for a model: one text block and `isError: true`. `meta` is the text of its
/// `_meta` object.
pub fn tool_error(text: &str, meta: Option<&str>) -> Answer {
    let meta = meta.map(|meta| format!(",\"_meta\":{meta}")).unwrap_or_default();
    let text =
        format!("{{\"content\":[{{\"type\":\"text\",\"text\":{}}}],\"isError\":true{meta}}}", quote(text));
    Answer {
        object: Object::scan(text.into()).unwrap_or_else(|_| Object::empty()),
        kind: ResultType::Complete,
        cache: None,
    }
}

fn kind(method: Method, result: &Object, tasks: bool) -> Option<ResultType> {
    if result.find(RESULT_TYPE).is_none() {
        return Some(ResultType::Complete);
    }
    match result.string(RESULT_TYPE)?.as_ref() {
        "complete" => Some(ResultType::Complete),
        "input_required" => {
            let asks = result.object("inputRequests").is_some() || result.string("requestState").is_some();
            (method.may_ask() && asks).then_some(ResultType::InputRequired)
        }
        "task" => (tasks && method == Method::ToolsCall).then_some(ResultType::Task),
        _ => None,
    }
}

/// server/utilities/caching of 2026-07-28.
fn is_cacheable(method: Method) -> bool {
    matches!(
        method,
        Method::Discover
            | Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::ResourcesRead
    )
}
