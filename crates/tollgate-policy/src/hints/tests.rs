use proptest::prelude::*;

use super::{Flags, Hints, effective_destructive};

#[test]
fn names() {
    for (name, expected) in [
        ("delete", true),
        ("delete_file", true),
        ("file-delete", true),
        ("files.delete.all", true),
        ("deleteFile", true),
        ("DeleteFile", true),
        ("fileDelete", true),
        ("FILE_DELETE", true),
        ("HTTPDelete", true),
        ("DELETEall", true),
        ("removeX", true),
        ("userDROPTable", true),
        ("s3Delete", true),
        ("fs/delete", true),
        ("drop table", true),
        ("drop", true),
        ("truncate_log", true),
        ("purgeCache", true),
        ("disk_wipe", true),
        ("erase", true),
        ("revokeKey", true),
        ("kill-9", true),
        ("terminate_instance", true),
        ("uninstall", true),
        ("password_reset", true),
        ("destroy", true),
        ("\u{212a}ill", true), // the Kelvin sign folds to k
        ("deleted_items", false),
        ("undelete", false),
        ("undelete_file", false),
        ("dropdown", false),
        ("drop2", false),
        ("removal", false),
        ("skill", false),
        ("preset", false),
        ("resetting", false),
        ("get_issue", false),
        ("", false),
        ("_", false),
        ("d_e_l_e_t_e", false),
    ] {
        assert_eq!(effective_destructive(None, None, None, name), expected, "{name}");
    }
}

#[test]
fn hints_and_overrides() {
    let (yes, no) = (Some(true), Some(false));
    for (r#override, destructive, read_only, name, expected) in [
        // the operator has the last word
        (no, yes, None, "delete", false),
        (yes, no, yes, "get", true),
        // the server's word
        (None, yes, None, "get", true),
        (None, yes, no, "get", true),
        (None, yes, yes, "get", false),
        (None, no, None, "get", false),
        (None, None, None, "get", false),
        (None, None, no, "get", false),
        // never clears a name
        (None, no, None, "delete", true),
        (None, no, yes, "delete", true),
        (None, None, yes, "delete", true),
    ] {
        assert_eq!(
            effective_destructive(r#override, destructive, read_only, name),
            expected,
            "{override:?} {destructive:?} {read_only:?} {name}"
        );
    }
}

#[test]
fn flags() {
    let none = Hints::default();
    let plain = Flags { open_world: true, ..Flags::default() };
    assert_eq!(Flags::of_tool("get", none, None, false), plain);
    assert_eq!(Flags::of_tool("get", none, None, true), Flags { pinned: true, ..plain });

    let reader =
        Hints { read_only: Some(true), open_world: Some(false), idempotent: Some(true), ..Hints::default() };
    assert_eq!(
        Flags::of_tool("get", reader, None, false),
        Flags { read_only: true, idempotent: true, hinted: true, ..Flags::default() }
    );
    // a tool that destroys isn't read-only, whatever it says
    let liar = Flags::of_tool("delete", reader, None, false);
    assert!(liar.destructive && !liar.read_only);
    assert!(Flags::of_tool("delete", reader, Some(false), false).read_only);
}

proptest! {
    #[test]
    fn any_name_is_read(name in "\\PC{0,40}") {
        let told = effective_destructive(None, Some(true), None, &name);
        prop_assert!(told);
        let longer = format!("{name}_delete");
        prop_assert!(effective_destructive(None, None, None, &longer));
    }
}
