//! The configuration: raw (serde, unknown fields refused), then checked, with nothing left to ask.
//! Reports all problems at once, each with line, column and a hint. *Never* reads a secret's value: references stay references
//! until `servers/credential.rs` resolves them.
//!
//! `node` reads YAML into a tree with places; `raw` says what may stand in the file; `check` makes a `Config` of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod load;
pub use load::{embedded, env, load, open};

mod starter;
pub use starter::{Reach, StarterServer, starter_yaml};

mod watch;
pub use watch::watch;

mod problem;
pub use problem::{Problem, Problems, Severity};

mod source;
pub use source::{Place, Source};

mod raw;
pub use raw::schema;

mod stated;
pub use stated::{Reason, Stated};

mod check;
mod duration;
mod node;
mod read;
mod similar;
mod template;
mod value;
mod values;

pub(crate) use check::HASH;
pub use duration::parse as parse_duration;
pub(crate) use node::join as join_path;
pub(crate) use similar::nearest;
pub(crate) use template::is_secret_name;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The agents' listener.
    pub listen: SocketAddr,
    /// The operators' listener.
    pub admin: SocketAddr,
    /// The state directory, absolute.
    pub state: PathBuf,
    /// As agents reach us behind a reverse proxy.
    pub public_url: Option<String>,
    /// Extra `Host` values (beyond loopback and `public_url`).
    pub hosts: Vec<String>,
    /// Extra `Origin` values; browser clients get CORS for these only.
    pub origins: Vec<String>,
    /// How long calls in flight may take to finish at shutdown.
    pub drain: Duration,
    /// The log.
    pub log: Log,
    /// The servers by alias.
    pub servers: BTreeMap<Arc<str>, Arc<Server>>,
    /// The views by name.
    pub views: BTreeMap<Arc<str>, View>,
    /// Whether a loopback peer without credentials is agent `local`.
    pub anonymous: bool,
    /// The agents by name.
    pub agents: BTreeMap<Arc<str>, Agent>,
    /// The operators by name.
    pub operators: BTreeMap<Arc<str>, Operator>,
    /// The policy, as shorthand rules; `None` = the starter policy.
    pub policy: Option<Policy>,
    /// What is taken out of arguments and results.
    pub redact: Arc<tollgate_policy::redact::Redactor>,
    /// What happens to hidden characters.
    pub hidden: tollgate_policy::hidden::Hidden,
    /// How long a question stands.
    pub ask_expire: Duration,
    /// How long a call is held while operators are asked.
    pub ask_hold: Duration,
    /// Who is told of questions.
    pub webhooks: Vec<Webhook>,
    /// As operators reach the admin listener: for links in questions.
    pub admin_url: Option<String>,
    /// A conversation's idle window.
    pub conversation_idle: Duration,
    /// The `_meta` key that names a conversation.
    pub conversation_meta: String,
    /// Sums over arguments that a conversation keeps.
    pub sums: Arc<[Sum]>,
    /// Which calls are asked for a reason.
    pub reason: Reason,
    /// The ledger.
    pub ledger: Ledger,
    /// Where the vault's key is; `None` = `STATE/vault.key`.
    pub vault_key: Option<VaultKey>,
    /// The longest exposed name.
    pub names_max: usize,
    /// SHA-256 (hex) of the text this came from and of the included files: the policy version and reload's "unchanged".
    pub digest: Arc<str>,
    /// What is questionable but works.
    pub warnings: Vec<Problem>,
    /// Every `${secret:NAME}` and `${env:NAME}` of the file.
    pub references: Vec<Reference>,
    /// The text and its places, so that later stages can point at them: `config.source.problem("policy.rules[0].when", …)`.
    pub source: Arc<Source>,
}

/// A secret or environment variable that the file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which; never [`Piece::Text`].
    pub piece: Piece,
    /// The path of the key that names it, as in `servers.files.env.API_TOKEN`.
    pub path: String,
}

/// The log on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// error, warn, info, debug, trace.
    pub level: String,
    /// JSON instead of text.
    pub json: bool,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The alias.
    pub alias: Arc<str>,
    /// How it is reached.
    pub transport: Transport,
    /// Off = not started, not listed.
    pub enabled: bool,
    /// What becomes of a tool whose definition changes.
    pub trust: Trust,
    /// What happens to hidden characters in its lists: the whole gateway's setting.
    pub hidden: tollgate_policy::hidden::Hidden,
    /// Labels of all its tools.
    pub labels: Vec<String>,
    /// The time limits.
    pub timeout: Timeout,
    /// `tools.expose`: globs over original tool names; a leading `!` excludes. Empty = all.
    pub expose: Vec<String>,
    /// `tools.override` by original tool name.
    pub overrides: BTreeMap<String, Override>,
}

/// What becomes of a tool whose definition changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It waits for an operator.
    Pin,
    /// It is accepted and recorded.
    Auto,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A child process.
    Stdio {
        /// The program and its arguments.
        command: Vec<String>,
        /// Its working directory.
        cwd: Option<PathBuf>,
        /// What it gets beside the minimal environment.
        env: BTreeMap<String, Template>,
        /// Its processes.
        processes: Processes,
    },
    /// HTTP.
    Http {
        /// The endpoint.
        url: String,
        /// How it is spoken there.
        over: Over,
        /// Extra headers.
        headers: BTreeMap<String, Template>,
        /// The server's own credential.
        auth: Option<Auth>,
        /// An extra CA file (PEM).
        ca: Option<PathBuf>,
    },
}

/// `transport:` of a server with a `url`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Streamable HTTP, and where that is refused HTTP+SSE.
    Auto,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// `processes:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processes {
    /// Who shares one.
    pub share: Share,
    /// The most of them.
    pub max: usize,
    /// An interactive one ends after so long unused.
    pub idle: Duration,
}

/// Who shares a server's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All callers, unless the server could ask a caller something.
    Auto,
    /// One for each caller.
    Caller,
    /// All callers; then nothing interactive is declared to it.
    All,
}

/// A server's static credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer(Template),
    /// A header of the server's own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Template,
    },
    /// `Authorization: Basic …`: `user:password`.
    Basic(Template),
}

/// Text with `${secret:NAME}` and `${env:NAME}` in it, parsed but not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// A vault entry.
    Secret(String),
    /// An environment variable.
    Env(String),
}

/// A server's time limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// Spawn to first listing.
    pub start: Duration,
    /// One call, with a hard cap of ten times this despite progress.
    pub call: Duration,
    /// Silence within a call (progress resets it).
    pub idle: Duration,
}

/// What the operator says of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// Another exposed name (after the alias).
    pub rename: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// Destructive or not, whatever the server and the name say.
    pub destructive: Option<bool>,
}

/// A named subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Globs over `server/original`.
    pub tools: Vec<String>,
    /// For whom; `None` = everyone.
    pub only_for: Option<Who>,
}

/// `for:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Any of these agents (globs).
    pub agents: Vec<String>,
    /// Or any of these groups.
    pub groups: Vec<String>,
    /// Or any of these tenants.
    pub tenants: Vec<String>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its tenant.
    pub tenant: Option<Arc<str>>,
    /// Its groups.
    pub groups: Vec<Arc<str>>,
    /// Its keys.
    pub keys: Vec<Key>,
    /// May choose its conversation ids.
    pub own_conversations: bool,
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its groups.
    pub groups: Vec<Arc<str>>,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// A key: a hash or a reference, never in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// SHA-256 of the key.
    Sha256([u8; 32]),
    /// A reference to a string of at least 32 characters.
    Reference(Template),
}

/// The policy's shorthand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For calls no rule speaks of.
    pub default: Effect,
    /// The rules, in file order.
    pub rules: Vec<Rule>,
    /// The included files' Cedar text: `(path, text)`.
    pub include: Vec<(PathBuf, String)>,
    /// The facts, by name.
    pub facts: Vec<Fact>,
}

/// A named test over arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// It.
    pub fact: tollgate_policy::Fact,
    /// Its path in the file, as in `policy.facts.external`, for [`Source::problem`].
    pub path: String,
}

/// Who is told of questions that wait for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: String,
    /// What messages are signed with.
    pub secret: Template,
    /// How they are written.
    pub shape: Shape,
    /// The operator in whose name its links answer; `None` = nobody's.
    pub operator: Option<Arc<str>>,
}

/// How a webhook's messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As the admin API writes a question.
    Generic,
    /// As Slack's incoming webhooks take it.
    Slack,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the configuration")]
pub enum Effect {
    Allow,
    Ask,
    Deny,
}

/// One shorthand rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id: given, or `rule-N` by place.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// A glob over `server/original`.
    pub target: String,
    /// For whom; `None` = everyone.
    pub only_for: Option<Who>,
    /// The condition's text.
    pub when: Option<String>,
    /// The reason.
    pub because: Option<String>,
    /// Who is asked: `agent`, `operators` or `group:NAME`; `None` = the agent's human.
    pub of: Option<String>,
    /// How many of them have to say yes.
    pub count: u32,
    /// What it covers; `None` = call, read, get and complete.
    pub on: Option<Vec<tollgate_policy::Action>>,
    /// Decided and recorded, not enforced.
    pub shadow: bool,
    /// Line in the file, for messages.
    pub line: usize,
    /// Its path in the file, as in `policy.rules[0]`, for [`Source::problem`].
    pub path: String,
}

/// A sum over an argument of a conversation's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// What rules call it: `session.counters.NAME`.
    pub name: Arc<str>,
    /// A glob over `server/tool`.
    pub of: String,
    /// The members that lead to the numbers; `None` = every element of an array.
    pub path: Vec<Option<String>>,
}

/// The ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// When a record is safe.
    pub durability: Durability,
    /// What of the arguments is kept.
    pub payloads: Payloads,
    /// How long sealed segments stay.
    pub retain: Duration,
}

/// When a record is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Written before the call leaves; flushed to the medium within 1 s.
    Commit,
    /// Flushed before the call leaves.
    Sync,
    /// Within 50 ms.
    Batch,
}

/// What of the arguments the ledger keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payloads {
    /// Nothing.
    None,
    /// `args_digest` only.
    Digest,
    /// After redaction.
    Redacted,
    /// As sent.
    Full,
}

/// Where the vault's key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultKey {
    /// A file: 64 hex digits.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A command's standard output.
    Command(Vec<String>),
}

#[cfg(test)]
mod tests;
