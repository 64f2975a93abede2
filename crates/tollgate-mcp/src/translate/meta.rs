//! The hop-owned `_meta` keys: off what was received, on what is sent. All other keys pass.

use bytes::Bytes;

use crate::message::Id;
use crate::meta::{
    CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROGRESS_TOKEN, PROTOCOL_VERSION, SERVER_INFO,
    SUBSCRIPTION_ID,
};
use crate::object::{Edit, Member, Object};
use crate::revision::Revision;
use crate::rope::{Rope, Weaver};

pub(super) const KEY: &str = "_meta";

/// What one hop says to the next: nobody else's business.
pub(super) const HOP_OWNED: &[&str] =
    &[PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, SERVER_INFO, SUBSCRIPTION_ID];

/// The same and the progress token, which is minted anew per hop.
const REQUEST_OWNED: &[&str] = &[
    PROTOCOL_VERSION,
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    SERVER_INFO,
    SUBSCRIPTION_ID,
    PROGRESS_TOKEN,
];

/// A request's params without the hop-owned `_meta` keys (`protocolVersion`, `clientInfo`, `clientCapabilities`, `logLevel`,
/// `progressToken`, and the results' own); without `_meta` if nothing else was in it. Costs nothing where there is nothing to strip.
pub fn strip_reserved_meta(params: &Object) -> Rope {
    let mut edit = params.edit();
    strip(params, REQUEST_OWNED, &mut edit);
    edit.finish()
}

/// A request's params with our own hop-owned `_meta` keys instead of those in it, `_meta` put first. `client_info` and `capabilities` are
/// JSON objects' texts, `progress_token` is a JSON value's text, `log_level` a level's name. One allocation where nothing is large.
pub fn stamp_modern_meta(
    params: &Object,
    version: Revision,
    client_info: Option<&Bytes>,
    capabilities: &Bytes,
    log_level: Option<&str>,
    progress_token: Option<&Bytes>,
) -> Rope {
    let small = [Some(params.text()), client_info, Some(capabilities), progress_token];
    let room: usize = small.into_iter().flatten().map(|text| text.len().min(1024)).sum();
    let mut out = Weaver::with_room(room + 320);
    out.text("{\"_meta\":{\"").text(PROTOCOL_VERSION).text("\":\"").text(version.as_str());
    out.text("\",\"").text(CLIENT_CAPABILITIES).text("\":").bytes(capabilities.clone());
    if let Some(info) = client_info {
        out.text(",\"").text(CLIENT_INFO).text("\":").bytes(info.clone());
    }
    if let Some(level) = log_level {
        out.text(",\"").text(LOG_LEVEL).text("\":").quoted(level);
    }
    if let Some(token) = progress_token {
        out.text(",\"").text(PROGRESS_TOKEN).text("\":").bytes(token.clone());
    }
    if let Some(meta) = params.object(KEY) {
        append_others(&mut out, &meta, REQUEST_OWNED);
    }
    out.text("}");
    append_others(&mut out, params, &[KEY]);
    out.text("}");
    out.finish()
}

/// Params or a result on a `subscriptions/listen` stream, with the listen request's id as the agent sent it in `_meta`.
pub fn stamp_subscription(object: &Object, listen: &Id) -> Rope {
    let meta = object.object(KEY).unwrap_or_else(Object::empty);
    let mut inner = meta.edit();
    inner.set(SUBSCRIPTION_ID, listen.text().clone());
    let mut edit = object.edit();
    edit.set(KEY, inner.finish());
    edit.finish()
}

/// A result's `_meta` with our `serverInfo` and no other hop-owned key.
pub(super) fn of_result(out: &mut Weaver, result: &Object, server_info: &Bytes) {
    out.text("{\"").text(SERVER_INFO).text("\":").bytes(server_info.clone());
    if let Some(meta) = result.object(KEY) {
        append_others(out, &meta, HOP_OWNED);
    }
    out.text("}");
}

/// Strips `keys` from the object's `_meta`, and `_meta` itself if that leaves nothing or it is no object.
pub(super) fn strip(object: &Object, keys: &[&'static str], edit: &mut Edit<'_>) {
    if object.find(KEY).is_none() {
        return;
    }
    let Some(meta) = object.object(KEY) else {
        edit.remove(KEY);
        return;
    };
    let stripped = meta.members().iter().filter(|member| is_one_of(&meta, member, keys)).count();
    if stripped == meta.members().len() && stripped != 0 {
        edit.remove(KEY);
    } else if stripped != 0 {
        let mut inner = meta.edit();
        for key in keys {
            inner.remove(*key);
        }
        edit.set(KEY, inner.finish());
    }
}

fn is_one_of(object: &Object, member: &Member, keys: &[&str]) -> bool {
    keys.iter().any(|key| object.is_key(member, key))
}

/// Appends the members that are none of `keys`, each after a comma.
pub(super) fn append_others(out: &mut Weaver, object: &Object, keys: &[&str]) {
    for member in object.members() {
        if !is_one_of(object, member, keys) {
            out.text(",").bytes(object.text().slice(member.key.start..member.value.end));
        }
    }
}
