//! What three other JSON parsers read of the bytes that a server received is what policy read.

use std::fmt::Debug;
use std::hash::{BuildHasher as _, Hasher as _};

use tollgate_testkit::json::Json;
use tollgate_testkit::storm::Setting;
use tollgate_testkit::storm::field::{Field, Road, SERVERS};
use tollgate_testkit::{Failure, Result};

/// The trial's name.
pub(crate) const NAME: &str = "three other parsers read what policy read";

/// Numbers from a seed, so that what fails can be run again.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let place = usize::try_from(self.throw(of.len() as u64)).unwrap_or_default();
        of.get(place).copied().unwrap_or_default()
    }
}

const KEYS: [&str; 12] = [
    "name",
    "Name",
    "arguments",
    "method",
    "params",
    "id",
    "_meta",
    "path",
    "é",
    "\\u0065",
    "a\\u0000b",
    "\\ud83d\\ude00",
];
const SCALARS: [&str; 16] = [
    "0",
    "-0",
    "1.0",
    "1e5",
    "-1.5E-3",
    "123456789012345678",
    "0.1",
    "true",
    "false",
    "null",
    "\"\"",
    "\"x\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u00e9é\"",
    "\"\\ud83d\\ude00😀\"",
    "\"secret\"",
];
const SPACES: [&str; 5] = ["", "", " ", "\t", "  "];

/// One value's text: any shape, any spelling, no key twice.
fn value(dice: &mut Dice, depth: u32) -> String {
    let space = dice.one(&SPACES);
    let inside = |dice: &mut Dice| match dice.throw(if depth == 0 { 1 } else { 4 }) {
        0 => dice.one(&SCALARS).to_owned(),
        1 => {
            let elements: Vec<_> = (0..dice.throw(4)).map(|_| value(dice, depth - 1)).collect();
            format!("[{}]", elements.join(","))
        }
        _ => object(dice, depth - 1),
    };
    format!("{space}{}{space}", inside(dice))
}

fn object(dice: &mut Dice, depth: u32) -> String {
    let first = usize::try_from(dice.throw(12)).unwrap_or_default();
    let count = usize::try_from(dice.throw(5)).unwrap_or_default();
    let keys = KEYS.iter().cycle().skip(first).take(count);
    let members: Vec<_> = keys
        .map(|key| format!("{}\"{key}\"{}:{}", dice.one(&SPACES), dice.one(&SPACES), value(dice, depth)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A parser's reading of a message: its tool and its arguments, in that parser's own values.
fn reads<V: PartialEq + Debug>(
    parser: &str,
    parse: impl Fn(&str) -> Option<V>,
    member: impl Fn(&V, &str) -> Option<V>,
    sent: &str,
    heard: &str,
) -> Result<()> {
    let failed = |what: &str| Failure::new(format!("{parser}: {what}\nsent {sent}\nheard {heard}"));
    let message = parse(heard).ok_or_else(|| failed("what was forwarded is not JSON"))?;
    let params = member(&message, "params").ok_or_else(|| failed("no params"))?;
    let wanted = parse(sent).ok_or_else(|| failed("what was sent is not JSON"))?;
    if member(&params, "arguments").as_ref() != Some(&wanted) {
        return Err(failed("other arguments"));
    }
    if member(&params, "name") != parse("\"echo\"") || member(&message, "method") != parse("\"tools/call\"") {
        return Err(failed("another tool"));
    }
    Ok(())
}

fn three(sent: &str, heard: &str) -> Result<()> {
    reads(
        "serde_json",
        |text| serde_json::from_str::<serde_json::Value>(text).ok(),
        |value, key| value.get(key).cloned(),
        sent,
        heard,
    )?;
    reads(
        "tinyjson",
        |text| text.parse::<tinyjson::JsonValue>().ok(),
        |value, key| value.get::<std::collections::HashMap<String, tinyjson::JsonValue>>()?.get(key).cloned(),
        sent,
        heard,
    )?;
    reads(
        "json",
        |text| json::parse(text).ok(),
        |value, key| value.has_key(key).then(|| value[key].clone()),
        sent,
        heard,
    )
}

pub(crate) async fn agree(setting: Setting) -> Result<String> {
    let field = Field::start(&setting, &[]).await?;
    let seed = std::hash::RandomState::new().build_hasher().finish() | 1;
    let mut dice = Dice(seed);
    let mut roads = Road::all(&field).await?;
    let mut arguments = Vec::new();
    for n in 0..setting.scale.messages {
        let n = n as usize;
        let count = roads.len();
        let kind = SERVERS.into_iter().cycle().nth(n / count).unwrap_or_default();
        let road = roads.get_mut(n % count).ok_or("no road")?;
        let sent = object(&mut dice, 4);
        let tool = format!("{kind}_echo");
        let members = [format!("\"name\":\"{tool}\""), format!("\"arguments\":{sent}"), road.meta()];
        let turn = usize::try_from(dice.throw(3)).unwrap_or_default();
        let members: Vec<_> = members.iter().cycle().skip(turn).take(3).map(String::as_str).collect();
        let params = format!("{{{}}}", members.join(dice.one(&[",", " , ", ",\t"])));
        let message = format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{params}}}"#);
        let (before, _) = field.last_call(kind);
        let answer = road.send(&field, &tool, message.as_bytes()).await?;
        let (after, heard) = field.last_call(kind);
        let told = || format!("seed {seed}, message {n} on {}: {message}", road.name());
        if !answer.is_ok() || after != before + 1 {
            return Err(Failure::new(format!("{}: {answer:?}", told())));
        }
        let heard = heard.filter(|call| call.body.contains(&sent));
        let heard = heard.ok_or_else(|| Failure::new(format!("{}: not as it was sent", told())))?;
        three(&sent, &heard.body).map_err(|failure| failure.while_doing(told()))?;
        arguments.push((kind, Json::parse(&sent)?));
    }
    // What was decided and recorded.
    let entries = field.gateway.ledger().await?;
    for (kind, arguments) in &arguments {
        let tool = format!("{kind}/echo");
        let same = |entry: &&Json| entry.text("tool") == Some(&tool) && entry.get("args") == Some(arguments);
        if !entries.iter().any(|entry| same(&entry)) {
            return Err(Failure::new(format!("seed {seed}: no entry of {tool} with {arguments}")));
        }
    }
    Ok(format!(
        "{} messages on {} roads to {} kinds of servers, seed {seed}",
        arguments.len(),
        roads.len(),
        SERVERS.len()
    ))
}
