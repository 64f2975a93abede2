//! The hop-owned `_meta` keys: off what was received, on what is sent. All other keys pass.

use bytes::Bytes;

use crate::message::Id;
use crate::meta::{
    CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION, SERVER_INFO, SUBSCRIPTION_ID,
};
use crate::object::{Edit, Member, Object};
use crate::rope::{Rope, Weaver};

pub(super) const KEY: &str = "_meta";

/// What one hop says to the next: nobody else's business.
pub(super) const HOP_OWNED: &[&str] =
    &[PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, SERVER_INFO, SUBSCRIPTION_ID];

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
