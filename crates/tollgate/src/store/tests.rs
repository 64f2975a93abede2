//! The state's promises.

use std::time::Duration;

use super::*;

fn key(id: &str, hash: u8) -> NewKey {
    NewKey {
        id: id.into(),
        agent: "coder".into(),
        tenant: Some("acme".into()),
        groups: vec!["eng".into(), "ops".into()],
        hash: [hash; 32],
        created_ms: 1000,
        expires_ms: Some(5000),
    }
}

#[test]
fn keys_are_valid_until_they_expire_or_are_revoked() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    store.create_key(&key("k1", 1)).unwrap();
    store.create_key(&NewKey { expires_ms: None, tenant: None, groups: vec![], ..key("k2", 2) }).unwrap();
    assert!(store.create_key(&key("k1", 3)).is_err());
    assert!(store.create_key(&key("k3", 1)).is_err());
    let found = &store.keys().unwrap()[0];
    assert_eq!((&*found.agent, found.tenant.as_deref(), found.groups.len()), ("coder", Some("acme"), 2));
    assert!(found.is_valid(4999) && !found.is_valid(5000));
    assert!(store.keys().unwrap()[1].is_valid(u64::MAX));
    assert!(store.revoke_key("k2", 2000).unwrap());
    assert!(!store.revoke_key("k2", 3000).unwrap());
    assert!(!store.revoke_key("none", 3000).unwrap());
    let all = store.keys().unwrap();
    assert_eq!(all.iter().map(|key| &*key.id).collect::<Vec<_>>(), ["k1", "k2"]);
    assert_eq!(all[1].revoked_ms, Some(2000));
    assert!(!all[1].is_valid(0));
}

#[tokio::test]
async fn a_change_by_another_process_is_seen() {
    let state = tempfile::tempdir().unwrap();
    let (gateway, command) = (Store::open(state.path()).unwrap(), Store::open(state.path()).unwrap());
    let mut changes = gateway.changes();
    command.create_key(&key("k1", 1)).unwrap();
    tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
    assert_eq!(gateway.keys().unwrap().len(), 1);
    // Its own are seen at once.
    let mut changes = gateway.changes();
    gateway.revoke_key("k1", 0).unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
}

#[test]
fn a_nonce_is_used_once_by_one() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let path = state.path().to_owned();
            let shared = store.clone();
            std::thread::spawn(move || {
                let store = if n % 2 == 0 { shared } else { Store::open(&path).unwrap() };
                store.use_once(b"nonce", 10_000, 1000).unwrap()
            })
        })
        .collect();
    let first = threads.into_iter().filter(|_| true).map(|thread| thread.join().unwrap());
    assert_eq!(first.filter(|first| *first).count(), 1);
    drop(store);
    let store = Store::open(state.path()).unwrap();
    assert!(!store.use_once(b"nonce", 10_000, 9000).unwrap());
    // A day after its expiry it is still known: clocks are set back.
    assert!(!store.use_once(b"nonce", 10_000, 86_400_000).unwrap());
    assert!(store.use_once(b"other", 10_000, 400_000_000).unwrap());
}

#[test]
fn secrets_and_definitions_are_kept() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let blob = |byte| Blob { nonce: vec![byte; 24], ciphertext: vec![byte; 40] };
    store.put_secret("b", &blob(1), 1).unwrap();
    store.put_secret("a", &blob(2), 1).unwrap();
    store.put_secret("b", &blob(3), 2).unwrap();
    assert_eq!(store.secret("b").unwrap(), Some(blob(3)));
    assert_eq!(store.secret_names().unwrap(), ["a", "b"]);
    assert!(store.remove_secret("a").unwrap());
    assert!(!store.remove_secret("a").unwrap());
    store.put_definitions("files", "tools/list", b"[]", 1).unwrap();
    assert_eq!(store.definitions("files", "tools/list").unwrap().as_deref(), Some(&b"[]"[..]));
    assert!(store.definitions("files", "prompts/list").unwrap().is_none());
}

#[test]
fn the_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().join("state");
    let store = Store::open(&dir).unwrap();
    store.create_key(&key("k1", 1)).unwrap();
    for file in std::fs::read_dir(&dir).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_state_of_another_version_is_refused() {
    let state = tempfile::tempdir().unwrap();
    drop(Store::open(state.path()).unwrap());
    drop(Store::open(state.path()).unwrap());
    let raw = Connection::open(state.path().join("tollgate.sqlite")).unwrap();
    raw.execute("INSERT INTO migrations VALUES (999, 'from the future', x'00')", []).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::Newer { .. })));
    raw.execute("DELETE FROM migrations WHERE version = 999", []).unwrap();
    raw.execute("UPDATE migrations SET checksum = x'00'", []).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::Foreign { .. })));
    drop(raw);
    std::fs::write(state.path().join("tollgate.sqlite"), "not a database ".repeat(400)).unwrap();
    assert!(matches!(Store::open(state.path()), Err(StoreError::Sqlite { .. })));
}

#[test]
fn a_principals_tasks_are_kept_in_order_and_in_number() {
    let state = tempfile::tempdir().unwrap();
    let store = TaskStore::new(state.path());
    store.put("bob", "b1", 5_000, 1_000, 3).unwrap();
    for n in 1..=5 {
        store.put("alice", &format!("a{n}"), 5_000 + n, 1_000, 3).unwrap();
    }
    let handles = |store: &TaskStore, after, now| {
        let found = store.of("alice", after, now, 2).unwrap();
        found.into_iter().map(|(_, handle)| handle).collect::<Vec<_>>()
    };
    assert_eq!(handles(&store, 0, 1_000), ["a3", "a4"]);
    let last = store.of("alice", 0, 1_000, 2).unwrap().pop().unwrap().0;
    assert_eq!(handles(&store, last, 1_000), ["a5"]);
    assert_eq!(handles(&store, 0, 5_004), ["a5"]);
    drop(store);
    let store = TaskStore::new(state.path());
    assert_eq!(handles(&store, 0, 1_000), ["a3", "a4"]);
    assert_eq!(store.of("bob", 0, 1_000, 9).unwrap().len(), 1);
}
