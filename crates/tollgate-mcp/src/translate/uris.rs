//! Every place of a result where a server names a resource (`protocol.md` §3.9).

use bytes::Bytes;

use super::content::map_objects;
use crate::error::RpcError;
use crate::method::{Kind, Listing, Method};
use crate::object::{Object, quote};
use crate::rope::Rope;

type Expose<'a> = &'a dyn Fn(&str) -> String;

/// Rewrites every URI of a result that names a resource on `server` (`contents[].uri`, `resource_link`, embedded resources in
/// `content[]`, prompts' `messages[].content`, a finished task's `result`) with `expose`. `None` = nothing to rewrite: the bytes stay as
/// they are.
pub fn rewrite_uris(method: Method, result: &Object, expose: &dyn Fn(&str) -> String) -> Option<Rope> {
    match method.kind() {
        Kind::Tool => array(result, "content", &|item| block(item, expose)),
        Kind::Prompt => array(result, "messages", &|message| {
            member(message, "content", &|content| block(&Object::scan(content.clone()).ok()?, expose))
        }),
        Kind::Resource => array(result, "contents", &|contents| uri(contents, "uri", expose)),
        // Only `tasks/get` answers with a `result`.
        Kind::Task => member(result, "result", &|inner| {
            rewrite_uris(Method::ToolsCall, &Object::scan(inner.clone()).ok()?, expose)
        }),
        Kind::Discover | Kind::List(_) | Kind::Completion | Kind::Listen | Kind::Edge => None,
    }
}

/// Rewrites the URI of one entry of a list: a resource's `uri`, a template's `uriTemplate`, a tool's `_meta.ui.resourceUri` and the older
/// `_meta["ui/resourceUri"]`. `None` = nothing to rewrite.
pub fn list_item_uris(item: &Bytes, method: Method, expose: &dyn Fn(&str) -> String) -> Option<Rope> {
    let item = Object::scan(item.clone()).ok()?;
    match method.kind() {
        Kind::List(Listing::Resources) => uri(&item, "uri", expose),
        Kind::List(Listing::Templates) => uri(&item, "uriTemplate", expose),
        Kind::List(Listing::Tools) => {
            member(&item, "_meta", &|meta| app_uris(&Object::scan(meta.clone()).ok()?, expose))
        }
        Kind::List(Listing::Prompts)
        | Kind::Discover
        | Kind::Tool
        | Kind::Prompt
        | Kind::Resource
        | Kind::Completion
        | Kind::Task
        | Kind::Listen
        | Kind::Edge => None,
    }
}

/// Rewrites an error's `data.uri`.
pub fn error_uri(error: RpcError, expose: &dyn Fn(&str) -> String) -> RpcError {
    let rewritten = error
        .data
        .as_ref()
        .and_then(|data| Object::scan(data.clone()).ok())
        .and_then(|data| uri(&data, "uri", expose));
    match rewritten {
        Some(data) => error.with_data(data.into_bytes()),
        None => error,
    }
}

fn app_uris(meta: &Object, expose: Expose<'_>) -> Option<Rope> {
    let new = member(meta, "ui", &|ui| uri(&Object::scan(ui.clone()).ok()?, "resourceUri", expose));
    let Some(new) = new else {
        return uri(meta, "ui/resourceUri", expose);
    };
    let meta = Object::scan(new.into_bytes()).ok()?;
    Some(uri(&meta, "ui/resourceUri", expose).unwrap_or_else(|| meta.text().clone().into()))
}

/// A content block.
fn block(block: &Object, expose: Expose<'_>) -> Option<Rope> {
    match block.string("type")?.as_ref() {
        "resource_link" => uri(block, "uri", expose),
        "resource" => {
            member(block, "resource", &|inner| uri(&Object::scan(inner.clone()).ok()?, "uri", expose))
        }
        _ => None,
    }
}

fn uri(object: &Object, key: &'static str, expose: Expose<'_>) -> Option<Rope> {
    let exposed = expose(&object.string(key)?);
    let mut edit = object.edit();
    edit.set(key, quote(&exposed));
    Some(edit.finish())
}

fn array(object: &Object, key: &'static str, change: &dyn Fn(&Object) -> Option<Rope>) -> Option<Rope> {
    member(object, key, &|array| map_objects(array, change))
}

fn member(object: &Object, key: &'static str, change: &dyn Fn(&Bytes) -> Option<Rope>) -> Option<Rope> {
    let changed = change(&object.get(key)?)?;
    let mut edit = object.edit();
    edit.set(key, changed);
    Some(edit.finish())
}
