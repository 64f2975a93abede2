//! What a call carries, for the rules that read it. The one place that says where each part comes from.
//! *Never* gathers what no rule for the tool reads.

use tollgate_policy::{Evidence, Needs};

use crate::resolve::Target;
use crate::transform::Prepared;

/// The evidence of a call, as far as it is needed. The arguments are those that will leave.
pub(super) fn evidence(prepared: &Prepared, needs: Needs, now_ms: u64) -> Evidence<'_> {
    let call = &prepared.call;
    let carries = match &call.target {
        Target::Tool(..) | Target::Prompt(..) => needs.has(Needs::ARGUMENTS),
        Target::Resource { .. } | Target::Completion { .. } | Target::Task { .. } => false,
    };
    Evidence {
        arguments: if carries { prepared.outbound.slice("arguments") } else { None },
        reason: prepared.reason.as_deref(),
        client: call.arrival.client.label.as_deref(),
        now_ms,
        ..Evidence::default()
    }
}
