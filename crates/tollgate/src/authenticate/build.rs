use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::keys::OWN_MIN;
use super::{Agent, CREDENTIAL_MAX, Keys, LOCAL, Operator};
use crate::call::Caller;
use crate::config::{self, Config, Key, Piece, Problem, join_path};
use crate::secret::Secret;

/// Reads a reference's value; its error is told behind the reference.
pub type Resolve<'a> = dyn Fn(&Piece) -> Result<Arc<Secret<String>>, String> + 'a;

/// A key that `tollgate keys create` made and that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// Whose.
    pub agent: Arc<str>,
    /// The tenant; `None` = the one that the configuration gives the agent.
    pub tenant: Option<Arc<str>>,
    /// The groups; none = those that the configuration gives the agent.
    pub groups: Vec<Arc<str>>,
    /// Until when (Unix ms).
    pub expires_ms: Option<u64>,
}

/// The identity of agent, user and tenant as one text that no other three give: each as `LENGTH:TEXT` or `-`, as in
/// `5:coder-4:acme` (netstrings, so that no name can reach into the next).
pub fn principal(agent: &str, user: Option<&str>, tenant: Option<&str>) -> Arc<str> {
    let part =
        |text: Option<&str>| text.map_or_else(|| "-".to_owned(), |text| format!("{}:{text}", text.len()));
    Arc::from([part(Some(agent)), part(user), part(tenant)].concat())
}

/// Gathers keys, and leaves out those that could be two people's.
struct Builder<'a> {
    config: &'a Config,
    agents: HashMap<[u8; 32], Agent>,
    operators: HashMap<[u8; 32], Arc<Operator>>,
    /// Whose each key is, as a path in the file.
    holders: HashMap<[u8; 32], String>,
    problems: Vec<Problem>,
}

impl Keys {
    /// From the configuration, the keys in the store, and the operator token. `resolve` reads `${secret:NAME}` and `${env:NAME}`.
    /// A key with a problem is left out: at the start that is reason enough to stop,
    /// later it is a revocation.
    pub fn build(
        config: &Config,
        issued: &[Issued],
        operator_token: Option<&Secret<String>>,
        resolve: &Resolve<'_>,
    ) -> (Self, Vec<Problem>) {
        let mut builder = Builder {
            config,
            agents: HashMap::new(),
            operators: HashMap::new(),
            holders: HashMap::new(),
            problems: Vec::new(),
        };
        let mut named = HashMap::new();
        for (name, agent) in &config.agents {
            let caller = Arc::new(caller(config, name, agent.tenant.as_ref(), &agent.groups));
            named.insert(Arc::clone(name), Arc::clone(&caller));
            let holder = join_path("agents", name);
            for (index, key) in agent.keys.iter().enumerate() {
                if let Some(hash) = builder.hash(key, &format!("{holder}.keys[{index}]"), resolve)
                    && builder.claim(hash, &holder)
                {
                    let caller = Arc::clone(&caller);
                    builder.agents.insert(hash, Agent { caller, expires_ms: None });
                }
            }
        }
        for (name, operator) in &config.operators {
            let known = Arc::new(Operator { name: Arc::clone(name), groups: operator.groups.clone() });
            let holder = join_path("operators", name);
            for (index, key) in operator.keys.iter().enumerate() {
                if let Some(hash) = builder.hash(key, &format!("{holder}.keys[{index}]"), resolve)
                    && builder.claim(hash, &holder)
                {
                    builder.operators.insert(hash, Arc::clone(&known));
                }
            }
        }
        if let Some(token) = operator_token {
            let hash = Sha256::digest(token.expose()).into();
            if builder.claim(hash, "operators") {
                let known = Operator { name: Arc::from("operator"), groups: Vec::new() };
                builder.operators.insert(hash, Arc::new(known));
            }
        }
        for key in issued {
            let holder = join_path("agents", &key.agent);
            // The same agent's key may be listed in the file too.
            if builder.holders.get(&key.hash) != Some(&holder) && builder.claim(key.hash, &holder) {
                let known = config.agents.get(&key.agent);
                let tenant = key.tenant.as_ref().or_else(|| known?.tenant.as_ref());
                let groups = match (key.groups.is_empty(), known) {
                    (true, Some(agent)) => &agent.groups,
                    (true, None) | (false, _) => &key.groups,
                };
                let caller = Arc::new(caller(config, &key.agent, tenant, groups));
                named.entry(Arc::clone(&key.agent)).or_insert_with(|| Arc::clone(&caller));
                builder.agents.insert(key.hash, Agent { caller, expires_ms: key.expires_ms });
            }
        }
        let local = config.agents.get(LOCAL);
        let local = Arc::new(caller(
            config,
            &Arc::from(LOCAL),
            local.and_then(|agent| agent.tenant.as_ref()),
            local.map(|agent| agent.groups.as_slice()).unwrap_or_default(),
        ));
        named.insert(Arc::clone(&local.agent), Arc::clone(&local));
        let Builder { agents, operators, problems, config: _, holders: _ } = builder;
        (Self { agents, operators, named, local, anonymous: config.anonymous }, problems)
    }
}

impl Builder<'_> {
    fn hash(&mut self, key: &Key, path: &str, resolve: &Resolve<'_>) -> Option<[u8; 32]> {
        let template = match key {
            Key::Sha256(hash) => return Some(*hash),
            Key::Reference(template) => template,
        };
        let refuse = |message: String| self.config.source.problem(path, message);
        let problem = match template.0.as_slice() {
            [piece] => match resolve(piece) {
                Ok(key) if key.expose().chars().count() < OWN_MIN => {
                    refuse(format!("this key has less than {OWN_MIN} characters"))
                        .hint("`tollgate keys create AGENT` makes a good one")
                }
                Ok(key) if key.expose().len() > CREDENTIAL_MAX => {
                    refuse(format!("this key has more than {CREDENTIAL_MAX} bytes"))
                }
                Ok(key) => return Some(Sha256::digest(key.expose()).into()),
                Err(reason) => refuse(reason),
            },
            _ => refuse("a key is one reference".to_owned()),
        };
        self.problems.push(problem);
        None
    }

    /// Notes whose a key is. A key of two is nobody's.
    fn claim(&mut self, hash: [u8; 32], holder: &str) -> bool {
        let Some(first) = self.holders.get(&hash) else {
            self.holders.insert(hash, holder.to_owned());
            return true;
        };
        let problem = if first == holder {
            self.config.source.problem(&format!("{holder}.keys"), "this key is listed twice").warning()
        } else {
            self.agents.remove(&hash);
            self.operators.remove(&hash);
            let message = format!("this is the key of `{first}` too, so it opens nothing");
            self.config
                .source
                .problem(&format!("{holder}.keys"), message)
                .hint("give each agent and operator a key of its own")
        };
        self.problems.push(problem);
        false
    }
}

fn caller(config: &Config, agent: &Arc<str>, tenant: Option<&Arc<str>>, groups: &[Arc<str>]) -> Caller {
    Caller {
        agent: Arc::clone(agent),
        user: None,
        tenant: tenant.map(Arc::clone),
        groups: groups.to_vec(),
        principal: principal(agent, None, tenant.map(AsRef::as_ref)),
        own_conversations: config
            .agents
            .get(agent)
            .is_some_and(|agent: &config::Agent| agent.own_conversations),
    }
}
