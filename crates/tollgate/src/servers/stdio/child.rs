//! A child process under guard: clean environment, captured stderr, its end told.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

use super::super::credential::Environment;
use super::super::server::Room;
use crate::clock::Clock;
use crate::config;

/// How much of a child's stderr is logged.
const BYTES_PER_SECOND: usize = 64 * 1024;

/// The longest stderr line that is logged; the rest of it is left out.
const LINE_MAX: usize = 4 * 1024;

/// How many last lines of stderr explain an end.
const LAST: usize = 3;

/// How long the guard has for what it promises, before it is killed itself.
const GUARD: Duration = Duration::from_secs(8);

/// A started child.
pub(super) struct Started {
    pub(super) input: Sender,
    pub(super) output: Receiver,
    pub(super) body: Body,
}

/// The process itself.
#[derive(Debug)]
pub(super) struct Body {
    child: Child,
    last: Arc<Mutex<VecDeque<String>>>,
}

/// What to start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    pub(super) command: &'a [String],
    pub(super) cwd: Option<&'a std::path::Path>,
    pub(super) env: &'a std::collections::BTreeMap<String, config::Template>,
}

/// Starts a child: `GUARD guard -- COMMAND…`. Its pipes belong to the runtime `beside`.
pub(super) fn start(room: &Room, program: Program<'_>, beside: &Handle) -> Result<Started, String> {
    let environment = Environment::of(&*room.resolve, program.env)?;
    let mut command = Command::new(&room.guard);
    command
        .arg("guard")
        .arg("--")
        .args(program.command)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C at the terminal is the gateway's to handle.
        .process_group(0);
    for (name, value) in &environment.variables {
        command.env(name, value.expose());
    }
    if let Some(cwd) = program.cwd {
        command.current_dir(cwd);
    }
    let mut child = command.spawn().map_err(|why| format!("cannot start its guard: {why}"))?;
    let (Some(input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("its pipes are missing".to_owned());
    };
    let (input, output) = pipes(input, output, beside).map_err(|why| format!("its pipes: {why}"))?;
    let last = Arc::new(Mutex::new(VecDeque::with_capacity(LAST)));
    let log = Log {
        alias: Arc::clone(&room.config.alias),
        environment,
        last: Arc::clone(&last),
        clock: room.clock.clone(),
        window: room.clock.instant(),
        spent: 0,
        dropped: 0,
    };
    tokio::spawn(log.read(errors));
    Ok(Started { input, output, body: Body { child, last } })
}

/// The same pipes, watched by the runtime `beside` instead of the one that they were made on.
fn pipes(input: ChildStdin, output: ChildStdout, beside: &Handle) -> io::Result<(Sender, Receiver)> {
    let (input, output) = (input.into_owned_fd()?, output.into_owned_fd()?);
    let _watched_there = beside.enter();
    Ok((Sender::from_owned_fd(input)?, Receiver::from_owned_fd(output)?))
}

impl Body {
    /// Waits for the end (its input is closed by now) and says how it ended.
    pub(super) async fn end(mut self) -> String {
        let how = match tokio::time::timeout(GUARD, self.child.wait()).await {
            Ok(Ok(status)) => match status.code() {
                Some(code) => format!("its process ended with code {code}"),
                None => format!("its guard ended: {status}"),
            },
            Ok(Err(why)) => format!("its process ended: {why}"),
            Err(_elapsed) => {
                // Nothing better is left to do.
                drop(self.child.kill().await);
                "its process did not end and was killed".to_owned()
            }
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_empty() {
            return how;
        }
        format!("{how}: {}", last.iter().map(String::as_str).collect::<Vec<_>>().join(" | "))
    }
}

/// Reads a child's stderr: data to be shown, never a line of our own log.
struct Log {
    alias: Arc<str>,
    environment: Environment,
    last: Arc<Mutex<VecDeque<String>>>,
    clock: Clock,
    window: Instant,
    spent: usize,
    dropped: usize,
}

impl Log {
    async fn read(mut self, mut errors: impl AsyncRead + Unpin) {
        let mut chunk = vec![0_u8; 8 * 1024];
        let mut line: Vec<u8> = Vec::new();
        while let Ok(read @ 1..) = errors.read(&mut chunk).await {
            for byte in chunk.get(..read).unwrap_or_default() {
                match byte {
                    b'\n' => self.line(&mut line),
                    _ if line.len() < LINE_MAX => line.push(*byte),
                    _ => {}
                }
            }
        }
        self.line(&mut line);
    }

    fn line(&mut self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        line.clear();
        if text.is_empty() {
            return;
        }
        // A secret is found before escaping can change it.
        let text = self.environment.blank(text).escape_debug().to_string();
        if self.within(text.len()) {
            tracing::info!(server = %self.alias, stderr = %text, "child");
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= LAST {
            last.pop_front();
        }
        last.push_back(text.chars().take(200).collect());
    }

    fn within(&mut self, bytes: usize) -> bool {
        let now = self.clock.instant();
        if now.saturating_duration_since(self.window) >= Duration::from_secs(1) {
            if self.dropped > 0 {
                tracing::warn!(server = %self.alias, lines = self.dropped, "stderr over 64 KiB/s was dropped");
            }
            (self.window, self.spent, self.dropped) = (now, 0, 0);
        }
        self.spent = self.spent.saturating_add(bytes);
        let within = self.spent <= BYTES_PER_SECOND;
        self.dropped += usize::from(!within);
        within
    }
}
