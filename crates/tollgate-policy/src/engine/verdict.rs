//! What policy says of a call. *Never* carries text that a server or an agent wrote.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::source::{Audience, Demand};

/// The ids of the rules that determined a verdict, in the order of the source, each once. `default` stands for the default.
pub type Rules = SmallVec<[Arc<str>; 2]>;

/// What policy says of a call, and what it would have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What counts.
    pub verdict: Verdict,
    /// The rules marked `shadow` that apply to the call, or could not be evaluated: told, not enforced.
    pub shadow: Rules,
}

/// What policy says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Allow {
        /// The rules that permit it, and the asks that approvals lifted.
        rules: Rules,
    },
    /// It may pass once everyone in `demands` approved. Decide again with those approvals.
    Ask {
        /// Who is to be asked first.
        audience: Audience,
        /// Everyone who is to be asked, `audience` first, each audience once, with the largest count that a rule demands.
        demands: SmallVec<[Demand; 1]>,
        /// The first rule that asks that audience.
        rule: Arc<str>,
        /// Its reason.
        because: Option<Arc<str>>,
        /// Every rule that asks somebody who has not approved.
        rules: Rules,
    },
    /// It may not pass, whoever approves.
    Deny {
        /// The first rule that denies; `default` if no rule permits the call.
        rule: Arc<str>,
        /// Its reason.
        because: Option<Arc<str>>,
        /// Every rule that denies.
        rules: Rules,
        /// The rules could not be evaluated (code `policy.error`); [`crate::Policy::explain`] tells why.
        error: bool,
    },
    /// It may not pass: rules read its arguments, and those are not what the tool's schema wants (code `arguments.invalid`).
    Invalid {
        /// What is wrong with them, in words for a model.
        because: Arc<str>,
    },
}
