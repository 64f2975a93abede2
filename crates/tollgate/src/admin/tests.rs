#[test]
fn the_api_document_is_json_and_names_every_route() {
    let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    let reference = include_str!("../../../../docs/reference.md");
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(reference.contains(&format!("`{path}`")), "docs/reference.md does not name {path}");
    }
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/servers",
        "/api/v1/tools",
        "/api/v1/call",
        "/api/v1/pins",
        "/api/v1/pins/accept",
        "/api/v1/pins/forget",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}
