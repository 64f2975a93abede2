use std::net::SocketAddr;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::{Config, Piece};

const NOW: u64 = 1_800_000_000_000;
const OWN_KEY: &str = "0123456789abcdef0123456789abcdef";

fn config(text: &str) -> Config {
    config::load(Path::new("tollgate.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn resolve(piece: &Piece) -> Result<Arc<Secret<String>>, String> {
    match piece {
        Piece::Env(name) if name == "CODER_KEY" => Ok(Arc::new(Secret::new(OWN_KEY.to_owned()))),
        Piece::Env(name) if name == "SHORT" => Ok(Arc::new(Secret::new("hunter2".to_owned()))),
        Piece::Env(name) => Err(format!("environment variable `{name}` is not set")),
        Piece::Secret(name) => Err(format!("there is no secret `{name}` in the vault")),
        Piece::Text(_) => panic!("no reference"),
    }
}

fn build(text: &str, issued: &[Issued]) -> Keys {
    let (keys, problems) = Keys::build(&config(text), issued, None, &resolve);
    assert!(problems.is_empty(), "{problems:?}");
    keys
}

fn bearer(key: &str) -> Credential {
    Credential::Bearer(Secret::new(key.to_owned()))
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn near() -> Peer {
    Peer { address: Some(SocketAddr::from(([127, 0, 0, 1], 4000))), local: true }
}

fn far() -> Peer {
    Peer { address: Some(SocketAddr::from(([192, 0, 2, 1], 4000))), local: false }
}

fn stdio() -> Peer {
    Peer { address: None, local: true }
}

fn issued(key: &str, agent: &str) -> Issued {
    let agent = Arc::from(agent);
    Issued { hash: sha256(key), agent, tenant: None, groups: Vec::new(), expires_ms: None }
}

fn name(result: Result<Arc<Caller>, Unauthenticated>) -> Result<String, (bool, Reason)> {
    result.map(|caller| caller.agent.to_string()).map_err(|refused| (refused.presented, refused.reason))
}

#[test]
fn a_made_key_opens_and_its_neighbours_do_not() {
    let (key, hash) = new_key().unwrap();
    let text = key.expose().as_str();
    assert!(text.len() == 47 && text.starts_with("tgk_"), "{text}");
    assert_ne!(text, new_key().unwrap().0.expose());
    let file =
        format!("agents: {{ coder: {{ groups: [eng], tenant: acme, keys: [\"{}\"] }} }}", hash_text(&hash));
    let keys = build(&file, &[]);
    let caller = super::caller(&keys, &bearer(text), &far(), NOW).unwrap();
    assert_eq!(caller.agent.as_ref(), "coder");
    assert_eq!(caller.tenant.as_deref(), Some("acme"));
    assert_eq!(caller.groups, [Arc::from("eng")]);
    assert_eq!(caller.principal.as_ref(), "5:coder-4:acme");
    for wrong in
        ["", "x", text.trim_start_matches('t'), &format!("{text} "), &text.to_lowercase(), &hash_text(&hash)]
    {
        let refused = super::caller(&keys, &bearer(wrong), &near(), NOW).unwrap_err();
        assert_eq!(refused, Unauthenticated { presented: true, reason: Reason::Unknown }, "{wrong}");
    }
}

#[test]
fn who_comes_without_a_credential() {
    let open = build("", &[]);
    let closed = build("identity: { anonymous: off }", &[]);
    for (keys, peer, expected) in [
        (&open, near(), Ok("local".to_owned())),
        (&open, far(), Err((false, Reason::Missing))),
        (&open, stdio(), Ok("local".to_owned())),
        (&closed, near(), Err((false, Reason::Missing))),
        (&closed, far(), Err((false, Reason::Missing))),
        (&closed, stdio(), Ok("local".to_owned())),
    ] {
        assert_eq!(name(caller(keys, &Credential::None, &peer, NOW)), expected, "{peer:?}");
    }
}

#[test]
fn a_bad_credential_is_never_anonymous() {
    let keys = build("", &[]);
    for peer in [near(), far(), stdio()] {
        for (credential, reason) in [
            (bearer("tgk_wrong"), Reason::Unknown),
            (bearer(""), Reason::Unknown),
            (bearer(&"x".repeat(CREDENTIAL_MAX + 1)), Reason::Unreadable),
            (Credential::Unreadable, Reason::Unreadable),
        ] {
            let refused = caller(&keys, &credential, &peer, NOW).unwrap_err();
            assert_eq!(refused, Unauthenticated { presented: true, reason });
            assert_eq!(NotAdmitted::from(refused), NotAdmitted::Unauthenticated { presented: true });
        }
    }
}

#[test]
fn referenced_keys_are_resolved() {
    let keys = build("agents: { coder: { keys: [\"${env:CODER_KEY}\"] } }", &[]);
    assert_eq!(name(caller(&keys, &bearer(OWN_KEY), &far(), NOW)), Ok("coder".to_owned()));
    assert!(caller(&keys, &bearer("${env:CODER_KEY}"), &far(), NOW).is_err());
}

#[test]
fn a_key_with_a_problem_is_left_out_and_told() {
    let config = config(
        "agents:\n  a: { keys: [\"${env:SHORT}\"] }\n  b: { keys: [\"${env:NOT_SET}\"] }\n  c.d: { keys: [\"${env:CODER_KEY}\", \"${secret:none}\"] }\n",
    );
    let (keys, problems) = Keys::build(&config, &[], None, &resolve);
    let told: Vec<_> = problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "this key has less than 32 characters"),
            (3, "environment variable `NOT_SET` is not set"),
            (4, "there is no secret `none` in the vault"),
        ]
    );
    assert!(caller(&keys, &bearer("hunter2"), &far(), NOW).is_err());
    assert_eq!(name(caller(&keys, &bearer(OWN_KEY), &far(), NOW)), Ok("c.d".to_owned()));
}

#[test]
fn issued_keys_expire_and_take_what_the_file_says_of_their_agent() {
    let file = "agents: { coder: { tenant: acme, groups: [eng], conversations: own } }";
    let mut timed = issued("one", "coder");
    timed.expires_ms = Some(NOW);
    let mut own = issued("two", "coder");
    own.tenant = Some(Arc::from("other"));
    own.groups = vec![Arc::from("ops")];
    let keys = build(file, &[timed, own, issued("three", "new")]);

    let one = caller(&keys, &bearer("one"), &far(), NOW - 1).unwrap();
    assert_eq!(one.principal.as_ref(), "5:coder-4:acme");
    assert_eq!(one.groups, [Arc::from("eng")]);
    assert!(one.own_conversations);
    let late = caller(&keys, &bearer("one"), &near(), NOW).unwrap_err();
    assert_eq!(late, Unauthenticated { presented: true, reason: Reason::Expired });
    // Work that outlasts its request asks again.
    assert!(keys.still_admit(&one, NOW - 1));
    assert!(!keys.still_admit(&one, NOW), "expired");
    assert!(!build(file, &[]).still_admit(&one, NOW - 1), "revoked");

    let two = caller(&keys, &bearer("two"), &far(), NOW).unwrap();
    assert_eq!(two.principal.as_ref(), "5:coder-5:other");
    assert_eq!(two.groups, [Arc::from("ops")]);
    let three = caller(&keys, &bearer("three"), &far(), NOW).unwrap();
    assert_eq!(three.principal.as_ref(), "3:new--");
    assert!(!three.own_conversations);

    assert_eq!(keys.named("coder").unwrap().principal.as_ref(), "5:coder-4:acme");
    assert_eq!(keys.named("new").unwrap(), three);
    assert_eq!(keys.named("local").unwrap().principal.as_ref(), "5:local--");
    assert_eq!(keys.named("nobody"), None);
}

#[test]
fn one_agents_key_may_be_issued_and_listed() {
    let file = format!("agents: {{ coder: {{ keys: [\"{}\"] }} }}", hash_text(&sha256("one")));
    let keys = build(&file, &[issued("one", "coder")]);
    assert_eq!(name(caller(&keys, &bearer("one"), &far(), NOW)), Ok("coder".to_owned()));
}

#[test]
fn a_key_of_two_is_nobodys() {
    let listed = hash_text(&sha256("one"));
    let config = config(&format!("agents: {{ coder: {{ keys: [\"{listed}\"] }} }}"));
    let (keys, problems) =
        Keys::build(&config, &[issued("one", "writer"), issued("one", "third")], None, &resolve);
    assert_eq!(problems.len(), 2);
    assert_eq!(name(caller(&keys, &bearer("one"), &far(), NOW)), Err((true, Reason::Unknown)));
    // The same across the two listeners, by way of a reference.
    let file = format!(
        "agents: {{ coder: {{ keys: [\"${{env:CODER_KEY}}\"] }} }}\noperators: {{ ana: {{ keys: [\"{}\"] }} }}",
        hash_text(&sha256(OWN_KEY))
    );
    let (keys, problems) = Keys::build(&self::config(&file), &[], None, &resolve);
    assert_eq!(problems.len(), 1);
    assert!(caller(&keys, &bearer(OWN_KEY), &far(), NOW).is_err());
    assert!(operator(&keys, &bearer(OWN_KEY)).is_err());
}

#[test]
fn operators_and_agents_do_not_share_a_door() {
    let token = Secret::new("tgo_0123456789abcdef0123456789abcdef".to_owned());
    let file = format!(
        "agents: {{ coder: {{ keys: [\"{}\"] }} }}\noperators: {{ ana: {{ groups: [platform], keys: [\"{}\"] }} }}",
        hash_text(&sha256("agent")),
        hash_text(&sha256("operator"))
    );
    let (keys, problems) = Keys::build(&config(&file), &[issued("issued", "x")], Some(&token), &resolve);
    assert!(problems.is_empty(), "{problems:?}");
    let ana = operator(&keys, &bearer("operator")).unwrap();
    assert_eq!((ana.name.as_ref(), ana.groups.as_slice()), ("ana", &[Arc::from("platform")][..]));
    assert_eq!(operator(&keys, &bearer(token.expose())).unwrap().name.as_ref(), "operator");
    for agent in ["agent", "issued"] {
        assert_eq!(operator(&keys, &bearer(agent)).unwrap_err().reason, Reason::Unknown);
        assert!(caller(&keys, &bearer(agent), &far(), NOW).is_ok());
    }
    for key in ["operator", token.expose()] {
        assert_eq!(caller(&keys, &bearer(key), &near(), NOW).unwrap_err().reason, Reason::Unknown);
    }
    assert_eq!(operator(&keys, &Credential::None).unwrap_err().reason, Reason::Missing);
    assert_eq!(operator(&keys, &Credential::Unreadable).unwrap_err().reason, Reason::Unreadable);
}

#[test]
fn the_operator_token_is_made_once_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let state = tempfile::tempdir().unwrap();
    let missing = read_operator_token(state.path()).unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    let token = operator_token(state.path()).unwrap();
    assert!(token.expose().starts_with("tgo_") && token.expose().len() == 47);
    assert_eq!(operator_token(state.path()).unwrap().expose(), token.expose());
    assert_eq!(read_operator_token(state.path()).unwrap().expose(), token.expose());
    let path = state.path().join("operator.token");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "short\n").unwrap();
    assert!(operator_token(state.path()).unwrap_err().to_string().contains("less than 32 characters"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(operator_token(state.path()).unwrap_err().to_string().contains("chmod 600"));
}

proptest! {
    #[test]
    fn no_two_identities_share_a_principal(
        one in ("[a-z0-9:-]{1,6}", proptest::option::of("[a-z0-9:-]{0,6}"), proptest::option::of("[a-z0-9:-]{0,6}")),
        two in ("[a-z0-9:-]{1,6}", proptest::option::of("[a-z0-9:-]{0,6}"), proptest::option::of("[a-z0-9:-]{0,6}")),
    ) {
        let text = |it: &(String, Option<String>, Option<String>)| principal(&it.0, it.1.as_deref(), it.2.as_deref());
        prop_assert_eq!(one == two, text(&one) == text(&two));
    }
}

#[test]
fn principals_that_look_alike_differ() {
    let all = [
        principal("a", None, None),
        principal("a", Some("b"), None),
        principal("a", None, Some("b")),
        principal("a", Some(""), None),
        principal("a1:b", None, None),
        principal("a-", None, None),
        principal("a", Some("-"), None),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(all[index + 1..].iter().all(|two| two != one), "{one}");
    }
}
