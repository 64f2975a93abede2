//! What is taken out of arguments and results: hidden characters, and what rules say.

use std::fmt::Write as _;

use tollgate_policy::Path;
use tollgate_policy::detect::Kinds;
use tollgate_policy::hidden::{Hidden, Sight, clean_json, clean_text, is_invisible, sights};
use tollgate_policy::redact::{Job, Redactor, Rule, Shape, StandIn};

use crate::json::Json;

/// Hidden characters: what was cleaned is clean, what is seen stays, and JSON is cleaned as its strings are.
pub fn hidden(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let clean = cleaned(text);
    assert_eq!(clean_text(&clean, Hidden::Strip), None, "cleaned text is not clean: {clean:?}");
    if !text.contains(['\u{1b}', '\u{9b}']) {
        let seen = |text: &str| text.chars().filter(|c| !is_invisible(*c)).collect::<String>();
        assert_eq!(seen(&clean), seen(text), "what is seen was taken out");
        let kept: String = sights(text).filter(|(_, s)| *s != Sight::Hidden).map(|(c, _)| c).collect();
        assert_eq!(kept, clean, "two views of one text");
    }
    let Ok(json) = Json::parse(text) else {
        // Even what is no JSON has an end.
        drop(clean_json(data, Hidden::Strip));
        return;
    };
    let stripped = clean_json(data, Hidden::Strip).unwrap_or_else(|| data.to_vec());
    assert_eq!(clean_json(&stripped, Hidden::Strip), None, "cleaned JSON is not clean");
    let stripped = std::str::from_utf8(&stripped).ok().and_then(|text| Json::parse(text).ok());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    strings(&json, &mut before);
    if let Some(json) = &stripped {
        strings(json, &mut after);
    }
    assert!(stripped.is_some(), "JSON was cleaned to something else");
    assert_eq!(before.iter().map(|text| cleaned(text)).collect::<Vec<_>>(), after, "text and JSON differ");
}

fn cleaned(text: &str) -> String {
    clean_text(text, Hidden::Strip).unwrap_or_else(|| text.to_owned())
}

/// Every key and string, in document order.
fn strings(json: &Json, all: &mut Vec<String>) {
    match json {
        Json::String(text) => all.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| strings(item, all)),
        Json::Object(members) => {
            for (key, value) in members {
                all.push(key.clone());
                strings(value, all);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

struct Stand;

impl StandIn for Stand {
    fn hash(&self, kind: &str, value: &str) -> String {
        format!("[{kind}:{:016x}]", value.len())
    }

    fn token(&self, kind: &str, value: &str, raw: bool) -> String {
        let mut token = format!("tgt_{kind}_{}", u8::from(raw));
        value.bytes().for_each(|byte| write!(token, "{byte:02x}").unwrap_or_default());
        token
    }
}

/// A path (the first line) and a document (the rest): only JSON is cleaned, to JSON, and again without complaint.
pub fn redacted(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, document) = text.split_once('\n').unwrap_or(("$.a", text));
    let path = Path::new(path);
    if let Ok(path) = &path {
        assert_eq!(Path::new(path.source()).as_ref(), Ok(path));
    }
    let fields: Vec<Path> = path.into_iter().filter(|path| !path.is_root()).collect();
    let rule = Rule {
        of: "*/*".to_owned(),
        arguments: true,
        results: true,
        fields,
        kinds: Kinds::ALL,
        ..Rule::default()
    };
    let Some(plan) = Redactor::new(vec![rule]).plan("a/b") else { return };
    for shape in [Shape::Data, Shape::Message] {
        let Some(side) = &plan.results else { return };
        let job = Job { side, make: &Stand, schema: None, shape };
        let Ok(done) = job.run(document.as_bytes()) else { continue };
        // Half a pair of surrogates is JSON, though it is no character.
        let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert!(is_json(document), "cleaned what is no JSON");
        let Some(text) = done.text.and_then(|text| String::from_utf8(text).ok()) else { continue };
        assert!(is_json(&text), "JSON was cleaned to something else: {text}");
        assert!(job.run(text.as_bytes()).is_ok(), "what was cleaned can't be cleaned: {text}");
    }
}
