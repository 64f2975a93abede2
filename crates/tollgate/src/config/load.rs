use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::node;
use super::problem::{Problem, Problems, Severity};
use super::raw::Root;
use super::read::{Read as _, Report};
use super::source::Source;
use super::{Config, Piece, check};

/// The largest file that is read.
const BYTES_MAX: u64 = 1024 * 1024;

/// Checks `text`, the content of `path`; paths in it are relative to the folder of `path`. Either nothing is left to ask, or
/// every problem is told at once.
pub fn load(path: &Path, text: &str) -> Result<Config, Problems> {
    let mut source = Source::new(path, text);
    let mut problems = Vec::new();
    let tree = node::parse(&mut source, &mut problems);
    let mut report = Report { source: &source, problems, references: Vec::new() };
    let checked = tree
        .and_then(|tree| Root::read(&tree, &mut report))
        .map(|root| check::root(root, &folder(path), &mut report));
    let Report { problems, references, source: _ } = report;
    let source = Arc::new(source);
    let problems = Problems::new(Arc::clone(&source), problems);
    match checked {
        Some(checked) if problems.list.iter().all(|problem| problem.severity == Severity::Warning) => {
            Ok(Config { warnings: problems.list, references, source, ..checked })
        }
        Some(_) | None => Err(problems),
    }
}

/// Reads and checks the file at `path`.
pub fn open(path: &Path) -> Result<Config, Problems> {
    match read_file(path) {
        Ok(text) => load(path, &text),
        Err(message) => {
            let source = Arc::new(Source::new(path, ""));
            let problem = source.problem("", message);
            Err(Problems { source, list: vec![problem], unreadable: true })
        }
    }
}

/// The configuration without a file: state in `folder/.tollgate`, the sample server (`exe sample-server`), the starter policy.
pub fn embedded(exe: &Path, folder: &Path) -> Result<Config, Problems> {
    // JSON's quoting is YAML's.
    let exe = serde_json::Value::from(exe.to_string_lossy()).to_string();
    let text = format!("servers:\n  sample:\n    command: [{exe}, sample-server]\n");
    load(&folder.join("(embedded)"), &text)
}

/// Reads an environment variable: the one home of `std::env::var`. Empty is unset.
#[expect(clippy::disallowed_methods, reason = "the environment is configuration; this is its one reader")]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Config {
    /// Listens elsewhere than the file says (`--listen`). Beyond loopback nobody is anonymous: an error if the file insists.
    pub fn listen_on(&mut self, listen: SocketAddr) -> Result<(), Problem> {
        if listen == self.admin && listen.port() != 0 {
            return Err(self
                .source
                .problem("admin.listen", "agents and operators cannot share one listener"));
        }
        if self.anonymous && !listen.ip().is_loopback() {
            if self.source.places.contains_key("identity.anonymous") {
                let message = format!("`anonymous: local` needs a loopback address, not `{listen}`");
                let hint = "write `anonymous: off` and give each agent a key: `tollgate keys create AGENT`";
                return Err(self.source.problem("identity.anonymous", message).hint(hint));
            }
            self.anonymous = false;
        }
        self.listen = listen;
        Ok(())
    }

    /// A problem for each `${env:NAME}` that is not set. Switched-off servers need nothing.
    pub fn unresolved_env(&self) -> Vec<Problem> {
        self.unresolved(|piece| match piece {
            Piece::Env(name) => env(name).is_some(),
            Piece::Secret(_) | Piece::Text(_) => true,
        })
    }

    /// A problem for each reference that `known` denies. Switched-off servers need nothing.
    pub fn unresolved(&self, known: impl Fn(&Piece) -> bool) -> Vec<Problem> {
        self.references
            .iter()
            .filter(|reference| self.is_needed(&reference.path) && !known(&reference.piece))
            .filter_map(|reference| {
                let (message, hint) = match &reference.piece {
                    Piece::Env(name) => (
                        format!("environment variable `{name}` is not set"),
                        format!("set `{name}` where the gateway starts"),
                    ),
                    Piece::Secret(name) => (
                        format!("there is no secret `{name}` in the vault"),
                        format!("run `tollgate secrets set {name}`"),
                    ),
                    Piece::Text(_) => return None,
                };
                Some(self.source.problem(&reference.path, message).hint(hint))
            })
            .collect()
    }

    /// Problems of later stages, with this file's text.
    pub fn problems(&self, list: Vec<Problem>) -> Problems {
        Problems::new(Arc::clone(&self.source), list)
    }

    fn is_needed(&self, path: &str) -> bool {
        let alias = path.strip_prefix("servers.").and_then(|rest| rest.split('.').next());
        alias.and_then(|alias| self.servers.get(alias)).is_none_or(|server| server.enabled)
    }
}

/// Reads a configuration file or an included one.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let refused = |error: &std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            "no such file".to_owned()
        } else if error.kind() == std::io::ErrorKind::InvalidData {
            "the file is not utf-8 text".to_owned()
        } else {
            format!("cannot be read: {}", error.to_string().to_lowercase())
        }
    };
    let metadata = std::fs::metadata(path).map_err(|error| refused(&error))?;
    if !metadata.is_file() {
        return Err("not a file".to_owned());
    }
    if metadata.len() > BYTES_MAX {
        return Err("larger than 1 mib".to_owned());
    }
    std::fs::read_to_string(path).map_err(|error| refused(&error))
}

/// The folder that paths in the file are relative to.
fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::path::absolute(folder.join("."))
        .map_or_else(|_| folder.to_owned(), |absolute| absolute.components().collect())
}
