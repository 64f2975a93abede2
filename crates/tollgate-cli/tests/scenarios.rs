//! Every file under `scenarios/` is a test: `cargo test --test scenarios NAME`. `BLESS=1` rewrites what is checked.
//!
//! The same program carries the lines of stdio fakes (`--carry`), so that nothing else has to be built.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use tollgate_testkit::Result;
use tollgate_testkit::fake::stdio;
use tollgate_testkit::scenario::{Options, cases, run_case};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [carry, address] = words.as_slice()
        && carry == "--carry"
    {
        return if stdio::carry(address, false).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(failure) => {
            let name = "every scenario can be read";
            let unreadable = Trial::test(name, move || Err(Failed::from(failure.to_string())));
            libtest_mimic::run(&arguments, vec![unreadable]).exit_code()
        }
    }
}

fn trials() -> Result<Vec<Trial>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").canonicalize()?;
    let options = Options {
        binary: Some(env!("CARGO_BIN_EXE_tollgate").into()),
        carrier: vec![std::env::current_exe()?.to_string_lossy().into_owned()],
        bless: std::env::var_os("BLESS").is_some(),
    };
    let trial = |case: tollgate_testkit::scenario::Case| {
        let options = options.clone();
        Trial::test(case.name.clone(), move || {
            run_case(&case, &options).map_err(|failure| Failed::from(failure.to_string()))
        })
    };
    Ok(cases(&root)?.into_iter().map(trial).collect())
}
