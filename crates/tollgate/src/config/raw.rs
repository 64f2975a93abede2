//! The file as it is written: one struct a section, whose doc comments become the JSON Schema. *Never* holds a default; those
//! stand in `check`, beside their reasons.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Template;
use super::node::{Kind, Node};
use super::read::{At, Read, Report, section, short, words};
use super::values::{Named, Number, OneOrMany, Time};

/// The JSON Schema (draft 7, which editors know best) of `tollgate.yaml`, for completion and hints.
pub fn schema() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Root>();
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}

section! {
    /// Tollgate's configuration.
    Root {
        /// The agents' listener: address and port. Default 127.0.0.1:8750.
        listen: String,
        /// The operators' listener.
        admin: Admin,
        /// The state directory: ledger segments and SQLite. Default ./.tollgate.
        state: String,
        /// As agents reach the gateway behind a reverse proxy.
        public_url: String,
        /// What is allowed beyond loopback and `public_url`.
        allow: Allow,
        /// How long calls in flight may take to finish at shutdown. Default 30s.
        drain: Time,
        /// The log on stderr.
        log: Log,
        /// The MCP servers behind the gateway, by alias (`[a-z][a-z0-9-]{0,23}`).
        servers: Named<Server>,
        /// Named subsets of the tools, each at `/mcp/view/{view}`.
        views: Named<View>,
        /// How callers are told apart.
        identity: Identity,
        /// The agents, by name.
        agents: Named<Agent>,
        /// The operators, by name.
        operators: Named<Operator>,
        /// What may pass. Without it the starter policy: a destructive tool asks, everything else is allowed.
        policy: Policy,
        /// What is taken out of arguments and results.
        redact: Vec<At<Redact>>,
        /// Characters that hide text from people (Unicode tags, zero width, direction controls, terminal escapes): in arguments,
        /// results, lists. Default strip.
        hidden: Hidden,
        /// Questions to humans.
        approvals: Approvals,
        /// What counts as one conversation.
        conversation: Conversation,
        /// Which tools' calls are asked for a reason.
        reason: Reason,
        /// The record of every call.
        ledger: Ledger,
        /// Credentials at rest.
        vault: Vault,
        /// The names that agents see.
        names: Names,
    }
    absent {
        "tls" => "put a reverse proxy that speaks tls in front and set `public_url`",
        "limits" => "remove it: nothing is limited",
        "prices" => "remove it: costs are not counted",
        "telemetry" => "remove it; metrics are at `/metrics` of the admin listener",
    }
    foreign { "mcpServers" => "servers stand under `servers`; `tollgate import` converts a client's file", }
}

section! {
    /// The operators' listener.
    Admin {
        /// Address and port. Default 127.0.0.1:8751.
        listen: String,
        /// As operators reach it: for links in questions.
        public_url: String,
    }
}

section! {
    /// What is allowed beyond loopback and `public_url`.
    Allow {
        /// Further `Host` values.
        hosts: Vec<At<String>>,
        /// Further `Origin` values; browser clients get CORS for these only.
        origins: Vec<At<String>>,
    }
}

section! {
    /// The log on stderr.
    Log {
        /// The least severe level that is written. Default info.
        level: Level,
        /// Default text.
        format: Format,
    }
}

words! {
    /// A level of the log.
    Level { Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace", }
}

words! {
    /// How the log is written.
    Format { Text = "text", Json = "json", }
}

section! {
    /// One MCP server: either `command` or `url`.
    Server {
        /// The program and its arguments, for a server that speaks over stdio.
        command: Vec<At<String>>,
        /// Its working directory.
        cwd: String,
        /// What it gets beside a minimal environment.
        env: Named<Template>,
        /// Its processes.
        processes: Processes,
        /// The endpoint, for a server that speaks HTTP.
        url: String,
        /// Default auto.
        transport: Transport,
        /// Extra headers.
        headers: Named<Template>,
        /// The server's own credential.
        auth: Auth,
        /// How its certificate is checked.
        tls: Tls,
        /// `false`: not started and not listed.
        enabled: bool,
        /// Its time limits.
        timeout: Timeout,
        /// What becomes of a tool whose definition changes. Default pin.
        trust: Trust,
        /// What policy may know about all its tools.
        labels: Vec<At<String>>,
        /// Which of its tools are shown, and how.
        tools: Tools,
    }
    foreign {
        "args" => "the program and its arguments are one list: `command: [\"npx\", \"-y\", …]`",
        "type" => "a server with `command` speaks over stdio, one with `url` speaks http",
        "disabled" => "write `enabled: false`",
    }
}

words! {
    /// What becomes of a tool whose definition changes.
    Trust {
        /// It is hidden and refused until `tollgate servers accept`.
        Pin = "pin",
        /// It is accepted and recorded.
        Auto = "auto",
    }
}

section! {
    /// A server's processes.
    Processes {
        /// Who shares one. Default auto: all callers, unless the server could ask a caller something.
        share: Share,
        /// The most of them. Default 8.
        max: usize,
        /// An interactive one ends after so long unused. Default 10m.
        idle: Time,
    }
}

words! {
    /// Who shares a server's process.
    Share { Auto = "auto", Caller = "caller", All = "all", }
}

words! {
    /// How an HTTP server is spoken to.
    Transport { Auto = "auto", Http = "http", Sse = "sse", }
}

section! {
    /// A server's own credential: one of these.
    Auth {
        /// `Authorization: Bearer …`.
        bearer: Template,
        /// A header of its own.
        header: Header,
        /// `Authorization: Basic …`, from `user:password`.
        basic: Template,
    }
    absent {
        "mtls" => "use `bearer`, `header` or `basic`",
        "oauth" => "use `bearer` with a token that the server's provider issued",
    }
}

section! {
    /// One header.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Template,
    }
}

section! {
    /// How a server's certificate is checked.
    Tls {
        /// A further certificate authority: a PEM file.
        ca: String,
    }
}

section! {
    /// A server's time limits.
    Timeout {
        /// From its start to its first listing. Default 60s.
        start: Time,
        /// One call, with a hard cap of ten times this despite progress. Default 60s.
        call: Time,
        /// Silence within a call; progress resets it. Default 30s.
        idle: Time,
    }
}

section! {
    /// Which of a server's tools are shown, and how.
    Tools {
        /// Globs over the tools' original names; a leading `!` excludes. Default all.
        expose: Vec<At<String>>,
        /// What the operator says of single tools, by original name.
        overrides as "override": Named<Override>,
    }
}

section! {
    /// What the operator says of one tool.
    Override {
        /// Another name, after the alias.
        rename: String,
        /// Another description.
        description: String,
        /// What policy may know about it.
        labels: Vec<At<String>>,
        /// Whether it is destructive, whatever the server and its name say.
        destructive: bool,
    }
}

section! {
    /// A named subset of the tools.
    View {
        /// Globs over `server/tool`.
        tools: Vec<At<String>>,
        /// For whom; default everyone.
        only_for as "for": Who,
    }
}

section! {
    /// Callers: any of these.
    Who {
        /// Globs over agents' names.
        agent: OneOrMany,
        /// Groups.
        group: OneOrMany,
        /// Tenants.
        tenant: OneOrMany,
    }
}

section! {
    /// How callers are told apart.
    Identity {
        /// `local`: a loopback caller without a credential is agent `local`. Default local, unless the gateway can be reached from
        /// elsewhere.
        anonymous: Anonymous,
    }
    absent {
        "jwt" => "give each agent a key: `tollgate keys create AGENT`",
        "mtls" => "give each agent a key: `tollgate keys create AGENT`",
    }
}

words! {
    /// What a caller without a credential is.
    Anonymous { Off = "off", Local = "local", }
}

section! {
    /// One agent.
    Agent {
        /// Its tenant.
        tenant: String,
        /// Its groups.
        groups: Vec<At<String>>,
        /// Its keys: `tgk_sha256:…`, as `tollgate keys create --hash` prints it, or `${secret:NAME}` or `${env:NAME}`.
        keys: Vec<At<Template>>,
        /// `own`: it may choose its conversations' ids.
        conversations: Conversations,
    }
    foreign { "key" => "keys are a list: `keys: [\"tgk_sha256:…\"]`", }
}

words! {
    /// Who chooses conversations' ids.
    Conversations { Own = "own", }
}

section! {
    /// One operator.
    Operator {
        /// Its groups.
        groups: Vec<At<String>>,
        /// Its keys, as for agents.
        keys: Vec<At<Template>>,
    }
    foreign { "key" => "keys are a list: `keys: [\"tgk_sha256:…\"]`", }
}

section! {
    /// What may pass.
    Policy {
        /// For calls that no rule speaks of. Default deny.
        default: Effect,
        /// Shorthand rules. Deny beats ask beats allow.
        rules: Vec<At<Rule>>,
        /// Globs of files in the full language (Cedar).
        include: Vec<At<String>>,
        /// Named tests over arguments, for `when: facts.contains("NAME")`.
        facts: Named<Fact>,
    }
}

section! {
    /// A test over the arguments of some tools. Everything given must hold; values that are not there fail all but `count`.
    Fact {
        /// A glob over `server/tool`.
        of: String,
        /// JSONPath to the values, as in `$.to[*]`, or several: then the values of all of them together.
        path: OneOrMany,
        /// Some value matches this regular expression.
        any: String,
        /// Some value does not match this one.
        any_not: String,
        /// Every value matches this one.
        all: String,
        /// Some value is at least this number.
        min: Number,
        /// Some value is at most this number.
        max: Number,
        /// How many values there are.
        count: Range,
        /// `true`: every value stands in the user's own words. `false`: some value does not.
        in_task: bool,
    }
    absent { "find" => "use a pattern: `any: \"…\"`", }
}

section! {
    /// From a number to a number, both included.
    Range {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    }
}

words! {
    /// What happens to a call.
    Effect { Allow = "allow", Ask = "ask", Deny = "deny", }
}

section! {
    /// One rule: exactly one of `allow`, `ask` and `deny`.
    Rule {
        /// Its name in messages and the ledger. Default `rule-N`.
        id: String,
        /// A glob over `server/tool` (prompt name or URI likewise): what it allows.
        allow: String,
        /// What it asks about.
        ask: String,
        /// What it denies.
        deny: String,
        /// For whom; default everyone.
        only_for as "for": Who,
        /// A condition, as in `tool.destructive` or `args.path like "/etc/*"`.
        when: String,
        /// The reason, shown to agents and approvers.
        because: String,
        /// Who is asked: `agent`, the human at the client (default); `operators`; `group:NAME`, the operators of a group.
        of: Of,
        /// How many of them must say yes: 2 for four eyes. Default 1.
        count: usize,
        /// What it covers. Default call, read, get and complete.
        on: Vec<At<On>>,
        /// `true`: decided and recorded, not enforced.
        shadow: bool,
    }
}

words! {
    /// What an agent does, or a server asks of it.
    On {
        /// A tool's call.
        Call = "call",
        /// A resource's reading.
        Read = "read",
        /// A prompt's use.
        Get = "get",
        /// A completion.
        Complete = "complete",
        /// Standing in a list: only `deny`.
        List = "list",
        /// Being told of a resource's changes: only `deny`.
        Subscribe = "subscribe",
        /// A server that wants the agent's model.
        Sample = "sample",
        /// A server that asks the agent's human.
        Elicit = "elicit",
    }
}

/// Who is asked.
#[derive(Clone, Debug)]
pub(super) struct Of(pub(super) String);

impl Read for Of {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let text = String::read(node, report)?;
        if text == "agent"
            || text == "operators"
            || text.strip_prefix("group:").is_some_and(|name| !name.is_empty())
        {
            return Some(Self(text));
        }
        let hint = "write `agent`, `operators` or `group:NAME`";
        let message = format!("`{}` names nobody who can be asked", short(&text));
        report.error(&node.mark, message, Some(hint.to_owned()));
        None
    }
}

impl JsonSchema for Of {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Of")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(agent|operators|group:.+)$" })
    }
}

section! {
    /// One thing that is taken out: `fields`, what detectors `find`, or both.
    Redact {
        /// A glob over `server/tool` (prompt name or URI likewise).
        of: String,
        /// Which way. Default both.
        sides as "in": Sides,
        /// JSON paths, as in `$.customer.email` or `$..ssn`.
        fields: Vec<At<String>>,
        /// Detectors: `secret`, `email`, `phone`, `card`, `iban`, `ssn`, `ip`, or an own `{ name: …, pattern: … }`.
        find: Vec<At<Find>>,
        /// What stands in for it. Default mask.
        with: With,
    }
}

words! {
    /// Which way a redaction works.
    Sides { Arguments = "arguments", Results = "results", Both = "both", }
}

words! {
    /// What stands in for what is taken out.
    With {
        /// `[redacted:email]`.
        Mask = "mask",
        /// Nothing.
        Drop = "drop",
        /// A keyed hash: equal values stay equal.
        Hash = "hash",
        /// A token that the same caller can give back.
        Token = "token",
    }
}

words! {
    /// What happens to characters that hide text.
    Hidden {
        /// They are taken out.
        Strip = "strip",
        /// They are written as `\u{…}`.
        Show = "show",
        /// They stay.
        Keep = "keep",
    }
}

words! {
    /// A detector.
    Detector {
        Secret = "secret",
        Email = "email",
        Phone = "phone",
        Card = "card",
        Iban = "iban",
        Ssn = "ssn",
        Ip = "ip",
    }
}

section! {
    /// An own detector.
    OwnDetector {
        /// What its findings are called.
        name: String,
        /// A regular expression with a longest match.
        pattern: String,
    }
}

/// A detector's name, or an own one.
#[derive(Clone, Debug)]
pub(super) enum Find {
    Built(Detector),
    Own(Box<OwnDetector>),
}

impl Read for Find {
    fn read(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Map(_) => OwnDetector::read(node, report).map(|own| Self::Own(Box::new(own))),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                Detector::read(node, report).map(Self::Built)
            }
        }
    }
}

impl JsonSchema for Find {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Find")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            generator.subschema_for::<Detector>(),
            generator.subschema_for::<OwnDetector>(),
        ] })
    }
}

section! {
    /// Questions to humans.
    Approvals {
        /// How long a call is held while operators are asked, before its agent is told to ask again. Default 45s.
        hold: Time,
        /// How long a question stands; then it counts as denied. Default 10m.
        expire: Time,
        /// Who is told of questions that wait for operators.
        webhooks: Vec<At<Webhook>>,
    }
}

section! {
    /// Who is told of questions that wait for operators.
    Webhook {
        /// Where to: https, or http on this machine.
        url: String,
        /// What messages are signed with (HMAC-SHA-256): `${secret:NAME}` or `${env:NAME}`.
        secret: Template,
        /// How they are written. Default generic.
        shape: Shape,
        /// The operator in whose name its links answer, because nobody else reads what is sent there. Default: links answer as
        /// `webhook`, where any one operator is enough.
        operator: String,
    }
}

words! {
    /// How a webhook's messages are written.
    Shape { Generic = "generic", Slack = "slack", }
}

section! {
    /// What counts as one conversation.
    Conversation {
        /// The `_meta` key that names it, for agents with `conversations: own`. Default dev.tollgate/conversation.
        meta: String,
        /// Else a caller's calls within this window. Default 30m.
        idle: Time,
        /// Sums over an argument, by name: rules read them as `session.counters.NAME`.
        sums: Named<Sum>,
    }
}

section! {
    /// A sum over an argument of a conversation's calls.
    Sum {
        /// A glob over `server/tool`: whose argument.
        of: String,
        /// Which one, as in `$.amount` or `$.items[*].price`.
        path: String,
    }
}

section! {
    /// Which tools' calls are asked for a reason: their schemas gain `tollgate_reason`, which servers never see.
    Reason {
        /// Globs over `server/tool`: a reason may be given.
        optional: Vec<At<String>>,
        /// Globs over `server/tool`: without a reason a call is refused. This beats `optional`.
        required: Vec<At<String>>,
    }
}

section! {
    /// The record of every call.
    Ledger {
        /// When a record is safe. Default commit: written before the call leaves, survives a killed process, flushed within 1 s.
        durability: Durability,
        /// What of the arguments is kept. Default digest.
        payloads: Payloads,
        /// How long sealed segments stay. Default 90d.
        retain: Time,
    }
}

words! {
    /// When a record is safe.
    Durability {
        /// Written before the call leaves.
        Commit = "commit",
        /// Flushed to the medium before the call leaves.
        Sync = "sync",
        /// Within 50 ms.
        Batch = "batch",
    }
}

words! {
    /// What of the arguments the ledger keeps.
    Payloads {
        /// Nothing.
        None = "none",
        /// A digest.
        Digest = "digest",
        /// What is left when `redact` rules and the detector of secrets have taken theirs out.
        Redacted = "redacted",
        /// All, as sent.
        Full = "full",
    }
}

section! {
    /// Credentials at rest.
    Vault {
        /// Where the master key is: one of these. Default STATE/vault.key.
        key: VaultKey,
    }
}

section! {
    /// Where the master key (64 hexadecimal digits) is: one of these.
    VaultKey {
        /// A file, readable by its owner only.
        file: String,
        /// An environment variable.
        env: String,
        /// A command that prints it.
        command: Vec<At<String>>,
    }
}

section! {
    /// The names that agents see.
    Names {
        /// The longest, from 16 to 128. Default 48.
        max: usize,
    }
}
