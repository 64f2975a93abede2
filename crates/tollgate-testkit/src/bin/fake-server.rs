//! A fake MCP server as a child process.
//!
//! `fake-server --carry HOST:PORT [--stubborn]` carries lines between its pipes and a fake in a test's process;
//! `fake-server [legacy-stdio|modern-stdio] [SCRIPT.yaml]` is one by itself.

use std::process::ExitCode;

use tollgate_testkit::fake::{Kind, Script, stdio};
use tollgate_testkit::json::Json;
use tollgate_testkit::{Failure, Result};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            use std::io::Write as _;
            // Nobody may be reading.
            drop(writeln!(std::io::stderr(), "fake-server: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--carry", address] => stdio::carry(address, false),
        ["--carry", address, "--stubborn"] | ["--stubborn", "--carry", address] => {
            stdio::carry(address, true)
        }
        [] => serve("legacy-stdio", None),
        [kind] => serve(kind, None),
        [kind, script] => serve(kind, Some(script)),
        _ => Err(Failure::new("usage: fake-server --carry HOST:PORT | [KIND] [SCRIPT.yaml]")),
    }
}

fn serve(kind: &str, script: Option<&str>) -> Result<()> {
    let kind = Kind::parse(kind).ok_or_else(|| Failure::new(format!("no such kind: `{kind}`")))?;
    let script = match script {
        None => Script::default(),
        Some(path) => {
            let value: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(path)?)
                .map_err(|e| Failure::new(e.to_string()))?;
            Script::read(&Json::from(value))?
        }
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(stdio::serve_here(kind, script))
}
