//! All servers: started, changed, ended together. *Never* waits for one of them to do something for another.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::Context;
use super::bulletin::Bulletin;
use super::credential::Resolve;
use super::held::{HELD_MAX, Held};
use super::server::{Room, Server};
use crate::clock::Clock;
use crate::config;
use crate::workers::Hands;

/// All servers.
#[derive(Debug)]
pub struct Servers {
    clock: Clock,
    resolve: Arc<dyn Resolve>,
    guard: PathBuf,
    held: Arc<Held>,
    hands: Hands,
    runtime: Handle,
    running: ArcSwap<BTreeMap<Arc<str>, Arc<Server>>>,
    /// One change at a time; and those that still have to end.
    retired: Mutex<Vec<Arc<Server>>>,
}

impl Servers {
    /// Starts a supervisor for each enabled server; returns at once. Must be called on the runtime.
    pub fn start(config: &config::Config, context: Context) -> Arc<Self> {
        let Context { clock, vault, guard, hands } = context;
        Self::with(config, clock, Arc::new(vault), guard, hands)
    }

    pub(super) fn with(
        config: &config::Config,
        clock: Clock,
        resolve: Arc<dyn Resolve>,
        guard: PathBuf,
        hands: Hands,
    ) -> Arc<Self> {
        let servers = Arc::new(Self {
            clock,
            resolve,
            guard,
            held: Arc::new(Held::new(HELD_MAX)),
            hands,
            runtime: Handle::current(),
            running: ArcSwap::default(),
            retired: Mutex::default(),
        });
        servers.apply(config);
        servers
    }

    /// Applies a new configuration: unchanged servers go on untouched, changed and removed ones finish their calls and end, new ones start.
    pub fn apply(&self, config: &config::Config) {
        let _on_the_runtime = self.runtime.enter();
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|server| !server.has_ended());
        let before = self.running.load();
        let mut after = BTreeMap::new();
        for (alias, wanted) in &config.servers {
            let unchanged = before.get(alias).filter(|server| server.config == *wanted);
            let server = unchanged.map_or_else(|| self.make(wanted), Arc::clone);
            after.insert(Arc::clone(alias), server);
        }
        for (alias, old) in before.iter() {
            if !after.get(alias).is_some_and(|new| Arc::ptr_eq(new, old)) {
                old.retire(false);
                retired.push(Arc::clone(old));
            }
        }
        self.running.store(Arc::new(after));
    }

    fn make(&self, config: &Arc<config::Server>) -> Arc<Server> {
        Server::start(Room {
            config: Arc::clone(config),
            clock: self.clock.clone(),
            resolve: Arc::clone(&self.resolve),
            guard: self.guard.clone(),
            hands: self.hands.clone(),
            bulletin: Bulletin::new(),
            held: Arc::clone(&self.held),
        })
    }

    /// One server.
    pub fn get(&self, alias: &str) -> Option<Arc<Server>> {
        self.running.load().get(alias).map(Arc::clone)
    }

    /// All of them, by alias.
    pub fn all(&self) -> Vec<Arc<Server>> {
        self.running.load().values().map(Arc::clone).collect()
    }

    /// Ends all: sessions deleted, children closed, terminated, killed, reaped.
    pub async fn shutdown(&self) {
        let mut all = self.all();
        all.append(&mut self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        for server in &all {
            server.retire(true);
        }
        for server in &all {
            server.ended().await;
        }
    }
}
