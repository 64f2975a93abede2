#[test]
fn the_api_document_is_json_and_names_every_route() {
    let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/servers",
        "/api/v1/tools",
        "/api/v1/call",
        "/api/v1/pins",
        "/api/v1/pins/accept",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}
