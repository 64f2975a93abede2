//! What a call carries, for the rules that read it. The one place that says where each part comes from.
//! *Never* gathers what no rule for the tool reads.

use tollgate_policy::{Evidence, Needs, Session};

use crate::conversation::{Facts, Here};
use crate::resolve::Target;
use crate::transform::Prepared;

/// The evidence of a call, as far as it is needed. The arguments are those that will leave.
pub(super) fn evidence<'a>(
    prepared: &'a Prepared,
    touched: &'a Facts,
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
        session: Session {
            labels: touched.labels.as_slice(),
            calls: touched.calls,
            counters: touched.counters.as_slice(),
        },
        task: touched.task.as_deref(),
        client: call.arrival.client.label.as_deref(),
        now_ms,
        ..Evidence::default()
    }
}

/// What the conversation has touched, where rules read it.
pub(super) fn touched(prepared: &Prepared, needs: Needs) -> Facts {
    let read = needs.has(Needs::SESSION) || needs.has(Needs::TASK);
    prepared.call.here.as_ref().filter(|_| read).map(Here::facts).unwrap_or_default()
}
