//! The way in.

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use tollgate_mcp::object::Object;
use tollgate_mcp::strict;
use tollgate_policy::hidden::{clean_json, may_hide};
use tollgate_policy::redact::{Shape, Side};

use super::tokens::MARK;
use super::{Cleaned, Cleaner, parse, scan};
use crate::call::Refused;
use crate::resolve::{Call, Target};
use crate::transform::APPROVAL;

/// The members of a request's params that carry an agent's words; the others name things, which stay as they were resolved.
const WORDS: [&str; 5] = ["arguments", "argument", "context", "inputResponses", "_meta"];
/// Levels of nesting that a request may have.
const DEPTH: usize = 64;

impl Cleaner<'_> {
    /// Cleans a call's params in place: from here on they are what will be judged and sent.
    pub fn arguments(&self, call: &mut Call) -> Result<Cleaned, Refused> {
        let params = &call.arrival.params;
        let hides = self.hidden != tollgate_policy::hidden::Hidden::Keep && may_hide(params.text());
        let tokens = memmem::find(params.text(), MARK.as_bytes()).is_some();
        let side = self.side(true);
        if !hides && !tokens && side.is_none() {
            return Ok(Cleaned::default());
        }
        let mut cleaned = Cleaned::default();
        let schema = side.and(match &call.target {
            Target::Tool(_, item) => parse(item.schema("inputSchema")),
            Target::Prompt(..)
            | Target::Resource { .. }
            | Target::Completion { .. }
            | Target::Task { .. } => None,
        });
        let mut edit = params.edit();
        let mut changed = false;
        for key in WORDS {
            let Some(sent) = params.get(key) else { continue };
            let schema = schema.as_ref().filter(|_| key == "arguments");
            let word = self.word(key, &sent, schema, &mut cleaned)?;
            if key == "arguments" {
                cleaned.sent = word.leaves.is_some().then_some(sent);
                cleaned.shown = word.shown;
            }
            if let Some(leaves) = word.leaves {
                changed = true;
                edit.set(key, leaves);
            }
        }
        if changed {
            let params = scan(edit.finish().into_bytes().to_vec()).map_err(|why| self.invalid(why))?;
            // What was taken out or put in may have made two keys one.
            let message = [b"{\"params\":".as_slice(), params.text(), b"}"].concat();
            strict::check(&message, DEPTH).map_err(|fault| self.invalid(fault))?;
            call.arrival.params = params;
        }
        let mut kinds: Vec<Arc<str>> = cleaned
            .taken
            .iter()
            .filter(|taken| taken.kind != "field")
            .map(|taken| Arc::from(taken.kind.as_str()))
            .collect();
        kinds.sort();
        kinds.dedup();
        cleaned.findings = kinds.into();
        Ok(cleaned)
    }

    /// One member: strip, restore, redact.
    fn word(
        &self,
        key: &str,
        sent: &Bytes,
        schema: Option<&serde_json::Value>,
        cleaned: &mut Cleaned,
    ) -> Result<Word, Refused> {
        let mut now = clean_json(sent, self.hidden).map(Bytes::from);
        let before = now.clone();
        let own = matches!(key, "_meta");
        if !own && let Some(restored) = self.maker.restore(now.as_ref().unwrap_or(sent)) {
            now = Some(Bytes::from(restored));
        }
        let restored = now != before;
        let Some(side) = self.side(true) else {
            let shown = restored.then(|| before.unwrap_or_else(|| sent.clone()));
            return Ok(Word { leaves: now, shown });
        };
        let leaves = self.take_out(key, now.as_ref().unwrap_or(sent), side, schema, Some(cleaned))?;
        let shown = if restored {
            let stripped = before.as_ref().unwrap_or(sent);
            let shown = self.take_out(key, stripped, side, schema, None)?;
            Some(shown.or(before).unwrap_or_else(|| sent.clone()))
        } else {
            None
        };
        Ok(Word { leaves: leaves.or(now), shown })
    }

    fn take_out(
        &self,
        key: &str,
        text: &Bytes,
        side: &Side,
        schema: Option<&serde_json::Value>,
        cleaned: Option<&mut Cleaned>,
    ) -> Result<Option<Bytes>, Refused> {
        // Paths go over arguments, and over what the agent's human or model answers.
        let finds;
        let side = if matches!(key, "_meta" | "argument" | "context") {
            finds = side.without_fields();
            &finds
        } else {
            side
        };
        let (held, rest) = held_back(key, text);
        let job = self.job(side, schema, Shape::Data);
        let done = job.run(rest.as_ref().unwrap_or(text)).map_err(|why| self.invalid(why))?;
        if let Some(cleaned) = cleaned {
            let prefix = if key == "arguments" { "" } else { key };
            cleaned.taken.extend(done.taken.into_iter().map(|mut taken| {
                if !prefix.is_empty() {
                    taken.path = taken.path.replacen('$', &format!("$.{prefix}"), 1);
                }
                taken
            }));
        }
        let Some(text) = done.text.map(Bytes::from) else { return Ok(None) };
        if held.is_empty() {
            return Ok(Some(text));
        }
        let object = scan(text.to_vec()).map_err(|why| self.invalid(why))?;
        let mut edit = object.edit();
        for (key, value) in held {
            edit.set(key, value);
        }
        Ok(Some(edit.finish().into_bytes()))
    }
}

struct Word {
    /// As it will leave; `None` = as sent.
    leaves: Option<Bytes>,
    /// As it may be shown; `None` = as it leaves.
    shown: Option<Bytes>,
}

/// What is the gateway's own among a member's members: neither leaves nor is redacted.
fn held_back(key: &str, text: &Bytes) -> (Vec<(String, Bytes)>, Option<Bytes>) {
    let ours = |name: &str| match key {
        "_meta" => {
            name.starts_with("io.modelcontextprotocol/")
                || name == "progressToken"
                || name == "traceparent"
                || name.starts_with("dev.tollgate/") && name != "dev.tollgate/reason"
        }
        "inputResponses" => name == APPROVAL,
        "argument" => name == "name",
        _ => false,
    };
    if !matches!(key, "_meta" | "inputResponses" | "argument") {
        return (Vec::new(), None);
    }
    let Ok(object) = Object::scan(text.clone()) else { return (Vec::new(), None) };
    let held: Vec<(String, Bytes)> = object
        .members()
        .iter()
        .map(|member| (object.key(member).into_owned(), object.value(member)))
        .filter(|(name, _)| ours(name))
        .collect();
    if held.is_empty() {
        return (held, None);
    }
    let mut edit = object.edit();
    for (name, _) in &held {
        edit.remove(name.clone());
    }
    let rest = edit.finish().into_bytes();
    (held, Some(rest))
}
