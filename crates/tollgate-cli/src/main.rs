//! The binary `tollgate`: an MCP gateway.

use std::process::ExitCode;

mod args;
mod commands;
mod printer;
mod sample;
mod stop;

fn main() -> ExitCode {
    // The guard runs before anything else is set up: it must stay small, and it outlives the gateway.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "guard") {
        let code = tollgate::servers::guard::main(words.collect());
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    commands::run(args::read())
}
