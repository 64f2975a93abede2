//! `input_required`: what a server or the gateway asks before it answers (basic/patterns/mrtr).

use super::{Answer, ResultType};
use crate::object::{Broken, Object};
use crate::rope::Weaver;

/// One entry of `inputRequests`.
#[derive(Clone, Debug)]
pub struct InputRequest {
    /// Its key, echoed in `inputResponses`.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its params; `{}` where absent.
    pub params: Object,
}

/// The `inputRequests` of a result, in order; empty where there are none.
///
/// # Errors
/// They, or one of them, are not what the schema says.
pub fn input_requests(result: &Object) -> Result<Vec<InputRequest>, Broken> {
    let Some(requests) = result.get("inputRequests") else {
        return Ok(Vec::new());
    };
    let requests = Object::scan(requests)?;
    let read = |member| {
        let request = Object::scan(requests.value(member))?;
        let method = request.string("method").ok_or(Broken { at: member.value.start })?.into_owned();
        let params = request.get("params").map_or_else(|| Ok(Object::empty()), Object::scan)?;
        Ok(InputRequest { key: requests.key(member).into_owned(), method, params })
    };
    requests.members().iter().map(read).collect()
}

/// The answer that asks: `requests` by key, and the state to be echoed byte for byte.
pub fn input_required(requests: &[InputRequest], state: Option<&str>) -> Answer {
    let mut out = Weaver::new();
    out.text("{\"resultType\":\"input_required\"");
    for (place, request) in requests.iter().enumerate() {
        out.text(if place == 0 { ",\"inputRequests\":{" } else { "," });
        out.quoted(&request.key).text(":{\"method\":").quoted(&request.method);
        // Only `roots/list` may go without params.
        if !request.params.members().is_empty() {
            out.text(",\"params\":").bytes(request.params.text().clone());
        }
        out.text("}");
    }
    if !requests.is_empty() {
        out.text("}");
    }
    if let Some(state) = state {
        out.text(",\"requestState\":").quoted(state);
    }
    out.text("}");
    Answer {
        object: Object::scan(out.finish().into_bytes()).unwrap_or_else(|_| Object::empty()),
        kind: ResultType::InputRequired,
        cache: None,
    }
}
