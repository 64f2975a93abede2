use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tollgate_mcp::error::RpcError;
use tollgate_mcp::method::Method;
use tollgate_mcp::rope::Rope;
use uuid::Uuid;

use super::{Cleaned, Cleaner, Stream, for_ledger};
use crate::call::{Code, Endpoint, Part, PartKind, Refused};
use crate::config::{Config, Payloads};
use crate::resolve::{self, Call};
use crate::seal::Sealer;
use crate::servers::Listing;
use crate::testing;
use crate::transform::{self, Prepared};

const SERVERS: &str =
    "servers:\n  files: { url: 'http://127.0.0.1:9/mcp' }\n  mail: { url: 'http://127.0.0.1:9/mcp' }\n";

fn config(redact: &str) -> Config {
    testing::config(&format!("{SERVERS}redact: [{redact}]\n"))
}

fn call(config: &Config, params: &str) -> Call {
    let tools: &[&str] = &[r#"{"name":"read"}"#];
    let snapshot =
        testing::snapshot(config, &[("files", Listing::Tools, tools), ("mail", Listing::Tools, tools)]);
    let arrival = testing::arrival(Method::ToolsCall, Endpoint::Whole, params);
    resolve::call(&sealer(), 0, config, snapshot, arrival, Uuid::nil()).unwrap()
}

fn sealer() -> Sealer {
    Sealer::new([7; 32])
}

fn clean(config: &Config, call: &mut Call, principal: &str) -> Result<Cleaned, Refused> {
    let (sealer, caller) = (sealer(), testing::caller(principal));
    let target = call.target.clone();
    Cleaner::new(config, &sealer, 0, &caller, &target).arguments(call)
}

fn prepare(config: &Config, params: &str) -> Result<Box<Prepared>, Refused> {
    let sealer = sealer();
    let means = transform::Means { config, sealer: &sealer, now_ms: 0 };
    transform::arguments(call(config, params), &means).map_err(|why| match why {
        transform::Unprepared::Refused(refused) => *refused,
        transform::Unprepared::Error(error) => panic!("{error:?}"),
    })
}

fn arguments(prepared: &Prepared) -> String {
    String::from_utf8(prepared.outbound.slice("arguments").unwrap().to_vec()).unwrap()
}

fn token(value: &str, raw: bool, principal: &str) -> String {
    use tollgate_policy::redact::StandIn as _;
    super::Maker { sealer: &sealer(), principal, now_ms: 0 }.token("email", value, raw)
}

#[test]
fn a_call_without_a_rule_is_not_touched() {
    let config = config("{ of: 'mail/*', find: [email] }");
    let params = r#"{"name":"files_read","arguments":{"a":"bob@example.com \u00e9"}}"#;
    let mut call = call(&config, params);
    let before = call.arrival.params.text().as_ptr();
    let cleaned = clean(&config, &mut call, "alice").unwrap();
    assert_eq!(call.arrival.params.text().as_ptr(), before, "it was copied");
    assert!(cleaned.shown.is_none() && cleaned.taken.is_empty() && cleaned.findings.is_empty());
}

#[test]
fn a_token_is_turned_back_for_its_caller_only() {
    let config = config("");
    let mine = token("ann@example.com", false, "alice");
    assert_eq!(mine, token("ann@example.com", false, "alice"), "one value, one token");
    let other = token("ann@example.com", false, "bob");
    for (given, restored) in [
        (format!("\"{mine}\""), "\"ann@example.com\"".to_owned()),
        (format!("\"to {mine}, please\""), "\"to ann@example.com, please\"".to_owned()),
        (format!("\"{mine}-2026_x\""), "\"ann@example.com-2026_x\"".to_owned()),
        (format!("\"{other}\""), format!("\"{other}\"")),
        (format!("\"{}\"", token("12", true, "alice")), "12".to_owned()),
        (format!("\"{}\"", token("a\"b\\", false, "alice")), "\"a\\\"b\\\\\"".to_owned()),
        // Within JSON in a string a value with quotes could add members.
        (format!("\"{{\\\"to\\\":\\\"{}\\\"}}\"", token("x\",\"admin\":\"1", false, "alice")), String::new()),
    ] {
        let params = format!("{{\"name\":\"files_read\",\"arguments\":{{\"v\":{given}}}}}");
        let prepared = prepare(&config, &params).unwrap();
        let restored = if restored.is_empty() { given.clone() } else { restored };
        assert_eq!(arguments(&prepared), format!("{{\"v\":{restored}}}"));
        // People and the ledger see the token.
        let shown = String::from_utf8(prepared.shown_arguments().to_vec()).unwrap();
        assert_eq!(shown, format!("{{\"v\":{given}}}"));
        let kept =
            for_ledger(Payloads::Redacted, &prepared.cleaned, prepared.call.arrival.params.get("arguments"));
        assert!(!String::from_utf8_lossy(&kept.unwrap()).contains("example.com"), "{given}");
    }
    let keys = format!("{{\"name\":\"files_read\",\"arguments\":{{\"ann@example.com\":1,\"{mine}\":2}}}}");
    assert_eq!(prepare(&config, &keys).unwrap_err().code, Code::ArgumentsInvalid);
}

#[test]
fn the_ledger_keeps_what_it_is_told_to() {
    let config = config("{ of: '*/*', in: arguments, find: [email] }");
    let params = r#"{"name":"files_read","arguments":{"a":"bob@example.com","k":"AKIAZ7QK2VWXN4TLM3PD"}}"#;
    let prepared = prepare(&config, params).unwrap();
    let leaving = || prepared.call.arrival.params.get("arguments");
    let kept = |payloads| {
        String::from_utf8(for_ledger(payloads, &prepared.cleaned, leaving()).unwrap().to_vec()).unwrap()
    };
    assert_eq!(kept(Payloads::Full), r#"{"a":"bob@example.com","k":"AKIAZ7QK2VWXN4TLM3PD"}"#);
    assert_eq!(kept(Payloads::Redacted), r#"{"a":"[redacted:email]","k":"[redacted:secret]"}"#);
    assert_eq!(*prepared.cleaned.findings, [Arc::from("email")]);
}

#[test]
fn findings_are_those_of_the_arguments_as_sent() {
    let config = config("{ of: '*/*', in: arguments, find: [email] }");
    let params = r#"{"name":"files_read","arguments":{"a":"bob@example.com","AKIAZ7QK2VWXN4TLM3PD":{"b":["4111 1111 1111 1111"]}}}"#;
    let found = prepare(&config, params).unwrap().findings().unwrap();
    assert_eq!(found.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["card", "email", "secret"]);
    let plain = prepare(&config, r#"{"name":"files_read"}"#).unwrap();
    assert!(plain.findings().unwrap().is_empty());
}

#[test]
fn stripping_never_makes_two_keys_one() {
    let params = "{\"name\":\"files_read\",\"arguments\":{\"path\":1,\"pa\u{200b}th\":2}}";
    assert_eq!(prepare(&config(""), params).unwrap_err().code, Code::ArgumentsInvalid);
}

#[test]
fn reasons_are_cleaned_and_what_is_the_gateways_stays() {
    let config = config("{ of: '*/*', find: [email] }");
    let params = r#"{"name":"files_read","arguments":{},"_meta":{"dev.tollgate/reason":"for bob@example.com","dev.tollgate/conversation":"bob@example.com","progressToken":"bob@example.com","x":"bob@example.com"}}"#;
    let prepared = prepare(&config, params).unwrap();
    assert_eq!(prepared.reason.as_deref(), Some("for [redacted:email]"));
    let meta = prepared.call.arrival.params.object("_meta").unwrap();
    assert_eq!(meta.string("dev.tollgate/conversation").as_deref(), Some("bob@example.com"));
    assert_eq!(meta.string("progressToken").as_deref(), Some("bob@example.com"));
    assert_eq!(meta.string("x").as_deref(), Some("[redacted:email]"));
}

#[test]
fn errors_are_cleaned() {
    let config = config("{ of: '*/*', find: [email] }");
    let call = call(&config, r#"{"name":"files_read"}"#);
    let sealer = sealer();
    let cleaner = Cleaner::new(&config, &sealer, 0, &call.arrival.caller, &call.target);
    let error = RpcError::new(-32_000, "no mailbox bob@example.com\u{200b}")
        .with_data(Bytes::from_static(br#"{"who":"bob@example.com","uri":"mailto:bob@example.com"}"#));
    let (error, taken) = cleaner.error(error);
    assert_eq!(error.message, "no mailbox [redacted:email]");
    assert_eq!(error.data.unwrap(), r#"{"who":"[redacted:email]","uri":"mailto:bob@example.com"}"#);
    assert_eq!(taken.len(), 2);
    let broken = RpcError::new(-32_000, "x").with_data(Bytes::from_static(br#"{"a":1,"a":2}"#));
    assert!(cleaner.error(broken).0.data.is_none());
}

fn said(kind: PartKind, text: &str) -> Part {
    let key = if kind == PartKind::Progress { "message" } else { "data" };
    let params = format!("{{\"level\":\"info\",\"{key}\":{}}}", tollgate_mcp::object::quote(text));
    Part { kind, params: Rope::from(params) }
}

#[test]
fn no_value_survives_a_split_over_notifications() {
    let config = config("{ of: '*/*', find: [email, secret, card], with: drop }");
    let call = call(&config, r#"{"name":"files_read"}"#);
    let sealer = sealer();
    let cleaner = Cleaner::new(&config, &sealer, 0, &call.arrival.caller, &call.target);
    for value in ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "4111 1111 1111 1111", "ann@example.com"] {
        for kind in [PartKind::Progress, PartKind::Message] {
            for cut in 1..value.len() {
                let (head, tail) = value.split_at(cut);
                let mut stream = Stream::default();
                let mut out = String::new();
                for text in ["before ", head, tail, " after"] {
                    let (parts, _) = stream.push(&cleaner, said(kind, text));
                    for part in parts.into_iter().flatten() {
                        out += std::str::from_utf8(&part.params.into_bytes()).unwrap();
                    }
                }
                let last = stream.release(&cleaner).0.unwrap();
                out += std::str::from_utf8(&last.params.into_bytes()).unwrap();
                let words: String = out
                    .split("\":\"")
                    .filter_map(|part| part.split_once("\"}"))
                    .map(|(word, _)| word)
                    .collect();
                assert!(words.starts_with("before ") && words.ends_with(" after"), "{out}");
                // Of an address that is one without its beginning, the beginning stays.
                assert!(
                    words == "before  after" || words.len() < 22 && value.contains('@'),
                    "{cut}: {words}"
                );
                assert!(out.contains("before ") && out.contains(" after"), "{out}");
            }
        }
    }
    let mut stream = Stream::default();
    let (parts, _) =
        stream.push(&cleaner, Part { kind: PartKind::Progress, params: Rope::from("{\"progress\":1}") });
    assert!(parts.iter().flatten().count() == 1 && !stream.holds(), "progress without words does not wait");
}

/// What three readers that share no code make of a text: a flat list of paths and values.
fn readings(text: &str) -> [BTreeMap<String, String>; 3] {
    let mut readings = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    let [serde, yaml, tiny] = &mut readings;
    flatten(&serde_json::from_str(text).unwrap(), String::new(), serde);
    // JSON is YAML; this reader refuses duplicate keys by itself.
    flatten(&serde_saphyr::from_str::<serde_json::Value>(text).unwrap(), String::new(), yaml);
    flatten_tiny(&text.parse().unwrap(), String::new(), tiny);
    readings
}

fn flatten(value: &serde_json::Value, path: String, into: &mut BTreeMap<String, String>) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(value, format!("{path}/{key}"), into);
            }
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| flatten(value, format!("{path}[{n}]"), into));
        }
        Value::Number(number) => drop(into.insert(path, format!("{:?}", number.as_f64().unwrap()))),
        Value::String(text) => drop(into.insert(path, format!("{text:?}"))),
        Value::Null | Value::Bool(_) => drop(into.insert(path, value.to_string())),
    }
}

fn flatten_tiny(value: &tinyjson::JsonValue, path: String, into: &mut BTreeMap<String, String>) {
    use tinyjson::JsonValue;
    match value {
        JsonValue::Object(map) => {
            for (key, value) in map {
                flatten_tiny(value, format!("{path}/{key}"), into);
            }
        }
        JsonValue::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| flatten_tiny(value, format!("{path}[{n}]"), into));
        }
        JsonValue::Number(number) => drop(into.insert(path, format!("{number:?}"))),
        JsonValue::String(text) => drop(into.insert(path, format!("{text:?}"))),
        JsonValue::Null => drop(into.insert(path, "null".to_owned())),
        JsonValue::Boolean(truth) => drop(into.insert(path, truth.to_string())),
    }
}

/// A small generator, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn text(&mut self, token: &str) -> String {
        const PIECES: [&str; 20] = [
            "plain",
            " ",
            "\\n",
            "\\\"",
            "\\\\",
            "\\u0041",
            "\\ud83d\\ude00",
            "é",
            "😀",
            "\u{200b}",
            "\\u200B",
            "\u{e0041}",
            "\\udb40\\udc41",
            "\\u001b[31m",
            " bob@example.com ",
            " bo\\u0062@example.com ",
            " AKIAZ7QK2VWXN4TLM3PD ",
            " 4111 1111 1111 1111 ",
            "\\/",
            "{\\\"a\\\":\\\"bob@example.com\\\"}",
        ];
        let mut text = String::new();
        for _ in 0..self.roll(5) {
            match self.roll(21) {
                20 => text.extend([" ", token, " "]),
                piece => text.push_str(PIECES[piece]),
            }
        }
        text
    }

    fn value(&mut self, depth: usize, token: &str) -> String {
        match self.roll(if depth == 0 { 6 } else { 8 }) {
            0 => "null".to_owned(),
            1 => ["true", "false"][self.roll(2)].to_owned(),
            2 => ["0", "-1.5e3", "4111111111111111", "12345678901234567", "0.1"][self.roll(5)].to_owned(),
            3..=5 => format!("\"{}\"", self.text(token)),
            6 => {
                let items: Vec<_> = (0..self.roll(4)).map(|_| self.value(depth - 1, token)).collect();
                format!("[{}]", items.join(" , "))
            }
            _ => {
                let member = |n: usize, dice: &mut Self| {
                    format!("\"{}{n}\":{}", dice.text(token), dice.value(depth - 1, token))
                };
                let members: Vec<_> = (0..self.roll(4)).map(|n| member(n, self)).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }
}

#[test]
fn what_was_judged_is_what_three_readers_read() {
    let token = token("ann@example.com", false, "alice");
    let configs: Vec<Config> = ["mask", "drop", "hash", "token"]
        .iter()
        .map(|with| {
            config(&format!(
                "{{ of: '*/*', find: [email, secret, card], fields: ['$..plain0', '$.a[1]'], with: {with} }}"
            ))
        })
        .collect();
    let mut sent = 0;
    for seed in 0..1_500 {
        let mut dice = Dice(seed);
        let config = &configs[dice.roll(configs.len())];
        let value = dice.value(3, &token);
        let params = format!(
            "{{\"name\":\"files_read\",\"arguments\":{{\"a\":{value}}},\"x\":{}}}",
            dice.value(1, &token)
        );
        // A key that is made twice is refused, never guessed.
        let Ok(prepared) = prepare(config, &params) else { continue };
        sent += 1;
        let leaving = String::from_utf8(prepared.outbound.text().to_vec()).unwrap();
        let [one, two, three] = readings(&leaving);
        assert_eq!(one, two, "{leaving}");
        assert_eq!(one, three, "{leaving}");
        // The very bytes that were judged leave, and their digest is what an approval is bound to.
        let judged = prepared.call.arrival.params.slice("arguments").unwrap();
        assert_eq!(judged, prepared.outbound.slice("arguments").unwrap());
        let mut hash = Sha256::new_with_prefix(b"tools/call\0files/read\0");
        hash.update(judged);
        assert_eq!(prepared.digest, <[u8; 32]>::from(hash.finalize()));
        let inside = String::from_utf8(judged.to_vec()).unwrap();
        for gone in [
            "AKIAZ7QK2VWXN4TLM3PD",
            "bob@example.com",
            "ann@example.com",
            "\u{200b}",
            "\u{e0041}",
            "\\u001b[",
        ] {
            assert!(!inside.contains(gone), "{gone}: {inside}");
        }
    }
    assert!(sent > 1_000, "only {sent} of 1500 were looked at");
}
