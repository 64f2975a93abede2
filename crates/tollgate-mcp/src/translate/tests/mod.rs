use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::{INTERNAL_ERROR, RpcError};
use crate::message::Id;
use crate::method::Method;
use crate::object::tests::json_object;
use crate::revision::Revision::{
    self, V2024_11_05 as L1, V2025_03_26 as L2, V2025_06_18 as L3, V2025_11_25 as L4, V2026_07_28 as M,
};
use crate::rope::Rope;

fn object(text: &str) -> Object {
    Object::scan(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn text(rope: Rope) -> String {
    String::from_utf8(rope.into_bytes().to_vec()).unwrap()
}

fn answer(method: Method, result: &str, server: Revision) -> Answer {
    read_answer(method, object(result), server, true).unwrap()
}

fn ours() -> Bytes {
    Bytes::from_static(br#"{"name":"tollgate","version":"0"}"#)
}

mod answers;
mod errors;
mod introductions;
mod lists;
mod metas;
mod questions;
mod tasks;
mod uris;
