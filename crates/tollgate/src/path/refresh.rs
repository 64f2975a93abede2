//! A call whose server says that its headers do not fit its arguments (-32020): its tools are listed anew, and it is judged anew.

use tollgate_mcp::revision::Era;

use crate::decide::{Permit, Verdict};
use crate::forward::Landed;
use crate::{resolve, transform};

use super::Gate;

impl Gate {
    /// The permit for the same call with what its server lists now; `None` if that can't help, or is no longer allowed as it is.
    pub(super) async fn refreshed(&self, landed: &Landed) -> Option<Permit> {
        let call = &landed.call.call;
        if landed.revision.era() == Era::Legacy || !matches!(call.target, resolve::Target::Tool(..)) {
            return None;
        }
        let arrival = call.arrival.clone();
        self.catalog.refresh(&landed.server, &arrival.client).await;
        let only = arrival.endpoint.server();
        let snapshot = self.catalog.snapshot(&arrival.client, &arrival.caller.principal, only).await;
        let (config, now) = (self.config.load_full(), self.clock.now_ms());
        let call = resolve::call(&self.sealer, now, &config, snapshot, arrival, call.interaction).ok()?;
        match self.decider.verdict(transform::arguments(call).ok()?) {
            Verdict::Allow(permit, _) => Some(permit),
            // What was approved was approved as it was.
            Verdict::Ask(..) | Verdict::Deny(..) => None,
        }
    }
}
