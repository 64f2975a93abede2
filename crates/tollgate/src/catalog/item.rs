//! One tool, prompt, resource or template as a server lists it, with its exposed name worked out.

use std::sync::Arc;

use bytes::Bytes;
use tollgate_mcp::header::{ParamHeader, param_headers, without_marks};
use tollgate_mcp::name;
use tollgate_mcp::object::Object;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::translate::list_item_uris;
use tollgate_mcp::uri;
use tollgate_policy::{Flags, Hints};

use crate::config;
use crate::servers::Listing;

use super::string_of;

/// One listed thing.
#[derive(Debug)]
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
    /// Which arguments are mirrored in headers (tools).
    pub marks: Arc<[ParamHeader]>,
    /// As the server sent it.
    text: Object,
    /// Its schema without marks, where they are invalid: an agent would have to leave the tool out.
    schema: Option<Bytes>,
    description: Option<String>,
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
                (Flags::default(), (Arc::default(), None))
            }
        };
        Ok(Self {
            listing,
            server: Arc::clone(&server.alias),
            label: Arc::from(format!("{}/{original}", server.alias)),
            original: Arc::from(original),
            exposed: Arc::from(exposed),
            flags,
            labels: {
                let own = overridden.map(|o| o.labels.as_slice()).unwrap_or_default();
                server.labels.iter().chain(own).map(|l| Arc::from(l.as_str())).collect()
            },
            marks,
            text: object,
            schema,
            description: overridden.and_then(|o| o.description.clone()),
        })
    }

    /// As the server sent it.
    pub fn text(&self) -> &Bytes {
        self.text.text()
    }

    /// As an agent of a merged endpoint (`exposed`) or of this server's own endpoint gets it.
    pub fn shown(&self, exposed: bool) -> Rope {
        let mut edit = self.text.edit();
        if let Some(description) = &self.description {
            edit.set("description", Bytes::from(tollgate_mcp::object::quote(description)));
        }
        if let Some(schema) = &self.schema {
            edit.set("inputSchema", schema.clone());
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
    Flags::of_tool(name, hints, overridden.and_then(|o| o.destructive), false)
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
