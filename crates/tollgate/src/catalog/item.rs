//! One tool, prompt, resource or template as a server lists it, with its exposed name worked out.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tollgate_mcp::header::{ParamHeader, param_headers, without_marks};
use tollgate_mcp::name;
use tollgate_mcp::object::Object;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::{TaskSupport, list_item_uris};
use tollgate_mcp::uri;
use tollgate_policy::hidden::{Hidden, clean_json};
use tollgate_policy::{Flags, Hints, Shape};

use crate::config::{self, Stated};
use crate::servers::Listing;

use super::lint::{self, Finding, Name, Texts, Words};
use super::{pins, stated, string_of};

/// The most bytes of what is read by models and matched by rules: over it a definition is left out, never judged by its beginning.
const LIMITS: [(&str, usize); 5] = [
    ("name", 8 * 1024),
    ("title", 8 * 1024),
    ("description", 8 * 1024),
    ("inputSchema", 256 * 1024),
    ("outputSchema", 256 * 1024),
];

/// One listed thing.
#[derive(Clone, Debug)]
pub struct Item {
    /// Which list it is of.
    pub listing: Listing,
    /// Its server's alias.
    pub server: Arc<str>,
    /// The server's name for it; a resource's URI, a template's `uriTemplate`.
    pub original: Arc<str>,
    /// What agents see on a merged endpoint.
    pub exposed: Arc<str>,
    /// `server/original`: what rules, globs and the ledger use.
    pub label: Arc<str>,
    /// What policy sees of it: an operator's word first, then the server's, then the name's.
    pub flags: Flags,
    /// The operator's labels.
    pub labels: Vec<Arc<str>>,
    /// What rules read as its labels: the operator's, and `finding:KIND` for what stands out in its definition.
    pub marked: Vec<Arc<str>>,
    /// SHA-256 of a tool's definition, in its one spelling: what its pin and its approvals are bound to.
    pub definition: [u8; 32],
    /// What stands out in its definition.
    pub findings: Vec<Finding>,
    /// What is held against other tools' names; `None` for what is no tool.
    words: Option<Words>,
    /// Its definition is not the accepted one: hidden and refused.
    pub held: bool,
    /// Which arguments are mirrored in headers (tools).
    pub marks: Arc<[ParamHeader]>,
    /// What its schema says of its arguments, once a rule reads them.
    shape: OnceLock<Option<Arc<Shape>>>,
    /// Its calls are asked for a reason, in a property of ours.
    pub stated: Option<Stated>,
    /// Whether it can be called as a task, by its definition.
    pub task: TaskSupport,
    /// As the server sent it.
    text: Object,
    /// Its schema as agents get it, where that is another one: without marks that are invalid (an agent would have to leave the tool
    /// out), with the property for a reason.
    schema: Option<Bytes>,
    description: Option<String>,
    hidden: Hidden,
}

impl Item {
    /// Reads one entry of a list; `None` if it is not one (no object, no name): a bad entry never hides the good ones.
    /// Tools whose header marks are invalid are left out where `strict_marks` (an HTTP server of 2026-07-28).
    pub fn read(
        listing: Listing,
        server: &config::Server,
        text: &Bytes,
        names_max: usize,
        strict_marks: bool,
    ) -> Result<Self, String> {
        let object = Object::scan(text.clone()).map_err(|e| format!("an entry is {e}"))?;
        let key = match listing {
            Listing::Tools | Listing::Prompts => "name",
            Listing::Resources => "uri",
            Listing::Templates => "uriTemplate",
        };
        let original = string_of(&object, key).ok_or_else(|| format!("an entry has no `{key}`"))?;
        if original.is_empty() {
            return Err(format!("an entry has an empty `{key}`"));
        }
        for (key, max) in LIMITS {
            if object.slice(key).is_some_and(|value| value.len() > max) {
                return Err(format!("`{}` has a `{key}` of more than {max} bytes", original.escape_debug()));
            }
        }
        let overridden = match listing {
            Listing::Tools => server.overrides.get(&original),
            Listing::Prompts | Listing::Resources | Listing::Templates => None,
        };
        let exposed = match listing {
            Listing::Tools | Listing::Prompts => {
                let shown = overridden.and_then(|o| o.rename.as_deref()).unwrap_or(&original);
                name::expose(&server.alias, shown, names_max)
            }
            Listing::Resources | Listing::Templates => uri::expose(&server.alias, &original),
        };
        let (flags, (marks, schema)) = match listing {
            Listing::Tools => {
                (read_flags(&object, &original, overridden), read_marks(&object, strict_marks)?)
            }
            Listing::Prompts | Listing::Resources | Listing::Templates => {
                // No definition of theirs is held.
                (Flags { pinned: true, ..Flags::default() }, (Arc::default(), None))
            }
        };
        let own = overridden.map(|o| o.labels.as_slice()).unwrap_or_default();
        let labels: Vec<Arc<str>> = server.labels.iter().chain(own).map(|l| Arc::from(l.as_str())).collect();
        let (definition, findings, words) = match listing {
            Listing::Tools => {
                let text = pins::canonical(&object);
                let texts = Texts::of(&text);
                let words = Words::of(&server.alias, &original, &texts);
                (pins::digest(&text), lint::findings(&texts), Some(words))
            }
            Listing::Prompts | Listing::Resources | Listing::Templates => {
                ([0; 32], lint::findings(&Texts::of(&pins::described(&object))), None)
            }
        };
        Ok(Self {
            listing,
            server: Arc::clone(&server.alias),
            label: Arc::from(format!("{}/{original}", server.alias)),
            original: Arc::from(original),
            exposed: Arc::from(exposed),
            flags,
            marked: marked(&labels, &findings),
            labels,
            definition,
            findings,
            words,
            held: false,
            marks,
            shape: OnceLock::new(),
            stated: None,
            task: match listing {
                Listing::Tools => TaskSupport::of_tool(&object),
                Listing::Prompts | Listing::Resources | Listing::Templates => TaskSupport::Forbidden,
            },
            text: object,
            schema,
            description: overridden.and_then(|o| o.description.clone()),
            hidden: server.hidden,
        })
    }

    /// The same with what the whole catalog says of it.
    #[must_use]
    pub fn judged(&self, held: bool, beside: Vec<Finding>) -> Self {
        let mut item = self.clone();
        item.held = held;
        item.flags.pinned = !held;
        item.findings.extend(beside);
        item.marked = marked(&item.labels, &item.findings);
        item
    }

    /// The same, asking for a reason; `None` = the configuration does not want one of it, or its schema has no room for that.
    pub fn asking(&self, config: &config::Config) -> Option<Self> {
        let stated = config.reason.of(&self.label)?;
        let schema = self.schema.clone().or_else(|| self.text.get("inputSchema"));
        let schema = stated::with_reason(schema, stated)?;
        Some(Self { schema: Some(schema), stated: Some(stated), ..self.clone() })
    }

    /// A tool's name and words.
    pub(super) fn name(&self) -> Option<Name<'_>> {
        let words = self.words.as_ref()?;
        Some(Name { server: &self.server, tool: &self.original, words })
    }

    /// Its definition in its one spelling.
    pub fn canonical(&self) -> String {
        pins::canonical(&self.text)
    }

    /// What its schema says of its arguments. Read when it is first wanted.
    pub fn shape(&self) -> Option<&Arc<Shape>> {
        let read = || Shape::read(self.text.slice("inputSchema")?).map(Arc::new);
        self.shape.get_or_init(read).as_ref()
    }

    /// As the server sent it.
    pub fn text(&self) -> &Bytes {
        self.text.text()
    }

    /// The text of one of its schemas: `inputSchema` or `outputSchema`.
    pub fn schema(&self, which: &str) -> Option<Bytes> {
        self.text.get(which)
    }

    /// As an agent of a merged endpoint (`exposed`) or of this server's own endpoint gets it.
    pub fn shown(&self, exposed: bool) -> Rope {
        let cleaned =
            clean_json(self.text.text(), self.hidden).and_then(|text| Object::scan(text.into()).ok());
        let mut edit = cleaned.as_ref().unwrap_or(&self.text).edit();
        if cleaned.is_some() {
            // What it is called by stays: an agent must be able to say it.
            for key in ["name", "uri", "uriTemplate"] {
                if let Some(value) = self.text.get(key) {
                    edit.set(key, value);
                }
            }
        }
        if let Some(description) = &self.description {
            edit.set("description", Bytes::from(tollgate_mcp::object::quote(description)));
        }
        if let Some(schema) = &self.schema {
            let cleaned = clean_json(schema, self.hidden).map(Bytes::from);
            edit.set("inputSchema", cleaned.unwrap_or_else(|| schema.clone()));
        }
        if !exposed {
            return edit.finish();
        }
        if matches!(self.listing, Listing::Tools | Listing::Prompts) {
            edit.set("name", Bytes::from(tollgate_mcp::object::quote(&self.exposed)));
        }
        let shown = edit.finish().into_bytes();
        // Every place a URI occurs: a resource's, a template's, and an MCP App's in a tool's `_meta`.
        list_item_uris(&shown, self.listing.method(), &|original| uri::expose(&self.server, original))
            .unwrap_or_else(|| Rope::from(shown))
    }
}

fn marked(labels: &[Arc<str>], findings: &[Finding]) -> Vec<Arc<str>> {
    let mut marked = labels.to_vec();
    for finding in findings {
        let label: Arc<str> = Arc::from(format!("finding:{}", finding.kind));
        if !marked.contains(&label) {
            marked.push(label);
        }
    }
    marked
}

fn read_flags(object: &Object, name: &str, overridden: Option<&config::Override>) -> Flags {
    let annotations = object.object("annotations").unwrap_or_else(Object::empty);
    let hint = |key: &str| match annotations.slice(key) {
        Some(b"true") => Some(true),
        Some(b"false") => Some(false),
        _ => None,
    };
    let hints = Hints {
        read_only: hint("readOnlyHint"),
        destructive: hint("destructiveHint"),
        idempotent: hint("idempotentHint"),
        open_world: hint("openWorldHint"),
    };
    Flags::of_tool(name, hints, overridden.and_then(|o| o.destructive), true)
}

/// The marks of a tool's arguments, or its schema without them if they are invalid.
fn read_marks(object: &Object, strict: bool) -> Result<(Arc<[ParamHeader]>, Option<Bytes>), String> {
    let Some(schema) = object.get("inputSchema") else { return Ok((Arc::default(), None)) };
    match param_headers(&schema) {
        Ok(marks) => Ok((Arc::from(marks), None)),
        Err(why) if strict => Err(format!("its `x-mcp-header` is invalid: {why}")),
        Err(_) => Ok((Arc::default(), without_marks(&schema))),
    }
}
