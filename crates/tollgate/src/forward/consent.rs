//! A server of 2025-11-25 that wants its user to open a page first (-32042), for an agent that is asked by `input_required`.

use bytes::Bytes;
use tollgate_mcp::error::{RpcError, URL_ELICITATION_REQUIRED};
use tollgate_mcp::object::{Object, elements, quote};
use tollgate_mcp::revision::{Era, Revision};
use tollgate_mcp::translate::{Answer, InputRequest, input_required};

use super::Landed;
use crate::call::{Code, Refused};
use crate::resolve::Waiting;
use crate::transform::Prepared;

/// How many pages one call may ask for.
const PAGES_MAX: usize = 8;

/// The question that `error` asks, if it is one that this agent can be asked in its revision's way.
pub fn consent(error: &RpcError, landed: &Landed) -> Option<Answer> {
    let arrival = &landed.call.call.arrival;
    let asks = error.code == URL_ELICITATION_REQUIRED && landed.revision == Revision::V2025_11_25;
    let able = arrival.client.revision.era() == Era::Modern && arrival.client.capabilities.url;
    if !asks || !able || !arrival.method.may_ask() {
        return None;
    }
    let pages = elements(&Object::scan(error.data.clone()?).ok()?.get("elicitations")?).ok()?;
    let requests: Option<Vec<InputRequest>> =
        pages.iter().take(PAGES_MAX).enumerate().map(|(n, page)| request(n, page)).collect();
    requests.filter(|requests| !requests.is_empty()).map(|requests| input_required(&requests, None))
}

fn request(n: usize, page: &Bytes) -> Option<InputRequest> {
    let page = Object::scan(page.clone()).ok()?;
    let (url, message) = (page.string("url")?, page.string("message").unwrap_or_default());
    let params = format!(r#"{{"mode":"url","message":{},"url":{}}}"#, quote(&message), quote(&url));
    let params = Object::scan(Bytes::from(params)).ok()?;
    Some(InputRequest { key: format!("url{n}"), method: "elicitation/create".to_owned(), params })
}

/// A user who did not open the page is not asked again by calling the server again.
pub(super) fn declined(prepared: &Prepared) -> Option<Refused> {
    let Some(Waiting::Consent) = prepared.call.state.as_ref().map(|state| &state.waiting) else {
        return None;
    };
    let responses = prepared.responses.as_ref();
    let accepted = responses.is_some_and(|responses| {
        let all = responses.members();
        !all.is_empty()
            && all.iter().all(|member| {
                let answer = Object::scan(responses.value(member)).ok();
                answer.is_some_and(|answer| answer.string("action").as_deref() == Some("accept"))
            })
    });
    let what = std::sync::Arc::clone(prepared.call.target.label());
    (!accepted)
        .then(|| Refused::new(Code::ApprovalDeclined, what, "its server needs a page to be opened first"))
}
