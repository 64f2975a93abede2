//! Entries of lists.

use bytes::Bytes;

use super::meta;
use crate::method::Method;
use crate::object::Object;
use crate::revision::Revision;
use crate::rope::Rope;

/// One entry of a server's list, for an agent of `revision`: a tool's `execution` goes (the gateway offers no legacy tasks), its
/// `outputSchema` goes where that revision has none (≤ 2025-03-26) or only those of objects (≤ 2025-11-25); hop-owned `_meta` keys go.
/// What is no object stays as it is.
pub fn list_item(item: &Bytes, method: Method, revision: Revision) -> Rope {
    let Ok(object) = Object::scan(item.clone()) else {
        return item.clone().into();
    };
    let mut edit = object.edit();
    meta::strip(&object, meta::HOP_OWNED, &mut edit);
    if method == Method::ToolsList {
        edit.remove("execution");
        let has_output = match revision {
            Revision::V2024_11_05 | Revision::V2025_03_26 => false,
            Revision::V2025_06_18 | Revision::V2025_11_25 => is_of_object(&object),
            Revision::V2026_07_28 => true,
        };
        if !has_output {
            edit.remove("outputSchema");
        }
    }
    edit.finish()
}

fn is_of_object(tool: &Object) -> bool {
    tool.object("outputSchema").is_some_and(|schema| schema.string("type").as_deref() == Some("object"))
}
