//! Cleans what travels: hidden characters out, tokens back into values, redactions. In this order: strip, restore, redact; then the
//! digest is taken. *Never* touches a byte where no rule speaks of the call and nothing hides.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::object::Object;
use tollgate_policy::detect::{Kind, Kinds};
use tollgate_policy::hidden::Hidden;
use tollgate_policy::redact::{Job, Plan, Shape, Side, StandIn, Taken, Unclean};

use crate::call::{Caller, Code, Refused};
use crate::config::{Config, Payloads};
use crate::resolve::Target;
use crate::seal::Sealer;

mod answer;
mod arguments;
mod stream;
mod tokens;

pub use stream::Stream;

#[cfg(test)]
mod tests;

/// What cleaning a call's arguments came to.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    /// The arguments as they may be shown: cleaned, with tokens instead of values. `None` = as they leave.
    pub shown: Option<Bytes>,
    /// The arguments as sent. `None` = as they leave.
    pub sent: Option<Bytes>,
    /// What was taken out.
    pub taken: Vec<Taken>,
    /// The kinds of what detectors found, where a rule looks.
    pub findings: Arc<[Arc<str>]>,
}

/// Cleans one call's messages.
#[derive(Debug)]
pub struct Cleaner<'a> {
    plan: Option<Arc<Plan>>,
    hidden: Hidden,
    maker: Maker<'a>,
    label: &'a Arc<str>,
}

/// Makes hashes and tokens for one caller.
#[derive(Debug)]
struct Maker<'a> {
    sealer: &'a Sealer,
    principal: &'a str,
    now_ms: u64,
}

impl<'a> Cleaner<'a> {
    /// For a call of `target` by `caller`.
    pub fn new(
        config: &Config,
        sealer: &'a Sealer,
        now_ms: u64,
        caller: &'a Caller,
        target: &'a Target,
    ) -> Self {
        let redactor = &config.redact;
        let plan = if redactor.is_empty() { None } else { redactor.plan(target.label()) };
        let maker = Maker { sealer, principal: &caller.principal, now_ms };
        Self { plan, hidden: config.hidden, maker, label: target.label() }
    }

    fn side(&self, arguments: bool) -> Option<&Side> {
        let plan = self.plan.as_ref()?;
        if arguments { plan.arguments.as_ref() } else { plan.results.as_ref() }
    }

    fn job<'j>(&'j self, side: &'j Side, schema: Option<&'j serde_json::Value>, shape: Shape) -> Job<'j> {
        Job { side, make: &self.maker, schema, shape }
    }

    fn withheld(&self, why: &Unclean) -> Refused {
        Refused::new(Code::ResultWithheld, Arc::clone(self.label), why.to_string())
    }

    fn invalid(&self, why: impl std::fmt::Display) -> Refused {
        Refused::new(Code::ArgumentsInvalid, Arc::clone(self.label), why.to_string())
    }
}

/// The arguments as the ledger may keep them. Beside what rules say, it never keeps a secret unless it is told to keep all as sent.
pub fn for_ledger(payloads: Payloads, cleaned: &Cleaned, leaving: Option<Bytes>) -> Option<Bytes> {
    match payloads {
        Payloads::None | Payloads::Digest => cleaned.shown.clone().or(leaving),
        Payloads::Full => cleaned.sent.clone().or(leaving),
        Payloads::Redacted => {
            let shown = cleaned.shown.clone().or(leaving)?;
            let side = Side::masking(Kinds::default().with(Kind::Secret));
            let job = Job { side: &side, make: &Masks, schema: None, shape: Shape::Data };
            match job.run(&shown) {
                Ok(done) => Some(done.text.map_or(shown, Bytes::from)),
                // What cannot be looked into is not kept; its digest is.
                Err(_) => None,
            }
        }
    }
}

/// The kinds of what any built-in detector finds in `arguments`, and of what was found before it was taken out. `None` = they cannot be
/// looked into.
pub fn findings(arguments: &[u8], cleaned: &Cleaned) -> Option<Arc<[Arc<str>]>> {
    let side = Side::masking(Kinds::ALL);
    let done = Job { side: &side, make: &Masks, schema: None, shape: Shape::Data }.run(arguments).ok()?;
    let mut kinds: Vec<Arc<str>> = cleaned.findings.iter().map(Arc::clone).collect();
    kinds.extend(done.taken.into_iter().map(|taken| Arc::from(taken.kind)));
    kinds.sort();
    kinds.dedup();
    Some(kinds.into())
}

/// Makes nothing but masks.
struct Masks;

impl StandIn for Masks {
    fn hash(&self, kind: &str, _: &str) -> String {
        format!("[redacted:{kind}]")
    }

    fn token(&self, kind: &str, _: &str, _: bool) -> String {
        format!("[redacted:{kind}]")
    }
}

fn scan(text: Vec<u8>) -> Result<Object, Unclean> {
    Object::scan(Bytes::from(text)).map_err(|_| Unclean::Unreadable)
}

fn parse(schema: Option<Bytes>) -> Option<serde_json::Value> {
    serde_json::from_slice(&schema?).ok()
}
