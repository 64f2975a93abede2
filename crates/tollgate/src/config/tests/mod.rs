use std::path::Path;
use std::time::Duration;

use super::*;

mod watching;

/// What the contract shows, without what this version lacks.
const WHOLE: &str = include_str!("whole.yaml");

fn read(text: &str) -> Config {
    load(Path::new("/etc/tollgate/tollgate.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn secret(name: &str) -> Piece {
    Piece::Secret(name.to_owned())
}

#[test]
fn the_reference_names_every_key() {
    fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(members) => {
                let properties = members.get("properties").and_then(|known| known.as_object());
                found.extend(properties.into_iter().flat_map(|known| known.keys().cloned()));
                members.values().for_each(|inner| keys(inner, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|inner| keys(inner, found)),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    keys(&serde_json::from_str(&schema()).unwrap(), &mut found);
    assert!(found.len() > 80, "{found:?}");
    let reference = include_str!("../../../../../docs/reference.md");
    for key in found {
        let named = [format!("`{key}`"), format!("`{key}."), format!(".{key}."), format!("`{key}:")];
        assert!(named.iter().any(|text| reference.contains(text)), "docs/reference.md does not name `{key}`");
    }
}

#[test]
fn defaults() {
    for empty in ["", "# nothing\n", "{}", "servers:\npolicy:\nlisten:\n"] {
        let config = read(empty);
        assert_eq!(config.listen.to_string(), "127.0.0.1:8750");
        assert_eq!(config.admin.to_string(), "127.0.0.1:8751");
        assert_eq!(config.state, Path::new("/etc/tollgate/.tollgate"));
        assert_eq!(config.drain, Duration::from_secs(30));
        assert_eq!(config.log, Log { level: "info".to_owned(), json: false });
        assert!(config.anonymous);
        assert_eq!(config.policy, None);
        assert_eq!(config.ask_expire, Duration::from_mins(10));
        assert_eq!(config.conversation_idle, Duration::from_mins(30));
        assert_eq!(config.conversation_meta, "dev.tollgate/conversation");
        assert_eq!(config.ledger.durability, Durability::Commit);
        assert_eq!(config.ledger.payloads, Payloads::Digest);
        assert_eq!(config.ledger.retain, Duration::from_hours(2160));
        assert_eq!(config.vault_key, None);
        assert_eq!(config.names_max, 48);
        assert!(config.servers.is_empty() && config.warnings.is_empty() && config.references.is_empty());
    }
}

#[test]
fn the_whole_contract() {
    let config = read(WHOLE);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8760");
    assert_eq!(config.public_url.as_deref(), Some("https://gate.acme.example"));
    assert_eq!(config.hosts, ["gate.internal:8750"]);
    assert_eq!(config.origins, ["https://app.acme.example"]);
    assert_eq!(config.log, Log { level: "debug".to_owned(), json: true });
    assert!(!config.anonymous);
    assert_eq!(config.vault_key, Some(VaultKey::File("/etc/tollgate/vault.key".into())));

    let files = &config.servers["files"];
    let Transport::Stdio { command, cwd, env, processes } = &files.transport else { panic!("{files:?}") };
    assert_eq!(command[0], "/etc/tollgate/bin/files");
    assert_eq!(command[1], "./kept");
    assert_eq!(cwd.as_deref(), Some(Path::new("/srv")));
    assert_eq!(env["LOG_LEVEL"], Template(vec![text("warn")]));
    assert_eq!(env["PORT"], Template(vec![text("0080")]), "as spelt");
    assert_eq!(env["VERBOSE"], Template(vec![text("true")]));
    assert_eq!(env["API_TOKEN"], Template(vec![secret("files-token")]));
    let expected = Processes { share: Share::Caller, max: 2, idle: Duration::from_mins(1) };
    assert_eq!(*processes, expected);
    assert_eq!(files.labels, ["reads-private"]);

    let search = &config.servers["search"];
    let Transport::Http { url, over, headers, auth, ca } = &search.transport else { panic!("{search:?}") };
    assert_eq!(*over, Over::Auto);
    assert_eq!(url, "http://127.0.0.1:9000/mcp");
    assert_eq!(headers["x-team"], Template(vec![text("docs")]));
    assert_eq!(*auth, Some(Auth::Bearer(Template(vec![secret("search-token")]))));
    assert_eq!(ca.as_deref(), Some(Path::new("/etc/tollgate/corp-ca.pem")));
    assert_eq!(search.timeout.start, Duration::from_secs(5));
    assert_eq!(search.timeout.call, Duration::from_secs(6));
    assert_eq!(search.timeout.idle, Duration::from_secs(7));
    assert_eq!(search.expose, ["*", "!admin_*"]);
    let query = &search.overrides["run_query"];
    assert_eq!((query.rename.as_deref(), query.destructive), (Some("query"), Some(false)));
    assert!(!config.servers["off"].enabled);

    let who = Who { groups: vec!["support".to_owned()], ..Who::default() };
    assert_eq!(config.views["support"], View { tools: vec!["files/get_*".into()], only_for: Some(who) });
    let coder = &config.agents["coder"];
    assert_eq!(coder.tenant.as_deref(), Some("acme"));
    assert!(coder.own_conversations);
    assert_eq!(coder.keys[0], Key::Sha256([0x11; 32]));
    assert_eq!(coder.keys[1], Key::Reference(Template(vec![Piece::Env("CODER_KEY".to_owned())])));
    assert_eq!(config.operators["ana"].keys.len(), 1);

    let policy = config.policy.as_ref().unwrap();
    assert_eq!(policy.default, Effect::Deny);
    let rules: Vec<_> =
        policy.rules.iter().map(|rule| (rule.id.as_str(), rule.effect, rule.target.as_str())).collect();
    assert_eq!(
        rules,
        [
            ("rule-1", Effect::Allow, "files/*"),
            ("no-project-delete", Effect::Deny, "search/delete_project"),
            ("rule-3", Effect::Ask, "*/*"),
        ]
    );
    assert_eq!(policy.rules[0].only_for.as_ref().unwrap().groups, ["eng", "ops"]);
    assert_eq!(policy.rules[2].when.as_deref(), Some("tool.destructive"));
    let line = WHOLE.lines().nth(policy.rules[2].line - 1).unwrap();
    assert_eq!(line.trim(), "- ask: \"*/*\"");
    assert!(config.warnings.is_empty(), "{}", config.problems(config.warnings.clone()));
}

#[test]
fn later_stages_point_at_the_file() {
    let config = read(WHOLE);
    let rule = &config.policy.as_ref().unwrap().rules[2];
    let problem = config.source.problem(&format!("{}.when", rule.path), "unknown attribute `destructiv`");
    let shown = config.problems(vec![problem.hint("did you mean `destructive`")]).render(false);
    assert!(shown.contains("      when: tool.destructive\n"), "{shown}");
    assert!(shown.contains("            ^^^^^^^^^^^^^^^^\n  hint: did you mean"), "{shown}");
    // A path without a place of its own is shown at the nearest key around it.
    assert_eq!(config.source.place("policy.rules[2].nothing.here"), config.source.place("policy.rules[2]"));
    assert_eq!(config.source.place("nothing"), Place::default());
}

#[test]
fn colour_only_when_told() {
    let problems = load(Path::new("a.yaml"), "lisen: a").unwrap_err();
    assert!(!problems.to_string().contains('\u{1b}'));
    assert!(problems.render(true).contains('\u{1b}'));
}

#[test]
fn missing_variables_are_found() {
    let config = read(WHOLE);
    let missing = config.unresolved(|piece| *piece == secret("files-token"));
    let paths: Vec<&str> = missing.iter().map(|problem| problem.path.as_str()).collect();
    // The switched-off server needs nothing.
    assert_eq!(paths, ["servers.search.auth.bearer", "agents.coder.keys[1]"]);
    assert_eq!(missing[0].message, "there is no secret `search-token` in the vault");
    assert_eq!(missing[1].message, "environment variable `CODER_KEY` is not set");
    let unset = read("agents: { a: { keys: [\"${env:TOLLGATE_TEST_NOT_SET}\"] } }").unresolved_env();
    assert_eq!(unset.len(), 1);
    assert!(read("agents: { a: { keys: [\"${env:PATH}\"] } }").unresolved_env().is_empty());
}

#[test]
fn the_digest_follows_the_text_and_the_included_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    let text = "policy: { include: [\"policies/*.cedar\"] }";
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join("policies").join(name), text).unwrap();
    write("b.cedar", "two");
    write(".hidden.cedar", "never");
    write("a.cedar.bak", "never");
    let first = load(&path, text).unwrap();
    assert_eq!(load(&path, text).unwrap().digest, first.digest);
    write("a.cedar", "one");
    let second = load(&path, text).unwrap();
    let include = &second.policy.as_ref().unwrap().include;
    let names: Vec<_> =
        include.iter().map(|(path, text)| (path.file_name().unwrap(), text.as_str())).collect();
    assert_eq!(names, [("a.cedar".as_ref(), "one"), ("b.cedar".as_ref(), "two")]);
    assert_ne!(second.digest, first.digest);
    write("a.cedar", "other");
    assert_ne!(load(&path, text).unwrap().digest, second.digest);
    assert_ne!(load(&path, &format!("{text}\n")).unwrap().digest, load(&path, text).unwrap().digest);
}

#[test]
fn listening_wide_ends_anonymity() {
    let wide = "0.0.0.0:8750".parse().unwrap();
    let mut config = read("");
    config.listen_on(wide).unwrap();
    assert!(!config.anonymous);
    assert_eq!(config.listen, wide);
    let mut config = read("identity: { anonymous: local }");
    assert_eq!(config.listen_on(wide).unwrap_err().path, "identity.anonymous");
    let mut config = read("");
    assert!(config.listen_on("127.0.0.1:8751".parse().unwrap()).is_err());
    config.listen_on("127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(config.anonymous);
    for text in ["listen: 0.0.0.0:8750", "public_url: https://gate.example"] {
        assert!(!read(text).anonymous, "{text}");
    }
    assert!(!read("identity: { anonymous: off }").anonymous);
}

#[test]
fn embedded_has_the_sample_server() {
    let config = embedded(Path::new("/opt/a \"b\"/tollgate"), Path::new("/home/me")).unwrap();
    assert_eq!(config.state, Path::new("/home/me/.tollgate"));
    let Transport::Stdio { command, .. } = &config.servers["sample"].transport else { panic!() };
    assert_eq!(*command, ["/opt/a \"b\"/tollgate", "sample-server"]);
    assert!(config.anonymous && config.policy.is_none() && config.warnings.is_empty());
}

#[test]
fn a_first_configuration_is_a_good_one() {
    let servers = [
        StarterServer {
            alias: "files".to_owned(),
            reach: Reach::Command {
                command: vec!["npx".to_owned(), "a \"b\" \u{e9}: #".to_owned()],
                env: vec![("API_TOKEN".to_owned(), "${secret:files}".to_owned())],
            },
        },
        StarterServer {
            alias: "docs".to_owned(),
            reach: Reach::Url {
                url: "https://docs.example/mcp".to_owned(),
                headers: vec![("Authorization".to_owned(), "Bearer ${secret:docs}".to_owned())],
            },
        },
    ];
    for servers in [&servers[..], &[]] {
        let config = read(&starter_yaml(servers));
        assert!(config.warnings.is_empty(), "{}", config.problems(config.warnings.clone()));
        assert_eq!(config.servers.len(), servers.len());
        let policy = config.policy.unwrap();
        assert_eq!(policy.default, Effect::Allow);
        assert_eq!(policy.rules.len(), 1);
        assert_eq!(policy.rules[0].effect, Effect::Ask);
    }
    let config = read(&starter_yaml(&servers));
    let Transport::Stdio { command, env, .. } = &config.servers["files"].transport else { panic!() };
    assert_eq!(command[1], "a \"b\" \u{e9}: #");
    assert_eq!(env["API_TOKEN"], Template(vec![secret("files")]));
}

#[test]
fn anchors_and_merges_work() {
    let config = read(
        "servers:\n  a: &a { command: [a], timeout: &t { call: 5s } }\n  b: { <<: *a, command: [b] }\n  c: { url: 'http://127.0.0.1:1/', timeout: *t }\n",
    );
    for alias in ["a", "b", "c"] {
        assert_eq!(config.servers[alias].timeout.call, Duration::from_secs(5), "{alias}");
    }
    let Transport::Stdio { command, .. } = &config.servers["b"].transport else { panic!() };
    assert_eq!(*command, ["b"]);
}

#[test]
fn unreadable_files_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let missing = open(&folder.path().join("missing.yaml")).unwrap_err();
    assert!(missing.unreadable && !load(Path::new("a.yaml"), "a: b").unwrap_err().unreadable);
    assert!(missing.to_string().starts_with("error: no such file\n --> "), "{missing}");
    assert!(open(folder.path()).unwrap_err().to_string().starts_with("error: not a file\n"));
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(open(&path).unwrap_err().to_string().starts_with("error: the file is not utf-8 text\n"));
    std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert!(open(&path).unwrap_err().to_string().starts_with("error: larger than 1 mib\n"));
}

#[test]
fn no_text_makes_it_panic() {
    // Every prefix, and every line left out or doubled, of a file with everything in it.
    let lines: Vec<&str> = WHOLE.lines().collect();
    for index in 0..lines.len() {
        for kept in [vec![], vec![lines[index]; 2]] {
            let text = [&lines[..index], &kept, &lines[index + 1..]].concat().join("\n");
            if let Err(problems) = load(Path::new("a.yaml"), &text) {
                assert!(!problems.render(true).is_empty());
            }
        }
    }
    for prefix in (0..WHOLE.len()).step_by(3).filter_map(|end| WHOLE.get(..end)) {
        if let Err(problems) = load(Path::new("a.yaml"), prefix) {
            assert!(!problems.render(true).is_empty());
        }
    }
}

proptest::proptest! {
    #[test]
    fn garbage_is_refused_or_read(text in "[ -~\n\u{e9}\u{1f600}]{0,200}") {
        if let Err(problems) = load(Path::new("a.yaml"), &text) {
            assert!(!problems.render(true).is_empty());
        }
    }
}

#[test]
fn no_credential_is_shown() {
    let marker = "c4nary";
    for text in [
        format!("agents: {{ a: {{ keys: [tgk_{marker}] }} }}"),
        format!("agents: {{ a: {{ key: {marker} }} }}"),
        format!("servers: {{ a: {{ url: 'https://u:{marker}@h/', comand: [] }} }}"),
        format!("servers: {{ a: {{ url: 'https://h/?token={marker}', comand: [] }} }}"),
        format!("servers: {{ a: {{ url: 'https://h/', auth: {{ bearer: {marker}, barer: {marker} }} }} }}"),
        format!("servers: {{ a: {{ url: 'https://h/', token: {marker} }} }}"),
        format!("servers: {{ a: {{ url: 'https://h/', headers: {{ X-A: \"{marker}\\n\" }} }} }}"),
        format!(
            "servers: {{ a: {{ command: [x, --token, {marker}, '--key={marker}'], env: {{ A: '${{{marker}' }}, x: 1 }} }}"
        ),
        format!("servers:\n  a:\n    url: https://h/\n    auth: {{ bearer: '{marker} }}\n"),
        format!("servers:\n  a:\n    url: https://h/\n    auth: {{ bearer: |\n  {marker}\n"),
        format!("x: &x {marker}\nagents: {{ a: {{ keys: [*x] }} }}"),
        format!("servers: {{ a: {{ auth: {{ bearer: &b {marker} }} }}, b: {{ tools: {{ expose: *b }} }} }}"),
    ] {
        let problems = load(Path::new("a.yaml"), &text).unwrap_err().render(false);
        assert!(!problems.contains(marker), "{text}\n{problems}");
    }
}

#[test]
fn the_schema_describes_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["properties"]["listen"]["description"].as_str().map(|text| text.contains("8750")),
        Some(true)
    );
    let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for key in ["servers", "policy", "public_url", "vault"] {
        assert!(keys.contains(&&key.to_owned()), "{key}");
    }
    // Every key of the whole file is known to the schema, and a misspelt one is not.
    let text = schema.to_string();
    for key in ["override", "for", "because", "durability", "conversations", "processes"] {
        assert!(text.contains(&format!("\"{key}\":")), "{key}");
    }
}
