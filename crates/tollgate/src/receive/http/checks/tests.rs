use super::*;

#[test]
fn hosts() {
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
    settings.hosts = vec!["gate.example".into(), "exact.example:8443".into()];
    settings.public_host = Some("public.example".into());
    let allowed = Allowed::new(&settings);
    let local = "10.0.0.7:8750".parse().unwrap();
    for (host, expected) in [
        ("localhost", true),
        ("LOCALHOST:1", true),
        ("127.0.0.1:8750", true),
        ("[::1]:8750", true),
        ("[::1]", true),
        ("10.0.0.7:99", true),
        ("10.0.0.8:99", false),
        ("gate.example", true),
        ("Gate.Example:1234", true),
        ("exact.example:8443", true),
        ("exact.example:1", false),
        ("exact.example", false),
        ("public.example", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("", false),
    ] {
        assert_eq!(allowed.allows_host(host, local), expected, "{host}");
    }
}

#[test]
fn origins() {
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
    settings.origins = vec!["https://app.example".into()];
    settings.public_host = Some("gate.example".into());
    let allowed = Allowed::new(&settings);
    for (origin, expected) in [
        ("http://localhost:3000", true),
        ("https://127.0.0.1", true),
        ("http://[::1]:5173", true),
        ("https://app.example", true),
        ("http://app.example", false),
        ("https://app.example:444", false),
        ("https://gate.example", true),
        ("http://gate.example", false),
        ("null", false),
        ("https://evil.example", false),
        ("http://localhost.evil.example", false),
    ] {
        assert_eq!(allowed.allows_origin(origin), expected, "{origin}");
    }
}

#[test]
fn events_first() {
    for (accept, first) in [
        ("application/json, text/event-stream", false),
        ("text/event-stream, application/json", true),
        ("Text/Event-Stream,Application/JSON", true),
        ("text/event-stream;q=0.5, application/json", false),
        ("application/json;q=0.5, text/event-stream", true),
        ("application/json;q=x, text/event-stream;q=x", false),
        ("text/event-stream, */*", false),
        ("*/*", false),
        ("", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(prefers_events(&headers), first, "{accept}");
    }
    let mut headers = HeaderMap::new();
    headers.append(header::ACCEPT, "text/event-stream".parse().unwrap());
    headers.append(header::ACCEPT, "application/json".parse().unwrap());
    assert!(prefers_events(&headers));
}

#[test]
fn media_types() {
    for (accept, json, events) in [
        ("application/json, text/event-stream", true, true),
        ("*/*", true, true),
        ("application/*;q=0.5, text/*", true, true),
        ("Application/JSON", true, false),
        ("text/event-stream;q=0, application/json", true, false),
        ("text/html", false, false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(accepts(&headers, "application/json"), json, "{accept}");
        assert_eq!(accepts(&headers, "text/event-stream"), events, "{accept}");
    }
    assert!(!accepts(&HeaderMap::new(), "application/json"));
    for (value, expected) in [
        ("application/json", true),
        ("application/json; charset=UTF-8", true),
        ("application/json; charset=latin1", false),
        ("text/plain", false),
    ] {
        assert_eq!(is_json(&value.parse().unwrap()), expected, "{value}");
    }
}

#[test]
fn endpoints() {
    assert_eq!(endpoint("/mcp", "/mcp"), Some(Endpoint::Whole));
    assert_eq!(endpoint("/mcp", "/mcp/view/a"), Some(Endpoint::View("a".into())));
    assert_eq!(endpoint("/mcp", "/mcp/server/a-b"), Some(Endpoint::Server("a-b".into())));
    for path in
        ["/", "/mcp/", "/mcp/view", "/mcp/view/", "/mcp/view/a/b", "/mcp/x/y", "/mcpx", "/mcp/server/a%2fb"]
    {
        assert_eq!(endpoint("/mcp", path), None, "{path}");
    }
}
