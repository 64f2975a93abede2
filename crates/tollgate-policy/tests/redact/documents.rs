//! Whole documents: what is taken out, what stays byte for byte, what is not passed on.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Value, json};
use tollgate_policy::Path;
use tollgate_policy::detect::{Kind, Kinds, Pattern};
use tollgate_policy::redact::{Cleaned, Job, Redactor, Rule, Shape, Side, StandIn, Unclean, With};

use crate::corpus::{Dice, personal, secrets};

struct Make;

impl StandIn for Make {
    fn hash(&self, kind: &str, value: &str) -> String {
        format!("[{kind}:{:016x}]", value.len())
    }

    fn token(&self, kind: &str, value: &str, raw: bool) -> String {
        let sealed = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value);
        format!("tgt_{kind}_{}{sealed}{}", u8::from(raw), "0".repeat(70))
    }
}

fn rule() -> Rule {
    Rule { of: "*/*".into(), arguments: true, results: true, ..Rule::default() }
}

fn finding(with: With) -> Rule {
    Rule { kinds: Kinds::ALL, with, ..rule() }
}

fn fields(paths: &[&str], with: With) -> Rule {
    Rule { fields: paths.iter().map(|path| Path::new(path).unwrap()).collect(), with, ..rule() }
}

fn side(rule: Rule) -> Side {
    Redactor::new(vec![rule]).plan("a/b").unwrap().results.clone().unwrap()
}

fn clean(rule: Rule, shape: Shape, schema: Option<&Value>, text: &str) -> Result<Cleaned, Unclean> {
    Job { side: &side(rule), make: &Make, schema, shape }.run(text.as_bytes())
}

fn cleaned(rule: Rule, shape: Shape, schema: Option<&Value>, text: &str) -> String {
    let done = clean(rule, shape, schema, text).unwrap();
    done.text.map_or_else(|| text.to_owned(), |text| String::from_utf8(text).unwrap())
}

#[test]
fn what_does_not_match_stays_byte_for_byte() {
    let text = "{ \"a\" : 1.50e+3 ,\"\\u0062\":[ null,true , \"caf\\u00e9 \\/ x\"],\"mail\":\"to \\u0061@example.com\\n now\" }";
    let done = cleaned(finding(With::Mask), Shape::Data, None, text);
    assert_eq!(done, text.replace("\\u0061@example.com", "[redacted:email]"));
    assert_eq!(clean(finding(With::Mask), Shape::Data, None, "{\"a\":\"b\"}").unwrap(), Cleaned::default());
}

#[test]
fn fields_are_taken_out_by_path() {
    let text = r#"{"ssn":"1","customer":{"email":"x","name":"n"},"list":[{"ssn":2},{"b":{"ssn":null}}],"a key":"k"}"#;
    let rule = |with| fields(&["$..ssn", "$.customer.email", "$['a key']"], with);
    assert_eq!(
        cleaned(rule(With::Mask), Shape::Data, None, text),
        r#"{"ssn":"[redacted:field]","customer":{"email":"[redacted:field]","name":"n"},"list":[{"ssn":"[redacted:field]"},{"b":{"ssn":null}}],"a key":"[redacted:field]"}"#
    );
    assert_eq!(
        cleaned(rule(With::Drop), Shape::Data, None, text),
        r#"{"customer":{"name":"n"},"list":[{},{"b":{"ssn":null}}]}"#
    );
    let items = fields(&["$[1]", "$[*].x"], With::Drop);
    assert_eq!(cleaned(items.clone(), Shape::Data, None, "[1, 2 ,3]"), "[1 ,3]");
    assert_eq!(
        cleaned(items, Shape::Data, None, r#"[{"x":1,"y":2},0,{"y":3,"x":1}]"#),
        r#"[{"y":2},{"y":3}]"#
    );
    let last = fields(&["$[-1]", "$..x[-2]"], With::Drop);
    assert_eq!(cleaned(last.clone(), Shape::Data, None, "[1,2,3]"), "[1,2]");
    assert_eq!(cleaned(last, Shape::Data, None, r#"{"a":[{"x":[1,2,3]}]}"#), r#"{"a":[{"x":[1,3]}]}"#);
}

#[test]
fn the_same_is_found_whole_in_structure_in_keys_in_base64_and_in_json_in_strings() {
    for seed in 1..=5 {
        let mut dice = Dice::new(seed);
        for (kind, value) in personal(&mut dice).into_iter().chain(secrets(&mut dice)) {
            let inner = json!({ "deep": [{ "value": value }] }).to_string();
            let blob = base64::engine::general_purpose::STANDARD.encode(format!("a {value} b"));
            let half = value.len() / 2;
            let (head, tail) = value.split_at(half);
            let places = [
                json!({ "content": [{ "type": "text", "text": format!("a {value} b") }] }),
                json!({ "content": [], "structuredContent": { "x": { "y": [format!("a {value} b")] } } }),
                json!({ "content": [], "structuredContent": { format!("a {value} b"): 1 } }),
                json!({ "content": [{ "type": "resource", "resource": { "uri": "a:b", "mimeType": "text/plain", "text": format!("a {value} b") } }] }),
                json!({ "contents": [{ "uri": "a:b", "mimeType": "text/plain", "blob": blob }] }),
                json!({ "content": [{ "type": "text", "text": inner }] }),
                json!({ "content": [{ "type": "text", "text": format!("a {head}") }, { "type": "text", "text": format!("{tail} b") }] }),
                json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": format!("a {value} b") } }] }),
                json!({ "inputRequests": { "q": { "method": "elicitation/create", "params": { "message": format!("a {value} b") } } } }),
                json!({ "_meta": { "x": format!("a {value} b") } }),
            ];
            for place in places {
                let text = place.to_string();
                let done = cleaned(finding(With::Mask), Shape::Message, None, &text);
                let read: Value = serde_json::from_str(&done).unwrap();
                let blob = read["contents"][0]["blob"].as_str().unwrap_or_default();
                let decoded = base64::engine::general_purpose::STANDARD.decode(blob).unwrap();
                let all = format!("{done}{}", String::from_utf8(decoded).unwrap());
                let plain = serde_json::from_str::<Value>(&text).unwrap();
                assert!(!all.contains(&value) && all.contains("[redacted:"), "{kind}: {plain} {done}");
                // Nothing but the value is gone, and a second time nothing happens.
                assert!(
                    done.contains("\"a ") || place["contents"] != Value::Null || done.contains("deep"),
                    "{done}"
                );
                assert_eq!(cleaned(finding(With::Mask), Shape::Message, None, &done), done, "{kind}");
            }
        }
    }
}

#[test]
fn no_secret_survives_any_split_over_content() {
    let mut dice = Dice::new(9);
    for (_, secret) in secrets(&mut dice) {
        for cut in (1..secret.len()).filter(|cut| secret.is_char_boundary(*cut)) {
            let (head, tail) = secret.split_at(cut);
            let text =
                json!({ "content": [{ "type": "text", "text": head }, { "type": "text", "text": tail }] });
            let done = cleaned(finding(With::Drop), Shape::Message, None, &text.to_string());
            let read: Value = serde_json::from_str(&done).unwrap();
            let left = read["content"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["text"].as_str().unwrap())
                .collect::<String>();
            assert!(left.is_empty(), "{left} of {secret} at {cut}");
        }
    }
}

#[test]
fn structured_content_stays_valid() {
    let schema = json!({
        "type": "object",
        "required": ["mail", "count", "kind", "limited", "maybe"],
        "properties": {
            "mail": { "type": "string", "format": "email" },
            "note": { "type": "string", "pattern": "^[0-9]+$" },
            "count": { "type": "integer" },
            "card": { "type": "integer" },
            "kind": { "enum": ["a", "b"] },
            "limited": { "type": "string", "maxLength": 5 },
            "maybe": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
            "inner": { "$ref": "#/$defs/inner" },
        },
        "$defs": { "inner": { "type": "object", "properties": { "x": { "type": "string" } }, "required": ["x"] } },
    });
    let message = json!({ "content": [], "structuredContent": {
        "mail": "a@example.com", "note": "4111111111111111", "count": 3, "card": 4_111_111_111_111_111_u64, "kind": "a",
        "limited": "x", "maybe": 4_111_111_111_111_111_u64, "inner": { "x": "a@example.com" } } });
    let done = cleaned(finding(With::Mask), Shape::Message, Some(&schema), &message.to_string());
    let read: Value = serde_json::from_str(&done).unwrap();
    assert_eq!(
        read["structuredContent"],
        json!({ "mail": "redacted@redacted.invalid", "count": 3, "kind": "a", "limited": "x", "maybe": null, "inner": { "x": "[redacted:email]" } })
    );
    let paths = |path: &str| fields(&[path], With::Mask);
    let structured = |path: &str| clean(paths(path), Shape::Message, Some(&schema), &message.to_string());
    for path in ["$.count", "$.kind"] {
        assert!(matches!(structured(path), Err(Unclean::Schema(_))), "{path}");
    }
    let limited = String::from_utf8(structured("$.limited").unwrap().text.unwrap()).unwrap();
    assert!(limited.contains("\"limited\":\"***\""), "{limited}");
    let inner = String::from_utf8(structured("$.inner").unwrap().text.unwrap()).unwrap();
    assert!(!inner.contains("\"inner\""), "{inner}");
}

#[test]
fn a_hostile_schema_costs_little() {
    let circle = json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }], "anyOf": [{ "$ref": "#" }, { "type": "string" }] });
    let message = json!({ "structuredContent": { "a": vec!["a@example.com"; 50] } }).to_string();
    // Whatever comes of it, it comes soon.
    let done = clean(finding(With::Mask), Shape::Message, Some(&circle), &message);
    assert!(!format!("{done:?}").contains("a@example.com"));
}

#[test]
fn what_the_protocol_runs_on_stays() {
    let text = r#"{"content":[{"type":"resource_link","uri":"mailto:a@example.com","name":"a@example.com"},{"type":"image","data":"AAAA","mimeType":"image/png"}],"requestState":"a@example.com","resultType":"complete"}"#;
    assert_eq!(cleaned(finding(With::Mask), Shape::Message, None, text), text);
}

#[test]
fn what_readers_differ_on_is_not_passed_on() {
    for (text, why) in [
        (r#"{"structuredContent":{"a":1,"\u0061":2}}"#, Unclean::Duplicate),
        (r#"{"content":[{"text":"{\"a\":1,\"a\":2}"}]}"#, Unclean::Duplicate),
        (r#"{"a":01}"#, Unclean::Unreadable),
        ("{\"a\":\"\u{1}\"}", Unclean::Unreadable),
        (r#"{"a":"\x"}"#, Unclean::Unreadable),
    ] {
        assert_eq!(clean(finding(With::Mask), Shape::Message, None, text), Err(why), "{text}");
    }
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    assert_eq!(clean(finding(With::Mask), Shape::Data, None, &deep), Err(Unclean::TooMuch));
}

#[test]
fn keys_stay_apart() {
    let text = r#"{"a@example.com":1,"b@example.com":2,"[redacted:email]":3}"#;
    let done = cleaned(finding(With::Mask), Shape::Data, None, text);
    let read: serde_json::Map<String, Value> = serde_json::from_str(&done).unwrap();
    assert_eq!((read.len(), done.contains("example.com")), (3, false), "{done}");
    let done = clean(finding(With::Mask), Shape::Data, None, r#"{"a@example.com":"b@example.com"}"#).unwrap();
    assert!(done.taken.iter().all(|taken| !taken.path.contains("example")), "{:?}", done.taken);
}

#[test]
fn own_patterns_and_the_first_rule_count() {
    let own = Arc::new(Pattern::new("employee", "EMP-[0-9]{4}").unwrap());
    let rules = vec![
        Rule { of: "hr/*".into(), own: vec![own], with: With::Hash, ..rule() },
        Rule { of: "*/*".into(), kinds: Kinds::default().with(Kind::Email), ..rule() },
        Rule { of: "hr/*".into(), kinds: Kinds::default().with(Kind::Email), with: With::Drop, ..rule() },
    ];
    let redactor = Redactor::new(rules);
    assert!(Redactor::default().is_empty() && redactor.plan("hr").is_none());
    let plan = redactor.plan("hr/read").unwrap();
    let side = plan.results.as_ref().unwrap();
    let job = Job { side, make: &Make, schema: None, shape: Shape::Data };
    let done = job.run(br#"{"a":"EMP-1234 a@example.com"}"#).unwrap();
    assert_eq!(done.text.unwrap(), br#"{"a":"[employee:0000000000000008] [redacted:email]"}"#);
    for bad in ["a*", "(", "x?", "a{1,2000}"] {
        assert!(Pattern::new("x", bad).is_err(), "{bad}");
    }
}

#[test]
fn hostile_documents_cost_no_more_than_linear() {
    for text in [
        format!("[\"{}\"]", "eyJ".repeat(100_000)),
        format!("[\"{}\"]", "-----BEGIN PRIVATE KEY-----".repeat(10_000)),
        format!("[\"{}\"]", "://a:".repeat(60_000)),
        format!("[\"{}\"]", "password=".repeat(30_000)),
        format!("[\"{}\"]", "a@".repeat(150_000)),
        format!("[\"{}\"]", "1 ".repeat(150_000)),
        format!("[\"{}\"]", "a:1:".repeat(80_000)),
        format!(
            "{{{}}}",
            (0..20_000).map(|n| format!("\"{n}@example.com\":{n}")).collect::<Vec<_>>().join(",")
        ),
        format!("[\"{}\"]", "{\\\"a\\\":[".repeat(30_000)),
        format!("{{\"content\":[{}]}}", vec!["{\"text\":\"a@\"}"; 20_000].join(",")),
    ] {
        // Whatever it comes to, it does so soon: a quadratic search would take minutes.
        let done = clean(finding(With::Mask), Shape::Message, None, &text);
        assert!(!format!("{done:?}").contains("Schema"), "{text:.60}");
    }
}

#[test]
fn many_of_one_kind_hide_no_other() {
    let text = json!([vec!["a@example.com"; 200], "AKIAZ7QK2VWXN4TLM3PD"]).to_string();
    let done = clean(finding(With::Mask), Shape::Data, None, &text).unwrap();
    assert!(done.taken.iter().any(|taken| taken.kind == "secret") && done.taken.len() == 65);
}
