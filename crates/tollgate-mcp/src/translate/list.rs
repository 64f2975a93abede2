//! Entries of lists.

use bytes::Bytes;

use super::{TaskSupport, meta};
use crate::method::Method;
use crate::object::Object;
use crate::revision::Revision;
use crate::rope::Rope;

/// One entry of a server's list, for an agent of `revision`: a tool's `execution` goes except where it is of 2025-11-25 and `tasks` says
/// that the tool can be called as a task; its `outputSchema` goes where that revision has none (≤ 2025-03-26) or only those of objects
/// (≤ 2025-11-25); hop-owned `_meta` keys go. What is no object stays as it is.
pub fn list_item(item: &Bytes, method: Method, revision: Revision, tasks: TaskSupport) -> Rope {
    let Ok(object) = Object::scan(item.clone()) else {
        return item.clone().into();
    };
    let mut edit = object.edit();
    meta::strip(&object, meta::HOP_OWNED, &mut edit);
    if method == Method::ToolsList {
        match (revision, tasks) {
            (Revision::V2025_11_25, TaskSupport::Optional | TaskSupport::Required) => {
                if TaskSupport::of_tool(&object) == TaskSupport::Forbidden {
                    edit.set("execution", r#"{"taskSupport":"optional"}"#.to_owned());
                }
            }
            (_, TaskSupport::Forbidden)
            | (
                Revision::V2024_11_05 | Revision::V2025_03_26 | Revision::V2025_06_18 | Revision::V2026_07_28,
                _,
            ) => {
                edit.remove("execution");
            }
        }
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
