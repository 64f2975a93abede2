//! Every agent revision over every transport, to every server revision over every transport, feature by feature, through the real program:
//! `docs/matrix.md` is what came out. `BLESS=1` rewrites it.
//!
//! The same program carries the lines of stdio fakes (`--carry`), so that nothing else has to be built.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use tollgate_testkit::fake::stdio;

mod features;
mod page;
mod sides;
mod world;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [carry, address] = words.as_slice()
        && carry == "--carry"
    {
        return if stdio::carry(address, false).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let trial = Trial::test("every cell works or says why not", || matrix().map_err(Failed::from));
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn matrix() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.map_err(|e| e.to_string())?.block_on(world::run());
    let outcome = outcome.map_err(|failure| failure.to_string())?;
    let failed: Vec<String> = outcome.failures().collect();
    if !failed.is_empty() {
        return Err(format!("{} cells fail:\n{}", failed.len(), failed.join("\n")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/matrix.md");
    let page = page::write(&outcome);
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(&path, page).map_err(|e| e.to_string());
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == page {
        return Ok(());
    }
    Err("docs/matrix.md is not what came out: run with BLESS=1 and read the diff".to_owned())
}
