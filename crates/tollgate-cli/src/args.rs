//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// One hop between agents and MCP servers: identified, decided, recorded, carried.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  tollgate up                      run the gateway; without a config it brings a sample server\n  tollgate init --write            write a first tollgate.yaml\n  tollgate ledger tail -f          watch the calls"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// The configuration [default: $TOLLGATE_CONFIG, else ./tollgate.yaml, else an embedded one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until SIGINT or SIGTERM; a second signal ends it at once
    #[command(
        after_help = "Exit codes: 0 ended by a signal, 1 could not start, 2 the configuration is unreadable\n\nExample:\n  tollgate up --config ./tollgate.yaml --listen 127.0.0.1:8750"
    )]
    Up {
        /// The agents' listener, instead of the configuration's
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
    /// Serve one local agent over stdin and stdout; opens no port
    #[command(
        after_help = "The key is read from $TOLLGATE_KEY; without one the agent is `local`.\n\nExample:\n  claude mcp add tollgate -- tollgate stdio --config ./tollgate.yaml"
    )]
    Stdio {
        /// Show only this view
        #[arg(long, value_name = "NAME")]
        view: Option<String>,
    },
    /// Write a first configuration: prints it, and writes it with --write
    #[command(after_help = "Example:\n  tollgate init --write && tollgate check")]
    Init {
        /// Write it to tollgate.yaml (or --config)
        #[arg(long)]
        write: bool,
        /// Overwrite an existing file
        #[arg(long, requires = "write")]
        force: bool,
        /// Ask the configured servers, and print the labels that their tools' annotations suggest
        #[arg(long, conflicts_with = "write")]
        labels: bool,
    },
    /// Find every problem of the configuration and the policy at once
    #[command(
        after_help = "Exit codes: 0 ok, 1 problems, 2 unreadable\n\nExample:\n  tollgate check --config ./tollgate.yaml"
    )]
    Check {
        /// Start the servers first, to hold the rules against what they list now
        #[arg(long)]
        start: bool,
    },
    /// The servers and their state
    #[command(after_help = "Example:\n  tollgate servers list\n  tollgate servers test files")]
    Servers {
        #[command(subcommand)]
        what: Option<Servers>,
    },
    /// What an agent sees, with the verdict each tool would get
    #[command(after_help = "Example:\n  tollgate tools --as coder")]
    Tools {
        /// As this agent
        #[arg(long = "as", value_name = "AGENT", default_value = "local")]
        agent: String,
        /// At this view
        #[arg(long, value_name = "NAME")]
        view: Option<String>,
    },
    /// One call along the same path as an agent's
    #[command(
        after_help = "Exit codes: 0 answered, 1 refused or failed\n\nExample:\n  tollgate call sample/echo --args '{\"message\":\"hi\"}'"
    )]
    Call {
        /// SERVER/TOOL, with the tool's original name
        #[arg(value_name = "SERVER/TOOL")]
        tool: String,
        /// The arguments, a JSON object
        #[arg(long, value_name = "JSON", default_value = "{}")]
        args: String,
        /// As this agent
        #[arg(long = "as", value_name = "AGENT", default_value = "local")]
        agent: String,
        /// Why this call is needed: for tools that want a reason
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Keys for agents: only hashes are kept
    #[command(after_help = "Example:\n  tollgate keys create coder --group eng --expires 90d")]
    Keys {
        #[command(subcommand)]
        what: Keys,
    },
    /// The vault's entries: a value is read from stdin and never printed
    #[command(after_help = "Example:\n  printf %s \"$TOKEN\" | tollgate secrets set github-token")]
    Secrets {
        #[command(subcommand)]
        what: Secrets,
    },
    /// The compiled policy
    #[command(after_help = "Example:\n  tollgate policy show")]
    Policy {
        #[command(subcommand)]
        what: PolicyCommand,
    },
    /// The record of every call
    #[command(after_help = "Example:\n  tollgate ledger tail -f\n  tollgate ledger verify")]
    Ledger {
        #[command(subcommand)]
        what: LedgerCommand,
    },
    /// Print the configuration's JSON Schema
    #[command(hide = true)]
    Schema,
    /// The sample MCP server, over stdio
    #[command(hide = true)]
    SampleServer,
    /// Wrap a server's process
    #[command(hide = true, disable_help_flag = true)]
    Guard {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// Not available in this version
    #[command(hide = true)]
    Import {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// Why a call gets its verdict, and what would change it
    #[command(
        after_help = "Example:\n  tollgate explain --as coder files/write_file --args '{\"path\":\"/etc/passwd\"}'\n  tollgate explain mail/send --args '{\"to\":[\"eve@evil.example\"]}' --session-label untrusted\n  tollgate explain 0198d2a4-…"
    )]
    Explain(Explain),
    /// Questions that wait for operators, and the grants that stand
    #[command(
        after_help = "You answer as the operator whose key is in $TOLLGATE_OPERATOR_TOKEN, else as `operator`, the holder of STATE/operator.token.\nAn id may be cut to its first characters.\n\nExample:\n  tollgate approvals approve 6f1c --pattern 'path like /srv/*' --for 8h\n  tollgate approvals deny 6f1c --note 'use the staging server'"
    )]
    Approvals {
        #[command(subcommand)]
        what: Option<Approvals>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Servers {
    /// Their state: era, transport, health, credential, last error
    List,
    /// Start one server (or all) and list what it offers
    Test {
        /// Only this one
        #[arg(value_name = "SERVER")]
        alias: Option<String>,
    },
    /// Not available in this version
    #[command(hide = true)]
    Login {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// The tools' definitions as they were accepted, and what stands out in them
    #[command(after_help = "Example:\n  tollgate servers pins files")]
    Pins {
        /// Only this server's, or this one tool's
        #[arg(value_name = "SERVER[/TOOL]")]
        of: Option<String>,
    },
    /// How definitions that wait differ from the accepted ones
    #[command(
        after_help = "Exit codes: 0 whether something waits or not\n\nExample:\n  tollgate servers diff files/read_file"
    )]
    Diff {
        /// Only this server's, or this one tool's
        #[arg(value_name = "SERVER[/TOOL]")]
        of: Option<String>,
    },
    /// Accept a changed tool, or all of a server; a running gateway lists it at once
    #[command(
        after_help = "Exit codes: 0 accepted, 1 nothing waits there\n\nExample:\n  tollgate servers accept files/read_file --digest 9f86d081"
    )]
    Accept {
        /// What to accept
        #[arg(value_name = "SERVER[/TOOL]")]
        of: String,
        /// Only if the waiting definition's digest begins so, as `servers diff` shows it
        #[arg(long, value_name = "HEX", default_value = "")]
        digest: String,
    },
    /// Forget the pins of tools that a server does not list any more; one that comes back is new
    #[command(
        after_help = "Exit codes: 0 forgotten, 1 nothing is gone, or what it lists is not known\n\nExample:\n  tollgate servers forget files"
    )]
    Forget {
        /// The server; one that is not configured any more lists nothing
        #[arg(value_name = "SERVER")]
        server: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key; prints only the key
    Create {
        /// The agent it speaks for
        #[arg(value_name = "AGENT")]
        agent: String,
        /// Its tenant
        #[arg(long, value_name = "T")]
        tenant: Option<String>,
        /// A group; may be repeated
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
        /// How long it is good: 12h, 90d
        #[arg(long, value_name = "D")]
        expires: Option<String>,
        /// Print the hash that goes into the configuration too; nothing is stored
        #[arg(long)]
        hash: bool,
    },
    /// The stored keys, without their values
    List,
    /// End one at once
    Revoke {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Set one from stdin (one trailing line break is dropped)
    Set {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// The names
    List,
    /// Remove one
    Rm {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// The questions that wait
    List {
        /// Also those that were answered or ran out within the last week
        #[arg(long)]
        all: bool,
        /// Go on as they come: a live view in a terminal, else a line for each
        #[arg(long)]
        follow: bool,
    },
    /// A live view of the questions that wait
    Watch,
    /// One question, whole
    Show {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Say yes: to this call, one time, unless an option says more
    Approve {
        #[arg(value_name = "ID")]
        id: String,
        /// This tool for the rest of the conversation
        #[arg(long, group = "scope")]
        conversation: bool,
        /// Exactly these arguments, until a time
        #[arg(long, group = "scope")]
        arguments: bool,
        /// Arguments like this, until a time: `path like /srv/*`; may be repeated, all must hold
        #[arg(long, group = "scope", value_name = "CONDITION")]
        pattern: Vec<String>,
        /// Run with these arguments instead: a JSON object
        #[arg(long, group = "scope", value_name = "JSON")]
        args: Option<String>,
        /// How long it stands: 30m, 8h [default: 1h]
        #[arg(long = "for", value_name = "D", conflicts_with = "until")]
        lasting: Option<String>,
        /// Until when it stands: 2026-12-31T18:00:00Z
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// Say no
    Deny {
        #[arg(value_name = "ID")]
        id: String,
        /// Why: goes back to the agent
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// The grants that stand
    Grants {
        /// Also used, expired, revoked and void ones
        #[arg(long)]
        all: bool,
    },
    /// End a grant at once
    Revoke {
        #[arg(value_name = "GRANT")]
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print the Cedar text that the rules compile into
    Show,
    /// Run cases: calls, and the verdicts that they should get
    #[command(
        after_help = "Exit codes: 0 as expected, 1 not, 2 unreadable\n\nExample:\n  tollgate policy test ./cases"
    )]
    Test {
        /// A folder of Markdown files, or one of them
        #[arg(value_name = "DIR")]
        folder: std::path::PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// SERVER/TOOL with the tool's original name, or the id of a ledger entry
    #[arg(value_name = "ENTRY|SERVER/TOOL")]
    pub(crate) what: String,
    /// The arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) args: String,
    /// As this agent
    #[arg(long = "as", value_name = "AGENT", default_value = "local")]
    pub(crate) agent: String,
    /// The stated reason
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// As if its conversation had touched what has this label; may be repeated
    #[arg(long = "session-label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
    /// As if its conversation had made so many calls before
    #[arg(long = "session-calls", value_name = "N", default_value_t = 0)]
    pub(crate) calls: u64,
    /// As if a sum of its conversation (`conversation.sums`) stood there; may be repeated
    #[arg(long = "session-sum", value_name = "NAME=N", value_parser = sum)]
    pub(crate) sums: Vec<(String, i64)>,
    /// The user's own words, as a host may hand them on
    #[arg(long, value_name = "TEXT")]
    pub(crate) task: Option<String>,
}

fn sum(text: &str) -> Result<(String, i64), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=N, as in spent=900")?;
    let value = value.parse().map_err(|_| format!("`{value}` is not a whole number"))?;
    Ok((name.to_owned(), value))
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// The last entries
    Tail {
        /// How many: a number or `all`
        #[arg(short = 'n', value_name = "N", default_value = "50")]
        count: String,
        /// Go on as they come
        #[arg(short = 'f')]
        follow: bool,
    },
    /// One entry, whole
    Show {
        /// Its id
        #[arg(value_name = "ENTRY")]
        id: String,
    },
    /// Walk every chain; names the first bad record
    #[command(after_help = "Exit codes: 0 whole, 1 not\n\nExample:\n  tollgate ledger verify --head 9f86d0…")]
    Verify {
        /// The hash that the newest chain must end in or pass through
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
    /// Not available in this version
    #[command(hide = true)]
    Export {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
}

pub(crate) fn read() -> Cli {
    Cli::parse()
}
