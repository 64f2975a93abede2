//! The sample server: a small MCP server over stdio, so that the first call, and the first question, need nothing else.
//! It speaks every revision. *Never* touches the disk or the network: its notes live as long as it does.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use serde_json::{Map, Value, json};

#[cfg(test)]
mod tests;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const MODERN: &str = "2026-07-28";
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The most notes, and the longest one in bytes.
const NOTES: (usize, usize) = (1_000, 64 * 1024);

/// Serves until `input` ends.
pub(crate) fn serve(
    input: impl BufRead,
    mut output: impl Write,
    now: impl Fn() -> String,
) -> std::io::Result<()> {
    let mut sample = Sample { notes: BTreeMap::new(), now };
    for line in input.lines() {
        let line = line?;
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            let error =
                json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "not JSON"}});
            writeln!(output, "{error}")?;
            continue;
        };
        if let Some(answer) = sample.answer(&message) {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
    Ok(())
}

struct Sample<N> {
    notes: BTreeMap<String, String>,
    now: N,
}

struct Failed(i64, String);

impl<N: Fn() -> String> Sample<N> {
    fn answer(&mut self, message: &Value) -> Option<Value> {
        let id = message.get("id")?;
        let method = message.get("method")?.as_str()?;
        let empty = Map::new();
        let params = message.get("params").and_then(Value::as_object).unwrap_or(&empty);
        let asked_for = params.get("_meta").and_then(|m| m.get(VERSION)).and_then(Value::as_str);
        let result = match asked_for {
            Some(MODERN) => self.result(method, params).map(stamped),
            Some(other) => {
                let data = json!({"supported": [MODERN], "requested": other});
                return Some(json!({"jsonrpc": "2.0", "id": id, "error":
                    {"code": -32022, "message": format!("unsupported protocol version `{other}`"), "data": data}}));
            }
            None => self.legacy(method, params),
        };
        Some(match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(Failed(code, text)) => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}})
            }
        })
    }

    fn legacy(&mut self, method: &str, params: &Map<String, Value>) -> Result<Value, Failed> {
        match method {
            "initialize" => {
                let wanted = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
                let [newest, ..] = LEGACY;
                let version = LEGACY.into_iter().find(|v| *v == wanted).unwrap_or(newest);
                Ok(json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info()}))
            }
            "ping" => Ok(json!({})),
            "server/discover" => Err(Failed(-32601, "unknown method `server/discover`".to_owned())),
            _ => self.result(method, params),
        }
    }

    fn result(&mut self, method: &str, params: &Map<String, Value>) -> Result<Value, Failed> {
        match method {
            "server/discover" => Ok(json!({
                "supportedVersions": [MODERN], "capabilities": {"tools": {}}, "ttlMs": 3_600_000, "cacheScope": "public",
                "instructions": "A sample: echo, the time, and notes that are forgotten at the end. Deleting one asks a human.",
            })),
            "tools/list" => Ok(json!({"tools": tools(), "ttlMs": 3_600_000, "cacheScope": "public"})),
            "tools/call" => self.call(params),
            _ => Err(Failed(-32601, format!("unknown method `{method}`"))),
        }
    }

    fn call(&mut self, params: &Map<String, Value>) -> Result<Value, Failed> {
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let argument = |key: &str| {
            params
                .get("arguments")
                .and_then(|a| a.get(key))
                .and_then(Value::as_str)
                .ok_or_else(|| format!("`{key}` must be a string"))
        };
        let text = match name {
            "echo" => argument("message").map(str::to_owned),
            "time" => Ok((self.now)()),
            "note_write" => {
                argument("name").and_then(|n| Ok((n, argument("text")?))).and_then(|(n, t)| self.write(n, t))
            }
            "note_list" => Ok(self.list()),
            "note_delete" => argument("name").and_then(|n| match self.notes.remove(n) {
                Some(_) => Ok(format!("deleted `{n}`")),
                None => Err(format!("there is no note `{n}`")),
            }),
            _ => return Err(Failed(-32602, format!("unknown tool: {name}"))),
        };
        Ok(match text {
            Ok(text) => json!({"content": [{"type": "text", "text": text}], "isError": false}),
            Err(text) => json!({"content": [{"type": "text", "text": text}], "isError": true}),
        })
    }

    fn write(&mut self, name: &str, text: &str) -> Result<String, String> {
        let (most, longest) = NOTES;
        if text.len() > longest {
            return Err(format!("a note is at most {longest} bytes long"));
        }
        if self.notes.len() >= most && !self.notes.contains_key(name) {
            return Err(format!("there are {most} notes already; delete one first"));
        }
        self.notes.insert(name.to_owned(), text.to_owned());
        Ok(format!("wrote `{name}`"))
    }

    fn list(&self) -> String {
        if self.notes.is_empty() {
            return "no notes".to_owned();
        }
        self.notes.iter().map(|(name, text)| format!("{name}: {text}")).collect::<Vec<_>>().join("\n")
    }
}

/// What 2026-07-28 wants in every result.
fn stamped(mut result: Value) -> Value {
    if let Some(result) = result.as_object_mut() {
        result.insert("resultType".to_owned(), json!("complete"));
        result.insert("_meta".to_owned(), json!({"io.modelcontextprotocol/serverInfo": info()}));
    }
    result
}

fn info() -> Value {
    json!({"name": "tollgate-sample", "version": env!("CARGO_PKG_VERSION")})
}

fn tools() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    json!([
        {"name": "echo", "description": "Returns the message.",
         "inputSchema": {"type": "object", "properties": {"message": text("What to return.")}, "required": ["message"]},
         "annotations": {"readOnlyHint": true}},
        {"name": "time", "description": "The current time in UTC.",
         "inputSchema": {"type": "object", "properties": {}}, "annotations": {"readOnlyHint": true}},
        {"name": "note_write", "description": "Writes a note.",
         "inputSchema": {"type": "object",
             "properties": {"name": text("The note's name."), "text": text("The note.")}, "required": ["name", "text"]},
         "annotations": {"destructiveHint": false}},
        {"name": "note_list", "description": "Lists the notes.",
         "inputSchema": {"type": "object", "properties": {}}, "annotations": {"readOnlyHint": true}},
        {"name": "note_delete", "description": "Deletes a note.",
         "inputSchema": {"type": "object", "properties": {"name": text("The note's name.")}, "required": ["name"]},
         "annotations": {"destructiveHint": true}},
    ])
}
