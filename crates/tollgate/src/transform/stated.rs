//! The stated reason as an argument: taken out before anything else looks, and put where a host would say it.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::error::{INTERNAL_ERROR, RpcError};
use tollgate_mcp::object::{Object, quote, unquote};
use tollgate_policy::hidden::{Hidden, clean_text};

use crate::call::{Code, Refused};
use crate::catalog::{Item, REASON};
use crate::config::Stated;
use crate::resolve::{Call, Target};

/// The `_meta` key by which a host says it.
pub(super) const META: &str = "dev.tollgate/reason";

/// Takes the reason out of the arguments of a tool that is asked for one. What is said there counts before what `_meta` says.
pub(super) fn take(call: &mut Call) -> Result<(), RpcError> {
    let Target::Tool(_, item) = &call.target else { return Ok(()) };
    if item.stated.is_none() {
        return Ok(());
    }
    let params = &call.arrival.params;
    let Some((left, said)) = params.slice("arguments").and_then(|text| without_reason(item, text)) else {
        return Ok(());
    };
    let mut edit = params.edit();
    edit.set("arguments", left);
    if let Some(said) = said {
        let meta = params.object("_meta").unwrap_or_else(Object::empty);
        let mut meta = meta.edit();
        meta.set(META, Bytes::from(quote(&said)));
        edit.set("_meta", meta.finish());
    }
    let params = edit.object();
    call.arrival.params =
        params.map_err(|_| RpcError::new(INTERNAL_ERROR, "the request could not be prepared"))?;
    Ok(())
}

/// A tool's arguments without the reason, and the reason; `None` = there is none among them, or the tool is not asked for one. What is
/// no text, or blank, is as good as none.
pub fn without_reason(item: &Item, arguments: &[u8]) -> Option<(Bytes, Option<String>)> {
    item.stated?;
    let arguments = Object::scan(Bytes::copy_from_slice(arguments)).ok()?;
    let ours = |key: &str| {
        // Hidden characters are taken out later: a key must not become ours then.
        key == REASON || clean_text(key, Hidden::Strip).is_some_and(|key| key == REASON)
    };
    let mut kept = arguments.edit();
    let (mut found, mut said) = (false, None);
    for member in arguments.members() {
        let key = arguments.key(member);
        if !ours(&key) {
            continue;
        }
        found = true;
        let text = arguments.text().get(member.value.clone()).and_then(unquote);
        said = said.or(text.filter(|text| !text.trim().is_empty()).map(std::borrow::Cow::into_owned));
        kept.remove(key.into_owned());
    }
    found.then(|| (kept.finish().into_bytes(), said))
}

/// The refusal of a call that needs a reason and gives none.
pub fn unreasoned(item: &Item, reason: Option<&str>) -> Option<Refused> {
    let blank = reason.is_none_or(|reason| reason.trim().is_empty());
    (item.stated == Some(Stated::Required) && blank).then(|| {
        let because = format!("`{REASON}` must say, in one sentence, why this call is needed");
        Refused::new(Code::ArgumentsInvalid, Arc::clone(&item.label), because)
    })
}
