//! The way back.

use bytes::Bytes;
use tollgate_mcp::error::RpcError;
use tollgate_mcp::object::Object;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::Answer;
use tollgate_policy::hidden::{clean_json, clean_text};
use tollgate_policy::redact::{Shape, Taken, Unclean};

use super::{Cleaner, parse, scan};
use crate::call::{Part, PartKind, Refused};
use crate::catalog::Snapshot;
use crate::resolve::Target;

impl Cleaner<'_> {
    /// A server's answer, cleaned; and what was taken out. Looks inside only where a rule speaks of the call.
    pub fn answer(
        &self,
        answer: Answer,
        target: &Target,
        snapshot: &Snapshot,
    ) -> Result<(Answer, Vec<Taken>), Refused> {
        let mut answer = answer;
        if !answer.object.is_plain()
            && let Some(text) = clean_json(answer.object.text(), self.hidden)
        {
            answer.object = scan(text).map_err(|why| self.withheld(&why))?;
        }
        let Some(side) = self.side(false) else { return Ok((answer, Vec::new())) };
        let schema = parse(schema(target, snapshot));
        let job = self.job(side, schema.as_ref(), Shape::Message);
        let done = job.run(answer.object.text()).map_err(|why| self.withheld(&why))?;
        if let Some(text) = done.text {
            answer.object = scan(text).map_err(|why| self.withheld(&why))?;
        }
        Ok((answer, done.taken))
    }

    /// A server's error, cleaned. One that cannot be keeps only its code.
    pub fn error(&self, error: RpcError) -> (RpcError, Vec<Taken>) {
        let code = error.code;
        self.try_error(error).unwrap_or_else(|why| {
            (RpcError::new(code, format!("the server's error is withheld: {why}")), Vec::new())
        })
    }

    fn try_error(&self, error: RpcError) -> Result<(RpcError, Vec<Taken>), Unclean> {
        let mut error = error;
        if let Some(message) = clean_text(&error.message, self.hidden) {
            error.message = message;
        }
        if let Some(data) = error.data.as_ref().and_then(|data| clean_json(data, self.hidden)) {
            error.data = Some(Bytes::from(data));
        }
        let Some(side) = self.side(false) else { return Ok((error, Vec::new())) };
        let job = self.job(side, None, Shape::Message);
        let (message, mut taken) = job.line(&error.message)?;
        if let Some(message) = message {
            error.message = message;
        }
        if let Some(data) = &error.data {
            let done = job.run(data)?;
            taken.extend(done.taken);
            if let Some(data) = done.text {
                error.data = Some(Bytes::from(data));
            }
        }
        Ok((error, taken))
    }

    /// A notification without hidden characters.
    pub(super) fn stripped(&self, part: Part) -> Part {
        if !speaks(part.kind) {
            return part;
        }
        let text = part.params.into_bytes();
        let text = clean_json(&text, self.hidden).map_or(text, Bytes::from);
        Part { kind: part.kind, params: Rope::from(text) }
    }

    /// A notification, redacted; `None` = it cannot be, and is left out.
    pub(super) fn redacted(&self, part: Part) -> (Option<Part>, Vec<Taken>) {
        let Some(side) = self.side(false).filter(|_| speaks(part.kind)) else {
            return (Some(part), Vec::new());
        };
        let kind = part.kind;
        let text = part.params.into_bytes();
        match self.job(side, None, Shape::Message).run(&text) {
            Ok(done) => {
                let params = Rope::from(done.text.map_or(text, Bytes::from));
                (Some(Part { kind, params }), done.taken)
            }
            Err(why) => {
                tracing::warn!(tool = %self.label, %why, "a notification that cannot be redacted is left out");
                (None, Vec::new())
            }
        }
    }

    /// The params of a question that a server puts to the agent, cleaned.
    pub fn question(&self, params: &Object) -> Result<(Option<Object>, Vec<Taken>), Refused> {
        let cleaned = clean_json(params.text(), self.hidden);
        let text = cleaned.as_deref().unwrap_or(params.text());
        let mut taken = Vec::new();
        let mut redacted = None;
        if let Some(side) = self.side(false) {
            let done = self.job(side, None, Shape::Message).run(text).map_err(|why| self.withheld(&why))?;
            taken = done.taken;
            redacted = done.text;
        }
        let object = redacted.or(cleaned).map(scan).transpose().map_err(|why| self.withheld(&why))?;
        Ok((object, taken))
    }
}

/// Whether a notification carries a server's words.
const fn speaks(kind: PartKind) -> bool {
    match kind {
        PartKind::Progress | PartKind::Message | PartKind::Task => true,
        PartKind::Acknowledged
        | PartKind::ToolsChanged
        | PartKind::PromptsChanged
        | PartKind::ResourcesChanged
        | PartKind::ResourceUpdated
        | PartKind::Paused { .. } => false,
    }
}

fn schema(target: &Target, snapshot: &Snapshot) -> Option<Bytes> {
    match target {
        Target::Tool(_, item) => item.schema("outputSchema"),
        // A task ends with its tool's result.
        Target::Task { label, .. } => {
            snapshot.labelled_tool(label).and_then(|(_, item)| item.schema("outputSchema"))
        }
        Target::Prompt(..) | Target::Resource { .. } | Target::Completion { .. } => None,
    }
}
