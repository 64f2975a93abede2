use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::line::Line;
use super::{Heard, Ids, Setup};
use crate::fake::lock;
use crate::json::Json;
use crate::{Failure, Result};

/// An agent on a child's pipes.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) setup: Setup,
    pub(super) ids: Ids,
    pub(super) line: Line,
    pub(super) heard: Heard,
    _child: Child,
}

impl Agent {
    pub(super) fn start(command: &[String], env: &[(String, String)], setup: Setup) -> Result<Self> {
        let (program, arguments) = command.split_first().ok_or("an empty command")?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(env.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| Failure::from(e).while_doing(program))?;
        let (out, mut queue) = mpsc::unbounded_channel::<Json>();
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if stdin.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        let heard = Heard::default();
        let (line, inbox) = Line::new(out, heard.clone());
        let stdout = child.stdout.take().ok_or("no stdout")?;
        tokio::spawn(async move {
            let mut from = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = from.next_line().await {
                if let Ok(message) = Json::parse(&line) {
                    inbox.take(message);
                }
            }
        });
        let (stderr, kept) = (child.stderr.take().ok_or("no stderr")?, Arc::clone(&line.complaints));
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                lock(&kept).extend([&line, "\n"]);
            }
        });
        Ok(Self { setup, ids: Ids::default(), line, heard, _child: child })
    }
}
