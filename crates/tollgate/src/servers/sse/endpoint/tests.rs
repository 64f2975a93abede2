use super::resolve;

const BASE: &str = "http://127.0.0.1:9000/a/sse?key=1";

#[test]
fn references_are_resolved_against_the_stream() {
    for (told, path) in [
        ("/messages?session=1", "/messages?session=1"),
        ("messages?session=1", "/a/messages?session=1"),
        ("?session=1", "/a/sse?session=1"),
        ("../m", "/m"),
        ("./m/", "/a/m/"),
        ("../../../m", "/m"),
        ("http://127.0.0.1:9000/m#x", "/m"),
        ("HTTP://127.0.0.1:9000", "/"),
        ("//127.0.0.1:9000/m", "/m"),
        ("/m?to=http://elsewhere/", "/m?to=http://elsewhere/"),
    ] {
        assert_eq!(resolve(BASE, told).map(|uri| uri.to_string()).as_deref(), Ok(path), "{told}");
    }
    assert_eq!(resolve("https://Gate.example/sse", "https://gate.example:443/m").unwrap(), "/m");
}

#[test]
fn other_origins_are_refused() {
    for told in [
        "http://127.0.0.1:9001/m",
        "https://127.0.0.1:9000/m",
        "http://localhost:9000/m",
        "//evil.example/m",
        "http://127.0.0.1:9000@evil.example/m",
        "file://127.0.0.1:9000/etc/passwd",
    ] {
        assert!(resolve(BASE, told).unwrap_err().contains("another origin"), "{told}");
    }
    for told in ["", "/a b", "/a\r\nhost: evil", "http://", "/\u{e9}"] {
        assert!(resolve(BASE, told).is_err(), "{told}");
    }
    assert!(resolve(BASE, &"x".repeat(4000)).is_err());
}
