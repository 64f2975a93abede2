//! The last step before the server's program: drops what it must not have, then becomes it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit, setsid,
};
use rustix::thread::set_no_new_privs;

use super::complain;

/// What tells this step from the guard: `--become GUARD-PID CMD ARG…`.
pub(super) const FLAG: &str = "--become";

/// Becomes the command; returns only if it could not.
pub(super) fn run(mut args: impl Iterator<Item = OsString>) -> i32 {
    let guard = args.next().and_then(|pid| pid.to_str()?.parse().ok()).and_then(Pid::from_raw);
    let Some(program) = args.next() else {
        return complain("guard: no command", 2);
    };
    if let Err(why) = confine(guard) {
        return complain(&format!("cannot confine `{}`: {why}", program.display()), 127);
    }
    let why = Command::new(&program).args(args).exec();
    complain(&format!("cannot start `{}`: {why}", program.display()), 127)
}

fn confine(guard: Option<Pid>) -> std::io::Result<()> {
    // If the guard itself is killed, so is the server's program. (It could have died before this call: then we have another parent.)
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != guard {
        return Err(std::io::Error::other("the guard is gone"));
    }
    setsid()?;
    set_no_new_privs(true)?;
    // What whoever started the gateway left open, the program does not get.
    close_fds::set_fds_cloexec(3, &[]);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
