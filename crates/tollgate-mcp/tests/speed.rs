//! Measures the hot paths: `cargo test --release -p tollgate-mcp --test speed -- --ignored --nocapture`.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use tollgate_mcp::message::{Id, Message, read, read_server, write_request, write_result};
use tollgate_mcp::method::Method;
use tollgate_mcp::object::Object;
use tollgate_mcp::revision::Revision;
use tollgate_mcp::rope::Rope;
use tollgate_mcp::{line, sse, strict, translate};

/// The best of 200 short rounds, in ns per call: other work on the machine spoils some, not all.
fn measure<T>(what: &str, bytes: usize, calls: u32, mut call: impl FnMut() -> T) {
    let mut best = f64::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call());
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    }
    let bytes = f64::from(u32::try_from(bytes).unwrap());
    println!("{what:<28} {best:>10.0} ns {:>8.2} GB/s", bytes / best);
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let text = "lorem ipsum dolor ".repeat(7);
    let request = Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{{"name":"files_write","arguments":{{"path":"/tmp/a","mode":420,"content":"{text}","tags":["a","b","c"]}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{"elicitation":{{}}}},"io.modelcontextprotocol/clientInfo":{{"name":"agent","version":"1.0.0"}}}}}}}}"#,
    ));
    let size = request.len();
    println!("a request of {size} bytes");
    measure("strict::check", size, 200, || strict::check(&request, 64));
    measure("serde_json::Value", size, 200, || serde_json::from_slice::<serde_json::Value>(&request));
    measure("message::read", size, 200, || read(&request, 64));
    measure("message::read_server", size, 200, || read_server(&request));
    let Ok(Message::Request(message)) = read(&request, 64) else { panic!("no request") };
    let params = message.params;
    let id = Id::number(1);
    measure("write_request", size, 200, || {
        write_request(&id, "tools/call", params.text().clone().into()).into_bytes()
    });

    let result = Bytes::from(format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#));
    let info = Bytes::from_static(br#"{"name":"tollgate","version":"0.1.0"}"#);
    measure("a small answer, M → M", result.len(), 200, || {
        let object = Object::scan(result.clone()).unwrap();
        let answer = translate::read_answer(Method::ToolsCall, object, Revision::LATEST, false).unwrap();
        write_result(&id, translate::to_modern(&answer, &info)).into_bytes()
    });
    measure("a small answer, L4 → L4", result.len(), 200, || {
        let object = Object::scan(result.clone()).unwrap();
        let answer =
            translate::read_answer(Method::ToolsCall, object, Revision::LATEST_LEGACY, false).unwrap();
        write_result(&id, translate::to_legacy(&answer, Method::ToolsCall, Revision::LATEST_LEGACY))
            .into_bytes()
    });
    let event = sse::encode(None, Rope::from(result.clone())).into_bytes();
    measure("sse::Decoder", event.len(), 200, || {
        let mut decoder = sse::Decoder::new(1 << 20);
        decoder.feed(event.clone());
        decoder.next()
    });
    measure("line::Decoder", result.len(), 200, || {
        let mut decoder = line::Decoder::new(1 << 20);
        decoder.feed(&result);
        decoder.feed(b"\n");
        decoder.next()
    });

    for (what, unit) in [
        ("scan 1 MB, plain text", "lorem ipsum dolor sit amet "),
        ("scan 1 MB, a line escape", r"a line of code that is not short, or so they say\n"),
        ("scan 1 MB, JSON in text", r#"{\"a\": \"text\", \"b\": 12},\n"#),
    ] {
        let large = unit.repeat(1_000_000 / unit.len());
        let large = Bytes::from(format!(r#"{{"content":[{{"type":"text","text":"{large}"}}]}}"#));
        measure(what, large.len(), 1, || Object::scan(large.clone()));
    }
    let structure = Bytes::from(format!(r#"{{"a":[{}1]}}"#, r#"12.5,{"x":-3},"#.repeat(70_000)));
    measure("scan 1 MB, structure", structure.len(), 1, || Object::scan(structure.clone()));
    measure("strict 1 MB, structure", structure.len(), 1, || strict::check(&structure, 64));
}
