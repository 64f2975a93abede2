//! Bad servers, crowds of agents and hostile messages against the real program: `cargo test --test storm NAME`. `STORM=long` is the long
//! form (`scripts/storm`).
//!
//! The same program carries the lines of stdio servers (`--carry`), so that nothing else has to be built.

mod parsers;

use std::io::Write as _;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use tollgate_testkit::Result;
use tollgate_testkit::fake::stdio;
use tollgate_testkit::storm::{Run, Scale, Setting, TRIALS};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [carry, address, more @ ..] = words.as_slice()
        && carry == "--carry"
    {
        let stubborn = more.iter().any(|word| word == "--stubborn");
        return if stdio::carry(address, stubborn).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let arguments = Arguments::from_args();
    match setting() {
        Ok(setting) => {
            let own: (&str, fn(Setting) -> Run) =
                (parsers::NAME, |setting| Box::pin(parsers::agree(setting)));
            let trials = TRIALS.into_iter().chain([own]);
            let trials = trials.map(|(name, run)| trial(name, run, setting.clone())).collect();
            libtest_mimic::run(&arguments, trials).exit_code()
        }
        Err(failure) => {
            let unfit =
                Trial::test("there is a program to test", move || Err(Failed::from(failure.to_string())));
            libtest_mimic::run(&arguments, vec![unfit]).exit_code()
        }
    }
}

fn setting() -> Result<Setting> {
    let long = std::env::var_os("STORM").is_some_and(|word| word == "long");
    let binary = match std::env::var_os("TOLLGATE_BIN") {
        Some(path) => std::path::absolute(path)?,
        None => env!("CARGO_BIN_EXE_tollgate").into(),
    };
    Ok(Setting {
        binary,
        carrier: vec![std::env::current_exe()?.to_string_lossy().into_owned()],
        scale: if long { Scale::long() } else { Scale::short() },
    })
}

fn trial(name: &'static str, run: fn(Setting) -> Run, setting: Setting) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let report = runtime
            .map_err(|error| Failed::from(error.to_string()))?
            .block_on(run(setting))
            .map_err(|failure| Failed::from(failure.to_string()))?;
        // The figures; nobody may be reading.
        drop(writeln!(std::io::stdout(), "{name}: {report}"));
        Ok(())
    })
}
