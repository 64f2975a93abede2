//! The guard program on its own, for tests: what the hidden `tollgate guard` command runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1).skip_while(|arg| arg == "guard").collect();
    ExitCode::from(u8::try_from(tollgate::servers::guard::main(args)).unwrap_or(1))
}
