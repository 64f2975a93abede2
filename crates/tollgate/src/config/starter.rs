use std::fmt::Write as _;

/// A server for a first configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StarterServer {
    /// Its alias.
    pub alias: String,
    /// How it is reached.
    pub reach: Reach,
}

/// How a server of a first configuration is reached. Values may hold `${secret:NAME}` and `${env:NAME}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A child process.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// Its environment.
        env: Vec<(String, String)>,
    },
    /// Streamable HTTP.
    Url {
        /// The endpoint.
        url: String,
        /// Its headers.
        headers: Vec<(String, String)>,
    },
}

/// A first configuration, with comments, the given servers and the starter policy written out so that it can be edited.
pub fn starter_yaml(servers: &[StarterServer]) -> String {
    let mut text = String::from(
        "# yaml-language-server: $schema=./tollgate.schema.json
# Tollgate: every call stops at the gate. `tollgate check` checks this file; a running gateway follows its changes.
listen: 127.0.0.1:8750
state: ./.tollgate # ledger, keys and vault: keep it out of version control

",
    );
    if servers.is_empty() {
        text.push_str("servers: {}\n");
    } else {
        text.push_str("servers:\n");
    }
    for server in servers {
        // Writing into a `String` cannot fail.
        write_server(&mut text, server).unwrap_or_default();
    }
    text.push_str(
        "
identity:
  anonymous: local # callers on this machine need no key; others do: `tollgate keys create AGENT`

policy:
  default: allow # what no rule speaks of passes and is recorded
  rules:
    - id: destructive-asks
      ask: \"*/*\"
      when: tool.destructive
      because: this may destroy something
    # - id: no-admin
    #   deny: \"*/admin_*\"
    #   because: administration is for humans

ledger:
  payloads: digest # none | digest | redacted | full: what of the arguments is kept
  retain: 90d
",
    );
    text
}

fn write_server(text: &mut String, server: &StarterServer) -> std::fmt::Result {
    writeln!(text, "  {}:", server.alias)?;
    let (pairs, word) = match &server.reach {
        Reach::Command { command, env } => {
            let command: Vec<String> = command.iter().map(|part| quoted(part)).collect();
            writeln!(text, "    command: [{}]", command.join(", "))?;
            (env, "env")
        }
        Reach::Url { url, headers } => {
            writeln!(text, "    url: {}", quoted(url))?;
            (headers, "headers")
        }
    };
    if !pairs.is_empty() {
        writeln!(text, "    {word}:")?;
    }
    for (name, value) in pairs {
        writeln!(text, "      {}: {}", quoted(name), quoted(value))?;
    }
    Ok(())
}

/// Double-quoted, as JSON does it, which YAML reads the same way.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
