//! Starts all of it, reloads it, ends it. *Never* on a call's way.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admin::{self, Admin};
use crate::approve::Approver;
use crate::authenticate::{Keys, operator_token};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{Config, Severity};
use crate::conversation::Conversations;
use crate::decide::Decider;
use crate::forward::Forwarder;
use crate::path::{Gate, HeldTasks, TasksSeen};
use crate::receive;
use crate::record::Ledger;
use crate::record::index::Indexer;
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::servers::{Context, Servers, Vaulted};
use crate::store::{ConversationStore, Index, Store, StoreError, TaskStore};
use crate::vault::Vault;
use crate::workers::{self, Workers};

mod blobs;
mod heap;
pub(crate) mod herald;
mod keys;
mod rules;
mod stated;

pub use blobs::Blobs;
pub use rules::{check, compile, remembered};

use blobs::Remembered;

/// How often another process's word of a conversation is looked for.
const FOLLOW: Duration = Duration::from_millis(200);

/// How a gateway is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time.
    pub clock: Clock,
    /// The program whose hidden `guard` command wraps children.
    pub guard: PathBuf,
    /// Open the agents' and the operators' listener.
    pub listen: bool,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct StartError {
    /// What could not be done.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl StartError {
    fn new(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The gate.
    pub gate: Arc<Gate>,
    store: Store,
    vault: Arc<Vault>,
    operator_token: Option<Arc<Secret<String>>>,
    /// Held while keys are made of configuration and store, and put in force.
    building: Arc<Mutex<()>>,
    indexer: Option<Indexer>,
    agents: Option<receive::http::Server>,
    admin: Option<SocketAddr>,
    stop_admin: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// The last to go: what is drained and closed runs on them.
    workers: Option<Workers>,
}

impl Gateway {
    /// Starts everything; servers go on starting afterwards.
    pub async fn start(config: Config, options: Options) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let policy = rules::compile(&config).map_err(|problems| {
            StartError::new("the policy cannot be used", problems)
                .hint("`tollgate check` shows every problem")
        })?;
        let state = &config.state;
        make_private(state).map_err(|e| {
            StartError::new(format!("the state directory `{}` cannot be used", state.display()), e)
        })?;
        let clock = options.clock.clone();
        let store =
            Store::open(state).map_err(|e| StartError::new("the state database cannot be opened", e))?;
        let blobs = Arc::new(Blobs(store.clone()));
        let vault = Vault::open(config.vault_key.as_ref(), state, blobs, clock.now_ms())
            .map_err(|e| StartError::new("the vault cannot be opened", e))?;
        if let Some(warning) = vault.warning() {
            tracing::warn!("{warning}");
        }
        let vault = Arc::new(vault);
        let sealer = Sealer::load_or_create(state)
            .map_err(|e| StartError::new("the sealing key cannot be read", e))?;
        let sealer = Arc::new(sealer);
        let ledger = Ledger::open(state, config.ledger, clock.clone())
            .map_err(|e| StartError::new("the ledger cannot be opened", e))?;
        let index =
            Index::open(state).map_err(|e| StartError::new("the ledger's index cannot be opened", e))?;
        let indexer = Indexer::start(state, index, clock.clone(), config.ledger.retain)
            .map_err(|e| StartError::new("the ledger's index cannot be kept", e))?;
        let operator_token = if options.listen {
            Some(operator_token(state).map_err(|e| StartError::new("the operator token cannot be read", e))?)
        } else {
            None
        };
        let keys = load_keys(&config, &store, &vault, operator_token.as_ref(), &clock)?;

        let (kept, conversations) = conversations(&config, &policy, &clock)?;
        let workers = options.listen.then(start_workers).transpose()?;
        let context = Context {
            clock: clock.clone(),
            vault: Vaulted::new(Arc::clone(&vault)),
            guard: options.guard.clone(),
            hands: workers.as_ref().map(Workers::hands).unwrap_or_default(),
        };
        let approver = Approver::new(Arc::clone(&sealer), store.clone(), clock.clone())
            .map_err(|e| StartError::new("the inbox cannot be read", e))?;
        let servers = Servers::start(&config, context);
        let remembered =
            Box::new(Remembered { store: store.clone(), clock: clock.clone(), ledger: ledger.clone() });
        let catalog = Catalog::start(Arc::clone(&config), Arc::clone(&servers), clock.clone(), remembered);
        let gate = Arc::new(Gate {
            conversations: Arc::new(conversations),
            kept,
            decider: Decider::new(Arc::new(policy), Arc::clone(&config.digest)),
            approver,
            forwarder: Forwarder::new(Arc::clone(&servers), Arc::clone(&sealer), clock.clone()),
            tasks_seen: TasksSeen::default(),
            tasks: TaskStore::new(&config.state),
            held: HeldTasks::new(tokio::runtime::Handle::current()),
            counters: crate::metrics::Counters::default(),
            draining: watch::Sender::new(false),
            info: Bytes::from_static(INFO.as_bytes()),
            config: arc_swap::ArcSwap::new(Arc::clone(&config)),
            clock: clock.clone(),
            keys: arc_swap::ArcSwap::from_pointee(keys),
            sealer,
            servers,
            catalog,
            ledger,
            started: clock.instant(),
        });
        let mut gateway = Self {
            gate,
            store,
            vault,
            operator_token: operator_token.map(Arc::new),
            building: Arc::default(),
            indexer: Some(indexer),
            agents: None,
            admin: None,
            stop_admin: watch::Sender::new(false),
            tasks: JoinSet::new(),
            workers,
        };
        if options.listen {
            gateway.open(&config).await?;
        }
        gateway.tend();
        Ok(gateway)
    }

    async fn open(&mut self, config: &Config) -> Result<(), StartError> {
        let mut settings = receive::http::Settings::new(config.listen);
        settings.hosts.clone_from(&config.hosts);
        settings.origins.clone_from(&config.origins);
        settings.public_host = config.public_url.as_deref().and_then(host_of);
        settings.patience.answers = config.ask_expire;
        settings.limits.connections = settings.limits.connections.min(agents_files());
        let in_use = |addr: SocketAddr, key: &'static str| {
            move |e: std::io::Error| {
                StartError::new(format!("cannot listen on {addr}"), e)
                    .hint(format!("stop what uses it, or set `{key}` to another address"))
            }
        };
        let listener =
            receive::http::Listener::bind(settings).await.map_err(in_use(config.listen, "listen"))?;
        let admin = Admin { gate: Arc::clone(&self.gate) };
        let bound = admin::serve(config.admin, admin, self.stop_admin.subscribe())
            .await
            .map_err(in_use(config.admin, "admin.listen"))?;
        self.admin = Some(bound);
        let page = config.public_url.clone().unwrap_or_else(|| format!("http://{}", listener.local_addr()));
        self.gate.approver.set_page(page);
        let hands = self.workers.as_ref().map(Workers::hands).unwrap_or_default();
        let server = listener.serve(Arc::clone(&self.gate), self.gate.clock.clone(), hands);
        let about = serde_json::json!({
            "pid": std::process::id(),
            "listen": server.local_addr().to_string(),
            "admin": bound.to_string(),
        });
        self.agents = Some(server);
        std::fs::write(config.state.join(ABOUT), about.to_string())
            .map_err(|e| StartError::new("the state directory cannot be written", e))
    }

    /// Where agents connect.
    pub fn agents_addr(&self) -> Option<SocketAddr> {
        self.agents.as_ref().map(receive::http::Server::local_addr)
    }

    /// Where operators connect.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Applies a new configuration without dropping a call. What cannot change while running is named in the error.
    pub fn reload(&self, config: Config) -> Result<(), StartError> {
        let old = self.gate.config.load_full();
        let fixed = [
            ("listen", old.listen != config.listen),
            ("admin.listen", old.admin != config.admin),
            ("state", old.state != config.state),
            ("ledger", old.ledger != config.ledger),
            ("vault", old.vault_key != config.vault_key),
        ];
        for (key, changed) in fixed {
            if changed {
                tracing::warn!("a change of `{key}` applies at the next start");
            }
        }
        let config = Arc::new(Config {
            listen: old.listen,
            admin: old.admin,
            state: old.state.clone(),
            ledger: old.ledger,
            ..config
        });
        let policy = rules::compile(&config)
            .map_err(|problems| StartError::new("the policy cannot be used", problems))?;
        // Keys of the old configuration, which a change of the store has read at the same time, must not come after these.
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let keys =
            load_keys(&config, &self.store, &self.vault, self.operator_token.as_deref(), &self.gate.clock)?;
        self.gate.keys.store(Arc::new(keys));
        self.gate.servers.apply(&config);
        self.gate.conversations.apply(&config, rules::reads_conversations(&policy));
        self.gate.config.store(Arc::clone(&config));
        self.gate.decider.replace(Arc::new(policy), Arc::clone(&config.digest));
        self.gate.catalog.apply(config);
        Ok(())
    }

    /// What runs beside the calls: expired parks, keys changed by another process.
    fn tend(&mut self) {
        let gate = Arc::clone(&self.gate);
        self.tasks.spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1));
            loop {
                tick.tick().await;
                gate.forwarder.streams.expire(gate.clock.now_ms());
                for parked in gate.forwarder.parking.expired(gate.clock.now_ms()) {
                    gate.abandon(parked);
                }
                gate.held.prune(gate.clock.now_ms());
            }
        });
        self.tasks.spawn(Arc::clone(&self.gate.approver.inbox).follow());
        self.tasks.spawn(heap::tend());
        if let Some(admin) = self.admin {
            self.tasks.spawn(herald::run(Arc::clone(&self.gate), Arc::clone(&self.vault), admin.to_string()));
        }
        let gate = Arc::clone(&self.gate);
        self.tasks.spawn(async move {
            // A new label is kept before its call leaves; counts are kept here, once a second.
            let mut tick = tokio::time::interval(FOLLOW);
            for n in 1_u64.. {
                tick.tick().await;
                gate.follow_conversations().await;
                if n % 5 == 0 {
                    gate.keep_conversations().await;
                }
                if n % 300 == 0 {
                    gate.conversations.forget(gate.clock.now_ms());
                }
            }
        });
        self.tasks.spawn(rules::watch(Arc::clone(&self.gate)));
        let (gate, store, vault) = (Arc::clone(&self.gate), self.store.clone(), Arc::clone(&self.vault));
        let (token, building) = (self.operator_token.clone(), Arc::clone(&self.building));
        let mut changes = self.store.changes();
        self.tasks.spawn(async move {
            while changes.changed().await.is_ok() {
                // Another process may have accepted a tool.
                let catalog = Arc::clone(&gate.catalog);
                let repinned = tokio::task::spawn_blocking(move || catalog.repin()).await;
                if let Err(error) = repinned {
                    tracing::error!(%error, "the pins could not be read again; those known stay");
                }
                let (store, vault, token, building) =
                    (store.clone(), Arc::clone(&vault), token.clone(), Arc::clone(&building));
                let built = tokio::task::spawn_blocking({
                    let gate = Arc::clone(&gate);
                    move || {
                        let _building = building.lock().unwrap_or_else(PoisonError::into_inner);
                        let config = gate.config.load_full();
                        let (keys, problems) =
                            keys::build(&config, &store, &vault, token.as_deref(), &gate.clock)?;
                        gate.keys.store(Arc::new(keys));
                        Ok::<_, StoreError>(problems)
                    }
                })
                .await;
                match built {
                    Ok(Ok(problems)) => {
                        for problem in problems {
                            tracing::warn!("{} (line {})", problem.message, problem.line);
                        }
                    }
                    Ok(Err(error)) => {
                        tracing::error!(%error, "the keys could not be read again; the old ones stay");
                    }
                    Err(error) => {
                        tracing::error!(%error, "the keys could not be read again; the old ones stay");
                    }
                }
            }
        });
    }

    /// Drains: no new work, calls in flight finish within the configured time, entries closed, children reaped.
    /// `false` = some calls were cut off.
    pub async fn drain(mut self) -> bool {
        let config = self.gate.config.load_full();
        self.gate.draining.send_replace(true);
        let agents = self.agents.take();
        let connections = async {
            match agents {
                Some(agents) => agents.drain(config.drain).await,
                None => true,
            }
        };
        // Tasks' calls have no connection.
        let (finished, idle) = tokio::join!(connections, self.gate.held.idle(config.drain));
        let finished = finished && idle;
        self.close(&config).await;
        finished
    }

    async fn close(&mut self, config: &Config) {
        self.tasks.shutdown().await;
        for parked in self.gate.forwarder.parking.drain() {
            self.gate.abandon(parked);
        }
        self.gate.servers.shutdown().await;
        self.gate.keep_conversations().await;
        self.stop_admin.send_replace(true);
        let ledger = self.gate.ledger.clone();
        match tokio::task::spawn_blocking(move || ledger.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(?error, "the ledger was not ended; the next start will"),
            Err(error) => tracing::error!(%error, "the ledger was not ended; the next start will"),
        }
        drop(self.indexer.take());
        if self.admin.is_some() {
            // The next start writes it anew; a stale one is recognised by its dead process.
            drop(std::fs::remove_file(config.state.join(ABOUT)));
        }
    }

    /// The vault.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }
}

/// Our `serverInfo`.
const INFO: &str = concat!("{\"name\":\"tollgate\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}");

fn start_workers() -> Result<Workers, StartError> {
    keep_pages();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Workers::start(workers::automatic(cores))
        .map_err(|e| StartError::new("cannot start the threads that serve connections", e))
}

/// Keeps glibc from giving the pages of each large result back, to fault them in again for the next one: it raises its thresholds for that
/// (`M_MMAP_THRESHOLD`, `M_TRIM_THRESHOLD`, mallopt(3)) when a larger block is freed. None of its pages is touched.
fn keep_pages() {
    const LARGE: usize = 8 * 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}

/// What conversations have touched, as the last run left it.
fn conversations(
    config: &Config,
    policy: &tollgate_policy::Policy,
    clock: &Clock,
) -> Result<(ConversationStore, Conversations), StartError> {
    let state = &config.state;
    let kept = ConversationStore::open(state)
        .map_err(|e| StartError::new("the conversations' file cannot be opened", e))?;
    let recalled = kept.load().map_err(|e| StartError::new("the conversations' file cannot be read", e))?;
    let naming = Sealer::derive_for(state, "conversations")
        .map_err(|e| StartError::new("the sealing key cannot be read", e))?;
    let reads = rules::reads_conversations(policy);
    let conversations = Conversations::new(naming.expose(), config, reads, recalled, clock.now_ms());
    Ok((kept, conversations))
}

/// The file in the state directory that says where a running gateway listens.
pub const ABOUT: &str = "gateway.json";

fn load_keys(
    config: &Config,
    store: &Store,
    vault: &Vault,
    operator_token: Option<&Secret<String>>,
    clock: &Clock,
) -> Result<Keys, StartError> {
    let (keys, problems) = keys::build(config, store, vault, operator_token, clock)
        .map_err(|e| StartError::new("the keys cannot be read", e))?;
    let (warnings, errors): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|p| p.severity == Severity::Warning);
    for warning in warnings {
        tracing::warn!("{} (line {})", warning.message, warning.line);
    }
    if errors.is_empty() {
        return Ok(keys);
    }
    Err(StartError::new("a key cannot be used", config.problems(errors)))
}

fn make_private(state: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state)
}

fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    uri.authority().map(|a| a.as_str().to_owned())
}

/// How many of the files that this process may open are for agents' connections. The rest is for servers, their processes and the
/// ledger: a storm of agents must not keep calls from their servers.
fn agents_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit / 4 * 3).ok()).unwrap_or(usize::MAX).max(64)
}
