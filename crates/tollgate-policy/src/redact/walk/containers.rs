//! Objects and arrays: what may be left out of them, which of their strings are the protocol's, which texts go together.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::schema::Place;
use super::super::text;
use super::super::trail::{To, Trail};
use super::super::tree::{Member, Node, Value};
use super::{Edit, Spot, Steps, Unclean, Walk, looks_like_json, mask, quoted};
use crate::detect::{Found, Kind, Which};

/// The strings a message runs on: an agent that does not get them as they are cannot read the rest.
const PROTOCOL: [&str; 20] = [
    "type",
    "uri",
    "url",
    "mimeType",
    "role",
    "method",
    "requestState",
    "taskId",
    "resultType",
    "nextCursor",
    "cacheScope",
    "status",
    "elicitationId",
    "createdAt",
    "lastUpdatedAt",
    "progressToken",
    "level",
    "name",
    "mode",
    "format",
];

impl Walk<'_, '_> {
    pub(super) fn list(&mut self, items: &[Node], spot: &Spot<'_>) -> Result<(), Unclean> {
        if !spot.data {
            self.join(items);
        }
        let droppable = spot.data && spot.place.as_ref().is_none_or(Place::shrinks);
        let mut kept = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let (trail, ends) = spot.trail.down(&self.job.side.fields, To::Item { index, of: items.len() });
            let inner = Spot {
                data: spot.data,
                trail,
                place: spot.place.as_ref().map(|place| place.down(None, index)),
                droppable,
                force: spot.force,
                steps: Steps::Item(&spot.steps, index),
            };
            let keep = match ends {
                Some(with) => self.field(item, &inner, *with)?,
                None => self.value(item, &inner)?,
            };
            kept.push((item.span.clone(), keep));
        }
        self.leave_out(&kept);
        Ok(())
    }

    pub(super) fn map(&mut self, members: &[Member], spot: &Spot<'_>) -> Result<(), Unclean> {
        let mut kept = Vec::with_capacity(members.len());
        let mut names = None;
        for member in members {
            let key = text::plain(self.text, &member.key);
            let (mut trail, ends) = spot.trail.down(&self.job.side.fields, To::Member(&key));
            let mut data = spot.data;
            let mut place = spot.place.as_ref().map(|place| place.down(Some(&key), 0));
            let is_text = matches!(member.value.value, Value::Text);
            if !spot.data {
                match &*key {
                    "structuredContent" => {
                        data = true;
                        trail = trail.and(&Trail::root(self.job.side.fields.len()));
                        place = self.job.schema.map(Place::root);
                    }
                    "data" if is_text && self.is_medium(members) => continue,
                    // What a log line or an error says.
                    "data" => {
                        data = true;
                        trail = trail.and(&Trail::root(self.job.side.fields.len()));
                    }
                    key if is_text && PROTOCOL.contains(&key) => continue,
                    _ => {}
                }
            }
            let inner = Spot {
                data,
                trail,
                place,
                droppable: spot.data && spot.place.as_ref().is_none_or(|place| place.optional(&key)),
                force: spot.force,
                steps: Steps::Key(&spot.steps, &key),
            };
            let keep = match ends {
                Some(with) => self.field(&member.value, &inner, *with)?,
                None if !spot.data && key == "blob" && is_text => {
                    self.blob(&member.value, members, &inner)?;
                    true
                }
                None => self.value(&member.value, &inner)?,
            };
            if keep && spot.data && spot.place.as_ref().is_none_or(|place| !place.names(&key)) {
                self.key(member, &key, members, &inner, &mut names);
            }
            kept.push((member.key.start..member.value.span.end, keep));
        }
        self.leave_out(&kept);
        Ok(())
    }

    /// A key may hold what a value must not.
    fn key(
        &mut self,
        member: &Member,
        key: &str,
        members: &[Member],
        spot: &Spot<'_>,
        names: &mut Option<HashSet<String>>,
    ) {
        let found = self.job.side.finder().find(key);
        if found.is_empty() {
            return;
        }
        let mut parts = Vec::with_capacity(found.len());
        for one in found {
            let value = key.get(one.start..one.end).unwrap_or_default();
            let stand = self.found(spot, one.which, value);
            // Without its characters a key would be another's, or none.
            let kind = self.job.side.finder().name(one.which);
            parts.push((one.start..one.end, if stand.is_empty() { mask(kind) } else { stand }));
        }
        let cleaned = super::apply(key, &parts);
        let names = names.get_or_insert_with(|| {
            members.iter().map(|member| text::plain(self.text, &member.key).into_owned()).collect()
        });
        // The member's place makes it unique at once, whatever the other keys are.
        let cleaned = if names.contains(&cleaned) {
            format!("{cleaned}_{}_{}", member.key.start, names.len())
        } else {
            cleaned
        };
        names.insert(cleaned.clone());
        self.edits.push(Edit { at: member.key.clone(), text: quoted(&cleaned) });
    }

    /// Removes what is not kept, with the comma that goes with it; and what was changed within it.
    fn leave_out(&mut self, kept: &[(Range<usize>, bool)]) {
        if kept.iter().all(|(_, keep)| *keep) {
            return;
        }
        let mut before: Option<usize> = None;
        for (place, (span, keep)) in kept.iter().enumerate() {
            if *keep {
                before = Some(span.end);
                continue;
            }
            let next = kept.get(place + 1).map(|(next, _)| next.start);
            let at = match (before, next) {
                (Some(end), _) => {
                    before = Some(span.end);
                    end..span.end
                }
                (None, Some(next)) => span.start..next,
                (None, None) => span.clone(),
            };
            self.edits.push(Edit { at, text: String::new() });
        }
    }

    fn member<'m>(&self, members: &'m [Member], key: &str) -> Option<&'m Node> {
        members.iter().find(|member| text::plain(self.text, &member.key) == key).map(|member| &member.value)
    }

    fn is_medium(&self, members: &[Member]) -> bool {
        let kind = self.member(members, "type").filter(|node| matches!(node.value, Value::Text));
        kind.is_some_and(|node| matches!(&*text::plain(self.text, &node.span), "image" | "audio"))
    }

    /// Base64 of a text.
    fn blob(&mut self, node: &Node, members: &[Member], spot: &Spot<'_>) -> Result<(), Unclean> {
        let mime = self.member(members, "mimeType").filter(|node| matches!(node.value, Value::Text));
        let mime = mime.map(|node| text::plain(self.text, &node.span).to_ascii_lowercase());
        let words = [
            "text/",
            "json",
            "xml",
            "yaml",
            "javascript",
            "csv",
            "html",
            "x-www-form-urlencoded",
            "toml",
            "sql",
        ];
        if mime.is_some_and(|mime| !words.iter().any(|word| mime.contains(word))) {
            return Ok(());
        }
        let encoded = text::plain(self.text, &node.span);
        let decoded =
            STANDARD.decode(encoded.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(decoded) = decoded else { return Ok(()) };
        if let Some(cleaned) = self.rewrite(&decoded, spot, &[])?.apply(&decoded) {
            self.edits.push(Edit { at: node.span.clone(), text: quoted(&STANDARD.encode(cleaned)) });
        }
        Ok(())
    }

    /// Finds what is split over neighbouring texts of one list.
    fn join(&mut self, items: &[Node]) {
        let mut run: Vec<&Node> = Vec::new();
        for item in items {
            let text = match &item.value {
                // Content, progress, log lines.
                Value::Map(members) => ["text", "message", "data"]
                    .into_iter()
                    .filter(|key| *key != "data" || !self.is_medium(members))
                    .find_map(|key| {
                        self.member(members, key).filter(|node| matches!(node.value, Value::Text))
                    }),
                Value::List(_) | Value::Text | Value::Number | Value::Word => None,
            };
            match text {
                Some(text) => run.push(text),
                None => self.join_run(&std::mem::take(&mut run)),
            }
        }
        self.join_run(&run);
    }

    fn join_run(&mut self, run: &[&Node]) {
        if run.len() < 2 || self.job.side.finder().is_empty() {
            return;
        }
        let texts: Vec<_> = run.iter().map(|node| text::plain(self.text, &node.span)).collect();
        if texts.iter().all(|text| looks_like_json(text)) {
            return;
        }
        let whole = texts.concat();
        let mut start = 0;
        let mut bounds = Vec::with_capacity(texts.len());
        for (node, text) in run.iter().zip(&texts) {
            bounds.push((start, start + text.len(), node.span.start, text));
            start += text.len();
        }
        for found in self.job.side.finder().find(&whole) {
            let parts: Vec<_> = bounds
                .iter()
                .filter(|(start, end, ..)| *start < found.end && found.start < *end)
                .map(|(start, end, node, text)| {
                    let here = Found {
                        start: found.start.max(*start) - start,
                        end: found.end.min(*end) - start,
                        which: found.which,
                    };
                    (*node, here, *text)
                })
                .collect();
            if parts.len() < 2 {
                continue;
            }
            // What is whole on one side does not go on on the other: `a@b.com` before `Bob`. A secret may.
            let alone = found.which != Which::Built(Kind::Secret)
                && parts.iter().any(|(_, here, text)| {
                    let mut own = self.job.side.finder().find(text).into_iter();
                    own.any(|own| own.start < here.end && here.start < own.end)
                });
            if !alone {
                for (node, here, _) in parts {
                    self.joint.entry(node).or_default().push(here);
                }
            }
        }
    }
}
