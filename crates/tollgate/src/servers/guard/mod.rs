//! The guard: a small parent between the gateway and a server's process, so that nothing outlives the gateway.
//! It collects orphans, ends the whole tree when the pipe to it closes, and passes the exit code on. *Never* reads the pipe.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, getpid, getppid, set_child_subreaper, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::clock::Clock;

mod stage;
#[cfg(test)]
mod tests;
mod tree;

/// How long the child may take to end by itself after its input closed, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// The same when the gateway itself died: its children are on the wire to nobody, and the next gateway may start at once.
const ORPHANED: Duration = Duration::from_millis(250);

/// How often a guard whose pipe closed looks whether its gateway still lives: the pipe of a killed one closes a little before it is gone.
const LOOK: Duration = Duration::from_millis(20);

/// How long to go on killing what does not die (a process in an uninterruptible sleep).
const KILLING: Duration = Duration::from_secs(5);

/// Runs `CMD ARG…` under guard; `args` are what stands after the hidden `guard` command, verbatim: `-- CMD ARG…`.
///
/// Returns the exit code: the child's, 128 + the signal that ended it, 127 if it could not be started, 2 for a wrong use.
pub fn main(args: Vec<OsString>) -> i32 {
    let mut args = args.into_iter();
    match args.next() {
        Some(first) if first == stage::FLAG => stage::run(args),
        Some(first) if first == "--" => match guard(args.collect()) {
            Ok(code) => code,
            Err(why) => complain(&format!("cannot guard the process: {why}"), 127),
        },
        Some(_) | None => complain("usage: guard -- COMMAND [ARGUMENT]…", 2),
    }
}

fn complain(what: &str, code: i32) -> i32 {
    // There is nobody left to tell if this fails.
    drop(writeln!(std::io::stderr(), "{what}"));
    code
}

fn guard(command: Vec<OsString>) -> std::io::Result<i32> {
    let (own, gateway) = (getpid(), getppid());
    // Orphans of the tree are handed to us, so that none can leave it by a double fork or a session of its own.
    set_child_subreaper(Some(own))?;
    let (ended, ended_write) = UnixStream::pair()?;
    let (asked, asked_write) = UnixStream::pair()?;
    for stream in [&ended, &asked] {
        stream.set_nonblocking(true)?;
    }
    pipe::register(SIGCHLD, ended_write)?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        pipe::register(signal, asked_write.try_clone()?)?;
    }
    let child = Command::new(std::env::current_exe()?)
        .arg("guard")
        .arg(stage::FLAG)
        .arg(own.as_raw_nonzero().to_string())
        .args(command)
        .spawn()?;
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::Other)?;
    Ok(Watch { clock: Clock::system(), gateway, child, code: None, ended, asked }.run())
}

/// What a wait was ended by.
#[derive(Default)]
struct Woken {
    hangup: bool,
    asked: bool,
}

struct Watch {
    clock: Clock,
    gateway: Option<Pid>,
    child: Pid,
    code: Option<i32>,
    ended: UnixStream,
    asked: UnixStream,
}

impl Watch {
    fn run(mut self) -> i32 {
        self.until_over();
        self.signal(Signal::TERM);
        let start = self.clock.instant();
        while !gone() && self.clock.instant() < start + self.grace() {
            self.pause(LOOK);
        }
        let until = self.clock.instant() + KILLING;
        while !gone() && self.clock.instant() < until {
            self.signal(Signal::KILL);
            self.pause(Duration::from_millis(10));
        }
        self.reap();
        self.code.unwrap_or(128 + Signal::KILL.as_raw())
    }

    /// Waits for the child's end; or for the gateway's, and then a grace for the child to end by itself.
    fn until_over(&mut self) {
        let mut leaving: Option<Instant> = None;
        while self.code.is_none() {
            if leaving.is_some_and(|since| self.clock.instant() >= since + self.grace()) {
                return;
            }
            let woken = self.wait(leaving.is_none(), leaving.map(|_| LOOK));
            if woken.asked {
                return;
            }
            if woken.hangup {
                leaving = Some(self.clock.instant());
            }
            self.reap();
        }
    }

    /// A gateway that closes the pipe waits for our end; one that was killed has left us to another parent.
    fn grace(&self) -> Duration {
        if getppid() == self.gateway { GRACE } else { ORPHANED }
    }

    fn pause(&mut self, most: Duration) {
        self.wait(false, Some(most));
        self.reap();
    }

    fn wait(&mut self, input: bool, most: Option<Duration>) -> Woken {
        let stdin = std::io::stdin();
        let stdin = stdin.as_fd();
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.ended.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.asked.as_fd(), PollFlags::IN),
        ];
        if input {
            // No events: only the hang-up is reported, and the bytes stay for the child.
            fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::empty()));
        }
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        // An interrupted wait is a wait that ended early.
        poll(&mut fds, most.as_ref()).ok();
        let set = |n: usize| fds.get(n).map_or(PollFlags::empty(), PollFd::revents);
        let hangup = set(2).intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
        drain(&self.ended);
        // The signal that wrote there may also have interrupted the wait: what counts is what was written.
        Woken { asked: drain(&self.asked), hangup }
    }

    /// Takes the exit codes of whatever ended: the child, and orphans that were handed to us.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.child {
                let signal = || status.terminating_signal().map(|signal| 128 + signal);
                self.code = status.exit_status().or_else(signal).or(self.code);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if self.code.is_none() {
            // It may have ended just now.
            rustix::process::kill_process_group(self.child, signal).ok();
        }
        for pid in tree::descendants(getpid()) {
            rustix::process::kill_process(pid, signal).ok();
        }
    }
}

fn gone() -> bool {
    tree::descendants(getpid()).is_empty()
}

fn drain(mut stream: &UnixStream) -> bool {
    let mut sink = [0_u8; 64];
    let mut any = false;
    while matches!(std::io::Read::read(&mut stream, &mut sink), Ok(n) if n > 0) {
        any = true;
    }
    any
}
