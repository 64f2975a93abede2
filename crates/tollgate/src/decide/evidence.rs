//! What a call carries, for the rules that read it. The one place that says where each part comes from.
//! *Never* gathers what no rule for the tool reads.

use std::sync::Arc;

use tollgate_policy::{Evidence, Needs, Session};

use crate::call::Arrival;
use crate::conversation::{Facts, Here};
use crate::resolve::Target;
use crate::transform::Prepared;

/// The evidence of a call, as far as it is needed. The arguments are those that will leave.
pub(super) fn evidence<'a>(
    prepared: &'a Prepared,
    touched: &'a Facts,
    findings: &'a [Arc<str>],
    needs: Needs,
    now_ms: u64,
) -> Evidence<'a> {
    let call = &prepared.call;
    let carries = match &call.target {
        Target::Tool(..) | Target::Prompt(..) => needs.has(Needs::ARGUMENTS),
        Target::Resource { .. } | Target::Completion { .. } | Target::Task { .. } => false,
    };
    Evidence {
        arguments: if carries { prepared.outbound.slice("arguments") } else { None },
        reason: prepared.reason.as_deref(),
        session: session(touched),
        findings,
        task: touched.task.as_deref(),
        client: call.arrival.client.label.as_deref(),
        now_ms,
    }
}

/// The evidence of a server's question: that of the call it is asked in. What left of it is gone; its arguments still stand where they were
/// cleaned.
pub(super) fn asked<'a>(prepared: &'a Prepared, of_the_call: Evidence<'a>) -> Evidence<'a> {
    let call = &prepared.call;
    let arguments = match &call.target {
        Target::Tool(..) | Target::Prompt(..) => call.arrival.params.slice("arguments"),
        Target::Resource { .. } | Target::Completion { .. } | Target::Task { .. } => None,
    };
    Evidence { arguments, ..of_the_call }
}

/// The evidence of a subscription: it is no call, and carries nothing.
pub(super) fn heard<'a>(arrival: &'a Arrival, touched: &'a Facts, now_ms: u64) -> Evidence<'a> {
    Evidence {
        session: session(touched),
        task: touched.task.as_deref(),
        client: arrival.client.label.as_deref(),
        now_ms,
        ..Evidence::default()
    }
}

fn session(touched: &Facts) -> Session<'_> {
    Session { labels: touched.labels.as_slice(), calls: touched.calls, counters: touched.counters.as_slice() }
}

/// What the conversation has touched, where rules read it.
pub(super) fn touched(prepared: &Prepared, needs: Needs) -> Facts {
    known(prepared.call.here.as_ref(), needs)
}

/// The same of a conversation.
pub(super) fn known(here: Option<&Here>, needs: Needs) -> Facts {
    let read = needs.has(Needs::SESSION) || needs.has(Needs::TASK);
    here.filter(|_| read).map(Here::facts).unwrap_or_default()
}

/// The kinds of what detectors find in the arguments, where rules read them; `None` = they cannot be looked into.
pub(super) fn findings(prepared: &Prepared, needs: Needs) -> Option<Arc<[Arc<str>]>> {
    if needs.has(Needs::FINDINGS) { prepared.findings() } else { Some(Arc::default()) }
}
