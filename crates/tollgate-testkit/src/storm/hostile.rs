//! What one message can do to a gateway, judged by what its servers received.
//! *Never* satisfied with a refusal: a refused message must not have arrived, a forwarded one must be the one that was judged.

use std::time::Duration;

use serde_json::json;

use super::field::{ALICE, BOB, Field, Road, SERVERS};
use super::raw::{Conn, Got, call, modern, post};
use super::{Setting, hold};
use crate::agent::{Agent, Setup};
use crate::fake::{Kind, Script, Server};
use crate::json::Json;
use crate::wire::{MODERN, RESERVED};
use crate::{Failure, Result};

const TWINS: &str = "no message is judged as one thing and forwarded as another";
const HEADS: &str = "headers and bodies agree or are refused";
const FRAMING: &str = "bytes that are no request reach no server";
const HANDLES: &str = "answers, handles and logs stay whose they are";

/// The attacks on messages and transports that gateways have fallen to, and the trials that try them here.
pub const ROWS: [(&str, &[&str]); 13] = [
    ("Duplicate JSON keys, case twins, Unicode folds", &[TWINS, "three other parsers read what policy read"]),
    ("Header against body", &[HEADS]),
    ("Version downgrade", &[TWINS, HEADS]),
    ("Partial inspection", &[FRAMING]),
    ("Batch", &[TWINS]),
    ("Framing", &[FRAMING]),
    ("DNS rebinding, CSRF", &[HEADS]),
    ("Internal headers believed", &[HEADS]),
    (
        "Resource exhaustion",
        &[
            "one good server among nine bad ones",
            "a server that is silent is left alone and comes back",
            "a stdio server is killed again and again",
            "a storm of connections",
            "idle streams",
            "slow heads, bodies and readers",
        ],
    ),
    ("Response mix-up", &[HANDLES]),
    ("Cancel, progress, session and task theft", &[HANDLES]),
    ("`requestState` tampering and replay", &[HANDLES]),
    ("Shared caches; log injection", &[HANDLES]),
];

/// Params that two readers could read differently, or that a rule denies. `S` = the server, `META` = the era's `_meta`.
const PARAMS: [&str; 21] = [
    r#"{"name":"S_secret","arguments":{},META}"#,
    r#"{"name":"S_echo","name":"S_secret","arguments":{},META}"#,
    r#"{"name":"S_secret","name":"S_echo","arguments":{},META}"#,
    r#"{"name":"S_echo","Name":"S_secret","arguments":{},META}"#,
    r#"{"NAME":"S_secret","name":"S_echo","arguments":{},META}"#,
    r#"{"name":"S_echo","na\u006de":"S_secret","arguments":{},META}"#,
    r#"{"name":"S_echo","arguments":{},"arguments":{"path":"/etc"},META}"#,
    r#"{"name":"S_echo","arguments":{},"argument\u017f":{"path":"/etc"},META}"#,
    r#"{"name":"S_echo","arguments":{},"argumentſ":{"path":"/etc"},META}"#,
    r#"{"name":"S_echo","arguments":{"path":"/tmp","path":"/etc"},META}"#,
    r#"{"name":"S_echo","arguments":{"deep":[{"x":1,"\u0078":2}]},META}"#,
    r#"{"name":"S_echo\u0000","arguments":{},META}"#,
    r#"{"name":"S_echo\uD800","arguments":{},META}"#,
    r#"{"name":["S_secret"],"arguments":{},META}"#,
    r#"{"name":"S_echo","arguments":{},META,META}"#,
    r#"{"name":"S_echo","arguments":{"n":NaN},META}"#,
    r#"{"name":"S_echo","arguments":{"n":01},META}"#,
    r#"{"name":"S_echo","arguments":{"n":1,},META}"#,
    r#"{"name":"S_echo",/* */"arguments":{},META}"#,
    r#"{"name":'S_echo',"arguments":{},META}"#,
    r#"{"name":"S_echo","arguments":[{"path":"/etc"}],META}"#,
];

/// Whole messages of the same kind; `P` = good params.
const MESSAGES: [&str; 13] = [
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","method":"tools/call","params":P}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","Method":"tools/call","params":P}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{},"params":P}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","Params":P}"#,
    r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"tools/call","params":P}"#,
    r#"{"jsonrpc":"1.0","id":7,"method":"tools/call","params":P}"#,
    r#"{"jsonrpc":"2.0","id":{},"method":"tools/call","params":P}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"Tools/Call","params":P}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":P}{"jsonrpc":"2.0","id":8,"method":"tools/call","params":P}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","result":{},"params":P}"#,
    "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":P}",
    r#"[[{"jsonrpc":"2.0","id":7,"method":"tools/call","params":P}]]"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"P"}"#,
];

/// What passes, and passes as it is.
const GOOD: [&str; 5] = [
    r#"{"a":1.0000000000000000001,"b":123456789012345678901234567890,"c":-0.0,"d":1E400,"e":1e-7}"#,
    r#"{ "Name" : "S_secret", "name":"x",   "tab":"\t\u00e9é\/\ud83d\ude00" }"#,
    r#"{"method":"tools/call","params":{"name":"S_secret"},"_meta":{"x":[]},"jsonrpc":"1"}"#,
    r#"{"":"","\u0000":"\u0000","__proto__":{"a":null}}"#,
    r#"{"list":[[],[{}],[null,true,false]],"html":"<a href=\"x\">&amp;</a>"}"#,
];

fn envelope(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#)
}

pub(super) async fn twins(setting: Setting) -> Result<String> {
    let field = Field::start(&setting, &[]).await?;
    let mut sent = 0;
    let (mut refused, mut passed) = (0, 0);
    for mut road in Road::all(&field).await? {
        let at = |road: &Road, what: &str| format!("{}: {what}", road.name());
        for server in SERVERS {
            let echo = format!("{server}_echo");
            let fill = |road: &Road, text: &str| {
                text.replace("META", &road.meta()).replace("S_", &format!("{server}_"))
            };
            let good = format!(r#"{{"name":"{echo}","arguments":{{}},{}}}"#, road.meta());
            let mut attacks: Vec<Vec<u8>> =
                PARAMS.iter().map(|params| envelope(&fill(&road, params)).into_bytes()).collect();
            attacks.extend(MESSAGES.iter().map(|message| message.replace('P', &good).into_bytes()));
            // Also: bytes that are no text, nesting, and a batch with a denied call in it where batches are not spoken.
            let mut bad_text = envelope(&good.replace("{}", r#"{"x":"?"}"#)).into_bytes();
            for byte in &mut bad_text {
                if *byte == b'?' {
                    *byte = 0xff;
                }
            }
            attacks.push(bad_text);
            let deep = format!("{}{}", "[".repeat(80), "]".repeat(80));
            attacks.push(envelope(&good.replace("{}", &format!(r#"{{"x":{deep}}}"#))).into_bytes());
            let batches = matches!(&road, Road::Session(_, revision, _) if revision == "2025-03-26");
            if batches {
                let secret = envelope(&good.replace("_echo", "_secret"));
                attacks.push(format!("[{secret},{secret}]").into_bytes());
            } else {
                attacks.push(format!("[{}]", envelope(&good)).into_bytes());
            }
            if batches {
                // The one that may pass does, the other one does not, whichever comes first.
                let (own, secret) = (envelope(&good), envelope(&good.replace("_echo", "_secret")));
                let (first, second) = (own.replace(":7,", ":17,"), secret.replace(":7,", ":18,"));
                for batch in [format!("[{first},{second}]"), format!("[{second},{first}]")] {
                    let before = field.calls().len();
                    road.send(&field, &echo, batch.as_bytes()).await?;
                    let came = field.calls().len() - before;
                    hold(came == 1, || at(&road, &format!("{came} arrived of {batch}")))?;
                    sent += 1;
                }
            }
            for attack in attacks {
                let before = field.calls().len();
                let answer = road.send(&field, &echo, &attack).await;
                let answer =
                    answer.map_err(|f| f.while_doing(at(&road, &String::from_utf8_lossy(&attack))))?;
                let came = field.calls().len() - before;
                hold(came == 0 && !answer.is_ok(), || {
                    at(&road, &format!("{came} arrived of {}: {answer:?}", String::from_utf8_lossy(&attack)))
                })?;
                refused += 1;
                sent += 1;
            }
            for arguments in GOOD {
                let arguments = arguments.replace("S_", &format!("{server}_"));
                let params = good.replace("\"arguments\":{}", &format!("\"arguments\":{arguments}"));
                let before = field.calls().len();
                let answer = road.send(&field, &echo, envelope(&params).as_bytes()).await?;
                let calls = field.calls();
                let exact = |call: &super::rude::Heard| {
                    call.params.text("name") == Some("echo") && call.body.contains(&arguments)
                };
                let came: Vec<_> = calls.iter().filter(|call| exact(call)).collect();
                hold(answer.is_ok() && calls.len() == before + 1 && !came.is_empty(), || {
                    at(&road, &format!("not as it is: {arguments}: {answer:?}"))
                })?;
                passed += 1;
                sent += 1;
            }
        }
    }
    for heard in field.heard() {
        hold(heard.params.text("name") != Some("secret"), || {
            format!("a denied call arrived: {}", heard.body)
        })?;
    }
    Ok(format!(
        "{sent} messages on 7 roads to 3 kinds of servers: {refused} refused and not received, {passed} received as sent"
    ))
}

/// A call of `tool` with these headers instead of the right ones.
fn headed(headers: &[(&str, &str)], tool: &str, text: &str) -> String {
    let meta =
        json!({ format!("{RESERVED}protocolVersion"): MODERN, format!("{RESERVED}clientCapabilities"): {} });
    let params = json!({ "name": tool, "arguments": { "text": text }, "_meta": meta });
    post(headers, &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string())
}

/// The headers that belong to a call of `m_echo`, each replaced, doubled or left out in turn.
fn wrong_heads() -> Vec<Vec<(&'static str, &'static str)>> {
    let right = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "m_echo")];
    let wrong: [(usize, &[&str]); 11] = [
        (0, &[]),
        (0, &["2025-11-25"]),
        (0, &["2025-11-25", MODERN]),
        (1, &[]),
        (1, &["tools/list"]),
        (1, &["tools/list", "tools/call"]),
        (2, &[]),
        (2, &["m_poke"]),
        (2, &["m_poke", "m_echo"]),
        (2, &["=?base64?bV9wb2tl?="]),
        (2, &["=?base64?!!!?="]),
    ];
    wrong
        .into_iter()
        .map(|(place, values)| {
            let mut headers = Vec::new();
            for (n, (name, value)) in right.iter().enumerate() {
                if n == place {
                    headers.extend(values.iter().map(|value| (*name, *value)));
                } else {
                    headers.push((*name, *value));
                }
            }
            headers
        })
        .collect()
}

pub(super) async fn heads(setting: Setting) -> Result<String> {
    let marked = Server::start(Kind::ModernHttp, Script::default()).await?;
    let field = Field::start(&setting, &[("f", json!({ "url": marked.url() }))]).await?;
    let ask = |request: String| {
        let address = field.address();
        async move {
            let mut conn = Conn::open(&address).await?;
            tokio::time::timeout(Duration::from_secs(5), conn.ask(&request)).await?
        }
    };
    let right = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "m_echo")];
    let mut refused = 0;
    let refuse = |got: &Got, why: &str| {
        hold((400..500).contains(&got.status), || format!("{why}: {} {}", got.status, got.body))
    };
    for headers in wrong_heads() {
        refuse(&ask(headed(&headers, "m_echo", "x")).await?, &format!("{headers:?}"))?;
        refused += 1;
    }
    // The argument that is mirrored in a header.
    for region in [None, Some("us")] {
        let mut headers = vec![right[0], right[1], ("mcp-name", "f_structured")];
        headers.extend(region.map(|region| ("mcp-param-region", region)));
        let body = headed(&headers, "f_structured", "x").replace("\"text\":\"x\"", "\"region\":\"eu\"");
        let body = length_mended(&body);
        refuse(&ask(body).await?, &format!("Mcp-Param-Region: {region:?}"))?;
        refused += 1;
    }
    // Who may ask at all: hosts, origins, media types, credentials.
    let with = |more: &[(&'static str, &'static str)]| {
        let headers: Vec<_> = right.iter().chain(more).copied().collect();
        headed(&headers, "m_echo", "x")
    };
    let doors = [
        with(&[("origin", "https://evil.example")]),
        with(&[("origin", "null")]),
        with(&[("host", "localhost")]),
        with(&[("content-encoding", "gzip")]),
        with(&[("content-type", "text/plain")]),
        with(&[("authorization", "Bearer no-such-key-no-such-key-no-such-key")]),
        with(&[("authorization", "Basic YWxpY2U6YWxpY2U=")]),
        with(&[("forwarded", "for=127.0.0.1")]),
        with(&[("x-forwarded-for", "127.0.0.1")]),
        with(&[]).replace("host: localhost", "host: evil.example"),
        with(&[]).replace("application/json\r\naccept", "text/plain\r\naccept"),
        with(&[]).replace("host: localhost\r\n", ""),
    ];
    for request in doors {
        refuse(&ask(request.clone()).await?, &request)?;
        refused += 1;
    }
    hold(
        field.calls().is_empty() && marked.received().iter().all(|heard| heard.method != "tools/call"),
        || format!("arrived: {:?}", field.calls()),
    )?;
    // What says who somebody is comes from the key alone, and stays here.
    let bearer = format!("Bearer {ALICE}");
    let mut headers = vec![right[0], right[1]];
    headers.extend([
        ("authorization", bearer.as_str()),
        ("x-agent", "bob"),
        ("x-forwarded-user", "root"),
        ("x-api-key", "stolen"),
        ("cookie", "session=stolen"),
        ("mcp-init-host", "evil.example"),
        ("router-key", "stolen"),
        ("x-tollgate-agent", "operator"),
    ]);
    for server in SERVERS {
        let tool = format!("{server}_echo");
        let mut headers = headers.clone();
        headers.push(("mcp-name", &tool));
        let got = ask(headed(&headers, &tool, "whoami")).await?;
        hold(got.text()? == "whoami", || got.body.clone())?;
    }
    for heard in field.heard() {
        let text = format!("{}{}", heard.head, heard.body).to_lowercase();
        for stays in ["alice", "stolen", "bob", "root", "operator", "evil", "x-agent", "cookie", "router-key"]
        {
            hold(!text.contains(stays), || format!("`{stays}` went on: {text}"))?;
        }
    }
    let who = field.gateway.ledger().await?;
    let who: Vec<_> = who
        .iter()
        .filter(|entry| entry.text("outcome") == Some("ok"))
        .filter_map(|entry| entry.text("agent"))
        .collect();
    hold(who.iter().filter(|agent| **agent == "alice").count() == 3, || format!("the ledger says {who:?}"))?;
    Ok(format!(
        "{refused} requests whose head lies were refused and not received; 8 headers about who calls stayed here"
    ))
}

/// The same request with the length that its body has now.
fn length_mended(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
    let kept: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with("content-length")).collect();
    format!("{}\r\ncontent-length: {}\r\n\r\n{body}", kept.join("\r\n"), body.len())
}

/// Bytes that are no request, or no request that may be answered: what is wrong with them, and they.
fn attacks(bare: &str, body: &str, chunked: &str, plain: &str) -> Vec<(&'static str, String)> {
    let length = body.len();
    let large = "x".repeat(5 << 20);
    vec![
        ("two lengths", format!("{bare}\r\ncontent-length: {length}\r\ncontent-length: 0\r\n\r\n{body}")),
        ("a list of lengths", format!("{bare}\r\ncontent-length: {length}, 0\r\n\r\n{body}")),
        ("a signed length", format!("{bare}\r\ncontent-length: +{length}\r\n\r\n{body}")),
        ("a length in hex", format!("{bare}\r\ncontent-length: 0x{length:x}\r\n\r\n{body}")),
        (
            "chunks that are not last",
            format!("{bare}\r\ntransfer-encoding: chunked, identity\r\n\r\n{chunked}"),
        ),
        ("chunks misspelt", format!("{bare}\r\ntransfer-encoding: xchunked\r\n\r\n{chunked}")),
        (
            "a folded header",
            format!("{bare}\r\nx-folded: a\r\n content-length: 0\r\ncontent-length: {length}\r\n\r\n{body}"),
        ),
        ("a space before the colon", format!("{bare}\r\ncontent-length : {length}\r\n\r\n{body}")),
        ("a NUL in a header", format!("{bare}\r\nx-nul: a\0b\r\ncontent-length: {length}\r\n\r\n{body}")),
        (
            "a chunk longer than it says",
            format!("{bare}\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk size that overflows",
            format!("{bare}\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{body}"),
        ),
        ("no length at all", format!("{bare}\r\n\r\n{body}")),
        ("CONNECT", "CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()),
        ("a target with a host", plain.replace("POST /mcp", "POST http://localhost/mcp")),
        ("a path with dots", plain.replace("POST /mcp", "POST /x/../mcp")),
        ("another method", plain.replace("POST /mcp", "PUT /mcp")),
        ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("HTTP/0.9", "POST /mcp\r\n\r\n".to_owned()),
        (
            "101 headers",
            format!("{bare}{}\r\ncontent-length: {length}\r\n\r\n{body}", "\r\nx-a: b".repeat(101)),
        ),
        (
            "a head of 40 KiB",
            format!("{bare}\r\nx-a: {}\r\ncontent-length: {length}\r\n\r\n{body}", "b".repeat(40_000)),
        ),
        ("a body over the limit", call(1, "m_echo", json!({ "text": large }))),
        (
            "chunks over the limit",
            format!("{bare}\r\ntransfer-encoding: chunked\r\n\r\n500000\r\n{large}\r\n0\r\n\r\n"),
        ),
        ("a good start in a body over the limit", {
            let long = format!("{body}{}", " ".repeat(5 << 20));
            format!("{bare}\r\ncontent-length: {}\r\n\r\n{long}", long.len())
        }),
    ]
}

pub(super) async fn framing(setting: Setting) -> Result<String> {
    let field = Field::start(&setting, &[]).await?;
    let plain = call(1, "m_echo", json!({ "text": "outer" }));
    let inner = call(2, "m_echo", json!({ "text": "smuggled" }));
    let (head, body) = plain.split_once("\r\n\r\n").ok_or("no head")?;
    let bare: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with("content-length")).collect();
    let bare = bare.join("\r\n");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let attacks = attacks(&bare, body, &chunked, &plain);
    let count = attacks.len();
    for (what, bytes) in attacks {
        let mut conn = Conn::open(&field.address()).await?;
        // It may be refused before all of it is written.
        drop(conn.write(bytes.as_bytes()).await);
        let got = tokio::time::timeout(Duration::from_secs(5), conn.answer()).await;
        let refused = match &got {
            Ok(Ok(got)) => (400..506).contains(&got.status),
            // Closed without a word, or for want of the rest of it.
            Ok(Err(_)) | Err(_) => true,
        };
        hold(refused, || format!("{what}: {got:?}"))?;
    }
    // Both lengths: the chunks count, and the connection ends with the request (RFC 9112, 6.1), so that nothing can hide behind it.
    for lengths in
        ["content-length: 0\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 0"]
    {
        let mut conn = Conn::open(&field.address()).await?;
        conn.write(format!("{bare}\r\n{lengths}\r\n\r\n{chunked}{inner}").as_bytes()).await?;
        let got = conn.answer().await?;
        hold(got.is_last() || got.status == 400, || got.head.clone())?;
        hold(conn.answer().await.is_err(), || "what came behind it was answered".to_owned())?;
    }
    // An upgrade is not taken up: what follows it is a request of its own, or nothing.
    let upgrade = plain.replace("host: localhost", "host: localhost\r\nconnection: upgrade\r\nupgrade: h2c");
    let mut conn = Conn::open(&field.address()).await?;
    conn.write(format!("{upgrade}{inner}").as_bytes()).await?;
    let first = conn.answer().await?;
    hold(first.status != 101, || first.head.clone())?;
    drop(tokio::time::timeout(Duration::from_secs(1), conn.answer()).await);
    let entries = field.gateway.ledger().await?;
    let texts: Vec<_> =
        entries.iter().filter_map(|entry| entry.at(&["args", "text"]).and_then(Json::as_str)).collect();
    let calls = field.calls();
    let unjudged = calls.iter().filter(|call| {
        let text = call.params.at(&["arguments", "text"]).and_then(Json::as_str).unwrap_or_default();
        !texts.contains(&text)
    });
    hold(unjudged.count() == 0 && calls.len() == texts.len(), || {
        format!("{} calls were received, the ledger has {texts:?}", calls.len())
    })?;
    let smuggled = calls.iter().filter(|call| call.body.contains("smuggled")).count();
    hold(smuggled <= 1 && calls.len() <= 4, || {
        format!("{} calls arrived, {smuggled} from behind another", calls.len())
    })?;
    let mut conn = Conn::open(&field.address()).await?;
    hold(conn.ask(&plain).await?.text()? == "outer", || "a good request is refused".to_owned())?;
    Ok(format!("{count} requests that are none were refused and not received; an upgrade was not taken up"))
}

pub(super) async fn handles(setting: Setting) -> Result<String> {
    let asking = Server::start(Kind::ModernHttp, Script::everything()).await?;
    let noisy = json!({ "command": ["sh", "-c", "while :; do printf '\\n{\"audit\":\"forged\"}\\n\\033[2J' >&2; sleep 0.2; done"], "timeout": { "start": "1s" } });
    let field = Field::start(&setting, &[("f", json!({ "url": asking.url() })), ("noisy", noisy)]).await?;
    crossed(&field).await?;
    sessions(&field).await?;
    states(&field, &asking).await?;
    tasks(&field, &asking).await?;
    progress(&field).await?;
    lists(&field).await?;
    // What a child, a client's name and a tool's name say is data of a line, never a line.
    let forged = envelope_of_forgery();
    let mut conn = Conn::open(&field.address()).await?;
    conn.ask(&forged).await?;
    let log = field.gateway.log();
    for line in log.lines() {
        let start = line.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
        hold(!start.starts_with("{\"audit\"") && !line.contains('\u{1b}'), || {
            format!("a forged line: {line}")
        })?;
    }
    hold(log.contains("forged"), || "the child's words are not in the log at all".to_owned())?;
    let (code, out, err) = field.gateway.run(&["ledger", "verify"]).await?;
    hold(code == Some(0), || format!("{out}{err}"))?;
    Ok("120 calls with one id, 2 sessions, 6 uses of one requestState, 2 tasks, 2 cancellations, 24 calls with alike progress tokens, 2 lists and 3 forged lines: each its owner's".to_owned())
}

fn envelope_of_forgery() -> String {
    let name = "m_echo\n{\"audit\":\"forged\"}";
    let meta =
        json!({ format!("{RESERVED}protocolVersion"): MODERN, format!("{RESERVED}clientCapabilities"): {} });
    let params = json!({ "name": name, "arguments": {}, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": "7\n{\"audit\":\"forged\"}", "method": "tools/call", "params": params });
    let sentinel = crate::wire::header_value(name);
    let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", &sentinel)];
    post(&headers, &body.to_string())
}

/// Everybody's ids are alike: everybody gets their own answer.
async fn crossed(field: &Field) -> Result<()> {
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..12 {
        let address = field.address();
        callers.spawn(async move {
            let mut conn = Conn::open(&address).await?;
            for n in 0..10 {
                let text = format!("{caller} {n}");
                let server = SERVERS.get(n % 3).copied().unwrap_or("m");
                let got = conn.ask(&call(1, &format!("{server}_echo"), json!({ "text": text }))).await?;
                let id = got.message()?.get("id").cloned();
                hold(got.text()? == text && id == Some(Json::from(1)), || {
                    format!("`{text}` got {}", got.body)
                })?;
            }
            Ok::<_, Failure>(())
        });
    }
    callers.join_all().await.into_iter().collect()
}

/// A session is its agent's.
async fn sessions(field: &Field) -> Result<()> {
    let Road::Session(mut conn, _, id) = Road::session(field, "2025-11-25", Some(ALICE)).await? else {
        return Err("no session".into());
    };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let bearers = [format!("Bearer {BOB}"), format!("Bearer {ALICE}")];
    let headers = |bearer: usize| {
        let key = bearers.get(bearer).map_or("", String::as_str);
        [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25"), ("authorization", key)]
    };
    let theft = conn.ask(&post(&headers(0), ping)).await?;
    hold(theft.status == 404, || format!("another's session: HTTP {}", theft.status))?;
    let end = post(&headers(0), "").replace("POST", "DELETE");
    let theft = conn.ask(&end).await?;
    hold(theft.status == 404, || format!("the end of another's session: HTTP {}", theft.status))?;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let theft = conn.ask(&post(&headers(0), cancel)).await?;
    hold(theft.status == 404, || format!("another's cancellation: HTTP {}", theft.status))?;
    let unknown = post(&headers(1), ping).replace(&id, &"0".repeat(id.len()));
    hold(conn.ask(&unknown).await?.status == 404, || "an unknown session is known".to_owned())?;
    let own = conn.ask(&post(&headers(1), ping)).await?;
    hold(own.status == 200, || format!("the own session: HTTP {}: {}", own.status, own.body))
}

/// A sealed state is its agent's, for one call, once.
async fn states(field: &Field, asking: &Server) -> Result<()> {
    let ask = |key: &'static str, params: serde_json::Value| {
        let address = field.address();
        async move {
            let capabilities = json!({ "elicitation": {} });
            let meta = json!({ format!("{RESERVED}protocolVersion"): MODERN, format!("{RESERVED}clientCapabilities"): capabilities });
            let params = Json::from(params).with("_meta", meta);
            let name = params.text("name").unwrap_or_default().to_owned();
            let bearer = format!("Bearer {key}");
            let headers = [
                ("mcp-protocol-version", MODERN),
                ("mcp-method", "tools/call"),
                ("mcp-name", name.as_str()),
                ("authorization", bearer.as_str()),
            ];
            let body = crate::wire::rpc::request(1, "tools/call", params).to_string();
            let mut conn = Conn::open(&address).await?;
            conn.ask(&post(&headers, &body)).await?.message()
        }
    };
    let asked = ask(ALICE, json!({ "name": "f_ask", "arguments": {} })).await?;
    let state = asked.at(&["result", "requestState"]).and_then(Json::as_str);
    let state = state.ok_or_else(|| Failure::new(format!("nothing was asked: {asked}")))?.to_owned();
    let keys: Vec<_> = asked.at(&["result", "inputRequests"]).map(Json::members).unwrap_or_default().to_vec();
    let key = keys.first().map(|(key, _)| key.clone()).unwrap_or_default();
    let again = |tool: &str, arguments: serde_json::Value, state: &str| {
        let responses = json!({ key.as_str(): { "action": "accept", "content": { "name": "eve" } } });
        json!({ "name": tool, "arguments": arguments, "requestState": state, "inputResponses": responses })
    };
    let mut bent = state.clone().into_bytes();
    if let Some(byte) = bent.last_mut() {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let bent = String::from_utf8_lossy(&bent).into_owned();
    let answers = || asking.received().iter().filter(|heard| heard.method == "answer").count();
    let thefts = [
        ("another agent's", BOB, again("f_ask", json!({}), &state)),
        ("a changed", ALICE, again("f_ask", json!({}), &bent)),
        ("another call's", ALICE, again("f_ask", json!({ "other": 1 }), &state)),
        ("another tool's", ALICE, again("f_sample", json!({}), &state)),
    ];
    for (whose, key, params) in thefts {
        let reply = ask(key, params).await?;
        let taken = reply.at(&["result", "content"]).is_some() && reply.at(&["result", "isError"]).is_none();
        hold(!taken && answers() == 0, || format!("{whose} state was taken: {reply}"))?;
    }
    let own = ask(ALICE, again("f_ask", json!({}), &state)).await?;
    hold(answers() == 1, || format!("the own state was not taken: {own}"))?;
    let replay = ask(ALICE, again("f_ask", json!({}), &state)).await?;
    hold(answers() == 1, || format!("a state was taken twice: {replay}"))
}

/// An agent with a key.
async fn agent(field: &Field, key: &str, mut setup: Setup) -> Result<Agent> {
    setup.key = Some(key.to_owned());
    Agent::http(&field.gateway.url("/mcp"), setup).await
}

/// A task is its agent's: to look at, to answer, to cancel, to follow.
async fn tasks(field: &Field, asking: &Server) -> Result<()> {
    let capabilities = json!({ "elicitation": {}, "extensions": { format!("{RESERVED}tasks"): {} } });
    for revision in [MODERN, "2025-11-25"] {
        let modern = revision == MODERN;
        let setup = || Setup { capabilities: capabilities.clone().into(), ..Setup::of(revision) };
        let alice = agent(field, ALICE, setup()).await?;
        let bob = agent(field, BOB, setup()).await?;
        let params = json!({ "name": "f_tasked_slow", "arguments": {}, "task": {} });
        let made = alice.request("tools/call", params.into()).await?;
        let made = made.result()?;
        let id = made.at(&["task", "taskId"]).or(made.get("taskId")).and_then(Json::as_str);
        let about =
            Json::object().with("taskId", id.ok_or_else(|| Failure::new(format!("no task: {made}")))?);
        let before = asking.received().len();
        let update = about.clone().with("inputResponses", json!({ "name-1": { "action": "cancel" } }));
        let thefts: [(&str, Json); 4] = [
            ("tasks/get", about.clone()),
            ("tasks/cancel", about.clone()),
            if modern { ("tasks/update", update) } else { ("tasks/result", about.clone()) },
            ("tasks/get", Json::object().with("taskId", "task-1")),
        ];
        for (method, params) in thefts {
            let reply = bob.request(method, params).await?;
            hold(reply.result().is_err() && format!("{reply:?}").contains("unknown task"), || {
                format!("{method} of another's task: {reply:?}")
            })?;
        }
        if modern {
            let ids = Json::object().with("taskIds", vec![about.get("taskId").cloned().unwrap_or_default()]);
            let mut open = bob.start("subscriptions/listen", Json::object().with("notifications", ids));
            tokio::time::sleep(Duration::from_millis(300)).await;
            let told = format!("{:?}", open.take_notified());
            hold(told.contains("acknowledged") && !told.contains("taskIds"), || {
                format!("another's task is followed: {told}")
            })?;
        } else {
            let list = bob.request("tasks/list", Json::object()).await?;
            let listed = list.result()?.get("tasks").map(Json::elements).unwrap_or_default().len();
            hold(listed == 0, || format!("another's task is listed: {list:?}"))?;
        }
        let received = asking.received();
        let came = received.iter().skip(before).find(|heard| heard.method.starts_with("tasks"));
        hold(came.is_none(), || format!("its server was asked: {came:?}"))?;
        let own = alice.request("tasks/get", about.clone()).await?;
        hold(own.result()?.text("status") == Some("working"), || format!("the own task: {own:?}"))?;
        alice.request("tasks/cancel", about).await?.result()?;
    }
    Ok(())
}

/// Progress and cancellation are a call's own, though everybody's tokens and ids are alike.
async fn progress(field: &Field) -> Result<()> {
    let (alice, bob) = (
        agent(field, ALICE, Setup::of("2025-11-25")).await?,
        agent(field, BOB, Setup::of("2025-11-25")).await?,
    );
    for _ in 0..12 {
        let mut calls = [alice.call("f_progress", json!({})), bob.call("f_progress", json!({}))];
        for call in &mut calls {
            call.reply(Duration::from_secs(10)).await?.result()?;
            let steps = call.take_notified();
            let steps: Vec<_> = steps.iter().map(|(_, p)| p.get("progress").and_then(Json::as_u64)).collect();
            hold(steps == [Some(1), Some(2), Some(3)], || format!("another's progress: {steps:?}"))?;
        }
    }
    // Both calls have the same id in their sessions: each cancels its own.
    let (mut kept, given_up) =
        (alice.call("f_slow", json!({ "ms": 600 })), bob.call("f_slow", json!({ "ms": 600 })));
    tokio::time::sleep(Duration::from_millis(200)).await;
    given_up.cancel().await?;
    let text = kept.reply(Duration::from_secs(10)).await?.text()?.to_owned();
    hold(text == "waited", || format!("another's cancellation ended it: {text}"))
}

/// A list is what its agent may see, whoever asked before.
async fn lists(field: &Field) -> Result<()> {
    for (key, sees) in [(ALICE, true), (BOB, false), (ALICE, true), (BOB, false)] {
        let mut setup = Setup::modern();
        setup.key = Some(key.to_owned());
        let agent = Agent::http(&field.gateway.url("/mcp"), setup).await?;
        let reply = agent.request("tools/list", Json::object()).await?;
        let result = reply.result()?;
        let tools = result.get("tools").map(Json::elements).unwrap_or_default();
        let listed = tools.iter().any(|tool| tool.text("name") == Some("m_poke"));
        hold(listed == sees, || format!("{key}: {listed}"))?;
        hold(result.text("cacheScope") == Some("private"), || format!("{result}"))?;
    }
    let mut conn = Conn::open(&field.address()).await?;
    let bearer = format!("authorization: Bearer {BOB}\r\nmcp-method");
    let denied = conn
        .ask(&modern(1, "tools/call", json!({ "name": "m_poke" }).into()).replace("mcp-method", &bearer))
        .await?;
    let poked = field.calls().iter().any(|call| call.params.text("name") == Some("poke"));
    hold(!poked, || format!("a denied call arrived: {}", denied.body))
}
