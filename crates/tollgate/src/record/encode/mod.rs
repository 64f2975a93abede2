//! Facts to bytes: a structured encoder, so that no text of a peer's can end a line or add a member.
//! Every text has a bound in *encoded* bytes, so that a close always fits the room its begin reserved.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tollgate_mcp::revision::Revision;
use uuid::Uuid;

use super::facts::{Close, Facts, Redaction};
use crate::config::Payloads;

mod json;

pub(super) use json::{Line, decimal, hex};

/// The room that a begin reserves for its close: all bounds below, added up, stay under it.
pub(super) const CLOSE_ROOM: u64 = 8192;

/// Arguments beyond this are kept as their digest.
const ARGS_MAX: usize = 64 * 1024;
/// What an approver put in place of arguments is kept whole up to this; beyond, as its digest.
const EDITED_MAX: usize = 1536;
const NAME_MAX: usize = 256;
const TEXT_MAX: usize = 1024;
const LIST_MAX: usize = 384;

/// How much of the lists a begin record already told; the close tells the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    rules: usize,
    shadow: usize,
    redactions: usize,
    findings: usize,
    limits: usize,
    approval: bool,
    verdict: bool,
}

impl Told {
    /// All that `facts` say now.
    pub(super) fn all(facts: &Facts) -> Self {
        Self {
            rules: facts.rules.len(),
            shadow: facts.shadow.len(),
            redactions: facts.redactions.len(),
            findings: facts.findings.len(),
            limits: facts.limits.len(),
            approval: facts.approval.is_some(),
            verdict: facts.verdict.is_some(),
        }
    }
}

/// A begin record without its trailer.
pub(super) fn begin(out: &mut Vec<u8>, facts: &Facts, payloads: Payloads) {
    let mut line = Line::start(out, "begin", Some(facts.id), None, facts.at_ms);
    intent(&mut line, facts, payloads);
    judged(&mut line, facts, payloads, Told::default());
}

/// A close record without its trailer: the rest of an entry whose begin stands at `begun`, or a whole one.
pub(super) fn close(
    out: &mut Vec<u8>,
    facts: &Facts,
    payloads: Payloads,
    begun: Option<(u64, Told)>,
    close: &Close,
    now_ms: u64,
    latency_ms: u64,
) {
    let at_ms = if begun.is_some() { now_ms } else { facts.at_ms };
    let mut line = Line::start(out, "close", Some(facts.id), None, at_ms);
    let told = if let Some((seq, told)) = begun {
        line.number("begin", Some(seq));
        told
    } else {
        intent(&mut line, facts, payloads);
        Told::default()
    };
    judged(&mut line, facts, payloads, told);
    line.cost(facts.cost_usd);
    line.number("bytes_out", facts.bytes_out);
    line.number("tokens_est", facts.tokens_est);
    line.number("latency_ms", Some(latency_ms));
    line.number("server_ms", facts.server_ms);
    line.text("outcome", Some(close.outcome.as_str()), NAME_MAX);
    if let Some(fault) = &close.error {
        line.key("error");
        line.out.push(b'{');
        line.text("code", Some(&fault.code), NAME_MAX);
        line.text("message", Some(&fault.message), TEXT_MAX);
        line.out.push(b'}');
    }
    line.text("server_revision", facts.server_revision.map(Revision::as_str), NAME_MAX);
}

/// The close of an entry whose facts died with their process.
pub(super) fn abandoned(out: &mut Vec<u8>, id: Uuid, begun: u64, now_ms: u64) {
    let mut line = Line::start(out, "close", Some(id), None, now_ms);
    line.number("begin", Some(begun));
    line.text("outcome", Some("abandoned"), NAME_MAX);
}

/// The note that holds a park, with what its abandoned entry will need.
pub(super) fn parked(out: &mut Vec<u8>, id: Uuid, facts: &Facts, now_ms: u64) {
    let mut line = Line::start(out, "note", Some(id), Some("parked"), now_ms);
    intent(&mut line, facts, Payloads::Digest);
}

/// One (peer, reason, minute) of requests that never became calls.
pub(super) fn failures(
    out: &mut Vec<u8>,
    id: Uuid,
    minute_ms: u64,
    peer: Option<&str>,
    reason: &str,
    count: u64,
) {
    let mut line = Line::start(out, "close", Some(id), None, minute_ms);
    line.text("peer", peer, NAME_MAX);
    line.number("count", Some(count));
    line.text("outcome", Some("refused"), NAME_MAX);
    line.key("error");
    line.out.push(b'{');
    line.text("code", Some(reason), NAME_MAX);
    line.out.push(b'}');
}

fn intent(line: &mut Line<'_>, facts: &Facts, payloads: Payloads) {
    match &facts.interaction {
        Some(interaction) => line.text("interaction", Some(interaction), NAME_MAX),
        None => line.id("interaction", facts.id),
    }
    line.number("round", Some(u64::from(facts.round)));
    if let Some(caller) = &facts.caller {
        line.text("agent", Some(&caller.agent), NAME_MAX);
        line.text("user", caller.user.as_deref(), NAME_MAX);
        line.text("tenant", caller.tenant.as_deref(), NAME_MAX);
    }
    line.text("client", facts.client.as_deref(), NAME_MAX);
    line.text("revision", facts.revision.map(Revision::as_str), NAME_MAX);
    line.text("session", facts.session.as_deref(), NAME_MAX);
    line.text("trace", facts.trace.as_deref(), NAME_MAX);
    line.text("method", Some(facts.subject.as_str()), NAME_MAX);
    line.text("server", facts.server.as_deref(), NAME_MAX);
    line.text("tool", facts.tool.as_deref(), 2 * TEXT_MAX);
    line.text("exposed", facts.exposed.as_deref(), 2 * TEXT_MAX);
    arguments(line, facts, payloads);
    line.text("reason", facts.reason.as_deref(), 2 * TEXT_MAX);
    line.number("bytes_in", facts.bytes_in);
}

fn arguments(line: &mut Line<'_>, facts: &Facts, payloads: Payloads) {
    let (digest, whole) = match payloads {
        Payloads::None => (false, false),
        Payloads::Digest => (true, false),
        // The arguments that are handed in have been redacted already; `full` differs only in what `transform` hands in.
        Payloads::Redacted | Payloads::Full => (true, true),
    };
    // Judged here once more although the strict scan has passed them: whatever a caller hands in, nothing can add a member to the
    // record or end its line.
    let fits = |args: &Bytes| {
        args.len() <= ARGS_MAX && serde_json::from_slice::<serde::de::IgnoredAny>(args).is_ok()
    };
    let cut = whole && facts.args.as_ref().is_some_and(|args| !fits(args));
    if digest {
        let known = facts.args_digest;
        let of_text = || facts.args.as_ref().filter(|_| cut).map(|args| Sha256::digest(args).into());
        line.hex("args_digest", known.or_else(of_text));
    }
    if cut {
        line.key("args_truncated");
        line.out.extend_from_slice(b"true");
    } else if whole && let Some(args) = &facts.args {
        line.key("args");
        // Within strings JSON allows no raw line break, so any that stands here is white space.
        line.out.extend(args.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    }
}

fn judged(line: &mut Line<'_>, facts: &Facts, payloads: Payloads, told: Told) {
    if !told.verdict {
        line.text("verdict", facts.verdict.map(super::facts::Said::as_str), NAME_MAX);
    }
    let mut omitted = line.texts("rules", &facts.rules, told.rules);
    omitted += line.texts("shadow", &facts.shadow, told.shadow);
    if let Some(approval) = facts.approval.as_deref().filter(|_| !told.approval) {
        line.key("approval");
        line.out.push(b'{');
        line.text("by", Some(&approval.by), NAME_MAX);
        line.time("at", approval.at_ms);
        line.text("via", Some(&approval.via), NAME_MAX);
        line.text("grant", approval.grant.as_deref(), NAME_MAX);
        if let Some((digest, args)) = &approval.edited {
            edited(line, *digest, args, payloads);
        }
        line.out.push(b'}');
    }
    omitted += redactions(line, facts.redactions.get(told.redactions..).unwrap_or_default());
    omitted += line.texts("findings", &facts.findings, told.findings);
    omitted += line.texts("limits", &facts.limits, told.limits);
    line.number("omitted", Some(omitted).filter(|omitted| *omitted > 0));
}

/// What left in place of the arguments that `args` and `args_digest` tell.
fn edited(line: &mut Line<'_>, digest: [u8; 32], args: &Bytes, payloads: Payloads) {
    let whole = match payloads {
        Payloads::None => return,
        Payloads::Digest => false,
        Payloads::Redacted | Payloads::Full => args.len() <= EDITED_MAX,
    };
    line.key("edited");
    line.out.push(b'{');
    line.hex("args_digest", Some(digest));
    if whole && serde_json::from_slice::<serde::de::IgnoredAny>(args).is_ok() {
        line.key("args");
        line.out.extend(args.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    }
    line.out.push(b'}');
}

fn redactions(line: &mut Line<'_>, redactions: &[Redaction]) -> u64 {
    line.list("redactions", redactions, LIST_MAX, |line, redaction| {
        line.out.push(b'{');
        line.text("in", Some(redaction.place.as_str()), NAME_MAX);
        line.text("path", Some(&redaction.path), NAME_MAX / 2);
        line.text("kind", Some(&redaction.kind), NAME_MAX / 4);
        line.out.push(b'}');
    })
}
