//! The real binary, started with a generated configuration on free loopback ports and a state directory of its own.
//! *Never* leaves a process behind: dropped, it is killed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::fake::lock;
use crate::json::Json;
use crate::wire::http;
use crate::{Failure, Result};

#[cfg(test)]
mod tests;

/// The binary under test: `$TOLLGATE_BIN`, else `tollgate` beside this executable or one or two folders up.
#[expect(clippy::disallowed_methods, reason = "where tests find their programs; not part of the gateway")]
pub fn binary() -> Result<PathBuf> {
    if let Ok(path) = std::env::var("TOLLGATE_BIN") {
        // Commands run in a folder of their own.
        return Ok(std::path::absolute(path)?);
    }
    let here = std::env::current_exe()?;
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("tollgate"))
        .find(|path| path.is_file())
        .ok_or_else(|| Failure::new("no `tollgate` beside this test: build it, or set TOLLGATE_BIN"))
}

/// A gateway on its way or running.
#[derive(Debug)]
pub struct Running {
    binary: PathBuf,
    folder: TempDir,
    env: Vec<(String, String)>,
    listen: String,
    admin: String,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Running {
    /// Starts `binary` with `config` (an object as in `tollgate.yaml`; `listen`, `admin.listen` and `state` are set here) and waits until
    /// `/readyz` says yes.
    pub async fn start(binary: &Path, config: Json, env: &[(String, String)]) -> Result<Self> {
        let mut attempts = 0;
        loop {
            let (listen, admin) = free_ports()?;
            let mut gateway = Self {
                binary: binary.to_owned(),
                folder: TempDir::with_prefix("tollgate-")?,
                env: env.to_vec(),
                listen,
                admin,
                child: None,
                log: Arc::default(),
            };
            gateway.write(config.clone())?;
            gateway.spawn()?;
            attempts += 1;
            match gateway.ready(Duration::from_secs(30)).await {
                Ok(()) => return Ok(gateway),
                // Another test took the port between our look and the gateway's.
                Err(_) if attempts < 5 && gateway.log().contains("in use") => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The agents' endpoint: `/mcp`, or another path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }

    /// The admin listener's page.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// What its configuration takes from the environment.
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("tollgate.yaml")
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// What it wrote to standard error and output so far.
    pub fn log(&self) -> String {
        lock(&self.log).clone()
    }

    /// Writes a configuration as an editor does: beside, then renamed over. A running gateway reloads it; see [`Self::reload`].
    pub fn write(&self, config: Json) -> Result<()> {
        let admin = config.get("admin").cloned().unwrap_or_default().with("listen", self.admin.as_str());
        let state = self.state().to_string_lossy().into_owned();
        let config = config.with("listen", self.listen.as_str()).with("admin", admin).with("state", state);
        let beside = self.folder.path().join(".tollgate.yaml.new");
        // JSON is YAML.
        std::fs::write(&beside, config.pretty(100))?;
        Ok(std::fs::rename(beside, self.config())?)
    }

    /// Writes a configuration and waits until the log says what became of it: whether it applies (else the old one stays).
    pub async fn reload(&self, config: Json) -> Result<bool> {
        let before = self.log().len();
        self.write(config)?;
        for _ in 0..250 {
            let log = self.log();
            let fresh = log.get(before..).unwrap_or_default();
            let told = fresh.lines().filter(|line| line.contains("configuration")).find_map(|line| {
                let (applies, stays) = (line.contains("applies"), line.contains("stays"));
                (applies || stays).then_some(applies)
            });
            if let Some(applies) = told {
                return Ok(applies);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Failure::new(format!("no word of the new configuration in 5 s; the log:\n{}", self.log())))
    }

    fn spawn(&mut self) -> Result<()> {
        let mut child = self.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(stdout) = child.stdout.take() {
            keep(stdout, Arc::clone(&self.log));
        }
        if let Some(stderr) = child.stderr.take() {
            keep(stderr, Arc::clone(&self.log));
        }
        self.child = Some(child);
        Ok(())
    }

    /// A command of the binary on this configuration.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).arg("--config").arg(self.config());
        command.envs(self.env.iter().cloned()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command of the binary on this configuration: its exit code, output and errors.
    pub async fn run(&self, words: &[&str]) -> Result<(Option<i32>, String, String)> {
        let output = tokio::time::timeout(Duration::from_secs(20), self.command(words).output()).await??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    /// The words that start `tollgate stdio` on this configuration, for [`crate::agent::Agent::stdio`].
    pub fn stdio_command(&self) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![text(&self.binary), "stdio".to_owned(), "--config".to_owned(), text(&self.config())]
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&mut self, patience: Duration) -> Result<()> {
        let deadline = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < deadline {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Err(Failure::new(format!("the gateway ended ({status}):\n{}", self.log())));
            }
            // Its ports may be another's gateway's by now, which answers just as well: ours says where it listens, and who it is.
            if self.listens()
                && let Ok((200, _)) = http::get(&self.admin_url("/readyz"), &[]).await
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Failure::new(format!("not ready within {patience:?}:\n{}", self.log())))
    }

    /// Whether our own process has said that it listens.
    fn listens(&self) -> bool {
        let about = std::fs::read_to_string(self.state().join("gateway.json")).unwrap_or_default();
        let pid = Json::parse(&about).ok().and_then(|about| about.get("pid").and_then(Json::as_u64));
        pid.is_some() && pid == self.pid().map(u64::from)
    }

    /// Every entry of the ledger, oldest first.
    pub async fn ledger(&self) -> Result<Vec<Json>> {
        let (code, out, err) = self.run(&["ledger", "tail", "--json", "-n", "all"]).await?;
        if code != Some(0) {
            return Err(Failure::new(format!("ledger tail ended with {code:?}: {err}")));
        }
        Json::parse_many(&out)
    }

    /// `/metrics`, with the operator's token.
    pub async fn metrics(&self) -> Result<String> {
        let token = std::fs::read_to_string(self.state().join("operator.token"))?;
        let authorization = ("authorization".to_owned(), format!("Bearer {}", token.trim()));
        match http::get(&self.admin_url("/metrics"), &[authorization]).await? {
            (200, text) => Ok(text),
            (status, text) => Err(Failure::new(format!("/metrics: HTTP {status}: {text}"))),
        }
    }

    /// A request of the admin API, with an operator's key or (`None`) the operator token: its status and text.
    pub async fn admin(
        &self,
        key: Option<&str>,
        method: hyper::Method,
        path: &str,
        body: String,
    ) -> Result<(u16, String)> {
        let token = match key {
            Some(key) => key.to_owned(),
            None => std::fs::read_to_string(self.state().join("operator.token"))?.trim().to_owned(),
        };
        let headers = [
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        let answer = http::send(method, &self.admin_url(path), &headers, body).await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// SIGTERM; it must drain and exit with 0 within `patience`.
    pub async fn stop(&mut self, patience: Duration) -> Result<()> {
        if let Some(pid) = self.pid() {
            signal(pid, rustix::process::Signal::TERM)?;
        }
        self.ended(patience).await
    }

    /// Waits for its end, which must be with 0 and within `patience`, after whatever it was sent.
    pub async fn ended(&mut self, patience: Duration) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let status = tokio::time::timeout(patience, child.wait()).await.map_err(|_| {
            Failure::new(format!("still there {patience:?} after SIGTERM:\n{}", self.log()))
        })??;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("ended with {status}:\n{}", self.log())))
        }
    }

    /// SIGKILL, at once.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Starts it again on the same configuration and state, and waits up to `patience` until it is ready; how long that took.
    pub async fn restart(&mut self, patience: Duration) -> Result<Duration> {
        let started = tokio::time::Instant::now();
        self.spawn()?;
        self.ready(patience).await?;
        Ok(started.elapsed())
    }
}

/// Sends a signal.
pub fn signal(pid: u32, signal: rustix::process::Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).ok_or("no such process id")?;
    rustix::process::kill_process(pid, signal).map_err(|e| Failure::new(e.to_string()))
}

/// Collects lines for [`Running::log`].
fn keep(from: impl AsyncRead + Unpin + Send + 'static, log: Arc<Mutex<String>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut log = lock(&log);
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// Two addresses that were free a moment ago: both are held while they are found, so they differ.
fn free_ports() -> Result<(String, String)> {
    let (one, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((one.local_addr()?.to_string(), other.local_addr()?.to_string()))
}
