//! What every parser of foreign input must hold, as fuzz targets: no panic, and the properties that make two readers agree.
//!
//! `scripts/fuzz` explores them with libFuzzer; the stable tests replay `fuzz/corpus/TARGET/*` (`tests/corpora.rs`).
//! *Never* compares an answer with the code that gave it: the second reader is `serde_json`, or this kit's own.

use bytes::Bytes;
use tollgate::config;
use tollgate::seal::{Purpose, Sealer};
use tollgate_mcp::message::{self, Message, Outcome};
use tollgate_mcp::object::{Object, elements, quote, unquote};
use tollgate_mcp::{header, line, name, sse, strict, uri};

use crate::json::Json;

mod policy;
pub use policy::{hidden, redacted};

/// A target: its name (and its corpus's folder) and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 12] = [
    ("request", request),
    ("server_message", server_message),
    ("object", object),
    ("header", headers),
    ("param_header", param_header),
    ("sse", events),
    ("line", lines),
    ("config", configuration),
    ("seal", sealed),
    ("name", names),
    ("hidden", hidden),
    ("redact", redacted),
];

/// The depth that requests may have (threats.md, "Default limits").
const DEPTH: usize = 64;

/// A client's message: what is accepted is JSON to others too, has no key twice, and comes out of a rewrite with the same parts.
pub fn request(data: &[u8]) {
    let text = Bytes::copy_from_slice(data);
    let strictly = strict::check(&text, DEPTH);
    if strictly.is_ok() {
        let other = std::str::from_utf8(data).ok().and_then(|text| Json::parse(text).ok());
        assert!(other.is_some(), "accepted what serde_json refuses");
        assert!(other.is_some_and(|json| json.duplicates().is_empty()), "accepted a key twice");
    }
    let Ok(read) = message::read(&text, DEPTH) else { return };
    assert!(strictly.is_ok(), "read what the strict reader refuses");
    let Ok(other) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let method =
        |other: &serde_json::Value| other.get("method").and_then(|m| m.as_str()).map(ToOwned::to_owned);
    match read {
        Message::Request(request) => {
            assert_eq!(Some(&request.method), method(&other).as_ref(), "two readers, two methods");
            if let Some(theirs) = other.pointer("/params/name").and_then(|name| name.as_str()) {
                assert_eq!(request.params.string("name").as_deref(), Some(theirs), "two readers, two tools");
            }
            let params = request.params.text().clone();
            let again =
                message::write_request(&request.id, &request.method, params.clone().into()).into_bytes();
            let Ok(Message::Request(again)) = message::read(&again, DEPTH) else {
                assert!(request.params.members().is_empty(), "what was written can't be read");
                return;
            };
            assert_eq!(again.id.text(), request.id.text());
            assert_eq!(again.method, request.method);
            assert_eq!(again.params.text(), &params, "the judged bytes are not the forwarded ones");
        }
        Message::Notification(notification) => {
            assert_eq!(Some(&notification.method), method(&other).as_ref());
            let text =
                message::write_notification(&notification.method, notification.params.text().clone().into());
            assert!(matches!(message::read(&text.into_bytes(), DEPTH), Ok(Message::Notification(_))));
        }
        Message::Response(response) => assert!(other.get("method").is_none(), "{response:?} has a method"),
    }
}

/// A server's message: parts are slices of what came, and a result comes out of a rewrite unchanged.
pub fn server_message(data: &[u8]) {
    let text = Bytes::copy_from_slice(data);
    let Ok(Message::Response(response)) = message::read_server(&text) else { return };
    let (Some(id), Outcome::Result(result)) = (&response.id, &response.outcome) else { return };
    let again = message::write_result(id, result.text().clone().into()).into_bytes();
    let same = match message::read_server(&again) {
        Ok(Message::Response(message::Response { outcome: Outcome::Result(same), .. })) => {
            Some(same.text().clone())
        }
        Ok(_) | Err(_) => None,
    };
    assert_eq!(same.as_ref(), Some(result.text()), "what was written reads differently");
}

/// The envelope scanner agrees with `serde_json` on what it accepts, and an edit touches nothing else.
pub fn object(data: &[u8]) {
    let text = Bytes::copy_from_slice(data);
    let Ok(object) = Object::scan(text.clone()) else {
        let map = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(data);
        assert!(map.is_err(), "serde_json reads an object that the scanner refuses");
        return;
    };
    assert_eq!(object.edit().finish().into_bytes(), *object.text(), "an edit without changes changes");
    let theirs = std::str::from_utf8(data).ok().and_then(|text| Json::parse(text).ok());
    if let Some(theirs) = &theirs {
        assert_eq!(object.members().len(), theirs.members().len(), "two readers, two member counts");
        for (key, _) in theirs.members() {
            let found = object.get(key).and_then(|text| String::from_utf8(text.to_vec()).ok());
            let found = found.and_then(|text| Json::parse(&text).ok());
            assert_eq!(found.as_ref(), theirs.get(key), "two readers, two values under {key:?}");
            if let Some(text) = theirs.text(key) {
                assert_eq!(object.string(key).as_deref(), Some(text));
            }
        }
        edited(&object, theirs);
    }
    if let Some(array) = object.members().first().map(|member| object.text().slice(member.value.clone())) {
        drop(elements(&array));
        drop(unquote(&array));
    }
}

/// Sets one member and removes another: only these change.
fn edited(object: &Object, theirs: &Json) {
    if theirs.members().iter().any(|(key, _)| theirs.members().iter().filter(|(k, _)| k == key).count() > 1) {
        return;
    }
    let mut edit = object.edit();
    let removed = theirs.members().last().map(|(key, _)| key.clone());
    edit.set("tollgate", Bytes::from_static(b"[1]"));
    if let Some(key) = &removed {
        edit.remove(key.clone());
    }
    let text = edit.finish().into_bytes();
    let after = std::str::from_utf8(&text).ok().and_then(|text| Json::parse(text).ok());
    assert!(after.is_some(), "an edit broke the text");
    let after = after.unwrap_or_default();
    for (key, value) in theirs.members() {
        if Some(key) != removed.as_ref() && key != "tollgate" {
            assert_eq!(after.get(key), Some(value), "an edit touched {key:?}");
        }
    }
    if removed.as_deref() != Some("tollgate") {
        assert_eq!(after.get("tollgate").map(Json::to_string).as_deref(), Some("[1]"));
        assert!(removed.is_none_or(|key| after.get(&key).is_none()), "a removed member is still there");
    }
}

/// Header values: what is encoded decodes to itself and may stand in a header; decoding foreign bytes never panics.
pub fn headers(data: &[u8]) {
    if let Ok(text) = header::decode(data) {
        let again = header::encode(&text);
        assert_eq!(header::decode(again.as_bytes()).as_deref(), Ok(&*text), "decode(encode(x)) is not x");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let value = header::encode(text);
    assert!(value.bytes().all(|b| (0x20..=0x7e).contains(&b)), "not a header's value: {value:?}");
    assert_eq!(header::decode(value.as_bytes()).as_deref(), Ok(text), "decode(encode(x)) is not x");
    assert_eq!(unquote(quote(text).as_bytes()).as_deref(), Some(text), "unquote(quote(x)) is not x");
}

/// Mirrored arguments: what is computed for a schema and arguments is accepted for them.
pub fn param_header(data: &[u8]) {
    let cut = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (schema, arguments) = data.split_at(cut);
    let Ok(marks) = header::param_headers(schema) else { return };
    let arguments = if arguments.is_empty() { b"{}" } else { arguments };
    if strict::check(arguments, DEPTH).is_err() {
        return;
    }
    let mirrored = header::mirror(&marks, arguments);
    let received = |asked: &str| {
        let same = |name: &str| {
            let name = name.to_ascii_lowercase();
            let asked = asked.to_ascii_lowercase();
            name == asked || name.strip_prefix("mcp-param-") == Some(&asked)
        };
        mirrored.iter().find(|(name, _)| same(name)).map(|(_, value)| value.as_bytes())
    };
    assert_eq!(header::validate_params(&marks, arguments, received), Ok(()), "our own headers are refused");
}

/// Events: any chunking gives the same events as the kit's own reader; a written message is read back.
pub fn events(data: &[u8]) {
    const LIMIT: usize = 1 << 20;
    let whole = decode(data, data.len().max(1), LIMIT);
    for size in [1, 3] {
        assert_eq!(decode(data, size, LIMIT), whole, "chunks of {size} read differently");
    }
    drop(decode(data, 2, 16));
    if std::str::from_utf8(data).is_ok_and(|text| !text.contains(['\0', '\u{feff}'])) {
        let mut reader = crate::wire::sse::Reader::default();
        reader.feed(data);
        let theirs: Vec<_> =
            std::iter::from_fn(|| reader.next_event()).filter(|event| !event.data.is_empty()).collect();
        let ours = whole.iter().filter(|event| !event.data.is_empty());
        for (ours, theirs) in ours.zip(&theirs) {
            assert_eq!(ours.data, theirs.data.as_bytes(), "two readers, two events");
        }
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(message) = Json::parse(text)
    {
        let written = sse::encode(Some("7"), Bytes::copy_from_slice(data).into()).into_bytes();
        let read = decode(&written, written.len(), LIMIT);
        let back = read.first().and_then(|event| String::from_utf8(event.data.to_vec()).ok());
        let back = back.and_then(|text| Json::parse(&text).ok());
        assert_eq!((read.len(), back.as_ref()), (1, Some(&message)), "a written event reads differently");
    }
}

fn decode(data: &[u8], size: usize, limit: usize) -> Vec<sse::Event> {
    let mut decoder = sse::Decoder::new(limit);
    let mut events = Vec::new();
    for chunk in data.chunks(size) {
        decoder.feed(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return events,
            }
        }
    }
    events
}

/// Lines: any chunking gives the same lines, each without a line break; a written message is one line and reads back.
pub fn lines(data: &[u8]) {
    const LIMIT: usize = 1 << 20;
    let cut = |size: usize, limit: usize| {
        let mut decoder = line::Decoder::new(limit);
        let mut lines = Vec::new();
        for chunk in data.chunks(size) {
            decoder.feed(chunk);
            loop {
                match decoder.next() {
                    Ok(Some(line)) => lines.push(Some(line)),
                    Ok(None) => break,
                    Err(_) => lines.push(None),
                }
            }
        }
        lines
    };
    let whole = cut(data.len().max(1), LIMIT);
    assert!(whole.iter().flatten().all(|line| !line.contains(&b'\n') && !line.is_empty()));
    for (size, limit) in [(1, LIMIT), (3, LIMIT)] {
        assert_eq!(cut(size, limit), whole, "chunks of {size} read differently");
    }
    assert!(cut(1, 8).iter().flatten().all(|line| line.len() <= 8), "a line over the limit");
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(message) = Json::parse(text)
    {
        let written = line::encode(Bytes::copy_from_slice(data).into()).into_bytes();
        let (last, body) = written.split_last().map_or((0, [].as_slice()), |(last, body)| (*last, body));
        assert!(last == b'\n' && !body.contains(&b'\n'), "a message of several lines");
        let back = std::str::from_utf8(body).ok().and_then(|text| Json::parse(text).ok());
        assert_eq!(back, Some(message), "a written line reads differently");
    }
}

/// A configuration: read or refused with problems that can be shown.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match config::load(std::path::Path::new("/nowhere/tollgate.yaml"), text) {
        Ok(config) => {
            for server in config.servers.values() {
                assert!(server.alias.len() <= 24, "alias {} is too long", server.alias);
            }
            let open = config.anonymous && !(config.listen.ip().is_loopback() && config.public_url.is_none());
            assert!(!open, "anonymous beyond loopback");
        }
        Err(problems) => assert!(!problems.render(false).is_empty(), "refused without a word"),
    }
}

/// Sealed tokens: nothing foreign opens, what was sealed opens only for its purpose, principal and time, and not with a bit changed.
pub fn sealed(data: &[u8]) {
    let sealer = Sealer::new([7; 32]);
    let foreign = String::from_utf8_lossy(data);
    assert!(sealer.open(Purpose::State, "alice", &foreign, 0).is_err(), "a foreign token opens");
    let token = sealer.seal(Purpose::State, "alice", data, 1_000);
    assert_eq!(
        sealer.open(Purpose::State, "alice", &token, 999).as_deref(),
        Ok(data),
        "open(seal(x)) is not x"
    );
    assert!(sealer.open(Purpose::Cursor, "alice", &token, 999).is_err(), "another purpose");
    assert!(sealer.open(Purpose::State, "bob", &token, 999).is_err(), "another principal");
    assert!(sealer.open(Purpose::State, "alice", &token, 1_001).is_err(), "expired");
    let place = data.first().map_or(0, |byte| usize::from(*byte) % token.len());
    let changed: String = token
        .char_indices()
        .map(|(at, c)| if at == place { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    // The last letter's spare bits do not count in base64.
    if place + 1 < token.len() {
        assert!(sealer.open(Purpose::State, "alice", &changed, 999).is_err(), "a changed token opens");
    }
}

/// Names and URIs: an exposed URI leads back, an exposed name is one, globs end.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let exposed = uri::expose("files", text);
    assert_eq!(uri::restore(&exposed), Some(("files", text.to_owned())), "{exposed:?} does not lead back");
    if let Some((alias, original)) = uri::restore(text) {
        // Alternative spellings of one original are refused or come out in one form.
        assert_eq!(uri::restore(&uri::expose(alias, &original)), Some((alias, original.clone())));
    }
    let name = name::expose("files", text, 48);
    assert!((1..=48).contains(&name.len()), "{name:?} is too long");
    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')), "{name:?}");
    assert!(
        name::glob("*", text) && name::glob(&format!("*{}*", text.replace('*', "")), &text.replace('*', ""))
    );
    let (pattern, subject) = text.split_once('\n').unwrap_or((text, text));
    let _: bool = name::glob(pattern, subject);
}
