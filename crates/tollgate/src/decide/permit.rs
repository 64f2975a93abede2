//! The proof that a call was decided.

use crate::resolve::Approved;
use crate::transform::Prepared;

/// A call that may leave, with the very bytes that will. Only `decide` makes one, and `forward` takes nothing else.
///
/// ```compile_fail,E0451
/// fn forge(prepared: Box<tollgate::transform::Prepared>) -> tollgate::decide::Permit {
///     tollgate::decide::Permit { prepared, approved: None }
/// }
/// ```
///
/// ```compile_fail,E0624
/// fn forge(prepared: Box<tollgate::transform::Prepared>) -> tollgate::decide::Permit {
///     tollgate::decide::Permit::make(prepared, None)
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    prepared: Box<Prepared>,
    approved: Option<Approved>,
}

impl Permit {
    pub(super) fn make(prepared: Box<Prepared>, approved: Option<Approved>) -> Self {
        Self { prepared, approved }
    }

    /// The call, for the ledger.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The approval it goes out under.
    pub fn approved(&self) -> Option<&Approved> {
        self.approved.as_ref()
    }

    /// Gives the call up to be sent.
    pub fn into_parts(self) -> (Box<Prepared>, Option<Approved>) {
        (self.prepared, self.approved)
    }
}
