use super::*;

#[test]
fn we_introduce_ourselves_to_both_eras() {
    let capabilities = object(
        r#"{"completions":{},"extensions":{"x/y":{}},"tools":{"listChanged":true},"resources":{"subscribe":true},"other":{},"logging":{}}"#,
    );
    let discover = discover_result(&capabilities, Some("be \"good\""), &[M, L4]);
    assert_eq!(
        discover.text(),
        format!(
            r#"{{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{},"instructions":"be \"good\""}}"#,
            text(capabilities.text().clone().into())
        )
        .as_str()
    );
    assert_eq!(
        text(initialize_result(&discover, L4, &ours())),
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"completions":{},"logging":{}},"serverInfo":{"name":"tollgate","version":"0"},"instructions":"be \"good\""}"#
    );
    assert_eq!(
        text(initialize_result(&discover_result(&capabilities, None, &[]), L1, &ours())),
        r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"tollgate","version":"0"}}"#
    );
    assert_eq!(
        text(initialize_result(&Object::empty(), L1, &ours())),
        r#"{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{"name":"tollgate","version":"0"}}"#
    );
}
